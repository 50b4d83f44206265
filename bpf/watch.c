// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Holds every packet to or from a peer against the leases, at the hooks of the bridge, the VTEP and
 * the uplink. Every one is counted; one that deviates is counted by how it does, too, and recorded at
 * a bounded rate; one in N, the same at every hop of every node, is recorded as a sample. Changes
 * nothing: no packet is written to, and every hook lets the next program go on.
 */
#include "record.h"
#include "hold.h"

BPF_PERCPU_ARRAY(tallies, struct tallies, SLOTS);
BPF_ARRAY(deviated, struct deviations, SLOTS);

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

#define OTHERHOST 3	/* PACKET_OTHERHOST of linux/if_packet.h: the frame is for another device */

/*
 * A switch floods what is for a node that it does not hear any more: that comes by here, and is
 * neither ours nor misaddressed. What is for our address by a wrong MAC is held like any other.
 */
static __always_inline bool flooded(struct __sk_buff *ctx, const struct seen *seen, enum hook hook)
{
	return hook == UPLINK_IN && ctx->pkt_type == OTHERHOST &&
	       seen->kinds & (1 << KIND_OUTER_DST | 1 << KIND_PLAIN);
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
	if (verdict != OURS || flooded(ctx, &seen, hook))
		return -1;
	count(ctx, &seen, hook);
	if (seen.kinds)
		told = deviations(seen.slot, seen.kinds);
	if (told || seen.sample)
		emit(ctx, (leaving ? DIRECTION_OUT : DIRECTION_IN) | hook << HOOK_SHIFT, told, told);
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

static __always_inline bool wanted(const u8 *p, const u8 *end, u16 type, u32 *slot)
{
	struct seen seen = {};
	enum verdict verdict = whose(p, end, type, &seen);

	*slot = seen.slot;
	return verdict == OURS;
}

static __always_inline void freed(u64 skb, u64 location, u32 reason)
{
	int one = 1, zero = 0;
	struct scratch *s = scratch.lookup(&one);
	struct drop drop = { .location = location, .reason = reason };
	struct found found = {};
	u64 first = 1, *count;

	if (!s || !wanted_of(s, skb, &found))
		return;
	drop.slot = found.slot;
	count = drops.lookup(&drop);
	if (count) {
		*count += 1;
	} else if (drops.update(&drop, &first)) {
		count = drops_left_out.lookup(&zero);
		if (count)
			*count += 1;
	}
	if (deviations(found.slot, 1 << KIND_FREED))
		emit_freed(s, skb, location, reason, &found);
}

#endif

int from_pod(struct __sk_buff *ctx) { return at(ctx, FROM_POD); }
int to_pod(struct __sk_buff *ctx) { return at(ctx, TO_POD); }
int vtep_in(struct __sk_buff *ctx) { return at(ctx, VTEP_IN); }
int vtep_out(struct __sk_buff *ctx) { return at(ctx, VTEP_OUT); }
int uplink_in(struct __sk_buff *ctx) { return at(ctx, UPLINK_IN); }
int uplink_out(struct __sk_buff *ctx) { return at(ctx, UPLINK_OUT); }
