/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Whose an address of the cluster's network is, and what is expected of that peer.
 *
 * A lease that changes gets a slot of its own, and then its subnet is given the new slot's number in
 * one go: no packet is held against half of the old and half of the new.
 *
 * Compiled in by -D, addresses as they lie in memory (tracer/collect/shape.py):
 *   SLOTS			room for so many leases, changes in the last while included
 *   PODS4(a), PODS6(p)		in the cluster's network, and not in this node's own subnet?
 *   INDEX4(a), INDEX6(p)	the number of its subnet in the cluster's network, where all have one
 *   SIZE4, SIZE6		length and there is room for so many, which are few;
 *   MASK4, MASK6(i)		else what of an address is its subnet, where all have one length;
 *				else TRIE4, TRIE6
 *   WORDS6			words of an address that may be of its subnet
 *   VXLAN_PORT(p)		this UDP destination port carries VXLAN, rightly or not
 *   EVERY_NS			at most one record for a kind and a peer in so long
 */
#ifndef FLANTRACE_PEERS_H
#define FLANTRACE_PEERS_H

#include "expectation.h"
#include "packet.h"

/*
 * By number it is one load. A hash costs two calls into the kernel, which at these rates is a
 * quarter of the whole. Shared memory: user space changes a slot by one store, never by halves.
 */
#if defined(INDEX4)
BPF_F_TABLE("array", u32, u32, peers4, SIZE4, BPF_F_MMAPABLE);
#elif defined(TRIE4)
struct prefix4 {
	u32 length;
	u32 address;
};
BPF_F_TABLE("lpm_trie", struct prefix4, u32, peers4, SLOTS, BPF_F_NO_PREALLOC);
#else
BPF_HASH(peers4, u32, u32, SLOTS);
#endif

#if defined(INDEX6)
BPF_F_TABLE("array", u32, u32, peers6, SIZE6, BPF_F_MMAPABLE);
#elif defined(TRIE6)
struct prefix6 {
	u32 length;
	u32 address[WORDS6];	/* of the longest subnet: what is behind would be compared as well */
};
BPF_F_TABLE("lpm_trie", struct prefix6, u32, peers6, SLOTS, BPF_F_NO_PREALLOC);
#else
struct subnet6 {
	u32 words[WORDS6];
};
BPF_HASH(peers6, struct subnet6, u32, SLOTS);
#endif

BPF_ARRAY(expected, struct expectation, SLOTS);
BPF_ARRAY(own, struct expectation, 2);	/* this node's, of IPv4 and of IPv6 inside */

static __always_inline u32 slot4(u32 address)
{
#if defined(INDEX4)
	u32 key = INDEX4(address);
#elif defined(TRIE4)
	struct prefix4 key = { 32, address };
#else
	u32 key = address & MASK4;
#endif
	u32 *slot = peers4.lookup(&key);

	return slot ? *slot : NO_LEASE;
}

static __always_inline u32 slot6(const u8 *address)
{
	u32 *slot;
#if defined(INDEX6)
	u32 key = INDEX6(address);
#elif defined(TRIE6)
	struct prefix6 key = { 32 * WORDS6 };

	__builtin_memcpy(key.address, address, 4 * WORDS6);
#else
	struct subnet6 key;

#pragma unroll
	for (int i = 0; i < WORDS6; i++)
		key.words[i] = WORD6(address, i) & MASK6(i);
#endif
	slot = peers6.lookup(&key);
	return slot ? *slot : NO_LEASE;
}

static __always_inline struct expectation *own_of(u16 type)
{
	int six = type == TYPE_IP6;

	return own.lookup(&six);
}

#endif
