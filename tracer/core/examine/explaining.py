"""Which of the faults that tables show explain what traffic shows."""

from collections.abc import Mapping

from tracer.core.rules.catalogue import CATALOGUE, slug, step
from tracer.model.examination import Step
from tracer.model.watch import Kind

STALE, ANNOTATION, CHANGED_MAC = (
    "neigh-stale-one-node",
    "vtepmac-annotation-stale",
    "mac-changed-under-running-flannel",
)
LIVE, DEAD, MOVED = (
    "fdb-wrong-dst-live",
    "fdb-wrong-dst-dead",
    "node-ip-changed-vxlan-local-stale",
)
TWINS, UNPUBLISHED, HALF = "vtepmac-duplicate", "annotations-missing", "dualstack-update-ignored"

ROUTES = tuple(slug(rule) for rule in CATALOGUE if step(rule) is Step.ROUTES)
"""Rules of what leads packets elsewhere, or nowhere."""

_SUBNETS = {"duplicate-podcidr", "podcidr-moved-race", "stale-route-deleted-node"}
_LEASELESS = {
    UNPUBLISHED,
    "backend-type-mixed",
    "podcidr-not-assigned",
    "podcidr-outside-network",
    *_SUBNETS,
}
_MACS = {STALE, ANNOTATION, CHANGED_MAC, TWINS, HALF, LIVE, "public-ip-duplicate", *_SUBNETS}
_OUTER = {
    LIVE,
    DEAD,
    MOVED,
    STALE,
    HALF,
    TWINS,
    "public-ip-duplicate",
    "public-ip-nat",
    "wrong-interface",
    *_SUBNETS,
}
_PLAIN = {
    *ROUTES,
    "own-flannel1-down",
    "peer-flannel1-down",
    "uplink-down",
    "vxlan-module-missing",
    "vxlan-port-taken",
    "rp-filter",
    *_LEASELESS,
}

NAMED_BY: Mapping[Kind, frozenset[str]] = {
    Kind.NO_LEASE: frozenset(_LEASELESS),
    Kind.PEER_MAC: frozenset({*_MACS, *ROUTES}),
    Kind.OWN_MAC: frozenset(_MACS),
    Kind.SENDER_MAC: frozenset({*_MACS, "masq-pod-to-pod"}),
    Kind.OUTER_DST: frozenset(_OUTER),
    Kind.OUTER_SRC: frozenset({*_OUTER, "masq-pod-to-pod"}),
    Kind.VNI: frozenset({"vni-mismatch"}),
    Kind.PORT: frozenset({"port-mismatch"}),
    Kind.PLAIN: frozenset(_PLAIN),
}
"""Rules that explain such packets, where the tables have shown their fault."""

BY_REASON: Mapping[str, frozenset[str]] = {
    # another's device takes in all VNIs in external mode, a veth without a bridge all MACs
    "OTHERHOST": NAMED_BY[Kind.OWN_MAC] | {"vxlan-port-taken", "veth-detached"},
    "NO_TX_TARGET": frozenset({"fdb-missing", "neigh-missing", *_MACS, *_LEASELESS}),
    "NEIGH_FAILED": frozenset(
        {"neigh-missing", "uplink-down", "cni0-down", "veth-down", "veth-detached", "pod-gone"}
        | {"other-cni-config", CHANGED_MAC, *ROUTES, *_OUTER, *_LEASELESS}
    ),
    "NEIGH_QUEUEFULL": frozenset({"neigh-missing", CHANGED_MAC, "pod-gone"}),
    "NEIGH_CREATEFAIL": frozenset({"neigh-table-overflow"}),
    "NETFILTER_DROP": frozenset(
        {"firewalld-forward-reject", "nft-other-table-drop", "forward-drop", "input-drop-8472"}
        | {"raw-or-tc-drop"}
    ),
    "IP_RPFILTER": frozenset({"rp-filter", "directrouting-asymmetric"}),
    # routes-lost: with a device that was deleted
    "NO_SOCKET": frozenset(
        {"port-mismatch", "vni-mismatch", "own-flannel1-down", "peer-flannel1-down"}
        | {"routes-lost", "vxlan-port-taken", "vxlan-module-missing", *_LEASELESS}
    ),
    "VXLAN_VNI_NOT_FOUND": frozenset(
        {"vni-mismatch", "port-mismatch", "vxlan-port-taken", "routes-lost"}
        | {"own-flannel1-down", "peer-flannel1-down"}
    ),
    "VXLAN_INVALID_HDR": frozenset({"gbp-mismatch"}),
    "LOCAL_MAC": frozenset({TWINS}),
    "UDP_CSUM": frozenset({"outer-udp-csum-bad"}),
    "IP_OUTNOROUTES": frozenset({"uplink-down", "wrong-interface", MOVED, *_OUTER}),
    "IP_INNOROUTES": frozenset(
        {"cni0-down", "cni0-no-ip", "cni0-wrong-subnet", "uplink-down", "masq-pod-to-pod", *_PLAIN}
    ),
    "IP_INADDRERRORS": frozenset({"ip-forward-off"}),
    "IP_INHDR": frozenset({"public-ip-duplicate", *_SUBNETS, *ROUTES}),
    "PKT_TOO_BIG": frozenset(
        {"pod-mtu-too-big", "uplink-mtu-lowered-late", "ipv6-underlay-mtu-70"}
    ),
    "QDISC_DROP": frozenset(
        {"uplink-down", "veth-down", "veth-detached", "cni0-down", "own-flannel1-down"}
        | {"routes-lost"}
    ),
    "TC_INGRESS": frozenset({"raw-or-tc-drop"}),
    "TC_EGRESS": frozenset({"raw-or-tc-drop"}),
    "XDP": frozenset({"raw-or-tc-drop"}),
    "NOT_SPECIFIED": frozenset(_PLAIN),
}
"""The kernel's reason -> rules whose fault makes it free packets so."""

OF_THIS_NODE = frozenset(
    {"NETFILTER_DROP", "IP_RPFILTER", "IP_INADDRERRORS", "TC_INGRESS", "TC_EGRESS", "XDP"}
    | {"NEIGH_CREATEFAIL", "PKT_TOO_BIG", "QDISC_DROP"}
)
"""Reasons of which the cause sits where the packet is freed."""

IN_BETWEEN = frozenset(ROUTES) | frozenset(
    {"uplink-down", "port-mismatch", "underlay-mtu-blackhole", "uplink-mtu-lowered-late"}
    | {"ipv6-underlay-mtu-70", "public-ip-nat", "wrong-interface", LIVE, DEAD, MOVED}
    | {"public-ip-duplicate", TWINS, "cloud-sg-8472", "nsx-intercepts-8472", *_LEASELESS}
)
"""Rules whose fault loses packets between two uplinks."""

INSIDE = frozenset().union(*BY_REASON.values())
"""Rules whose fault loses packets between two hooks of a node."""
