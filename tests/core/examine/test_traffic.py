"""What a watch's packets prove, with the tables and without them."""

import pytest
from msgspec.structs import replace

from tests.builders import api_node, cluster, mac, state, underlay, vtep_ip
from tests.changes import with_fdb, with_link, with_neighbour, without_fdb, without_route
from tests.core.examine.watching import (
    IN,
    OTHER_MAC,
    OUT,
    A,
    B,
    C,
    S,
    at_uplink,
    deviating,
    dropping,
    frame,
    gap,
    moment,
    on_wire,
    recorded,
    watched,
)
from tracer.core.examine import examine
from tracer.model.cluster import ClusterState
from tracer.model.diagnosis import Finding, Severity
from tracer.model.observation import Observation
from tracer.model.request import CheckRequest
from tracer.model.state import NodeState
from tracer.model.watch import Deviating, Dropping, Gap, Happening, Kind

IN_B = on_wire(frame(B, A), underlay(B), underlay(A))
STALE = with_fdb(
    with_neighbour(state(A), vtep_ip(B), OTHER_MAC, "PERMANENT"), OTHER_MAC, underlay(B)
)
WRONG_MAC = deviating(Kind.PEER_MAC, OUT, recorded(frame(A, B, to=OTHER_MAC), A, OUT))


def only(
    *evidence: Deviating | Dropping | Gap | Happening,
    tables: NodeState | None = None,
    known: ClusterState | None = None,
) -> Finding:
    """The one finding that there is."""
    (finding,) = watched(*evidence, tables=tables, known=known).findings
    return finding


def leaving(headers: bytes) -> Observation:
    return at_uplink(headers, A, OUT)


def coming(headers: bytes) -> Observation:
    return at_uplink(headers, A, IN)


MEANS: dict[str, tuple[Deviating, str, str]] = {
    "to a MAC that the peer's lease has not": (WRONG_MAC, "neigh-stale-one-node", A),
    "for a MAC that this node has not": (
        deviating(Kind.OWN_MAC, IN, recorded(frame(B, A, to=OTHER_MAC), A, IN)),
        "neigh-stale-one-node", B,
    ),
    "for a third node": (
        deviating(Kind.OWN_MAC, IN, recorded(frame(B, C), A, IN)), "fdb-wrong-dst-live", B,
    ),
    "from a MAC that the sender's lease has not": (
        deviating(Kind.SENDER_MAC, IN, recorded(frame(B, A, by=OTHER_MAC), A, IN)),
        "vtepmac-annotation-stale", B,
    ),
    "from the MAC of a third node": (
        deviating(Kind.SENDER_MAC, IN, recorded(frame(B, A, by=mac(C)), A, IN)),
        "vtepmac-duplicate", B,
    ),
    "to nobody's address": (
        deviating(Kind.OUTER_DST, OUT, leaving(on_wire(frame(A, B), underlay(A), "192.0.2.99"))),
        "fdb-wrong-dst-dead", A,
    ),
    "to a third node's address": (
        deviating(Kind.OUTER_DST, OUT, leaving(on_wire(frame(A, B), underlay(A), underlay(C)))),
        "fdb-wrong-dst-live", A,
    ),
    "to an address that this node had": (
        deviating(Kind.OUTER_DST, IN, coming(on_wire(frame(B, A), underlay(B), "192.0.2.99"))),
        "node-ip-changed-vxlan-local-stale", A,
    ),
    "from another address than the sender publishes": (
        deviating(Kind.OUTER_SRC, IN, coming(on_wire(frame(B, A), "192.0.2.99", underlay(A)))),
        "node-ip-changed-vxlan-local-stale", B,
    ),
    "with another VNI": (
        deviating(Kind.VNI, IN, coming(on_wire(frame(B, A), underlay(B), underlay(A), vni=2))),
        "vni-mismatch", B,
    ),
    "to another port": (
        deviating(Kind.PORT, IN, coming(on_wire(frame(B, A), underlay(B), underlay(A), port=4789))),
        "port-mismatch", B,
    ),
    "bare, and it leaves": (deviating(Kind.PLAIN, OUT, leaving(frame(A, B))), "routes-lost", A),
    "bare, and it comes": (deviating(Kind.PLAIN, IN, coming(frame(B, A))), "routes-lost", B),
}  # fmt: skip


