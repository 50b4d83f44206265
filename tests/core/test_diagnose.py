"""The verdict: one outcome, one place, one sentence, one exit code."""

from msgspec.structs import replace

from tests.builders import (
    ETH0,
    agent,
    api_node,
    bundle,
    cluster,
    mac,
    pod_cidr,
    pod_end,
    request,
    state,
    underlay,
)
from tests.changes import without_fdb, without_neighbours
from tests.core.rules.asking import case, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    UPLINK_OUT,
    VTEP_IN,
    VTEP_OUT,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
    path,
    unseen,
)
from tracer.core.diagnose import diagnose, judge
from tracer.model.bundle import AgentEnd, Trouble
from tracer.model.message import Sent
from tracer.model.observation import Device
from tracer.model.path import Entry, Mark, Outcome, Path, Way
from tracer.model.request import ProbeKind, ProbePlan
from tracer.model.state import NodeState

AT_VTEP = freed_on("node-a", Device.VTEP, "flannel.1")
SILENT = "the agent on node-b did not answer to the end"


def in_doubt(seq: int = 1) -> Path:
    return path(seq=seq, last=UPLINK_OUT, outcome=Outcome.UNKNOWN, doubt=SILENT)


def test_three_lost_of_five_are_in_the_sentence_and_in_the_exit_code() -> None:
    paths = [*(delivered(seq=n) for n in (1, 2)), *(lost(VTEP_IN, seq=n) for n in (3, 4, 5))]
    verdict = judge(case(paths=paths)).verdict
    assert verdict.sentence == (
        "last seen on node-b, at flannel.1: 3 of 5 requests; 2 of 5 arrived."
    )
    assert verdict.exit_code == 1


def test_one_lost_reply_is_a_fault() -> None:
    paths = [*all_well(full=False)[:-1], lost(VTEP_IN, Way.REPLY, 5)]
    verdict = judge(case(paths=paths)).verdict
    assert verdict.exit_code == 1
    assert verdict.sentence == (
        "last seen on node-a, at flannel.1: 1 of 5 replies; 5 of 5 requests and 4 of 5 arrived."
    )


def test_requests_come_before_replies_and_the_most_frequent_end_first() -> None:
    paths = [
        lost(VTEP_IN, seq=1),
        *(lost(UPLINK_OUT, seq=n) for n in (2, 3)),
        *(lost(BRIDGE_IN, Way.REPLY, seq=n) for n in (4, 5)),
    ]
    verdict = judge(case(paths=paths)).verdict
    assert (verdict.way, verdict.node, verdict.device) == (Way.REQUEST, "node-a", "eth0")
    assert "2 of 3 requests and 1 elsewhere" in verdict.sentence


def test_two_faults_at_once_are_both_found_and_the_one_that_stops_traffic_is_first() -> None:
    node_a = without_fdb(state("node-a"), "02:f1:00:00:00:02")
    node_b = without_neighbours(state("node-b"), "10.244.1.0")
    paths = [dropped(AT_VTEP, "NO_TX_TARGET", "vxlan_xmit", last=VTEP_OUT)]
    told = judge(case(node_a, node_b, paths=paths))
    assert [finding.rule for finding in told.findings] == ["fdb-missing", "neigh-missing"]
    assert told.verdict.rule == "fdb-missing"


def test_a_fault_that_did_not_stop_these_packets_is_still_a_fault() -> None:
    """Delivered by an entry that is gone by now: exit code 1, and said."""
    told = judge(case(without_fdb(state("node-a"), "02:f1:00:00:00:02")))
    assert words(told) == ("DELIVERED", "fdb-missing", "-", "-", "-")
    assert told.verdict.exit_code == 1
    assert told.verdict.sentence.endswith("No drops, but a fault lies on the way.")


def test_a_silent_agent_makes_the_verdict_unknown() -> None:
    told = judge(
        case(
            nodes={"node-a": state("node-a")},
            agents={"node-a": agent("node-a"), "node-b": agent("node-b", end=AgentEnd.SILENT)},
            paths=[in_doubt(seq) for seq in range(1, 6)],
        )
    )
    assert words(told) == ("UNKNOWN", "-", "-", "-", "-")
    assert told.verdict.exit_code == 3
    assert told.verdict.sentence == (f"5 of 5 requests, last seen on node-a, at eth0: {SILENT}.")
    assert "The agent on node-b stopped answering." in told.notes


