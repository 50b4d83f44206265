"""One rule of a node's firewall, one packet followed: passed, freed, rewritten, or in doubt.

The places are those where a kernel 6.12 freed packets by these rules (tests/lab/test_firewall.py).
"""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.builders import (
    CNI0,
    POD,
    SYSCTLS,
    VETH,
    bundle,
    mac,
    pod_end,
    request,
    state,
    underlay,
    vtep_ip,
)
from tests.changes import without_fdb
from tests.core.netfilter.asking import LEGACY, NFT, NO, base, document, match, payload, saved
from tracer.core.facts import Facts
from tracer.core.predict import predicted
from tracer.model.bundle import Bundle
from tracer.model.path import Outcome, Path, Way
from tracer.model.request import End, EndKind, ProbeKind, ProbePlan
from tracer.model.state import FirewallDump, Link, NodeState, NotRead, PodLink, Route

A, B = "node-a", "node-b"
SETS = "-m set --match-set blocked src"


def guarded(node: str, *lines: str, table: str = "filter", **policy: str) -> NodeState:
    """A node with one table of iptables-legacy."""
    dump = FirewallDump(tool=LEGACY, text=saved(*lines, table=table, **policy))
    return state(node, firewall=(dump,))


def small(recording: Bundle, way: Way = Way.REQUEST) -> Path:
    paths = predicted(Facts(recording), recording.traced)
    return next(path for path in paths if path.way is way)


def words(path: Path) -> str:
    where = f"{path.end.node[-1]} {path.end.ifname}" if path.end is not None else "-"
    return f"{path.outcome.value} {where}" + (f" {path.drop.reason}" if path.drop else "")


def told(*states: NodeState, way: Way = Way.REQUEST, **more: Any) -> str:
    return words(small(bundle(*states, **more), way))


@pytest.mark.parametrize(
    ("node", "table", "rule", "where"),
    [
        (A, "raw", "PREROUTING -i cni0 -d 10.244.2.0/24", "a cni0"),
        (A, "filter", "FORWARD -i cni0 -o flannel.1", "a cni0"),
        (A, "mangle", "POSTROUTING -o flannel.1", "a flannel.1"),
        (A, "filter", "OUTPUT -p udp -m udp --dport 8472", "a flannel.1"),
        (A, "mangle", "POSTROUTING -p udp -m udp --dport 8472", "a eth0"),
        (B, "raw", "PREROUTING -p udp -m udp --dport 8472", "b eth0"),
        (B, "filter", "INPUT -p udp -m udp --dport 8472", "b eth0"),
        (B, "filter", "FORWARD -i flannel.1 -o cni0", "b flannel.1"),
        (B, "mangle", "POSTROUTING -o cni0", "b cni0"),
    ],
)
def test_a_certain_drop_ends_the_packet_where_the_kernel_frees_it(
    node: str, table: str, rule: str, where: str
) -> None:
    assert told(guarded(node, f"-A {rule} -j DROP", table=table)) == (
        f"dropped {where} NETFILTER_DROP"
    )


def test_a_rejection_is_a_drop() -> None:
    assert told(guarded(B, "-A FORWARD -j REJECT")) == "dropped b flannel.1 NETFILTER_DROP"


def test_a_policy_drops_too() -> None:
    assert told(guarded(B, policy="DROP")) == "dropped b eth0 NETFILTER_DROP"


def test_the_function_that_frees_is_that_of_the_backend() -> None:
    rule = base([match(payload("udp", "dport"), 8472), NO], hook="input")
    of_nft = state(B, firewall=(FirewallDump(tool=NFT, text=document(*rule)),))
    for node, caller in ((of_nft, "nft_do_chain"), (guarded(B, policy="DROP"), "nf_hook_slow")):
        drop = small(bundle(node)).drop
        assert drop is not None
        assert drop.caller == caller


@pytest.mark.parametrize(
    "rule",
    [
        "FORWARD -p tcp -j DROP",
        "FORWARD -i eth0 -j DROP",
        "FORWARD -m conntrack --ctstate INVALID -j DROP",
        "INPUT -p udp -m udp --dport 4789 -j DROP",
        "INPUT -i flannel.1 -j DROP",
        "OUTPUT -s 10.244.0.0/16 -j DROP",
        "FORWARD -m limit --limit 3/min -j LOG",
    ],
)
def test_what_does_not_meet_the_packet_is_no_doubt(rule: str) -> None:
    for node in (A, B):
        path = small(bundle(guarded(node, f"-A {rule}")))
        assert (words(path), path.doubt) == ("delivered b veth2", None)


