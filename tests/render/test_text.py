"""The terminal's text: whole, plain, 100 columns, and a function of the diagnosis alone."""

import pytest
from msgspec.structs import replace

from tests.builders import agent, api_node, cluster, flannel_pod, pod_end, request, state
from tests.core.rules.asking import case
from tests.core.rules.test_address import misaddressed, peer_with_old_mac, with_stale_lease
from tests.paths import (
    UPLINK_OUT,
    VTEP_IN,
    VTEP_OUT,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
    path,
)
from tracer.core.case import Case
from tracer.core.diagnose import judge
from tracer.model.bundle import AgentEnd
from tracer.model.diagnosis import Diagnosis
from tracer.model.observation import Device, Drop
from tracer.model.packet import Arp, Packet
from tracer.model.path import Entry, Mark, Outcome, Path, Way
from tracer.render.style import WIDTH, escaped
from tracer.render.text import text

ROUTE = Entry(
    table="route",
    text="10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
    mark=Mark.OK,
)


def stale() -> Case:
    return case(peer_with_old_mac(), paths=misaddressed(), cluster=with_stale_lease())


def annotated(one: Path, index: int, *entries: Entry) -> Path:
    hops = list(one.hops)
    hops[index] = replace(hops[index], entries=entries)
    return replace(one, hops=tuple(hops))


HEALTHY = """\
default/pod-a  10.244.1.2  on node-a 192.0.2.11
default/pod-b  10.244.2.2  on node-b 192.0.2.12        5 icmp probes, vxlan vni 1 udp 8472

DELIVERED  5 of 5 requests, 5 of 5 replies, and one of 1450 B. No drops. Every entry used matches
           the leases.

request 1 of 5 (all 5 and the one of 1450 B took this path)
 1  node-a  veth1      in      +0 us    10.244.1.2 > 10.244.2.2  icmp echo seq 1  ttl 64  98 B
 2  node-a  cni0       in      +2 us
              route      10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink                      ok
 3  node-a  flannel.1  out    +11 us    ttl 63
 4  node-a  eth0       out    +19 us    192.0.2.11 > 192.0.2.12  udp 8472  vni 1  148 B
    ------  underlay   -----------------------------------------------------------------------
 5  node-b  eth0       in      +0 us    192.0.2.11 > 192.0.2.12  udp 8472  vni 1  148 B
 6  node-b  flannel.1  in      +9 us    10.244.1.2 > 10.244.2.2  to 02:f1:00:00:00:02
 7  node-b  cni0       out    +16 us    ttl 62
 8  node-b  veth2      out    +18 us

replies: 5 of 5 and that of 1450 B by the mirror path (--depth full shows it)
"""


def test_a_healthy_trace_reads_so() -> None:
    paths = [annotated(p, 1, ROUTE) if p.way is Way.REQUEST else p for p in all_well()]
    assert text(judge(case(paths=paths))) == HEALTHY


def test_the_first_sentence_after_who_is_the_answer() -> None:
    lines = text(judge(stale())).splitlines()
    assert lines[3] == (
        "DROPPED  on node-b, at flannel.1: 5 of 5 requests."
        "                        vtepmac-annotation-stale"
    )
    assert len(lines[3]) == 98


def test_the_macs_stand_side_by_side_and_the_odd_one_is_marked() -> None:
    shown = text(judge(stale()))
    assert (
        "    advertised  02:f1:00:00:00:99   lease of node-b"
        " (flannel.alpha.coreos.com/backend-data)\n" in shown
    )
    marked = [line for line in shown.splitlines() if line.endswith("<-- differs")]
    assert len(marked) == 1
    assert marked[0].split()[:2] == ["actual", "02:f1:00:00:00:02"]
    assert len(marked[0]) == 98


def test_a_drop_ends_the_path_with_a_cross_and_what_was_not_reached() -> None:
    shown = text(judge(stale()))
    assert " X  node-b  dropped            +9 us    OTHERHOST in ip_rcv_core+0x22c\n" in shown
    assert "    ------  not reached: node-b cni0 out, node-b veth2 out\n" in shown


