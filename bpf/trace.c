// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Sees the packets of one pair of pods at TC hooks and where the kernel frees them. Changes
 * nothing: no packet is written to, and every hook lets the next program go on.
 *
 * One source for all hooks: the function says the direction, the skb says the device. Compiled
 * without kernel headers, so no struct of the kernel is named here: offsets into sk_buff and
 * friends are those of the running kernel's BTF, passed by -D (tracer/collect/bpf.py).
 */
#include "record.h"
#include "match.h"

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
		emit(ctx, direction, 0, true);
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
#include "freed.h"

static __always_inline bool wanted(const u8 *p, const u8 *end, u16 type, u32 *slot)
{
	return match(p, end, type) == OURS;
}

static __always_inline void freed(u64 skb, u64 location, u32 reason)
{
	int slot = 1;
	struct scratch *s = scratch.lookup(&slot);
	struct found found = {};

	if (s && wanted_of(s, skb, &found))
		emit_freed(s, skb, location, reason, &found);
}

#endif
