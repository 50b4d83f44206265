/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Writing records: the ring, what finds no room in it, and when its reader is woken. */
#ifndef FLANTRACE_RECORD_H
#define FLANTRACE_RECORD_H

#include "observation.h"
#include "packet.h"

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

#define RING_PART ((u64)RING_PAGES * PAGE_SIZE / 4)

/*
 * Is this record the first in a quarter of the ring? All are of one size and lie side by side, so
 * that its address tells, without a count that CPUs would share. The address goes through memory:
 * the verifier allows no such arithmetic on a pointer.
 */
static __always_inline bool begins_quarter(struct observation *o)
{
	*(volatile u64 *)&o->skb = (u64)o;
	return (*(volatile u64 *)&o->skb & (RING_PART - 1)) < sizeof(struct observation) + 8;
}

/*
 * `prompt`: the reader is woken for it, if it was not woken just now. Else it looks in its own time,
 * and is woken only so often that the ring does not fill meanwhile.
 */
static __always_inline void emit(struct __sk_buff *ctx, u8 direction, u32 reason, bool prompt)
{
	struct observation *o = ring.ringbuf_reserve(sizeof(struct observation));
	u64 length = at_most_headers(ctx->len);
	u64 now = bpf_ktime_get_ns(), wake = BPF_RB_NO_WAKEUP;

	if (!o) {
		count_lost();
		return;
	}
	if (begins_quarter(o))
		wake = BPF_RB_FORCE_WAKEUP;
	else if (prompt)
		wake = wakeup(now);
	o->time_ns = now;
	o->skb = (u64)ctx;	/* the context is the sk_buff itself */
	o->ifindex = ctx->ifindex;
	o->length = ctx->len;
	o->gso_size = ctx->gso_size;
	o->reason = reason;
	o->direction = direction;
	/* a helper, because data behind the linear part is wanted as well */
	if (length < ETHERNET || bpf_skb_load_bytes(ctx, 0, o->headers, length))
		length = 0;
	o->captured = length;
	ring.ringbuf_submit(o, wake);
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

#endif