@pytest.mark.parametrize("what", MEANS)
def test_a_packet_that_no_table_explains_is_told_where_its_cause_most_likely_is(what: str) -> None:
    evidence, rule, node = MEANS[what]
    finding = only(evidence)
    assert (finding.rule, finding.node) == (rule, node)
    assert (finding.severity, finding.explains) == (Severity.ERROR, True)
    assert finding.evidence[0].value == "17 packets in 4.0 s"
    assert finding.hits
    assert len(finding.fix) >= 2
    assert finding.confirm
    assert ("flantrace check node-b" in finding.fix) is (node == B)


@pytest.mark.parametrize("what", MEANS)
def test_the_same_is_told_where_no_packet_was_recorded(what: str) -> None:
    evidence, rule, node = MEANS[what]
    finding = only(replace(evidence, seen=None, ifname=""))
    assert rule in (finding.rule, *finding.also)
    assert finding.node == node


AS_LEASED = {
    "to the peer's MAC": deviating(Kind.PEER_MAC, OUT, recorded(frame(A, B), A, OUT)),
    "from the sender's MAC": deviating(Kind.SENDER_MAC, IN, recorded(frame(B, A), A, IN)),
    "to the peer's address": deviating(
        Kind.OUTER_DST, OUT, leaving(on_wire(frame(A, B), underlay(A), underlay(B)))
    ),
    "from the sender's address": deviating(Kind.OUTER_SRC, IN, coming(IN_B)),
}


@pytest.mark.parametrize("what", AS_LEASED)
def test_what_deviated_from_an_earlier_lease_and_is_as_todays_has_it_is_no_finding(
    what: str,
) -> None:
    assert watched(AS_LEASED[what]).findings == ()


def test_the_last_packet_is_quoted_as_it_was_on_the_wire() -> None:
    quoted = next(
        one for one in only(MEANS["with another VNI"][0]).evidence if one.label == "packet"
    )
    assert quoted.value == (
        "192.0.2.12 > 192.0.2.11 udp 8472 vni 2,"
        " 02:f1:00:00:00:02 > 02:f1:00:00:00:01, 10.244.2.2 > 10.244.1.2 icmp"
    )
    assert quoted.source == "node-a eth0 in, the last that was recorded"


def test_what_a_table_explains_is_its_finding_with_the_traffic_as_proof() -> None:
    finding = only(WRONG_MAC, tables=STALE)
    assert (finding.rule, finding.node, finding.explains) == ("neigh-stale-one-node", A, True)
    labels = [one.label for one in finding.evidence]
    assert labels[:2] == ["advertised", "programmed"]
    assert labels[-2:] == ["traffic", "packet"]
    assert finding.fix[0] == "write the entries of node-b on node-a:"


def test_a_finding_is_the_same_before_and_after_its_entry_is_repaired() -> None:
    """So that it stands, and is not closed and opened: by rule, node and device."""
    before, after = only(WRONG_MAC, tables=STALE), only(WRONG_MAC)
    assert (before.rule, before.node, before.device) == (after.rule, after.node, after.device)


def test_what_a_table_explained_until_a_moment_ago_is_the_last_of_it() -> None:
    mended = replace(WRONG_MAC, explained_ns=WRONG_MAC.last_ns - S)
    assert watched(mended).findings == ()
    goes_on = replace(WRONG_MAC, explained_ns=WRONG_MAC.last_ns - 5 * S)
    assert only(goes_on).rule == "neigh-stale-one-node"


def test_a_warning_by_which_packets_end_is_none_any_more() -> None:
    changed = with_link(state(A), "flannel.1", mac=OTHER_MAC)
    old = deviating(Kind.OWN_MAC, IN, recorded(frame(B, A), A, IN))
    finding = only(old, tables=changed)
    assert (finding.rule, finding.node) == ("vtepmac-annotation-stale", A)
    assert (finding.severity, finding.explains) == (Severity.ERROR, True)