def test_a_seen_drop_outweighs_doubt_about_others() -> None:
    paths = [dropped(AT_VTEP, "NO_TX_TARGET", "vxlan_xmit", last=VTEP_OUT), in_doubt(2)]
    assert judge(case(paths=paths)).verdict.outcome is Outcome.DROPPED


def test_lost_records_leave_it_unknown_whether_an_error_lies_on_the_path() -> None:
    told = judge(case(agents={n: agent(n, lost=3) for n in ("node-a", "node-b")}))
    assert told.verdict.exit_code == 3
    assert told.verdict.outcome is Outcome.UNKNOWN
    assert "arrived, but the agent on node-a lost 3 records" in told.verdict.sentence
    assert "The agent on node-a lost 3 records: not all that passed was seen." in told.notes


def test_nothing_seen_while_watching_is_unknown() -> None:
    watching = request(plan=None, passive_s=10.0)
    verdict = judge(case(paths=[], request=watching)).verdict
    assert verdict.exit_code == 3
    assert verdict.sentence == (
        "no packet between default/pod-a and default/pod-b was seen in 10 s."
    )


def test_watched_traffic_is_counted_as_it_came() -> None:
    paths = [delivered(seq=n) for n in (1, 2, 3)]
    verdict = judge(case(paths=paths, request=request(plan=None, passive_s=10.0))).verdict
    assert verdict.sentence.startswith("3 of 3 requests. No drops.")


def test_udp_needs_no_reply() -> None:
    udp = request(plan=ProbePlan(kind=ProbeKind.UDP, port=53, count=2, full_mtu=False))
    verdict = judge(case(paths=[delivered(seq=1), delivered(seq=2)], request=udp)).verdict
    assert verdict.exit_code == 0
    assert verdict.sentence.startswith("2 of 2 requests, no reply needed.")


def test_another_backend_is_named_and_that_is_all() -> None:
    nodes = {name: api_node(name, backend_type="host-gw") for name in ("node-a", "node-b")}
    told = judge(case(paths=[lost(UPLINK_OUT)], cluster=cluster(nodes=nodes)))
    assert words(told) == ("UNKNOWN", "-", "-", "-", "-")
    assert told.verdict.sentence == (
        "flannel's backend on node-a is host-gw: flantrace follows vxlan only."
    )
    assert (told.verdict.exit_code, told.findings) == (3, ())
    assert (told.overlay.vni, told.overlay.port) == (None, None)


def routed_directly(node: str, peer: str) -> NodeState:
    """A node whose flanneld does DirectRouting: no entry of the VTEP has a part in it."""
    healthy = state(node)
    routes = tuple(
        replace(r, gateway=underlay(peer), ifindex=ETH0, onlink=False)
        if r.destination == pod_cidr(peer)
        else r
        for r in healthy.routes
    )
    return replace(healthy, routes=routes, neighbours=(), fdb=())


def bare(one: Path) -> Path:
    """The same way without VXLAN, addressed to the uplinks' own MACs."""
    hops = tuple(
        replace(hop, packet=replace(hop.packet, outer=None, inner=replace(
            hop.packet.inner, dst_mac=mac(hop.node, "eth0")
        )))
        for hop in one.hops
        if hop.device is not Device.VTEP and hop.packet is not None and hop.packet.inner is not None
    )  # fmt: skip
    return replace(one, hops=hops)


def test_direct_routing_has_no_macs_no_vxlan_and_no_finding() -> None:
    nodes = (routed_directly("node-a", "node-b"), routed_directly("node-b", "node-a"))
    told = judge(case(*nodes, paths=[bare(one) for one in all_well()]))
    assert (told.macs, told.findings) == ((), ())
    assert (told.overlay.vni, told.overlay.port) == (None, None)
    assert told.overlay.destination_underlay == "192.0.2.12"
    assert told.verdict.exit_code == 0


