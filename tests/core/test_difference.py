"""Two recordings held against each other: what changed, and nothing that changes by itself."""

import json

import pytest
from msgspec.structs import replace

from tests.builders import (
    CNI0,
    ETH0,
    FLANNEL,
    POD,
    SYSCTLS,
    agent,
    api_node,
    bundle,
    cluster,
    mac,
    pod_end,
    request,
    state,
    underlay,
    vtep_ip,
)  # fmt: skip
from tests.cases import bundle_of
from tracer.bundle.archive import read
from tracer.core.difference import difference
from tracer.model.bundle import Bundle
from tracer.model.difference import Change, Difference, Turn
from tracer.model.state import (
    Counters,
    FdbEntry,
    FirewallDump,
    Neighbour,
    NodeState,
    Route,
    Rule,
    TcFilter,
)  # fmt: skip


def recorded(case: str) -> Bundle:
    return read(bundle_of(case))


def changes(found: Difference) -> list[tuple[str, str, str | None, str | None]]:
    return [(one.place, one.table, one.before, one.after) for one in found.changes]


def between(before: NodeState, after: NodeState) -> list[tuple[str | None, str | None]]:
    """What differs in node-a's state."""
    found = difference(bundle(before), bundle(after)).changes
    assert {change.place for change in found} <= {"node-a"}
    return [(change.before, change.after) for change in found]


def test_a_fix_is_named_with_the_entries_that_it_changed() -> None:
    found = difference(recorded("vtepmac-annotation-stale"), recorded("healthy"))
    assert found.turn is Turn.FIXED
    assert found.sentence == (
        "it was DROPPED by vtepmac-annotation-stale and is DELIVERED now. 3 entries differ."
    )
    old, new = "c6:47:97:42:06:eb", "36:fa:77:28:4d:8b"
    assert changes(found) == [
        ("cluster", "lease", f"node-b VtepMAC {old}", f"node-b VtepMAC {new}"),
        (
            "node-a", "neighbour",
            f"10.244.2.0 dev flannel.1 lladdr {old} PERMANENT",
            f"10.244.2.0 dev flannel.1 lladdr {new} PERMANENT",
        ),
        ("node-a", "fdb", f"{old} dev flannel.1 dst 192.0.2.12 self permanent", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "turn"),
    [
        ("healthy", "healthy", Turn.SAME),
        ("healthy", "fdb-missing", Turn.BROKEN),
        ("fdb-missing", "healthy", Turn.FIXED),
        ("fdb-missing", "fdb-missing", Turn.SAME),
        ("fdb-missing", "routes-lost", Turn.OTHER),
    ],
)
def test_the_turn_is_that_of_the_verdicts(before: str, after: str, turn: Turn) -> None:
    assert difference(recorded(before), recorded(after)).turn is turn


def test_where_one_cannot_say_the_turn_is_unknown() -> None:
    blind = replace(recorded("healthy"), agents={})
    assert difference(recorded("healthy"), blind).turn is Turn.UNKNOWN


def test_a_recording_differs_from_itself_in_nothing() -> None:
    found = difference(recorded("healthy"), recorded("healthy"))
    assert found.changes == ()
    assert found.sentence == "both are DELIVERED. No entries differ."


def test_two_healthy_recordings_of_one_lab_differ_in_nothing() -> None:
    assert difference(recorded("healthy"), recorded("healthy-tcp")).changes == ()


LEARNED = Neighbour(ifindex=CNI0, ip="10.244.1.9", mac="02:00:00:00:00:09", state="REACHABLE")


@pytest.mark.parametrize(
    "after",
    [
        state("node-a", neighbours=(*state("node-a").neighbours, LEARNED)),
        state("node-a", sysctls=SYSCTLS | {"net.netfilter.nf_conntrack_count": "7"}),
        state("node-a", captured_at="2026-11-24T00:00:00Z", monotonic_ns=5),
        state(
            "node-a",
            links=tuple(
                replace(link, counters=Counters(rx_packets=9)) for link in state("node-a").links
            ),
        ),
    ],
    ids=["a learned neighbour", "a count", "the moment", "counters"],
)
def test_what_changes_by_itself_is_no_difference(after: NodeState) -> None:
    assert between(state("node-a"), after) == []