def test_several_pieces_of_evidence_of_one_fault_are_one_finding() -> None:
    bare = dropping("OTHERHOST", "ip_rcv_core+0x1", frame(B, A, to=OTHER_MAC))
    misaddressed = MEANS["for a MAC that this node has not"][0]
    finding = only(misaddressed, bare)
    assert (finding.rule, finding.node) == ("neigh-stale-one-node", B)
    assert [one.label for one in finding.evidence].count("traffic") == 2


def test_of_very_many_peers_a_few_are_quoted_and_the_rest_counted() -> None:
    many = [
        deviating(Kind.PLAIN, OUT, leaving(frame(A, B)), peer=f"node-{number}")
        for number in range(300)
    ]
    finding = only(*many, tables=without_route(state(A), "10.244.2.0/24"))
    assert finding.rule == "routes-lost"
    assert [one.label for one in finding.evidence].count("packet") == 3
    assert finding.evidence[-1].value == "61 more"


def test_packets_to_nobodys_addresses_are_a_warning() -> None:
    to_nobody = frame(A, B)[:30] + bytes([10, 244, 77, 1]) + frame(A, B)[34:]
    one = deviating(Kind.NO_LEASE, OUT, recorded(to_nobody, A, OUT), peer=None, subnet=None)
    finding = only(one)
    assert (finding.rule, finding.severity) == ("stale-route-deleted-node", Severity.WARNING)
    assert finding.also == ("annotations-missing",)
    assert watched(one).exit_code == 0


def test_packets_to_a_node_whose_lease_is_ignored_name_that_node() -> None:
    known = cluster(nodes={B: api_node(B, backend_data="")})
    one = deviating(Kind.NO_LEASE, OUT, recorded(frame(A, B), A, OUT), peer=None, subnet=None)
    assert ("annotations-missing", B) in {
        (finding.rule, finding.node) for finding in watched(one, known=known).findings
    }


def test_packets_for_a_pod_whose_node_got_no_pod_cidr_need_not_wait_for_one_to_come() -> None:
    young = replace(api_node(B), annotations={}, pod_cidrs=(), created="2026-11-23T03:11:57Z")
    known = cluster(nodes={B: young})
    bare = without_fdb(without_route(state(A), "10.244.2.0/24"), mac(B))
    one = deviating(Kind.NO_LEASE, OUT, recorded(frame(A, B), A, OUT), peer=None, subnet=None)

    def told(*evidence: Deviating) -> set[str]:
        read = moment(*evidence, tables=bare, known=known)
        both = replace(read, check=CheckRequest(nodes=(A, B)), nodes={**read.nodes, B: state(B)})
        return {finding.rule for finding in examine(both).findings}

    assert told() == set()
    assert told(one) == {"podcidr-not-assigned"}


def test_what_deviates_from_a_lease_that_went_meanwhile_is_nobodys_fault() -> None:
    assert watched(replace(WRONG_MAC, peer=None, subnet=None)).findings == ()


NO_DROPS = {
    "used up": dropping("CONSUMED", "consume_skb", frame(B, A)),
    "taken by a socket": dropping("SOCKET_RCVBUFF", "tcp_v4_rcv", frame(B, A)),
    "TCP's own affair": dropping("TCP_OLD_DATA", "tcp_data_queue", frame(B, A)),
    "taken, on a kernel without reasons": dropping(None, "udp_queue_rcv_one_skb", frame(B, A)),
    "flooded by a switch": dropping("OTHERHOST", "ip_rcv_core", IN_B),
    "single": dropping("CPU_BACKLOG", "enqueue_to_backlog", frame(B, A), packets=1, last_ns=5 * S),
    "over in a moment": dropping("CPU_BACKLOG", "enqueue_to_backlog", last_ns=6 * S),
    "too big, and the sender was told": dropping("PKT_TOO_BIG", "ip_forward", frame(A, B)),
    "for a pod that is gone": dropping(
        "NEIGH_FAILED", "neigh_invalidate", frame(B, A)[:33] + b"\x63" + frame(B, A)[34:]
    ),
    "nobody's": dropping("IP_INNOROUTES", "ip_error", frame(B, A), peer=None, subnet=None),
}


