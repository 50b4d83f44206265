/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* What the leases say of a peer, and what is counted of its packets.
 * tracer/collect/expectations.py writes the one, tracer/collect/counters.py reads the other.
 */
#ifndef FLANTRACE_EXPECTATION_H
#define FLANTRACE_EXPECTATION_H

#define NO_LEASE 0	/* the slot of addresses in the cluster's network that are in nobody's subnet */

/* A device and a direction. Odd ones leave the device. */
enum hook {
	FROM_POD,	/* into the bridge */
	TO_POD,		/* out of it */
	VTEP_IN,
	VTEP_OUT,
	UPLINK_IN,
	UPLINK_OUT,
	HOOKS,
};

/* How a packet may deviate: bits of a record's `reason`. */
enum kind {
	KIND_NO_LEASE,	/* to or from an address of the cluster's network that nobody leases */
	KIND_PEER_MAC,	/* the inner destination MAC is not the peer's VtepMAC */
	KIND_OWN_MAC,	/* ... of one that arrives, not this VTEP's */
	KIND_SENDER_MAC,	/* the inner source MAC is not the VtepMAC of the source's subnet */
	KIND_OUTER_DST,
	KIND_OUTER_SRC,
	KIND_VNI,
	KIND_PORT,
	KIND_PLAIN,	/* on the uplink without encapsulation */
	KIND_FREED,	/* the kernel threw it away */
	KINDS = 16,
};

enum expects {
	EXPECT_MAC = 1,		/* the lease has a VtepMAC */
	EXPECT_OUTER = 2,	/* the lease has a public IP of the underlay's family */
	EXPECT_PLAIN = 4,	/* DirectRouting: no encapsulation, too */
};

struct expectation {
	u32 ip[4];	/* of the underlay: public-ip; of IPv4 the first word */
	u32 vtep[4];	/* this node's only: the address of flannel.1, whose packets are no pod's */
	u8 mac[8];
	u32 vni;	/* as the word of VXLAN's header that holds it */
	u16 port;	/* as in UDP's header */
	u16 expects;
};

struct tally {
	u64 packets;
	u64 bytes;
	u64 host;	/* of these packets, those to or from the VTEP's own address */
};

/* Of one slot, by hook. */
struct tallies {
	struct tally at[HOOKS];
};

struct deviation {
	u64 packets;
	u64 recorded_ns;	/* when one was last recorded */
};

/* Of one slot, by kind. */
struct deviations {
	struct deviation by[KINDS];
};

#endif
