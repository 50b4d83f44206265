"""Rules at every hook of netfilter: what the tables foretell is what the kernel then does."""

import json

import pytest

from tests.lab.universe import Universe

pytestmark = pytest.mark.lab

PODS, NODES = ("pod-a", "pod-b"), ("node/node-a", "node/node-b")

DROPS = [
    ("iptables-nft", PODS, "node-a", "raw", "PREROUTING -i cni0 -d 10.244.2.0/24", "cni0"),
    ("iptables-nft", PODS, "node-a", "mangle", "POSTROUTING -o flannel.1", "flannel.1"),
    ("iptables-nft", PODS, "node-a", "filter", "OUTPUT -p udp --dport 8472", "flannel.1"),
    ("iptables-nft", PODS, "node-a", "mangle", "POSTROUTING -p udp --dport 8472", "eth0"),
    ("iptables-nft", PODS, "node-b", "raw", "PREROUTING -p udp --dport 8472", "eth0"),
    ("iptables-nft", PODS, "node-b", "filter", "FORWARD -i flannel.1", "flannel.1"),
    ("iptables-nft", PODS, "node-b", "mangle", "POSTROUTING -o cni0", "cni0"),
    ("iptables-nft", NODES, "node-a", "filter", "OUTPUT -p icmp", ""),
    ("iptables-nft", NODES, "node-a", "mangle", "POSTROUTING -p icmp", "flannel.1"),
    ("iptables-nft", NODES, "node-b", "filter", "INPUT -p icmp", "flannel.1"),
    ("iptables-legacy", PODS, "node-b", "filter", "FORWARD -i flannel.1", "flannel.1"),
]


@pytest.mark.parametrize(("tool", "ends", "node", "table", "rule", "device"), DROPS)
def test_a_drop_is_foretold_where_the_kernel_frees(
    lab: Universe, tool: str, ends: tuple[str, str], node: str, table: str, rule: str, device: str
) -> None:
    change = ["exec", node, "--", tool, "-t", table]
    chain, *matches = rule.split()
    lab.lab(*change, "-I", chain, "1", *matches, "-j", "DROP")
    try:
        document = json.loads(lab.flantrace("--lab", *ends, "--count", "1", "--json").stdout)
    finally:
        lab.lab(*change, "-D", chain, *matches, "-j", "DROP")
    end = document["paths"][0]["end"]
    assert (end["node"], end["ifname"]) == (node, device)
    told = document["forecasts"][0]
    assert (told["outcome"], told["reason"], told["agrees"]) == ("dropped", "NETFILTER_DROP", True)


def test_a_masquerade_is_foretold_with_the_address_that_the_pod_sees(lab: Universe) -> None:
    change = ["exec", "node-a", "--", "iptables", "-t", "nat"]
    rule = ["POSTROUTING", "-o", "flannel.1", "-j", "MASQUERADE"]
    lab.lab(*change, "-I", *rule)
    try:
        told = json.loads(lab.flantrace("predict", *PODS, "--lab", "--json").stdout)
        done = lab.flantrace("--lab", *PODS, "--count", "1", "--json").stdout
    finally:
        lab.lab(*change, "-D", *rule)
    last = told["paths"][0]["hops"][-1]
    assert (last["ifname"][:4], last["packet"]["inner"]["src"]) == ("veth", "10.244.1.0")
    assert [one["agrees"] for one in json.loads(done)["forecasts"]][:2] == [True, True]