@pytest.mark.parametrize("what", NO_DROPS)
def test_what_is_freed_and_no_drop_opens_nothing(what: str) -> None:
    assert watched(NO_DROPS[what]).findings == ()


def test_a_drop_that_lasts_and_no_rule_knows_is_unexplained_with_reason_and_function() -> None:
    finding = only(dropping("CPU_BACKLOG", "enqueue_to_backlog+0x1", frame(B, A)))
    assert (finding.rule, finding.node) == ("unexplained-drop", A)
    assert "(CPU_BACKLOG, in enqueue_to_backlog+0x1)" in finding.sentence


def test_what_a_firewall_drops_may_be_a_policys_will() -> None:
    finding = only(dropping("NETFILTER_DROP", "nf_hook_slow", frame(B, A)))
    assert (finding.rule, finding.severity) == ("unexplained-drop", Severity.WARNING)


@pytest.mark.parametrize(
    ("reason", "caller", "headers", "rule"),
    [
        ("UDP_CSUM", "__udp4_lib_rcv", IN_B, "outer-udp-csum-bad"),
        ("VXLAN_INVALID_HDR", "vxlan_rcv", IN_B, "gbp-mismatch"),
        ("OTHERHOST", "ip_rcv_core", frame(B, A, to=OTHER_MAC), "neigh-stale-one-node"),
    ],
)
def test_a_reason_that_names_the_senders_fault_does_so_at_once(
    reason: str | None, caller: str, headers: bytes, rule: str
) -> None:
    finding = only(dropping(reason, caller, headers, packets=1, last_ns=5 * S))
    assert (finding.rule, finding.node) == (rule, B)


@pytest.mark.parametrize("reason", [None, "VXLAN_VNI_NOT_FOUND"])
def test_a_vni_that_is_not_found_is_a_mismatch_when_it_lasts(reason: str | None) -> None:
    """A device that goes leaves its socket for a moment."""
    finding = only(dropping(reason, "vxlan_rcv", IN_B, packets=2, last_ns=6 * S))
    assert (finding.rule, finding.node) == ("vni-mismatch", B)
    dying = dropping(reason, "vxlan_rcv", IN_B, packets=2, last_ns=5 * S + S // 5)
    assert watched(dying).findings == ()


def test_a_drop_that_the_tables_predict_is_their_finding() -> None:
    finding = only(
        dropping("NO_TX_TARGET", "vxlan_xmit", frame(A, B), packets=1, last_ns=5 * S),
        tables=without_fdb(state(A), mac(B)),
    )
    assert (finding.rule, finding.node, finding.explains) == ("fdb-missing", A, True)
    assert finding.evidence[-1].label == "packet"


def test_a_gap_between_two_nodes_is_a_loss_with_the_names_that_only_a_test_tells_apart() -> None:
    finding = only(gap())
    assert (finding.rule, finding.node, finding.device) == ("unexplained-loss", A, "eth0")
    assert finding.also == ("cloud-sg-8472", "nsx-intercepts-8472", "underlay-mtu-blackhole")
    assert finding.evidence[0].value == "100 of 100 packets missing in 4.0 s"


def test_a_gap_that_a_wrong_entry_makes_is_that_entrys() -> None:
    finding = only(gap(), tables=with_fdb(state(A), mac(B), "192.0.2.99"))
    assert finding.rule == "fdb-wrong-dst-dead"


def test_a_gap_within_a_node_goes_with_the_drops_there() -> None:
    inside = gap(receiver=A, after="uplink_in", before="vtep_in")
    lost = only(inside)
    assert (lost.rule, lost.node, lost.device) == ("unexplained-drop", A, "flannel.1")
    both = only(dropping("UDP_CSUM", "__udp4_lib_rcv", IN_B), inside)
    assert both.rule == "outer-udp-csum-bad"


def test_what_is_found_is_the_same_whichever_way_it_is_asked_again() -> None:
    assert watched(WRONG_MAC, gap()) == watched(WRONG_MAC, gap())


def test_a_watch_of_healthy_tables_and_packets_finds_nothing() -> None:
    examination = watched()
    assert (examination.findings, examination.exit_code) == ((), 0)
    assert not any("No packet was sent" in note for note in examination.notes)
