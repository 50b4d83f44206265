// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Holds every packet to or from a peer against the leases, at the hooks of the bridge, the VTEP and
 * the uplink. Every one is counted; one that deviates is counted by how it does, too, and recorded at
 * a bounded rate; one in N, the same at every hop of every node, is recorded as a sample. Changes
 * nothing: no packet is written to, and every hook lets the next program go on.
 */
#include "record.h"
#include "expectation.h"
#include "sample.h"
#include "peers.h"

BPF_PERCPU_ARRAY(tallies, struct tallies, SLOTS);
BPF_ARRAY(deviated, struct deviations, SLOTS);
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

/*
 * Counts each way in which a packet deviates. Which of them are to be recorded: not those of which a
 * packet of the same peer was recorded a moment ago. Without branches: for the verifier, sixteen
 * questions would be 65,536 ways through.
 */
static __always_inline u32 deviations(u32 slot, u32 kinds)
{
	struct deviations *of = deviated.lookup((int *)&slot);
	u64 now = bpf_ktime_get_ns();
	u32 due = 0;

	if (!of)
		return 0;
#pragma nounroll
	for (u32 kind = 0; kind < KINDS; kind++) {
		struct deviation *d = &of->by[kind];
		u64 since, is, now_due;

		is = kinds >> kind & 1;
		since = now - d->recorded_ns;
		now_due = is & ~((since - EVERY_NS) >> 63);
		d->recorded_ns += since * now_due;
		lock_xadd(&d->packets, is);
		due |= now_due << kind;
	}
	return due;
}

static __always_inline void count(struct __sk_buff *ctx, const struct seen *seen, u32 hook)
{
	u32 slot = seen->slot;
	struct tallies *of = tallies.lookup((int *)&slot);
	u64 segments = ctx->gso_segs;
	struct tally *tally;

	if (!of)
		return;
	tally = &of->at[hook];
	if (!segments)
		segments = 1;
	tally->packets += segments;	/* what the wire carries of a super-packet */
	tally->bytes += ctx->len;
	if (seen->host)
		tally->host += segments;
}

static __always_inline int at(struct __sk_buff *ctx, enum hook hook)
{
	const u8 *data = (const u8 *)(long)ctx->data;
	const u8 *end = (const u8 *)(long)ctx->data_end;
	enum verdict verdict = CUT;
	struct seen seen = {};
	bool leaving = hook & 1;
	u32 told = 0;

	/* A second round looks at a copy. One loop, so that the parser is there once. */
#pragma nounroll
	for (int round = 0; round < 2; round++) {
		if (hook <= TO_POD)
			verdict = at_bridge(data, end, leaving, &seen);
		else if (hook <= VTEP_OUT)
			verdict = at_vtep(data, end, leaving, &seen);
		else
			verdict = at_uplink(data, end, leaving, &seen);
		if (verdict != CUT || ctx->len <= (u32)(ctx->data_end - ctx->data))
			break;
		data = copy_headers(ctx, at_most_headers(ctx->len));
		if (!data)
			break;
		end = data + at_most_headers(ctx->len);
	}
	if (verdict != OURS)
		return -1;
	count(ctx, &seen, hook);
	if (seen.kinds)
		told = deviations(seen.slot, seen.kinds);
	if (told || seen.sample)
		emit(ctx, (leaving ? DIRECTION_OUT : DIRECTION_IN) | hook << HOOK_SHIFT, told);
	return -1;	/* TC_ACT_UNSPEC, TCX_NEXT */
}

#ifdef SKB_HEAD
#include "freed.h"

struct drop {
	u64 location;	/* address of the code that freed it */
	u32 reason;
	u32 slot;
};
BPF_PERCPU_HASH(drops, struct drop, u64, DROPS);
BPF_PERCPU_ARRAY(drops_left_out, u64, 1);	/* for want of room in `drops` */

/*
 * Whose a freed packet is, as it lies from its network header on: a pod's, or the underlay's with one
 * in it. To whom it goes counts first; what comes from a peer goes to nobody's subnet but ours.
 */
static __always_inline enum verdict whose(const u8 *p, const u8 *end, u16 type, struct seen *seen)
{
	enum verdict verdict = OTHER;

#pragma nounroll
	for (int turn = 0; turn < 2; turn++) {
		verdict = look(p, end, type, true, seen);
		if (verdict == OTHER)
			verdict = look(p, end, type, false, seen);
		if (verdict != OTHER || turn)
			break;
		if (type == TYPE_IP4) {
			if (p + 20 > end || p[9] != UDP || half(p + 6) & NET16(0x1fff))
				break;
			p += (p[0] & 15) * 4;
		} else if (type == TYPE_IP6) {
			if (p + 40 > end || p[6] != UDP)
				break;
			p += 40;
		} else {
			break;
		}
		if (p + VXLAN_AND_UDP + ETHERNET > end || !VXLAN_PORT(half(p + 2)))
			break;
		type = half(p + VXLAN_AND_UDP + 12);
		p += VXLAN_AND_UDP + ETHERNET;
	}
	return verdict;
}

static __always_inline bool wanted(const u8 *p, const u8 *end, u16 type)
{
	struct seen seen = {};

	return whose(p, end, type, &seen) == OURS;
}

static __always_inline void freed(u64 skb, u64 location, u32 reason)
{
	int one = 1, zero = 0;
	struct scratch *s = scratch.lookup(&one);
	u32 captured = 0, start = 0;
	struct drop drop = { .location = location, .reason = reason };
	struct seen seen = {};
	u64 first = 1, *count;
	u16 type;

	if (!s)
		return;
	type = wanted_of(s, skb, &start, &captured);
	if (!type || whose(s->headers, s->headers + captured, type, &seen) != OURS)
		return;
	drop.slot = seen.slot;
	count = drops.lookup(&drop);
	if (count) {
		*count += 1;
	} else if (drops.update(&drop, &first)) {
		count = drops_left_out.lookup(&zero);
		if (count)
			*count += 1;
	}
	if (deviations(seen.slot, 1 << KIND_FREED))
		emit_freed(s, skb, location, reason, type, start, captured);
}

#endif

int from_pod(struct __sk_buff *ctx) { return at(ctx, FROM_POD); }
int to_pod(struct __sk_buff *ctx) { return at(ctx, TO_POD); }
int vtep_in(struct __sk_buff *ctx) { return at(ctx, VTEP_IN); }
int vtep_out(struct __sk_buff *ctx) { return at(ctx, VTEP_OUT); }
int uplink_in(struct __sk_buff *ctx) { return at(ctx, UPLINK_IN); }
int uplink_out(struct __sk_buff *ctx) { return at(ctx, UPLINK_OUT); }
