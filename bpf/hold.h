/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Whose a packet is, and how it is not as the leases say: at the bridge, at the VTEP, at the uplink.
 * Each says CUT where the headers end before they are read; then the caller tries a copy.
 */
#ifndef FLANTRACE_HOLD_H
#define FLANTRACE_HOLD_H

#include "peers.h"
#include "sample.h"

BPF_ARRAY(sampling, u64, 1);	/* a packet whose hash is below is a sample */

/* What is known of a packet. */
struct seen {
	const u8 *ip;	/* its inner header */
	u32 slot;
	u32 kinds;
	u32 type;
	u32 host;
	u32 sample;
};

/* A packet whose hash is below this is a sample; 0: none is. */
static __always_inline u64 threshold(void)
{
	int zero = 0;
	u64 *value = sampling.lookup(&zero);

	return value ? *value : 0;
}

/* To or from whom an IP packet is that begins at `p`. OTHER: no peer's. */
static __always_inline enum verdict look(const u8 *p, const u8 *end, u16 type, bool leaving,
					 struct seen *seen)
{
	u64 below;

	if (type == TYPE_IP4) {
		if (p + 20 > end)
			return CUT;
		if (!PODS4(word(p + (leaving ? 16 : 12))))
			return OTHER;
		seen->slot = slot4(word(p + (leaving ? 16 : 12)));
		below = threshold();
		seen->sample = below && hash4(p, end) < below;
	} else if (type == TYPE_IP6) {
		if (p + 40 > end)
			return CUT;
		if (!PODS6(p + (leaving ? 24 : 8)))
			return OTHER;
		seen->slot = slot6(p + (leaving ? 24 : 8));
		below = threshold();
		seen->sample = below && hash6(p, end) < below;
	} else {
		return OTHER;
	}
	seen->ip = p;
	seen->type = type;
	seen->kinds = seen->slot == NO_LEASE ? 1 << KIND_NO_LEASE : 0;
	return OURS;
}

/* Of this node: the packet's own end is flannel.1 itself, no pod. */
static __always_inline bool is_hosts(const struct seen *seen, const struct expectation *us,
				     bool leaving)
{
	const u8 *p = seen->ip;

	if (seen->type == TYPE_IP4)
		return word(p + (leaving ? 12 : 16)) == us->vtep[0];
	p += leaving ? 8 : 24;
	return WORD6(p, 3) == us->vtep[3] && WORD6(p, 2) == us->vtep[2] &&
	       WORD6(p, 1) == us->vtep[1] && WORD6(p, 0) == us->vtep[0];
}

static __always_inline bool other_mac(const u8 *mac, const struct expectation *of)
{
	return of->expects & EXPECT_MAC && (word(mac) != *(const u32 *)of->mac ||
					    half(mac + 4) != *(const u16 *)(of->mac + 4));
}

/* An inner frame against the two leases. */
static __always_inline void hold_frame(struct seen *seen, const u8 *frame, bool leaving,
				       const struct expectation *peer, const struct expectation *us)
{
	seen->host = is_hosts(seen, us, leaving);
	if (leaving) {
		if (other_mac(frame, peer))
			seen->kinds |= 1 << KIND_PEER_MAC;
		return;
	}
	if (other_mac(frame, us))
		seen->kinds |= 1 << KIND_OWN_MAC;
	if (other_mac(frame + 6, peer))
		seen->kinds |= 1 << KIND_SENDER_MAC;
}

static __always_inline bool other_ip(const u8 *p, u16 type, const struct expectation *of)
{
	if (!(of->expects & EXPECT_OUTER))
		return false;
	if (type == TYPE_IP4)
		return word(p) != of->ip[0];
	return WORD6(p, 3) != of->ip[3] || WORD6(p, 2) != of->ip[2] ||
	       WORD6(p, 1) != of->ip[1] || WORD6(p, 0) != of->ip[0];
}

