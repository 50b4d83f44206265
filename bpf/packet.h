/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* How packets are laid out, in the byte order in which they lie in memory. */
#ifndef FLANTRACE_PACKET_H
#define FLANTRACE_PACKET_H

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NET16(x) ((u16)((((x) & 0xff) << 8) | (((x) >> 8) & 0xff)))
#define NET32(x) __builtin_bswap32(x)
#else
#define NET16(x) ((u16)(x))
#define NET32(x) (x)
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

enum verdict { OTHER, OURS, CUT };	/* CUT: `end` came before the headers' end */

static __always_inline u16 half(const u8 *p) { return *(const u16 *)p; }
static __always_inline u32 word(const u8 *p) { return *(const u32 *)p; }

#define WORD6(p, i) word((p) + 4 * (i))

#endif
