/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * What the kernel frees, as the tracepoint kfree_skb tells. The program that includes this says what
 * it wants (`wanted`) and what it does with it (`freed`).
 *
 * Compiled in by -D: the offsets of the running kernel's BTF (tracer/collect/layout.py), and
 * NETNS(n): is this the inode of a network namespace whose drops are told?
 */
#ifndef FLANTRACE_FREED_H
#define FLANTRACE_FREED_H

#include "record.h"

/* A freed packet that is to be told: its first headers are in the scratch. */
struct found {
	u32 start;	/* where they begin, from skb->head */
	u32 captured;	/* how many bytes they are */
	u32 netns;
	u32 slot;	/* whose it is, where the program says so */
	u32 type;
};

static __always_inline bool wanted(const u8 *p, const u8 *end, u16 type, u32 *slot);
static __always_inline void freed(u64 skb, u64 location, u32 reason);

static __always_inline u64 read8(u64 address)
{
	u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (const void *)address);
	return value;
}

static __always_inline u32 read4(u64 address)
{
	u32 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (const void *)address);
	return value;
}

#define SHORTEST 20	/* an IPv4 header; ARP and IPv6 are longer */

#define FIELD(s, type, offset) (*(type *)((s)->skb + (offset)))

/*
 * The device's namespace; without a device the socket's, else that of the route. A queued UDP
 * packet keeps other things where `dev` is (sk_buff.dev_scratch): then the reads give 0.
 */
static __always_inline u32 namespace_of(struct scratch *s)
{
	u64 owner = FIELD(s, u64, SKB_DEV);
	u32 inum = 0;

	if (owner)
		inum = read4(read8(owner + DEV_NET) + NET_INUM);
	if (inum)
		return inum;
	owner = FIELD(s, u64, SKB_SK);
	if (owner)
		return read4(read8(owner + SK_NET) + NET_INUM);
	owner = FIELD(s, u64, SKB_REFDST) & ~1ull;	/* bit 0: not counted (SKB_DST_NOREF) */
	if (owner)
		return read4(read8(read8(owner + DST_DEV) + DEV_NET) + NET_INUM);
	return 0;
}

/* IP's version nibble decides: in a decapsulated packet `protocol` runs ahead of the headers. */
static __always_inline u16 type_at(const u8 *p, u16 protocol)
{
	if (protocol == TYPE_ARP)
		return TYPE_ARP;
	if ((p[0] & 0xf0) == 0x40)
		return TYPE_IP4;
	if ((p[0] & 0xf0) == 0x60)
		return TYPE_IP6;
	return 0;
}

/* Copies what begins at head + start, and says the type if the program wants it, else 0. */
static __always_inline u16 wanted_at(struct scratch *s, u32 start, struct found *found)
{
	u32 tail = FIELD(s, u32, SKB_TAIL);
	u64 length;
	u16 type;

	if (start >= tail)
		return 0;
	length = at_most_headers(tail - start);
	if (length < SHORTEST ||
	    bpf_probe_read_kernel(s->headers, length,
				  (const void *)(FIELD(s, u64, SKB_HEAD) + start)))
		return 0;
	type = type_at(s->headers, FIELD(s, u16, SKB_PROTOCOL));
	found->captured = length;
	return wanted(s->headers, s->headers + length, type, &found->slot) ? type : 0;
}

/* Whether a freed packet is to be told. */
static __always_inline bool wanted_of(struct scratch *s, u64 skb, struct found *found)
{
	if (bpf_probe_read_kernel(s->skb, SKB_SPAN, (const void *)skb))
		return false;
	found->start = FIELD(s, u16, SKB_NETWORK_HEADER);
#pragma nounroll
	for (int round = 0; round < 2; round++) {
		/* second: sent raw, or freed before its network header was known */
		if (round)
			found->start = FIELD(s, u16, SKB_MAC_HEADER) + ETHERNET;
		found->type = wanted_at(s, found->start, found);
		if (found->type)
			break;
	}
	if (!found->type)
		return false;
	found->netns = namespace_of(s);
	return NETNS(found->netns);
}

static __always_inline void emit_freed(struct scratch *s, u64 skb, u64 location, u32 reason,
				       const struct found *found)
{
	struct observation *o = ring.ringbuf_reserve(sizeof(struct observation));
	u64 head, dev, now;

	if (!o) {
		count_lost();
		return;
	}
	head = FIELD(s, u64, SKB_HEAD);
	dev = FIELD(s, u64, SKB_DEV);
	now = bpf_ktime_get_ns();
	o->time_ns = now;
	o->skb = skb;
	o->location = location;
	o->reason = reason;
	o->netns = found->netns;
	o->ifindex = dev ? read4(dev + DEV_IFINDEX) : 0;
	o->ifname[0] = 0;
	if (dev)
		bpf_probe_read_kernel(o->ifname, sizeof(o->ifname), (const void *)(dev + DEV_NAME));
	/* skb->len counts from skb->data, which may be before or behind `start` */
	o->length = FIELD(s, u32, SKB_LEN) + (u32)(FIELD(s, u64, SKB_DATA) - head) - found->start;
	o->gso_size = (u16)read4(head + FIELD(s, u32, SKB_END) + SHINFO_GSO_SIZE);
	o->ethertype = NET16(found->type);
	o->captured = found->captured;
	o->direction = DIRECTION_FREED;
	__builtin_memcpy(o->headers, s->headers, HEADERS);
	ring.ringbuf_submit(o, wakeup(now));
}

/* kfree_skb(skb, location[, reason since 5.17[, rx_sk since 6.11]]) */
int flantrace_freed(struct bpf_raw_tracepoint_args *ctx)
{
#ifdef SKB_CONSUMED
	if ((u32)ctx->args[2] == SKB_CONSUMED)	/* it did what it was for */
		return 0;
#endif
#ifdef HAS_REASON
	freed(ctx->args[0], ctx->args[1], ctx->args[2]);
#else
	freed(ctx->args[0], ctx->args[1], 0);
#endif
	return 0;
}

#endif