def test_a_freed_arp_request_is_told_from_the_packet_that_waits() -> None:
    at = freed_on("node-b", Device.BRIDGE, "cni0")
    waits = dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=VTEP_IN)
    asked = Arp(
        operation="who-has",
        sender_mac="02:c0:00:00:00:02",
        sender_ip="10.244.2.1",
        target_ip="10.244.2.2",
    )
    arp = replace(
        waits.hops[-1],
        packet=Packet(arp=asked),
        since_us=None,
        drop=Drop(reason="QDISC_DROP", caller="__dev_queue_xmit+0xd01"),
    )
    shown = text(judge(case(paths=[replace(waits, hops=(*waits.hops[:-1], arp, waits.hops[-1]))])))
    arp_line = "QDISC_DROP in __dev_queue_xmit+0xd01\n              (arp who-has 10.244.2.2)\n"
    assert arp_line in shown
    assert "NEIGH_FAILED in neigh_invalidate+0x22c\n" in shown


def test_a_bad_entry_says_what_it_should_be() -> None:
    bad = Entry(
        table="fdb",
        text="02:f1:00:00:00:02 dst 192.0.2.99 permanent",
        mark=Mark.BAD,
        expected="192.0.2.12",
        because="lease of node-b (flannel.alpha.coreos.com/public-ip)",
    )
    shown = text(judge(case(paths=[annotated(lost(UPLINK_OUT), 2, bad)])))
    lines = shown.splitlines()
    at = next(i for i, line in enumerate(lines) if line.endswith("BAD"))
    assert len(lines[at]) == 98
    assert lines[at + 1].strip() == "should be 192.0.2.12, says lease of node-b"


def test_paths_that_differ_are_printed_one_below_the_other() -> None:
    paths = [*(delivered(seq=n) for n in (1, 2)), *(lost(VTEP_IN, seq=n) for n in (3, 4, 5))]
    shown = text(judge(case(paths=paths)))
    assert "request 1 of 5 (2 of 5 took this path)" in shown
    assert "request 3 of 5 (3 of 5 took this path)" in shown


def test_the_probe_of_full_mtu_has_a_path_of_its_own_where_it_differs() -> None:
    paths = [p for p in all_well() if (p.size, p.way) != (1450, Way.REQUEST)]
    shown = text(judge(case(paths=[*paths, lost(UPLINK_OUT, seq=6, size=1450)])))
    assert "request 1 of 5 (all 5 took this path)" in shown
    assert "\nrequest of 1450 B\n" in shown


def test_replies_are_shown_whole_where_the_fault_is() -> None:
    replies = [lost(VTEP_IN, Way.REPLY, n) for n in range(1, 6)]
    shown = text(judge(case(paths=[*(delivered(seq=n) for n in range(1, 6)), *replies])))
    assert "reply 1 of 5 (all 5 took this path)" in shown
    assert "mirror path" not in shown


def test_full_depth_shows_the_replies_and_the_macs_of_a_healthy_trace() -> None:
    shown = text(judge(case()), "full")
    assert "reply 1 of 5" in shown
    assert "node-b as node-a and itself know it" in shown


def test_verdict_depth_is_one_line_of_exactly_five_words() -> None:
    expected = "DROPPED vtepmac-annotation-stale node-b flannel.1 OTHERHOST\n"
    assert text(judge(stale()), "verdict") == expected
    assert text(judge(case()), "verdict") == "DELIVERED - - - -\n"


def test_a_name_with_spaces_is_still_one_word() -> None:
    told = judge(stale())
    odd = replace(told, verdict=replace(told.verdict, node="node b", reason=""))
    assert len(text(odd, "verdict").split()) == 5