def test_a_firewall_that_lets_only_answers_in_stops_requests_and_no_replies() -> None:
    rules = ("-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
             "-A FORWARD -i flannel.1 -j DROP")  # fmt: skip
    assert told(guarded(A, *rules), way=Way.REPLY) == "delivered a veth1"
    assert told(guarded(B, *rules)) == "dropped b flannel.1 NETFILTER_DROP"


@pytest.mark.parametrize("kind", [ProbeKind.ICMP, ProbeKind.TCP, ProbeKind.UDP])
def test_each_kind_of_probe_is_asked_for_by_its_protocol(kind: ProbeKind) -> None:
    asked = request(plan=ProbePlan(kind=kind, count=1, full_mtu=False, port=8080))
    blocked = guarded(B, f"-A FORWARD -p {kind.value} -j DROP")
    assert told(blocked, request=asked) == "dropped b flannel.1 NETFILTER_DROP"
    if kind is not ProbeKind.ICMP:
        port = f"-A FORWARD -p {kind.value} -m {kind.value} --dport 8080 -j DROP"
        assert told(guarded(B, port), request=asked) == "dropped b flannel.1 NETFILTER_DROP"


def test_a_rule_that_cannot_be_evaluated_is_a_doubt_that_quotes_it() -> None:
    path = small(bundle(guarded(B, f"-A FORWARD {SETS} -j DROP")))
    assert words(path) == "unknown b veth2"
    assert path.doubt == f"{LEGACY} of node-b may drop it: -A FORWARD {SETS} -j DROP"


def test_where_an_unclear_rule_would_spare_it_what_drops_is_quoted() -> None:
    path = small(bundle(guarded(B, f"-A FORWARD {SETS} -j ACCEPT", "-A FORWARD -j DROP")))
    assert path.doubt == f"{LEGACY} of node-b may drop it: -A FORWARD -j DROP"


def test_what_a_program_decides_is_a_doubt() -> None:
    path = small(bundle(guarded(B, "-A FORWARD -j NFQUEUE --queue-num 1")))
    assert path.doubt is not None
    assert "may do anything with it: -A FORWARD -j NFQUEUE --queue-num 1" in path.doubt


def test_a_sure_end_behind_a_doubt_is_the_end() -> None:
    doubted = without_fdb(guarded(A, f"-A FORWARD {SETS} -j DROP"), mac(B))
    assert told(doubted) == "dropped a flannel.1 NO_TX_TARGET"


def test_a_dump_that_could_not_be_read_is_a_doubt_and_one_that_was_not_made_is_none() -> None:
    gap = (NotRead(what=NFT, why="exit code 1"),)
    path = small(bundle(state(B, not_read=gap)))
    assert (path.outcome, path.doubt) == (
        Outcome.UNKNOWN,
        "nft -j list ruleset of node-b was not read: exit code 1",
    )
    assert told() == "delivered b veth2"


def test_a_mark_stays_with_the_packet_into_the_tunnel_and_not_over_the_wire() -> None:
    """Within one network namespace skb_scrub_packet keeps it: kube-proxy's 0x4000 is on both."""
    mangle = "-A PREROUTING -i cni0 -j MARK --set-xmark 0x4000/0x4000"
    marked = "-m mark --mark 0x4000/0x4000 -j DROP"
    dumps = saved(mangle, table="mangle")
    inside = dumps + saved(f"-A FORWARD {marked}")
    outside = dumps + saved(f"-A OUTPUT -p udp {marked}")

    def of(text: str) -> NodeState:
        return state(A, firewall=(FirewallDump(tool=LEGACY, text=text),))

    assert told(of(inside)) == "dropped a cni0 NETFILTER_DROP"
    assert told(of(outside)) == "dropped a flannel.1 NETFILTER_DROP"
    assert told(of(dumps), guarded(B, f"-A INPUT {marked}", f"-A FORWARD {marked}")) == (
        "delivered b veth2"
    )


HIDES = "-A POSTROUTING -o flannel.1 -j MASQUERADE"


def test_a_masquerade_that_is_certain_changes_the_source_and_the_way_back() -> None:
    recording = bundle(guarded(A, HIDES, table="nat"))
    asked, answer = small(recording), small(recording, Way.REPLY)
    inner = [hop.packet.inner for hop in asked.hops if hop.packet and hop.packet.inner]
    assert [one.src for one in inner] == [POD[A]] * 2 + [vtep_ip(A)] * 6
    assert (words(asked), asked.doubt) == ("delivered b veth2", None)
    assert words(answer) == "delivered a veth1"
    inner = [hop.packet.inner for hop in answer.hops if hop.packet and hop.packet.inner]
    assert [one.dst for one in inner] == [vtep_ip(A)] * 6 + [POD[A]] * 2


