"""Faults that no rule knows: node, device, kernel's reason and side are still exact.

Each is one that somebody could set: an IPsec policy that blocks. And two faults at once are two.
"""

from collections.abc import Iterator

import pytest

from tests.lab.universe import Universe

pytestmark = pytest.mark.lab

BLOCK = "ip -n {node} xfrm policy {verb} src {src} dst {dst} dir {way}"
PODS = ("10.244.1.0/24", "10.244.2.0/24")
NODES = ("192.0.2.11", "192.0.2.12")


def block(node: str, way: str, between: tuple[str, str]) -> tuple[str, str]:
    """An IPsec policy that blocks, and its end."""
    words = {"node": node, "src": between[0], "dst": between[1], "way": way}
    return BLOCK.format(verb="add", **words) + " action block", BLOCK.format(verb="delete", **words)


INGRESS = (
    "nft add table netdev other; add chain netdev other c"
    " { type filter hook ingress device flannel.1 priority 0; policy drop; }"
)
OUTPUT = "ip netns exec node-a iptables -{} OUTPUT -p udp --dport 8472 -j DROP"
LATE = "ip netns exec node-a iptables -t mangle -{} POSTROUTING -p udp --dport 8472 -j DROP"

FAULTS = {
    "a chain of nft's that no hook of IP knows": (
        f"ip netns exec node-b {INGRESS}", "ip netns exec node-b nft delete table netdev other",
        "node-b flannel.1 NETFILTER_DROP",
    ),
    "a firewall drops what the node itself sends": (
        OUTPUT.format("A"), OUTPUT.format("D"), "node-a flannel.1 NETFILTER_DROP",
    ),
    "a firewall drops it as it leaves": (
        LATE.format("A"), LATE.format("D"), "node-a eth0 NETFILTER_DROP",
    ),
    "forwarding is blocked where the packet starts": (
        *block("node-a", "fwd", PODS), "node-a cni0 XFRM_POLICY",
    ),
    "forwarding is blocked where it comes out of the tunnel": (
        *block("node-b", "fwd", PODS), "node-b flannel.1 XFRM_POLICY",
    ),
    "the outer packet is blocked where it arrives": (
        *block("node-b", "in", NODES), "node-b eth0 XFRM_POLICY",
    ),
    "the outer packet is blocked where it leaves": (
        *block("node-a", "out", NODES), "node-a flannel.1 IP_OUTNOROUTES",
    ),
}  # fmt: skip
"""What it is -> how it is set and unset, and where the kernel frees the packet and why."""


@pytest.fixture(params=FAULTS)
def located(request: pytest.FixtureRequest, lab: Universe) -> Iterator[str]:
    """A lab with that fault in it; the place that has to be said."""
    injected, undone, place = FAULTS[request.param]
    lab.output(injected.split())
    yield place
    lab.output(undone.split())


def verdict(lab: Universe, *ends: str) -> str:
    return lab.flantrace("--lab", *ends, "--no-save", "--depth", "verdict").stdout.strip()


def test_a_fault_without_a_name_is_located_from_both_sides(lab: Universe, located: str) -> None:
    there = verdict(lab, "pod-a", "pod-b")
    back = verdict(lab, "pod-b", "pod-a")
    assert there == f"DROPPED unexplained-drop {located}"
    assert back == f"DROPPED unexplained-drop {located}"


RULES = {
    "a firewall drops what the node itself sends": "-A OUTPUT -p udp",
    "a firewall drops it as it leaves": "-A POSTROUTING -p udp",
}


@pytest.mark.parametrize("located", RULES, indirect=True)
def test_a_rule_of_the_firewall_is_quoted_all_the_same(
    lab: Universe, located: str, request: pytest.FixtureRequest
) -> None:
    told = lab.flantrace("--lab", "pod-a", "pod-b", "--no-save").stdout
    assert located.split()[0] in told
    assert RULES[request.node.callspec.params["located"]] in told


def unseen(name: str) -> bool:
    return name not in RULES


@pytest.mark.parametrize("located", [name for name in FAULTS if unseen(name)], indirect=True)
def test_tables_that_do_not_show_it_are_said_not_to(lab: Universe, located: str) -> None:
    told = lab.flantrace("--lab", "pod-a", "pod-b", "--no-save").stdout
    assert "what stops them is in no table that flantrace reads" in " ".join(told.split())
    assert located.split()[0] in told
