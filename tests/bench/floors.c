// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The yardsticks: what any program costs, what one look-up and one record cost. */
#include "match.h"

struct total {
	u64 packets;
	u64 bytes;
	u8 mac[8];
	u64 wrong_mac;
};

struct sample {
	u64 time_ns;
	u64 skb;
	u32 ifindex;
	u32 length;
	u32 source;
	u32 destination;
	u16 source_port;
	u16 destination_port;
	u16 ip_id;
	u8 protocol;
	u8 spare;
	u32 sequence;
	u8 mac[6];
	u8 rest[14];
};

_Static_assert(sizeof(struct sample) == 64, "emit is defined with a record of 64 bytes");

BPF_HASH(peers, u32, u32, 8192);
BPF_PERCPU_ARRAY(totals, struct total, 8192);
BPF_RINGBUF_OUTPUT(ring, RING_PAGES);
BPF_PERCPU_ARRAY(lost, u64, 1);

int empty(struct __sk_buff *ctx)
{
	return -1;
}

int count(struct __sk_buff *ctx)
{
	const u8 *data = (const u8 *)(long)ctx->data;
	const u8 *end = (const u8 *)(long)ctx->data_end;
	u32 subnet, *index;
	struct total *total;

	if (data + ETHERNET + 20 > end || half(data + 12) != TYPE_IP4)
		return -1;
	subnet = word(data + 30) & MASK24;
	index = peers.lookup(&subnet);
	if (!index)
		return -1;
	total = totals.lookup((int *)index);
	if (!total)
		return -1;
	total->packets++;
	total->bytes += ctx->len;
	if (word(data) != *(u32 *)total->mac || half(data + 4) != *(u16 *)(total->mac + 4))
		total->wrong_mac++;
	return -1;
}

int emit(struct __sk_buff *ctx)
{
	const u8 *data = (const u8 *)(long)ctx->data;
	const u8 *end = (const u8 *)(long)ctx->data_end;
	struct sample *s;

	if (data + ETHERNET + 28 > end || half(data + 12) != TYPE_IP4)
		return -1;
	s = ring.ringbuf_reserve(sizeof(struct sample));
	if (!s) {
		int zero = 0;
		u64 *failed = lost.lookup(&zero);

		if (failed)
			*failed += 1;
		return -1;
	}
	s->time_ns = bpf_ktime_get_ns();
	s->skb = (u64)ctx;
	s->ifindex = ctx->ifindex;
	s->length = ctx->len;
	s->source = word(data + 26);
	s->destination = word(data + 30);
	s->source_port = half(data + 34);
	s->destination_port = half(data + 36);
	s->ip_id = half(data + 18);
	s->protocol = data[23];
	s->sequence = word(data + 38);
	__builtin_memcpy(s->mac, data, 6);
	ring.ringbuf_submit(s, BPF_RB_NO_WAKEUP);
	return -1;
}
