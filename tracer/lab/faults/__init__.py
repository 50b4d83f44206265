"""What can be broken in the lab. Named and grouped as the catalogue of findings is."""

from tracer.lab.faults import (
    address,
    bridge,
    device,
    host,
    intent,
    leases,
    mtu,
    netfilter,
    nic,
    plugin,
    pod,
    policy,
    rollout,
    underlay,
)
from tracer.lab.faults.fault import Fault

A_THIRD_NODE = "it hits a third node"
BETWEEN = "what stops it stands between the nodes"

FAULTS: dict[str, Fault] = {
    "vtepmac-annotation-stale": Fault(address.vtepmac_annotation_stale),
    "neigh-stale-one-node": Fault(address.neigh_stale_one_node),
    "mac-changed-under-running-flannel": Fault(
        address.mac_changed_under_running_flannel, address.heal_mac_changed
    ),
    "fdb-missing": Fault(address.fdb_missing),
    "neigh-missing": Fault(address.neigh_missing),
    "fdb-wrong-dst-dead": Fault(address.fdb_wrong_dst_dead),
    "node-ip-changed-vxlan-local-stale": Fault(
        address.node_ip_changed_vxlan_local_stale, address.heal_node_ip_changed
    ),
    "public-ip-duplicate": Fault(address.public_ip_duplicate, address.heal_public_ip_duplicate),
    "fdb-wrong-dst-live": Fault(intent.fdb_wrong_dst_live),
    "wrong-interface": Fault(intent.wrong_interface, intent.heal_wrong_interface),
    "vtepmac-duplicate": Fault(intent.vtepmac_duplicate),
    "public-ip-nat": Fault(
        intent.public_ip_nat, intent.heal_public_ip_nat, needs=("nft",), shapes=("nat",)
    ),
    "dualstack-update-ignored": Fault(intent.dualstack_update_ignored, shapes=("dual-stack",)),
    "backend-type-mixed": Fault(intent.backend_type_mixed, intent.heal_backend_type_mixed),
    "routes-lost": Fault(address.routes_lost),
    "vni-mismatch": Fault(device.vni_mismatch),
    "port-mismatch": Fault(device.port_mismatch),
    "peer-flannel1-down": Fault(
        device.peer_flannel1_down, device.heal_peer_flannel1_down, swapped="own-flannel1-down"
    ),
    "annotations-missing": Fault(leases.annotations_missing),
    "duplicate-podcidr": Fault(leases.duplicate_podcidr, leases.heal_duplicate_podcidr),
    "podcidr-not-assigned": Fault(
        leases.podcidr_not_assigned, leases.heal_registered_in_vain, spares=A_THIRD_NODE
    ),
    "podcidr-outside-network": Fault(
        leases.podcidr_outside_network, leases.heal_registered_in_vain, spares=A_THIRD_NODE
    ),
    "stale-route-deleted-node": Fault(
        leases.stale_route_deleted_node,
        spares="the old route takes the upper half of node-b's subnet, and pod-b is in the lower",
    ),
    "podcidr-moved-race": Fault(leases.podcidr_moved_race),
    "own-flannel1-down": Fault(
        leases.own_flannel1_down, leases.heal_own_flannel1_down, swapped="peer-flannel1-down"
    ),
    "vxlan-port-taken": Fault(nic.vxlan_port_taken, nic.heal_vxlan_port_taken),
    "gbp-mismatch": Fault(
        rollout.gbp_mismatch, rollout.heal_gbp_mismatch, needs=("iptables",), shapes=("gbp",)
    ),
    "directrouting-asymmetric": Fault(
        rollout.directrouting_asymmetric, rollout.heal_directrouting, shapes=("direct-routing",)
    ),
    "uplink-down": Fault(nic.uplink_down, nic.heal_uplink_down),
    "pod-mtu-too-big": Fault(mtu.pod_mtu_too_big, mtu.heal_pod_mtu),
    "uplink-mtu-lowered-late": Fault(mtu.uplink_mtu_lowered_late, mtu.heal_uplink_mtu),
    "ipv6-underlay-mtu-70": Fault(mtu.ipv6_underlay_mtu_70, mtu.heal_ipv6_mtu, shapes=("ipv6",)),
    "outer-udp-csum-bad": Fault(
        nic.outer_udp_csum_bad,
        nic.heal_outer_udp_csum,
        needs=("nft", "ethtool"),
        hidden="the NIC computes wrong sums, and no table says so",
    ),
    "underlay-mtu-blackhole": Fault(
        underlay.underlay_mtu_blackhole, underlay.heal_underlay, needs=("nft",), hidden=BETWEEN
    ),
    "nsx-intercepts-8472": Fault(
        underlay.nsx_intercepts_8472, underlay.heal_underlay, needs=("nft",), hidden=BETWEEN
    ),
    "cloud-sg-8472": Fault(
        underlay.cloud_sg_8472, underlay.heal_underlay, needs=("nft",), hidden=BETWEEN
    ),
    "input-drop-8472": Fault(host.input_drop_8472, host.heal_input_drop, needs=("iptables",)),
    "forward-drop": Fault(host.forward_drop, host.heal_forward_drop, needs=("iptables",)),
    "ip-forward-off": Fault(host.ip_forward_off, host.heal_ip_forward),
    "other-cni-config": Fault(plugin.other_cni_config, plugin.heal_other_cni_config),
    "cni0-down": Fault(bridge.cni0_down, bridge.heal_cni0_down),
    "cni0-no-ip": Fault(bridge.cni0_no_ip, bridge.heal_cni0_no_ip),
    "cni0-wrong-subnet": Fault(bridge.cni0_wrong_subnet, bridge.heal_cni0_wrong_subnet),
    "veth-detached": Fault(pod.veth_detached, pod.heal_veth_detached),
    "veth-down": Fault(pod.veth_down, pod.heal_veth_down),
    "pod-gone": Fault(pod.pod_gone, pod.heal_pod_gone),
    "pod-route-missing": Fault(pod.pod_route_missing, pod.heal_pod_route_missing),
    "hostlocal-exhausted": Fault(
        plugin.hostlocal_exhausted,
        plugin.heal_hostlocal_exhausted,
        spares="pods that run already have their addresses",
    ),
    "policy-route": Fault(policy.policy_route, policy.heal_policy_route),
    "rp-filter": Fault(policy.rp_filter, policy.heal_rp_filter),
    "br-netfilter-off": Fault(
        policy.br_netfilter_off,
        policy.heal_br_netfilter,
        shapes=("services",),
        spares="only a Service whose endpoint is on its client's own node is hit",
    ),
    "raw-or-tc-drop": Fault(netfilter.raw_or_tc_drop, netfilter.heal_raw, needs=("iptables",)),
    "masq-pod-to-pod": Fault(
        netfilter.masq_pod_to_pod,
        netfilter.heal_masquerade,
        needs=("iptables",),
        spares="packets arrive, with another source address",
    ),
    "nft-other-table-drop": Fault(
        netfilter.nft_other_table_drop, netfilter.heal_other_table, needs=("nft",)
    ),
    "firewalld-forward-reject": Fault(
        netfilter.firewalld_forward_reject, netfilter.heal_firewalld, needs=("nft",)
    ),
    "rules-flushed": Fault(
        netfilter.rules_flushed,
        netfilter.heal_rules_flushed,
        needs=("nft",),
        shapes=("nftables",),
        spares="only what pods send out of the cluster is hit",
    ),
}
