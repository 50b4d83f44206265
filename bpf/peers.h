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
 *   EACH4(T), EACH6(T)		else T(length) for each length that subnets have, the longest first
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
 *
 * One look-up for each length, and no trie: subnets have one length, or two where the cluster's was
 * changed; a trie of thousands costs as much as three look-ups, and more on some machines.
 */
#if defined(INDEX4)
BPF_F_TABLE("array", u32, u32, peers4, SIZE4, BPF_F_MMAPABLE);
#else
struct prefix4 {
	u32 length;
	u32 address;
};
BPF_HASH(peers4, struct prefix4, u32, SLOTS);
#endif

#if defined(INDEX6)
BPF_F_TABLE("array", u32, u32, peers6, SIZE6, BPF_F_MMAPABLE);
#else
struct prefix6 {
	u32 length;
	u32 address[WORDS6];	/* of the longest subnet */
};
BPF_HASH(peers6, struct prefix6, u32, SLOTS);
#endif

/* What of the word `i` of an address is of a subnet of that length. */
#define MASK(length, i) \
	((length) <= 32 * (i) ? 0 : \
	 (length) >= 32 * (i) + 32 ? ~0u : NET32(~0u << ((32 * (i) + 32 - (length)) & 31)))

BPF_ARRAY(expected, struct expectation, SLOTS);
BPF_ARRAY(own, struct expectation, 2);	/* this node's, of IPv4 and of IPv6 inside */

#ifndef INDEX4
static __always_inline u32 *in4(u32 address, u32 length)
{
	struct prefix4 key = { length, address & MASK(length, 0) };

	return peers4.lookup(&key);
}
#endif

static __always_inline u32 slot4(u32 address)
{
#ifdef INDEX4
	u32 key = INDEX4(address);
	u32 *slot = peers4.lookup(&key);
#else
	u32 *slot = 0;

#define TRY(length) if (!slot) slot = in4(address, length);
	EACH4(TRY)
#undef TRY
#endif
	return slot ? *slot : NO_LEASE;
}

#ifndef INDEX6
static __always_inline u32 *in6(const u8 *address, u32 length)
{
	struct prefix6 key = { length };

#pragma unroll
	for (int i = 0; i < WORDS6; i++)
		key.address[i] = WORD6(address, i) & MASK(length, i);
	return peers6.lookup(&key);
}
#endif

static __always_inline u32 slot6(const u8 *address)
{
#ifdef INDEX6
	u32 key = INDEX6(address);
	u32 *slot = peers6.lookup(&key);
#else
	u32 *slot = 0;

#define TRY(length) if (!slot) slot = in6(address, length);
	EACH6(TRY)
#undef TRY
#endif
	return slot ? *slot : NO_LEASE;
}

/* None where this node leases nothing: there is nothing to hold its end against. */
static __always_inline struct expectation *own_of(u16 type)
{
	int six = type == TYPE_IP6;
	struct expectation *us = own.lookup(&six);

	return us && us->port ? us : 0;
}

#endif