/* The headers around it: of UDP, and of IP, whose addresses begin at `src` and `dst`. */
static __always_inline void hold_outer(struct seen *seen, const u8 *udp, u16 type, const u8 *src,
				       const u8 *dst, bool leaving,
				       const struct expectation *peer,
				       const struct expectation *us)
{
	if (other_ip(dst, type, leaving ? peer : us))
		seen->kinds |= 1 << KIND_OUTER_DST;
	if (other_ip(src, type, leaving ? us : peer))
		seen->kinds |= 1 << KIND_OUTER_SRC;
	if ((word(udp + 12) ^ us->vni) & NET32(0xffffff00))
		seen->kinds |= 1 << KIND_VNI;
	if (half(udp + 2) != us->port)
		seen->kinds |= 1 << KIND_PORT;
}

static __always_inline enum verdict at_bridge(const u8 *frame, const u8 *end, bool leaving,
					      struct seen *seen)
{
	if (frame + ETHERNET > end)
		return CUT;
	/* what enters the bridge leaves the node */
	return look(frame + ETHERNET, end, half(frame + 12), !leaving, seen);
}

static __always_inline enum verdict at_vtep(const u8 *frame, const u8 *end, bool leaving,
					    struct seen *seen)
{
	struct expectation *peer, *us;
	enum verdict verdict;

	if (frame + ETHERNET > end)
		return CUT;
	verdict = look(frame + ETHERNET, end, half(frame + 12), leaving, seen);
	if (verdict != OURS)
		return verdict;
	peer = expected.lookup((int *)&seen->slot);
	us = own_of(seen->type);
	if (peer && us)
		hold_frame(seen, frame, leaving, peer, us);
	return OURS;
}

/* Without encapsulation: wrong, unless the two nodes route to each other. */
static __always_inline enum verdict plain(const u8 *p, const u8 *end, u16 type, bool leaving,
					  struct seen *seen)
{
	enum verdict verdict = look(p, end, type, leaving, seen);
	struct expectation *peer;

	if (verdict != OURS)
		return verdict;
	peer = expected.lookup((int *)&seen->slot);
	if (peer && seen->slot != NO_LEASE && !(peer->expects & EXPECT_PLAIN))
		seen->kinds |= 1 << KIND_PLAIN;
	return OURS;
}

static __always_inline enum verdict at_uplink(const u8 *frame, const u8 *end, bool leaving,
					      struct seen *seen)
{
	const u8 *ip = frame + ETHERNET, *udp, *src, *dst;
	struct expectation *peer, *us;
	enum verdict verdict;
	u16 type;

	if (ip + 20 > end)
		return CUT;
	type = half(frame + 12);
	if (type == TYPE_IP4) {
		/* a later fragment has no ports */
		if (ip[9] != UDP || half(ip + 6) & NET16(0x1fff))
			return plain(ip, end, type, leaving, seen);
		udp = ip + (ip[0] & 15) * 4;
		src = ip + 12;
		dst = ip + 16;
	} else if (type == TYPE_IP6) {
		if (ip + 40 > end)
			return CUT;
		if (ip[6] != UDP)
			return plain(ip, end, type, leaving, seen);
		udp = ip + 40;
		src = ip + 8;
		dst = ip + 24;
	} else {
		return OTHER;
	}
	if (udp + 8 > end)
		return CUT;
	if (!VXLAN_PORT(half(udp + 2)))
		return plain(ip, end, type, leaving, seen);
	if (udp + VXLAN_AND_UDP + ETHERNET > end)
		return CUT;
	frame = udp + VXLAN_AND_UDP;
	verdict = look(frame + ETHERNET, end, half(frame + 12), leaving, seen);
	if (verdict != OURS)
		return verdict;
	peer = expected.lookup((int *)&seen->slot);
	us = own_of(seen->type);
	if (peer && us) {
		hold_frame(seen, frame, leaving, peer, us);
		hold_outer(seen, udp, type, src, dst, leaving, peer, us);
	}
	return OURS;
}

#endif