def test_the_macs_of_bare_packets_are_no_vteps() -> None:
    """DirectRouting, and node-a's tables were not read: what came in was for node-b's eth0."""
    told = judge(
        case(
            nodes={"node-b": routed_directly("node-b", "node-a")},
            paths=[bare(one) for one in all_well()],
        )
    )
    assert [row.wire for row in told.macs] == [None]


def test_pods_of_one_node_have_nothing_to_do_with_the_overlay() -> None:
    near = request(destination=pod_end("node-a", name="default/pod-a2", ip="10.244.1.3"))
    told = judge(case(paths=[delivered()], request=near))
    assert told.verdict.exit_code == 0
    assert told.verdict.sentence.endswith("Both ends are on node-a: the overlay has no part in it.")
    assert told.findings == ()
    assert told.macs == ()


def test_a_pod_on_its_hosts_network_is_explained() -> None:
    host = request(destination=pod_end("node-b", ip="192.0.2.12", host_network=True))
    told = judge(case(paths=[delivered()], request=host))
    assert told.findings == ()
    assert any("hostNetwork" in note for note in told.notes)


def test_an_entry_that_is_bad_on_the_way_is_not_called_right() -> None:
    bad = Entry(table="fdb", text="x dst y", mark=Mark.BAD)
    good = delivered()
    hops = (replace(good.hops[0], entries=(bad,)), *good.hops[1:])
    sentence = judge(case(paths=[replace(good, hops=hops)])).verdict.sentence
    assert sentence.endswith("Not every entry used matches the leases.")


def test_what_the_sender_was_told_is_a_note() -> None:
    said = Sent(
        seq=1, size=84, sent_ns=1, reply="host unreachable", reply_from="10.244.1.1", error=None
    )
    refused = Sent(seq=2, size=84, sent_ns=2, error="Network is unreachable")
    told = judge(case(paths=[unseen()], sent=(said, refused)))
    assert "To 1 of 2 probes the answer was host unreachable from 10.244.1.1." in told.notes
    assert "To 1 of 2 probes the kernel refused to send: Network is unreachable." in told.notes


def test_troubles_are_notes_with_their_hints() -> None:
    trouble = Trouble(node="node-b", what="the template failed on node-b", hint="try it by hand")
    told = judge(case(troubles=(trouble,)))
    assert "the template failed on node-b; try it by hand." in told.notes


def test_the_three_macs_are_there_for_both_ways() -> None:
    rows = judge(case()).macs
    assert [(row.peer, row.node) for row in rows] == [("node-a", "node-b"), ("node-b", "node-a")]
    first = rows[0]
    assert {first.advertised, first.programmed, first.programmed_fdb, first.actual, first.wire} == {
        "02:f1:00:00:00:02"
    }


def test_the_overlay_is_that_of_the_senders_device() -> None:
    overlay = judge(case()).overlay
    assert (overlay.vni, overlay.port) == (1, 8472)
    assert (overlay.source_underlay, overlay.destination_underlay) == ("192.0.2.11", "192.0.2.12")


def test_the_same_bundle_gives_the_same_diagnosis() -> None:
    facts = bundle(
        sent=tuple(Sent(seq=n, size=84, sent_ns=n, reply="echo reply") for n in range(1, 6))
    )
    assert diagnose(facts) == diagnose(facts)


def test_garbage_in_the_api_is_judged_and_not_raised() -> None:
    garbage = api_node("node-b", backend_data="{{{", public_ip="\x1b[31m", backend_type="vxlan")
    told = judge(case(paths=[lost(UPLINK_OUT)], cluster=cluster(nodes={"node-b": garbage})))
    assert told.verdict.outcome is Outcome.LOST


def test_a_node_without_a_lease_leaves_rules_unasked_and_says_so() -> None:
    bare = replace(api_node("node-b"), annotations={}, pod_cidrs=())
    told = judge(case(paths=[lost(UPLINK_OUT)], cluster=cluster(nodes={"node-b": bare})))
    assert ("neigh-missing", "lease of node-b: its Node object carries none") in {
        (skip.rule, skip.missing) for skip in told.skipped
    }
    assert "unexplained-loss" in rules_of(told)
