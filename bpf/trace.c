// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Sees the packets of one pair of pods at TC hooks and where the kernel frees them. Changes
 * nothing: no packet is written to, and every hook lets the next program go on.
 *
 * One source for all hooks: the function says the direction, the skb says the device. Compiled
 * without kernel headers, so no struct of the kernel is named here: offsets into sk_buff and
 * friends are those of the running kernel's BTF, passed by -D (tracer/collect/bpf.py).
 */
#include "observation.h"
#include "match.h"

BPF_RINGBUF_OUTPUT(ring, RING_PAGES);
BPF_PERCPU_ARRAY(lost, u64, 1);
BPF_ARRAY(woken, u64, 1);	/* when the reader was last woken */

struct scratch {
	u8 skb[256];	/* the part of struct sk_buff that is read */
	u8 headers[256];	/* more than HEADERS: the parser's furthest look, for the verifier */
} __attribute__((aligned(8)));	/* else it is copied byte by byte */
/* One for the TC hooks, one for the tracepoint, which may interrupt them. */
BPF_PERCPU_ARRAY(scratch, struct scratch, 2);

/*
 * At most what a record holds. The empty asm keeps the compiler from merging this with the test
 * of the lower bound: the verifier wants to see both, on one register.
 */
static __always_inline u64 at_most_headers(u64 length)
{
	if (length > HEADERS)
		length = HEADERS;
	asm volatile("" : "+r"(length));
	return length;
}

static __always_inline void count_lost(void)
{
	int zero = 0;
	u64 *count = lost.lookup(&zero);

	if (count)
		*count += 1;
}

/*
 * Wake the reader for the first record of a burst, not for each: the interrupt that does it costs
 * more than the record. The reader looks again by itself after READER_LOOKS_AGAIN_NS, which is
 * later than the last record for which it was not woken (tracer/collect/ring.py).
 */
static __always_inline u64 wakeup(u64 now)
{
	int zero = 0;
	u64 *last = woken.lookup(&zero);

	if (!last || now - *last < READER_LOOKS_AGAIN_NS / 2)
		return BPF_RB_NO_WAKEUP;
	*last = now;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void emit(struct __sk_buff *ctx, u8 direction)
{
	struct observation *o = ring.ringbuf_reserve(sizeof(struct observation));
	u64 length = at_most_headers(ctx->len);
	u64 now = bpf_ktime_get_ns();

	if (!o) {
		count_lost();
		return;
	}
	o->time_ns = now;
	o->skb = (u64)ctx;	/* the context is the sk_buff itself */
	o->ifindex = ctx->ifindex;
	o->length = ctx->len;
	o->gso_size = ctx->gso_size;
	o->direction = direction;
	/* a helper, because data behind the linear part is wanted as well */
	if (length < ETHERNET || bpf_skb_load_bytes(ctx, 0, o->headers, length))
		length = 0;
	o->captured = length;
	ring.ringbuf_submit(o, wakeup(now));
}

/* Headers outside of the linear part: the first bytes as one piece, where a copy can be had. */
static __always_inline const u8 *copy_headers(struct __sk_buff *ctx, u64 length)
{
	int slot = 0;
	struct scratch *s = scratch.lookup(&slot);

	if (!s || length < ETHERNET || bpf_skb_load_bytes(ctx, 0, s->headers, length))
		return 0;
	return s->headers;
}

static __always_inline int observe(struct __sk_buff *ctx, u8 direction)
{
	const u8 *data = (const u8 *)(long)ctx->data;
	const u8 *end = (const u8 *)(long)ctx->data_end;
	enum verdict verdict = CUT;

#ifdef PAIR4
	if (plainly_other(data, end))
		return -1;
#endif
	/* A second round looks at a copy. One loop, so that the parser is there once. */
#pragma nounroll
	for (int round = 0; round < 2; round++) {
		if (data + ETHERNET <= end)
			verdict = match(data + ETHERNET, end, half(data + 12));
		if (verdict != CUT || ctx->len <= (u32)(ctx->data_end - ctx->data))
			break;
		data = copy_headers(ctx, at_most_headers(ctx->len));
		if (!data)
			break;
		end = data + at_most_headers(ctx->len);
	}
	if (verdict == OURS)
		emit(ctx, direction);
	return -1;	/* TC_ACT_UNSPEC, TCX_NEXT */
}

int flantrace_in(struct __sk_buff *ctx)
{
	return observe(ctx, DIRECTION_IN);
}

int flantrace_out(struct __sk_buff *ctx)
{
	return observe(ctx, DIRECTION_OUT);
}

#ifdef SKB_HEAD

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

/* Copies what begins at head + start, and says the type if it is ours, else 0. */
static __always_inline u16 ours_at(struct scratch *s, u32 start, u32 *captured)
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
	*captured = length;
	return match(s->headers, s->headers + length, type) == OURS ? type : 0;
}

static __always_inline int freed(u64 skb, u64 location, u32 reason)
{
	int slot = 1;
	struct scratch *s = scratch.lookup(&slot);
	u32 captured = 0, start, netns;
	struct observation *o;
	u64 head, dev, now;
	u16 type;

	if (!s || bpf_probe_read_kernel(s->skb, SKB_SPAN, (const void *)skb))
		return 0;
	start = FIELD(s, u16, SKB_NETWORK_HEADER);
	type = 0;
#pragma nounroll
	for (int round = 0; round < 2; round++) {
		/* second: sent raw, or freed before its network header was known */
		if (round)
			start = FIELD(s, u16, SKB_MAC_HEADER) + ETHERNET;
		type = ours_at(s, start, &captured);
		if (type)
			break;
	}
	if (!type)
		return 0;
	netns = namespace_of(s);
	if (!NETNS(netns))
		return 0;

	o = ring.ringbuf_reserve(sizeof(struct observation));
	if (!o) {
		count_lost();
		return 0;
	}
	head = FIELD(s, u64, SKB_HEAD);
	dev = FIELD(s, u64, SKB_DEV);
	now = bpf_ktime_get_ns();
	o->time_ns = now;
	o->skb = skb;
	o->location = location;
	o->reason = reason;
	o->netns = netns;
	o->ifindex = dev ? read4(dev + DEV_IFINDEX) : 0;
	o->ifname[0] = 0;
	if (dev)
		bpf_probe_read_kernel(o->ifname, sizeof(o->ifname), (const void *)(dev + DEV_NAME));
	/* skb->len counts from skb->data, which may be before or behind `start` */
	o->length = FIELD(s, u32, SKB_LEN) + (u32)(FIELD(s, u64, SKB_DATA) - head) - start;
	o->gso_size = (u16)read4(head + FIELD(s, u32, SKB_END) + SHINFO_GSO_SIZE);
	o->ethertype = NET16(type);
	o->captured = captured;
	o->direction = DIRECTION_FREED;
	__builtin_memcpy(o->headers, s->headers, HEADERS);
	ring.ringbuf_submit(o, wakeup(now));
	return 0;
}

/* kfree_skb(skb, location[, reason since 5.17[, rx_sk since 6.11]]) */
int flantrace_freed(struct bpf_raw_tracepoint_args *ctx)
{
#ifdef SKB_CONSUMED
	if ((u32)ctx->args[2] == SKB_CONSUMED)	/* it did what it was for */
		return 0;
#endif
#ifdef HAS_REASON
	return freed(ctx->args[0], ctx->args[1], ctx->args[2]);
#else
	return freed(ctx->args[0], ctx->args[1], 0);
#endif
}

#endif