def test_a_learned_neighbour_with_another_mac_is_a_difference() -> None:
    before = state("node-a", neighbours=(LEARNED,))
    after = state("node-a", neighbours=(replace(LEARNED, mac="02:00:00:00:00:0a", state="STALE"),))
    assert between(before, after) == [
        (
            "10.244.1.9 dev cni0 lladdr 02:00:00:00:00:09 learned",
            "10.244.1.9 dev cni0 lladdr 02:00:00:00:00:0a learned",
        )
    ]


def test_a_device_says_which_attribute_changed() -> None:
    links = tuple(
        replace(link, mtu=1400, up=False) if link.ifindex == ETH0 else link
        for link in state("node-a").links
    )
    assert between(state("node-a"), state("node-a", links=links)) == [
        ("eth0 up", "eth0 down"),
        ("eth0 mtu 1500", "eth0 mtu 1400"),
    ]


def test_a_route_is_told_in_iproute2s_words() -> None:
    routes = (
        Route(destination="0.0.0.0/0", gateway="192.0.2.1", ifindex=ETH0, metric=100),
        Route(destination="10.244.2.0/25", kind="blackhole"),
        Route(destination="10.0.0.0/8", gateway="10.1.1.1", ifindex=ETH0, onlink=True, table=7),
    )
    after = state("node-a", routes=(*state("node-a").routes, *routes))
    assert [new for _, new in between(state("node-a"), after)] == [
        "default via 192.0.2.1 dev eth0 metric 100",
        "blackhole 10.244.2.0/25",
        "10.0.0.0/8 via 10.1.1.1 dev eth0 onlink table 7",
    ]


def test_a_rule_is_told_in_iproute2s_words() -> None:
    rules = (
        Rule(priority=5, table=7, action="table", family=4, source="10.0.0.0/8", mark=1, mask=255),
        Rule(priority=6, table=0, action="blackhole", family=4, inverted=True, iif="cni0"),
    )
    after = state("node-a", rules=rules)
    assert [new for _, new in between(state("node-a"), after)] == [
        "5: from 10.0.0.0/8 fwmark 0x1/0xff lookup 7",
        "6: not from all iif cni0 blackhole",
    ]


def test_two_entries_that_are_the_same_count_twice() -> None:
    entry = FdbEntry(ifindex=FLANNEL, mac="02:00:00:00:00:09", dst="192.0.2.9", flags=("self",))
    one = state("node-a", fdb=(entry,))
    assert between(one, state("node-a", fdb=(entry, entry))) == [
        (None, "02:00:00:00:00:09 dev flannel.1 dst 192.0.2.9 self permanent")
    ]


def dumped(tool: str, text: str) -> NodeState:
    return state("node-a", firewall=(FirewallDump(tool=tool, text=text),))


def test_a_policy_that_changed_is_one_difference_and_counters_are_none() -> None:
    before = dumped("iptables-save", "*filter\n:FORWARD ACCEPT [1:2]\n-A FORWARD -j X\nCOMMIT\n")
    after = dumped(
        "iptables-save", "# now\n*filter\n:FORWARD DROP [9:9]\n-A FORWARD -j X\nCOMMIT\n"
    )
    assert between(before, after) == [
        (
            "iptables-save: filter chain FORWARD policy ACCEPT",
            "iptables-save: filter chain FORWARD policy DROP",
        )
    ]


def nft(*rules: object, policy: str = "accept") -> str:
    chain = {"chain": {"family": "inet", "table": "fw", "name": "f", "handle": 1, "policy": policy}}
    body = {"family": "inet", "table": "fw", "chain": "f"}
    listed = [{"rule": body | {"handle": n, "expr": expr}} for n, expr in enumerate(rules)]
    return json.dumps({"nftables": [{"metainfo": {"version": "1"}}, chain, *listed]})


