/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The one record that all programs write: one packet at one point, once.
 * tracer/collect/layout.py reads the same fields in the same order; a test compares the two.
 */
#ifndef FLANTRACE_OBSERVATION_H
#define FLANTRACE_OBSERVATION_H

/*
 * 50 bytes around the inner frame, 14 of inner Ethernet, 40 of inner IPv6, 8 of UDP or ICMP,
 * 32 of payload for its digest: 144, rounded up to whole cache lines with the fields in front.
 */
#define HEADERS 160

enum direction {
	DIRECTION_IN = 1,
	DIRECTION_OUT = 2,
	DIRECTION_FREED = 3,
	HOOK_SHIFT = 4,
};

struct observation {
	u64 time_ns;	/* CLOCK_MONOTONIC */
	u64 skb;	/* its address */
	u64 location;	/* freed only: address of the code that freed it */
	u32 ifindex;	/* freed: 0 when the packet had no device any more */
	u32 netns;	/* freed only: inode of the network namespace */
	u32 length;	/* of the packet from where `headers` begins */
	u32 gso_size;
	u32 reason;	/* freed: the running kernel's enum skb_drop_reason; watch.c: enum kind, bits */
	u16 ethertype;	/* freed only, host order: `headers` begins with IP or ARP */
	u8 captured;	/* bytes of `headers` that are valid */
	u8 direction;	/* enum direction; watch.c adds its enum hook, as HOOK_SHIFT says */
	char ifname[16];	/* freed only: the device may be in another namespace */
	u8 headers[HEADERS];
};

_Static_assert(sizeof(struct observation) == 224, "the reader expects records of 224 bytes");

#endif
