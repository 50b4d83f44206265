/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Which packets are samples: those whose hash is below a threshold. The hash is of what no hop
 * changes, so that a sample is one at every hop of every node (trajectory sampling, RFC 5475).
 * tracer/core/sampling.py says the same in Python; a test compares the two.
 */
#ifndef FLANTRACE_SAMPLE_H
#define FLANTRACE_SAMPLE_H

#include "packet.h"

#define TCP 6

/* In the packet's byte order on every machine: a cluster may have both kinds. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LITTLE32(x) (x)
#define LITTLE16(x) (x)
#else
#define LITTLE32(x) __builtin_bswap32(x)
#define LITTLE16(x) ((u16)((((x) & 0xff) << 8) | (((x) >> 8) & 0xff)))
#endif

static __always_inline u32 mixed(u32 hash, u32 value)
{
	hash = (hash ^ value) * 0x9e3779b1u;
	return hash ^ hash >> 15;
}

/*
 * The transport header's part. Checksums are left out: they are completed on the way
 * (CHECKSUM_PARTIAL). Of TCP the ports and the sequence number, of UDP the ports and the length, of
 * ICMP the type, the code, and what follows the checksum.
 */
static __always_inline u32 mixed_transport(u32 hash, const u8 *p, const u8 *end, u8 protocol)
{
	u32 first, second;

	if (p + 8 > end)
		return hash;
	first = LITTLE32(word(p));
	second = LITTLE32(word(p + 4));
	if (protocol == ICMP || protocol == ICMP6)
		first &= 0xffff;
	else if (protocol == UDP)
		second &= 0xffff;
	else if (protocol != TCP)
		second = 0;
	return mixed(mixed(hash, first), second);
}

/* Of the whole IP header there are 20 bytes. A later fragment has no transport header. */
static __always_inline u32 hash4(const u8 *p, const u8 *end)
{
	u32 hash = mixed(LITTLE32(word(p + 12)), LITTLE32(word(p + 16)));

	hash = mixed(hash, LITTLE16(half(p + 4)) | (u32)p[9] << 16);
	if (half(p + 6) & NET16(0x1fff))
		return hash;
	return mixed_transport(hash, p + (p[0] & 15) * 4, end, p[9]);
}

/* Of the whole IP header there are 40 bytes. */
static __always_inline u32 hash6(const u8 *p, const u8 *end)
{
	u32 hash = LITTLE32(WORD6(p, 2)) ^ LITTLE32(WORD6(p, 4));

	hash = mixed(mixed(hash, LITTLE32(WORD6(p, 5))), LITTLE32(WORD6(p, 9)));
	hash = mixed(hash, LITTLE32(WORD6(p, 8)) ^ (u32)p[6] << 16);
	return mixed_transport(hash, p + 40, end, p[6]);
}

#endif
