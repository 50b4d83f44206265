/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Does a packet belong to the traced pair? Written once for two kinds of memory: the packet
 * itself (the verifier wants every access below `end`) and a copy of its first bytes in a map
 * (the verifier knows the map's size, `end` is where the copy ends).
 *
 * Compiled in by -D, addresses and ports as they lie in memory:
 *   PAIR4(s, d), PAIR6(s, d)	from one end of the pair to the other
 *   WATCHED4(a), WATCHED6(p)	ARP or neighbour solicitation for this address is ours too
 *   VXLAN_PORT(p)		this UDP destination port carries VXLAN
 *   OWN_DATAGRAM(p)		this UDP source port marks our own test datagrams
 */
#ifndef FLANTRACE_MATCH_H
#define FLANTRACE_MATCH_H

enum verdict { OTHER, OURS, CUT };	/* CUT: `end` came before the headers' end */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NET16(x) ((u16)((((x) & 0xff) << 8) | (((x) >> 8) & 0xff)))
#else
#define NET16(x) ((u16)(x))
#endif

#define __always_inline inline __attribute__((always_inline))

#define ETHERNET 14
#define VXLAN_AND_UDP 16
#define TYPE_IP4 NET16(0x0800)
#define TYPE_IP6 NET16(0x86dd)
#define TYPE_ARP NET16(0x0806)
#define ICMP 1
#define UDP 17
#define ICMP6 58

static __always_inline u16 half(const u8 *p) { return *(const u16 *)p; }
static __always_inline u32 word(const u8 *p) { return *(const u32 *)p; }

#define WORD6(p, i) word((p) + 4 * (i))

/* Only the addresses: of a packet that is quoted, no more may be there. */
static __always_inline enum verdict pair_in_ip(const u8 *p, const u8 *end, u16 type)
{
#ifdef PAIR4
	if (type == TYPE_IP4) {
		if (p + 20 > end)
			return CUT;
		return PAIR4(word(p + 12), word(p + 16)) ? OURS : OTHER;
	}
#endif
#ifdef PAIR6
	if (type == TYPE_IP6) {
		if (p + 40 > end)
			return CUT;
		return PAIR6(p + 8, p + 24) ? OURS : OTHER;
	}
#endif
	return OTHER;
}

/* `udp` may be the quoted header of a VXLAN packet that the underlay refused. */
static __always_inline enum verdict quoted_vxlan(const u8 *udp, const u8 *end)
{
	const u8 *inner = udp + VXLAN_AND_UDP;

	if (udp + 8 > end || !VXLAN_PORT(half(udp + 2)))
		return OTHER;
	if (inner + ETHERNET > end)
		return CUT;
	return pair_in_ip(inner + ETHERNET, end, half(inner + 12));
}

/* An ICMP error's quotation. Most quote a few hundred bytes, some only 28 (RFC 792). */
static __always_inline enum verdict quotation(const u8 *p, const u8 *end, u16 type, bool underlay)
{
	enum verdict verdict = pair_in_ip(p, end, type);

	if (verdict != OTHER || !underlay)
		return verdict;
	if (type == TYPE_IP4) {
		if (p + 20 > end)
			return CUT;
		if (p[9] == UDP)
			return quoted_vxlan(p + (p[0] & 15) * 4, end);
	} else {
		if (p + 40 > end)
			return CUT;
		if (p[6] == UDP)
			return quoted_vxlan(p + 40, end);
	}
	return OTHER;
}

static __always_inline enum verdict match_icmp4(const u8 *p, const u8 *end, bool underlay)
{
	if (p + 8 > end)
		return CUT;
	/* unreachable (fragmentation needed, too), quench, redirect, time exceeded, bad parameter */
	if (p[0] == 3 || p[0] == 4 || p[0] == 5 || p[0] == 11 || p[0] == 12)
		return quotation(p + 8, end, TYPE_IP4, underlay);
	return OTHER;
}

static __always_inline enum verdict match_icmp6(const u8 *p, const u8 *end, bool underlay)
{
	if (p + 8 > end)
		return CUT;
	if (p[0] >= 1 && p[0] <= 4)
		return quotation(p + 8, end, TYPE_IP6, underlay);
#ifdef WATCHED6
	if (p[0] == 135 || p[0] == 136) {	/* neighbour solicitation, advertisement */
		if (p + 24 > end)
			return CUT;
		return WATCHED6(p + 8) ? OURS : OTHER;
	}
#endif
	return OTHER;
}

static __always_inline enum verdict match_arp(const u8 *p, const u8 *end)
{
#ifdef WATCHED4
	if (p + 28 > end)
		return CUT;
	/* a request is about its target, a reply about its sender */
	return WATCHED4(word(half(p + 6) == NET16(1) ? p + 24 : p + 14)) ? OURS : OTHER;
#else
	return OTHER;
#endif
}

/* A packet on an inner device, or the inner packet of a VXLAN frame. */
static __always_inline enum verdict match_inner(const u8 *p, const u8 *end, u16 type)
{
	enum verdict verdict = pair_in_ip(p, end, type);

	if (verdict != OTHER)
		return verdict;
	if (type == TYPE_IP4) {
		if (p + 20 > end)
			return CUT;
		if (p[9] == ICMP && !(half(p + 6) & NET16(0x1fff)))
			return match_icmp4(p + (p[0] & 15) * 4, end, false);
	} else if (type == TYPE_IP6) {
		if (p + 40 > end)
			return CUT;
		if (p[6] == ICMP6)
			return match_icmp6(p + 40, end, false);
	} else if (type == TYPE_ARP) {
		return match_arp(p, end);
	}
	return OTHER;
}

static __always_inline enum verdict match_udp(const u8 *p, const u8 *end)
{
	if (p + 8 > end)
		return CUT;
	if (OWN_DATAGRAM(half(p)))
		return OURS;
	if (!VXLAN_PORT(half(p + 2)))
		return OTHER;
	p += VXLAN_AND_UDP;
	if (p + ETHERNET > end)
		return CUT;
	return match_inner(p + ETHERNET, end, half(p + 12));
}

/* What may stand on any device: plain, or with VXLAN around it, IPv4 or IPv6 outside. */
static __always_inline enum verdict match_network(const u8 *p, const u8 *end, u16 type)
{
	if (type == TYPE_IP4) {
		if (p + 20 > end)
			return CUT;
#ifdef PAIR4
		if (PAIR4(word(p + 12), word(p + 16)))
			return OURS;
#endif
		if (p[9] == UDP) {
			if (half(p + 6) & NET16(0x1fff))	/* a later fragment has no ports */
				return OTHER;
			return match_udp(p + (p[0] & 15) * 4, end);
		}
		if (p[9] == ICMP && !(half(p + 6) & NET16(0x1fff)))
			return match_icmp4(p + (p[0] & 15) * 4, end, true);
		return OTHER;
	}
	if (type == TYPE_IP6) {
		if (p + 40 > end)
			return CUT;
#ifdef PAIR6
		if (PAIR6(p + 8, p + 24))
			return OURS;
#endif
		if (p[6] == UDP)
			return match_udp(p + 40, end);
		if (p[6] == ICMP6)
			return match_icmp6(p + 40, end, true);
		return OTHER;
	}
	if (type == TYPE_ARP)
		return match_arp(p, end);
	return OTHER;
}

#endif