def test_an_snat_has_its_own_address() -> None:
    path = small(bundle(guarded(A, HIDES.replace("MASQUERADE", "SNAT --to-source 192.0.2.11"),
                                table="nat")))  # fmt: skip
    assert path.hops[-1].packet is not None
    assert path.hops[-1].packet.inner is not None
    assert path.hops[-1].packet.inner.src == underlay(A)


def test_a_reply_is_not_masqueraded_by_the_rule_that_would_hide_a_request() -> None:
    answer = small(bundle(guarded(B, HIDES, table="nat")), Way.REPLY)
    assert answer.hops[-1].packet is not None
    assert answer.hops[-1].packet.inner is not None
    assert answer.hops[-1].packet.inner.src == POD[B]


@pytest.mark.parametrize(
    ("chain", "target"),
    [
        ("POSTROUTING -o flannel.1", "SNAT --to-source 192.0.2.50-192.0.2.60"),
        (f"POSTROUTING {SETS}", "MASQUERADE"),
        ("PREROUTING -i cni0", "DNAT --to-destination 10.244.3.3"),
    ],
)
def test_a_rewriting_that_is_not_certain_or_leads_elsewhere_is_a_doubt(
    chain: str, target: str
) -> None:
    path = small(bundle(guarded(A, f"-A {chain} -j {target}", table="nat")))
    assert path.outcome is Outcome.UNKNOWN
    assert path.doubt is not None
    assert path.doubt.startswith(f"{LEGACY} of node-a may rewrite its addresses: -A {chain}")


NODES = tuple(End(kind=EndKind.NODE, name=n, node=n, ip=vtep_ip(n)) for n in (A, B))


@pytest.mark.parametrize(
    ("node", "table", "rule", "end"),
    [
        (A, "filter", "OUTPUT -p icmp", "dropped a  NETFILTER_DROP"),
        (A, "mangle", "POSTROUTING -p icmp", "dropped a flannel.1 NETFILTER_DROP"),
        (B, "filter", "INPUT -p icmp", "dropped b flannel.1 NETFILTER_DROP"),
        (B, "filter", "FORWARD", "delivered b flannel.1"),
    ],
)
def test_a_nodes_own_packet_meets_output_and_input(
    node: str, table: str, rule: str, end: str
) -> None:
    asked = request(source=NODES[0], destination=NODES[1])
    assert told(guarded(node, f"-A {rule} -j DROP", table=table), request=asked) == end


def beside(*lines: str, table: str = "filter", nf_call: str = "1") -> NodeState:
    """node-a with a second pod, 10.244.1.3."""
    node = guarded(A, *lines, table=table)
    veth = Link(
        ifindex=VETH + 1, ifname="veth9", kind="veth", mac="02:7e:00:00:00:09", mtu=1450, up=True,
        carrier=True, master=CNI0, peer_ifindex=2, peer_netnsid=2,
    )  # fmt: skip
    pod = PodLink(
        ip="10.244.1.3", netns=4026532999, found_in="/run/netns/cni-9", host_ifindex=VETH + 1,
        ifname="eth0", mac="02:9d:00:00:00:09", mtu=1450, up=True, routes=node.pods[0].routes,
    )  # fmt: skip
    calls = {"net.bridge.bridge-nf-call-iptables": nf_call}
    return replace(node, links=(*node.links, veth), pods=(*node.pods, pod), sysctls=SYSCTLS | calls)


@pytest.mark.parametrize(
    ("table", "rule", "where"),
    [
        ("raw", "PREROUTING -i cni0", "cni0"),
        ("filter", "FORWARD -i cni0 -o cni0", "veth9"),
        ("filter", "FORWARD -m physdev --physdev-is-bridged", "veth9"),
        ("mangle", "POSTROUTING -o cni0", "veth9"),
    ],
)
def test_between_pods_of_one_node_br_netfilter_asks_the_rules(
    table: str, rule: str, where: str
) -> None:
    asked = request(destination=pod_end(A, name="default/pod-z", ip="10.244.1.3"))
    rules = f"-A {rule} -j DROP"
    assert told(beside(rules, table=table), request=asked) == f"dropped a {where} NETFILTER_DROP"
    free = beside(rules, table=table, nf_call="0")
    assert told(free, request=asked) == "delivered a veth9"


def test_a_reply_by_a_node_that_saw_no_request_may_be_invalid_there() -> None:
    """Asymmetric routing: node-c's conntrack has never heard of the connection."""
    by_c = Route(destination="10.244.1.0/25", gateway=vtep_ip("node-c"), ifindex=3, onlink=True)
    sender = replace(state(B), routes=(*state(B).routes, by_c))
    rule = "-A FORWARD -m conntrack --ctstate INVALID -j DROP"
    path = small(bundle(sender, guarded("node-c", rule)), Way.REPLY)
    assert path.doubt == f"{LEGACY} of node-c may drop it: {rule}"
