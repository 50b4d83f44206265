/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Does a packet belong to the traced pair? Written once for two kinds of memory: the packet
 * itself (the verifier wants every access below `end`) and a copy of its first bytes in a map
 * (the verifier knows the map's size, `end` is where the copy ends).
 *
 * Compiled in by -D, addresses and ports as they lie in memory:
 *   PAIR4(s, d), PAIR6(s, d)	from one end of the pair to the other
 *   FROM_PAIR4(s)		from either end
 *   WATCHED4(a), WATCHED6(p)	ARP or neighbour solicitation for this address is ours too
 *   VXLAN_PORT(p)		this UDP destination port carries VXLAN
 *   OWN_DATAGRAM(p)		this UDP source port marks our own test datagrams
 */
#ifndef FLANTRACE_MATCH_H
#define FLANTRACE_MATCH_H

#include "packet.h"

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

static __always_inline bool is_icmp4_error(u8 type)
{
	/* unreachable (fragmentation needed, too), quench, redirect, time exceeded, bad parameter */
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static __always_inline bool is_icmp6_error(u8 type)
{
	return type >= 1 && type <= 4;
}

#ifdef PAIR4
#define BYTES(a, b, c, d) NET32((u32)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/*
 * Most packets on an uplink: VXLAN in IPv4 without options, with other pods' IPv4 in it. All at
 * fixed offsets, which takes half the time of match(). Whatever looks unusual is left to that.
 */
static __always_inline bool plainly_other(const u8 *frame, const u8 *end)
{
	const u8 *udp = frame + ETHERNET + 20;
	const u8 *inner = udp + VXLAN_AND_UDP;
	const u8 *ip = inner + ETHERNET;

	if (ip + 28 > end)
		return false;
	/* ethertype and version; no later fragment, UDP */
	if ((word(frame + 12) & BYTES(255, 255, 255, 0)) != BYTES(0x08, 0x00, 0x45, 0) ||
	    (word(frame + 20) & BYTES(0x1f, 255, 0, 255)) != BYTES(0, 0, 0, UDP))
		return false;
	if (!VXLAN_PORT(half(udp + 2)) || OWN_DATAGRAM(half(udp)))
		return false;
	if ((word(inner + 12) & BYTES(255, 255, 255, 0)) != BYTES(0x08, 0x00, 0x45, 0) ||
	    FROM_PAIR4(word(ip + 12)))
		return false;
	return ip[9] != ICMP || !is_icmp4_error(ip[20]);
}
#endif

/*
 * A packet that begins with the header of `type`. One turn for each IP header: of the packet
 * itself, of the one inside of VXLAN, of the one that an ICMP error quotes (with VXLAN in it, if
 * the underlay refused it). A loop, because every copy of the code costs time at each start.
 */
static __always_inline enum verdict match(const u8 *p, const u8 *end, u16 type)
{
	bool inner = false, quoted = false;
	u8 protocol;

#pragma nounroll
	for (int turn = 0; turn < 3; turn++) {
		if (type == TYPE_IP4) {
			if (p + 20 > end)
				return CUT;
#ifdef PAIR4
			if (PAIR4(word(p + 12), word(p + 16)))
				return OURS;
#endif
			if (half(p + 6) & NET16(0x1fff))	/* a later fragment has no ports */
				return OTHER;
			protocol = p[9];
			p += (p[0] & 15) * 4;
		} else if (type == TYPE_IP6) {
			if (p + 40 > end)
				return CUT;
#ifdef PAIR6
			if (PAIR6(p + 8, p + 24))
				return OURS;
#endif
			protocol = p[6];
			p += 40;
		} else {
			return type == TYPE_ARP ? match_arp(p, end) : OTHER;
		}

		if (protocol == UDP && !inner) {
			if (p + 8 > end)
				return CUT;
			if (OWN_DATAGRAM(half(p)))
				return OURS;
			if (!VXLAN_PORT(half(p + 2)))
				return OTHER;
			if (p + VXLAN_AND_UDP + ETHERNET > end)
				return CUT;
			type = half(p + VXLAN_AND_UDP + 12);
			p += VXLAN_AND_UDP + ETHERNET;
			inner = true;
		} else if ((protocol == ICMP || protocol == ICMP6) && !quoted) {
			if (p + 8 > end)
				return CUT;
#ifdef WATCHED6
			/* neighbour solicitation, advertisement */
			if (protocol == ICMP6 && (p[0] == 135 || p[0] == 136)) {
				if (p + 24 > end)
					return CUT;
				return WATCHED6(p + 8) ? OURS : OTHER;
			}
#endif
			if (protocol == ICMP ? !is_icmp4_error(p[0]) : !is_icmp6_error(p[0]))
				return OTHER;
			p += 8;
			quoted = true;
		} else {
			return OTHER;
		}
	}
	return OTHER;
}

#endif