def test_an_nft_rule_is_told_without_its_handle_and_counter() -> None:
    left = {"payload": {"protocol": "udp", "field": "dport"}}
    port = {"match": {"op": "==", "left": left, "right": 8472}}
    before = dumped("nft -j list ruleset", nft([{"counter": {"packets": 1}}, {"accept": None}]))
    after = dumped(
        "nft -j list ruleset",
        nft([{"counter": {"packets": 2}}, {"accept": None}], [port, {"drop": None}], policy="drop"),
    )
    assert between(before, after) == [
        ("nft: chain inet fw f policy accept", "nft: chain inet fw f policy drop"),
        (None, "nft: inet fw f: udp dport 8472 drop"),
    ]


@pytest.mark.parametrize("text", ["{", "{}", '{"nftables": [{}]}', '{"nftables": [1]}', "[]"])
def test_a_dump_that_is_none_is_compared_as_a_text(text: str) -> None:
    assert between(dumped("nft", "{ x"), dumped("nft", text)) is not None


def test_files_sysctls_and_filters_are_compared() -> None:
    env = "/run/flannel/subnet.env"
    before = state("node-a", files={env: "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"})
    after = state(
        "node-a",
        files={env: "FLANNEL_MTU=1400\nFLANNEL_IPMASQ=true\n"},
        sysctls=SYSCTLS | {"net.ipv4.ip_forward": "0"},
        filters=(TcFilter(ifindex=CNI0, hook="ingress", name="cil_from_container"),),
        host_local={"10.244.1.7": "abc"},
    )
    assert set(between(before, after)) == {
        ("net.ipv4.ip_forward = 1", "net.ipv4.ip_forward = 0"),
        (f"{env}: FLANNEL_MTU=1450", f"{env}: FLANNEL_MTU=1400"),
        (None, "cni0 ingress cil_from_container"),
        (None, "10.244.1.7 is reserved"),
    }


def test_a_node_that_only_one_recording_has_is_not_compared_and_that_is_said() -> None:
    found = difference(bundle(), bundle(nodes={"node-a": state("node-a")}))
    assert found.not_compared == ("the state of node-b: only the first recording has it",)
    assert found.changes == ()


def pair_with_c(changed: NodeState | None = None) -> Bundle:
    """node-a to node-c, where the builders' other recordings go to node-b."""
    nodes = {"node-a": state("node-a"), "node-c": changed or state("node-c")}
    return bundle(
        nodes=nodes,
        request=request(destination=pod_end("node-c")),
        agents={name: agent(name) for name in nodes},
    )


def test_two_healthy_pairs_of_nodes_differ_in_nothing() -> None:
    found = difference(bundle(), pair_with_c())
    assert found.by_part
    assert found.changes == ()


def test_a_bad_pair_is_held_against_a_good_one_by_its_part_in_the_trace() -> None:
    bad = state("node-c", sysctls=SYSCTLS | {"net.ipv4.ip_forward": "0"})
    assert difference(bundle(), pair_with_c(bad)).changes == (
        Change(
            place="destination",
            table="sysctl",
            before="net.ipv4.ip_forward = 1",
            after="net.ipv4.ip_forward = 0",
        ),
    )


def test_between_pairs_an_entry_of_the_peer_has_the_peers_part() -> None:
    without = tuple(entry for entry in state("node-a").fdb if entry.mac != mac("node-c"))
    bad = replace(
        pair_with_c(), nodes={"node-a": state("node-a", fdb=without), "node-c": state("node-c")}
    )
    assert changes(difference(bundle(), bad)) == [
        (
            "source",
            "fdb",
            "destination-mac-flannel.1 dev flannel.1 dst destination-public-ip self permanent",
            None,
        )
    ]


def test_what_leases_and_net_conf_promise_is_compared() -> None:
    before = bundle(cluster=cluster(nodes={"node-b": api_node("node-b", public_ip="192.0.2.99")}))
    found = difference(before, bundle())
    assert changes(found) == [
        (
            "cluster",
            "lease",
            "node-b public-ip 192.0.2.99",
            f"node-b public-ip {underlay('node-b')}",
        )
    ]
    assert POD["node-b"] != vtep_ip("node-b")