@pytest.mark.parametrize("depth", ["path", "full"])
def test_no_line_is_wider_than_100_columns_and_all_is_ascii(depth: str) -> None:
    at = freed_on("node-a", Device.VTEP, "flannel.1")
    told = [
        judge(case()),
        judge(stale()),
        judge(case(paths=[lost(UPLINK_OUT)])),
        judge(case(paths=[dropped(at, None, "vxlan_xmit", last=VTEP_OUT)])),
        long_names(),
    ]
    for diagnosis in told:
        shown = text(diagnosis, depth)
        assert shown.isascii()
        wide = [line for line in shown.splitlines() if len(line) > WIDTH]
        # A command keeps its words whole: a name may be longer than any line.
        assert all(max(map(len, line.split())) > WIDTH for line in wide)
        assert all(line == line.rstrip() for line in shown.splitlines())


def long_names() -> Diagnosis:
    names = request(
        source=pod_end("node-a", name=f"{'n' * 63}/{'p' * 60}"),
        destination=pod_end("node-b", name=f"{'m' * 63}/{'q' * 200}"),
    )
    return judge(case(paths=[lost(UPLINK_OUT)], request=names))


def test_long_names_take_lines_of_their_own_and_the_verdict_stays_whole() -> None:
    lines = text(long_names()).splitlines()
    assert any(line.startswith("    10.244.1.2  on node-a 192.0.2.11") for line in lines)
    verdict = next(line for line in lines if line.startswith("LOST"))
    assert verdict.startswith("LOST  last seen on node-a, at eth0: 1 of 1 request.")


def test_text_from_the_network_cannot_move_the_cursor() -> None:
    nasty = replace(flannel_pod("node-b"), name="kube\x1b[2J\nfake: DELIVERED\u202e")
    api = replace(
        cluster(nodes={"node-b": api_node("node-b", backend_data="{}")}), flannel_pods=(nasty,)
    )
    broken = case(peer_with_old_mac(), paths=misaddressed(), cluster=api)
    shown = text(judge(broken))
    assert "\x1b" not in shown
    assert "kube\\x1b[2J\\nfake: DELIVERED\\u202e" in shown
    assert not any(line.startswith("fake") for line in shown.splitlines())


def test_escapes_are_readable() -> None:
    assert escaped("a\tb\u2026\x00") == "a\\tb...\\x00"


def test_colour_comes_only_on_request_and_carries_no_meaning_alone() -> None:
    told = judge(stale())
    colored = text(told, color=True)
    assert "\x1b[" in colored
    stripped = colored
    for code in ("31;1", "31", "2", "0", "32;1"):
        stripped = stripped.replace(f"\x1b[{code}m", "")
    assert stripped == text(told)


def test_what_was_not_checked_is_said_with_the_missing_fact() -> None:
    blind = case(
        nodes={"node-a": state("node-a")},
        agents={"node-a": agent("node-a"), "node-b": agent("node-b", end=AgentEnd.SILENT)},
        paths=[path(last=UPLINK_OUT, outcome=Outcome.UNKNOWN, doubt="the agent is silent")],
    )
    shown = text(judge(blind))
    assert "for want of the state of node-b: the agent stopped answering" in shown
    assert "veth-detached" not in shown
    assert "veth-detached" in text(judge(blind), "full")


def test_every_answer_but_all_is_well_ends_with_what_to_type_next() -> None:
    assert (
        text(judge(stale()))
        .splitlines()[-1]
        .startswith("next: flantrace default/pod-a default/pod-b")
    )
    assert "next:" not in text(judge(case()))
    quiet = case(paths=[], request=request(plan=None, passive_s=10.0))
    assert text(judge(quiet)).splitlines()[-1] == (
        "next: flantrace default/pod-a default/pod-b"
        "    to send probes instead of waiting for traffic"
    )


def test_a_long_command_goes_on_behind_a_backslash() -> None:
    lines = text(judge(stale())).splitlines()
    at = next(i for i, line in enumerate(lines) if line.endswith("--overwrite \\"))
    assert lines[at + 1].strip().startswith("flannel.alpha.coreos.com/backend-data='{")
