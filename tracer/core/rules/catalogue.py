"""THE CATALOGUE: every rule, in order of precedence of causes."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeAlias, get_type_hints

from tracer.core.facts import MissingFact
from tracer.core.rules import (
    address,
    backend,
    bridge,
    checksum,
    cni,
    destinations,
    device,
    direct,
    dualstack,
    duplicates,
    entries,
    filters,
    forwarding,
    gbp,
    generic,
    host,
    hostlocal,
    interface,
    leftovers,
    masquerading,
    moved,
    mtu,
    nat,
    neighbours,
    overlap,
    own_device,
    pod,
    podcidrs,
    policy,
    port,
    publicip,
    routes,
    switches,
    twins,
    underlay,
    unpublished,
    uplink,
    uplink_mtu,
    veth,
    written,
)
from tracer.model.diagnosis import Finding
from tracer.model.examination import Step
from tracer.model.path import Way

Said: TypeAlias = Finding | tuple[Finding, ...] | None
"""Nothing, one fault, or several of a kind."""

Rule: TypeAlias = Callable[[Any], Said]
"""A function of one WayView, NodeView or ClusterView: by the type of its parameter it is asked for
every way, every node, or once."""

LAST: tuple[Rule, ...] = (generic.unexplained_drop, generic.unexplained_loss)
"""Asked only where no other rule explains how the packets ended."""

CATALOGUE: tuple[Rule, ...] = (
    # Without a lease of its own a node has no part in the overlay.
    podcidrs.podcidr_not_assigned,
    podcidrs.podcidr_outside_network,
    duplicates.duplicate_podcidr,
    unpublished.annotations_missing,
    # Nodes of different backends have nothing to do with each other.
    backend.backend_type_mixed,
    # The devices have to fit together before any entry matters.
    uplink.uplink_down,
    port.vxlan_module_missing,
    port.vxlan_port_taken,
    own_device.own_flannel1_down,
    device.peer_flannel1_down,
    device.port_mismatch,
    device.vni_mismatch,
    gbp.gbp_mismatch,
    # Whose MAC it is; a changed MAC makes stale annotations, and these make stale neighbours.
    twins.vtepmac_duplicate,
    address.mac_changed_under_running_flannel,
    address.vtepmac_annotation_stale,
    dualstack.dualstack_update_ignored,
    address.neigh_stale_one_node,
    # Addresses of the underlay: published twice, moved, out of reach, another's, or dead.
    publicip.public_ip_duplicate,
    publicip.node_ip_changed_vxlan_local_stale,
    interface.wrong_interface,
    nat.public_ip_nat,
    destinations.fdb_wrong_dst_live,
    entries.fdb_wrong_dst_dead,
    # Entries that are absent, in the order in which the kernel asks for them.
    host.ip_forward_off,
    policy.policy_route,
    direct.directrouting_asymmetric,
    leftovers.stale_route_deleted_node,
    moved.podcidr_moved_race,
    overlap.host_route_overlaps,
    routes.routes_lost,
    entries.neigh_missing,
    entries.fdb_missing,
    # Hosts and the network between them.
    filters.raw_or_tc_drop,
    switches.rp_filter,
    forwarding.firewalld_forward_reject,
    forwarding.nft_other_table_drop,
    forwarding.forward_drop,
    host.input_drop_8472,
    checksum.outer_udp_csum_bad,
    # Sizes: what a node does itself before what lies between the nodes.
    mtu.ipv6_underlay_mtu_70,
    mtu.pod_mtu_too_big,
    uplink_mtu.uplink_mtu_lowered_late,
    underlay.underlay_mtu_blackhole,
    underlay.nsx_intercepts_8472,
    underlay.cloud_sg_8472,
    # What other traffic than this meets.
    masquerading.masq_pod_to_pod,
    filters.rules_flushed,
    switches.br_netfilter_off,
    # The pods' own edge: which configuration made them, their bridge, their veths, themselves.
    cni.other_cni_config,
    bridge.cni0_down,
    bridge.cni0_no_ip,
    bridge.cni0_wrong_subnet,
    veth.veth_detached,
    veth.veth_down,
    pod.pod_gone,
    pod.pod_route_missing,
    # What runs out.
    hostlocal.hostlocal_exhausted,
    neighbours.neigh_table_overflow,
    # What works, and is not as flanneld would have it.
    written.subnet_env_stale,
    written.vtep_unlike_configured,
    *LAST,
)


SAME_FAULT = (("own-flannel1-down", "peer-flannel1-down"),)
"""Rules that say one thing of one node, from the two ends of a way."""


def one_for_same(findings: Iterable[Finding]) -> list[Finding]:
    """Without what another finding says already: that counts which explains requests, else replies,
    else the first that spoke."""
    kept = {(finding.rule, finding.node): finding for finding in findings}
    for row in SAME_FAULT:
        for node in dict.fromkeys(node for rule, node in kept if rule in row):
            alike = [one for one in kept.values() if one.rule in row and one.node == node]
            alike.sort(key=lambda one: (not one.explains, one.way is not Way.REQUEST))
            for one in alike[1:]:
                del kept[(one.rule, node)]
    return list(kept.values())


def slug(rule: Rule) -> str:
    """A rule's name as users meet it."""
    return rule.__name__.replace("_", "-")


@cache
def subject(rule: Rule) -> type:
    """What the rule looks at: WayView, NodeView or ClusterView."""
    hints = get_type_hints(rule)
    hints.pop("return", None)
    kind: type = next(iter(hints.values()))
    return kind


def step(rule: Rule) -> Step:
    """The step of a check to which its findings belong: its module says so."""
    found: Step = rule.__globals__["STEP"]
    return found


def said(rule: Rule, about: Any) -> tuple[Finding, ...]:
    """What a rule says of one subject. MissingFact: a fact that it needs was not recorded.

    Or one that cannot be read: recordings come from strangers, and an address in them may be none.
    """
    try:
        found = rule(about)
    except ValueError as error:
        raise MissingFact(f"values that can be read: {error}") from None
    if found is None:
        return ()
    return found if isinstance(found, tuple) else (found,)
