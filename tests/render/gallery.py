"""Diagnoses that a report must show well, beyond those of the recorded cases."""

from collections.abc import Callable

from msgspec.structs import replace

from tests.builders import agent, mac, pod_end, request, state
from tests.core.rules.asking import case
from tests.core.rules.test_address import misaddressed, peer_with_old_mac, with_stale_lease
from tests.paths import (
    BRIDGE_IN,
    UPLINK_IN,
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
from tracer.core.diagnose import judge
from tracer.model.bundle import AgentEnd
from tracer.model.diagnosis import Diagnosis, Evidence, Finding, Severity
from tracer.model.observation import Device, Drop
from tracer.model.packet import Arp, Packet
from tracer.model.path import Entry, Hop, Mark, Outcome, Path, Way
from tracer.model.request import ProbeKind, ProbePlan


def silent_receiver() -> Diagnosis:
    """UNKNOWN: one agent went away, so that nobody knows what became of the packets."""
    doubt = "the agent on node-b did not answer to the end"
    paths = [
        path(seq=n, last=UPLINK_OUT, outcome=Outcome.UNKNOWN, doubt=doubt) for n in range(1, 6)
    ]
    agents = {"node-a": agent("node-a"), "node-b": agent("node-b", end=AgentEnd.SILENT)}
    return judge(case(nodes={"node-a": state("node-a")}, agents=agents, paths=paths))


def nothing_seen() -> Diagnosis:
    return judge(case(paths=[], request=request(plan=None, passive_s=10.0)))


def never_seen() -> Diagnosis:
    return judge(case(paths=[unseen(seq=n) for n in range(1, 6)]))


def fault_beside_the_way() -> Diagnosis:
    """Delivered, and yet something is wrong: further findings of both weights."""
    told = judge(case())
    other = Finding(
        rule="fdb-missing",
        severity=Severity.ERROR,
        node="node-b",
        device="flannel.1",
        sentence="node-b has no FDB entry for the VTEP of node-c.",
        evidence=(
            Evidence(label="expected", value=f"{mac('node-c')} dst 192.0.2.13", source="lease"),
            Evidence(label="programmed", value="no entry", source="node-b fdb", differs=True),
        ),
        hits="everything that node-b sends to 10.244.3.0/24",
        fix=("restart flanneld on node-b:", "kubectl -n kube-flannel delete pod flannel-b"),
        useless=("waiting",),
    )
    warning = replace(other, rule="neigh-missing", severity=Severity.WARNING, node="node-a")
    verdict = replace(
        told.verdict,
        exit_code=1,
        rule="fdb-missing",
        sentence="5 of 5 requests. No drops, but a fault lies on the way.",
    )
    return replace(told, findings=(other, warning), verdict=verdict)


def loop_between_nodes() -> Diagnosis:
    """To node-b and back, again and again, until the TTL is used up."""
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    one = dropped(at, "IP_INHDR", "ip_forward", last=VTEP_IN)
    hops = tuple(
        replace(hop, times=31) if index >= VTEP_OUT and hop.drop is None else hop
        for index, hop in enumerate(one.hops)
    )
    return judge(case(paths=[replace(one, hops=hops)]))


def retransmitted() -> Diagnosis:
    """Three times on its whole way: no loop."""
    one = delivered()
    return judge(case(paths=[replace(one, hops=tuple(replace(h, times=3) for h in one.hops))]))


def leak() -> Diagnosis:
    """The route leads past flannel.1: the pod's packet leaves as it is, and is lost."""
    bad = Entry(
        table="route",
        text="default via 192.0.2.1 dev eth0",
        mark=Mark.BAD,
        expected="10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink",
        because="lease of node-b (spec.podCIDR)",
    )
    one = lost(UPLINK_OUT)
    bare = replace(one.hops[UPLINK_OUT], packet=one.hops[BRIDGE_IN].packet)
    at_bridge = replace(one.hops[BRIDGE_IN], entries=(bad,))
    return judge(case(paths=[replace(one, hops=(one.hops[0], at_bridge, bare))]))


def third_node() -> Diagnosis:
    """The FDB entry leads to node-c, which forwards to nobody."""
    one = path(last=UPLINK_IN)
    astray = replace(one.hops[UPLINK_IN], node="node-c")
    at = replace(astray, drop=Drop(reason="NO_SOCKET", caller="__udp4_lib_rcv+0x4bc"))
    return judge(
        case(
            paths=[
                replace(
                    lost(UPLINK_OUT),
                    hops=(*one.hops[:UPLINK_IN], astray, at),
                    outcome=Outcome.DROPPED,
                    drop=at.drop,
                )
            ]
        )
    )


def asked_by_arp() -> Diagnosis:
    """An ARP request is freed while the packet waits, and then the packet."""
    at = freed_on("node-b", Device.BRIDGE, "cni0")
    waits = dropped(at, "NEIGH_FAILED", "neigh_invalidate", last=VTEP_IN)
    asked = Arp(
        operation="who-has",
        sender_mac=mac("node-b"),
        sender_ip="10.244.2.1",
        target_ip="10.244.2.2",
    )
    arp = replace(
        waits.hops[-1],
        packet=Packet(arp=asked),
        since_us=None,
        drop=Drop(reason="QDISC_DROP", caller="__dev_queue_xmit+0xd01"),
    )
    return judge(case(paths=[replace(waits, hops=(*waits.hops[:-1], arp, waits.hops[-1]))]))


def long_names() -> Diagnosis:
    """As long as Kubernetes and the kernel allow, and longer, with IPv6 on both levels."""
    name = "n" * 63
    node = f"{'w' * 63}.{'m' * 63}.{'w' * 63}.{'m' * 61}"
    told = stale()
    source = pod_end("node-a", name=f"{name}/{'p' * 253}", ip="2001:db8:aaaa:bbbb:cccc:dddd:eeee:1")
    entries = (
        Entry(table="neighbour", text=f"{'f' * 90} is at {mac('node-b')}", mark=Mark.OK),
        Entry(table="t" * 60, text="x " * 400, mark=Mark.SKIP),
        Entry(table="fdb", text="9" * 300, mark=Mark.BAD, expected="e" * 300, because="b" * 300),
    )

    def stretched(hop: Hop) -> Hop:
        drop = Drop(reason="R" * 80, caller="c" * 200) if hop.drop else None
        return replace(
            hop, node=node, ifname="d" * 40, entries=entries, drop=drop, since_us=123_456_789_000
        )

    paths = tuple(replace(p, hops=tuple(map(stretched, p.hops))) for p in told.paths)
    return replace(
        told,
        request=replace(told.request, source=source),
        overlay=replace(told.overlay, source_underlay="2001:db8:1111:2222:3333:4444:5555:1"),
        paths=paths,
    )


HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "]]><!--",
    "</style></title></textarea>",
    "\x1b[2J\x00\x07\u2028",
    "\u202egnp.exe\u2066\u200b",
    "\ud800",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "A" * 10_000,
)


def hostile(text: str) -> Diagnosis:
    """One text in every place that a name, an annotation or a rule can reach."""
    told = stale()
    finding = replace(
        told.findings[0],
        sentence=text,
        node=text,
        device=text,
        hits=text,
        rule=text,
        fix=(text, text, f"{text}:", text),
        confirm=(text,),
        useless=(text,),
        also=(text,),
        evidence=(Evidence(label=text, value=text, source=text, differs=True),),
    )
    entry = Entry(table=text, text=text, mark=Mark.BAD, expected=text, because=text)

    def poisoned(one: Path) -> Path:
        hops = tuple(
            replace(
                hop,
                node=text,
                ifname=text,
                entries=(entry, replace(entry, mark=Mark.OK)),
                drop=Drop(reason=text, caller=text) if hop.drop else None,
            )
            for hop in one.hops
        )
        places = tuple(replace(place, node=text, ifname=text) for place in one.not_reached)
        return replace(one, hops=hops, not_reached=places, doubt=text)

    end = replace(told.request.source, name=text, node=text)
    return replace(
        told,
        recorded_at=text,
        recorded_by=text,
        request=replace(told.request, source=end),
        verdict=replace(told.verdict, sentence=text, rule=text, node=text, device=text),
        findings=(finding, replace(finding, severity=Severity.WARNING)),
        paths=tuple(map(poisoned, told.paths)),
        macs=tuple(replace(row, node=text, advertised=text) for row in told.macs),
        notes=(text,),
        timeline=tuple(replace(one, clock=text, text=text) for one in told.timeline),
    )


def stale() -> Diagnosis:
    return judge(case(peer_with_old_mac(), paths=misaddressed(), cluster=with_stale_lease()))


def thousand() -> Diagnosis:
    """A thousand probes and their replies, every seventh request lost at one of two places."""
    plan = ProbePlan(kind=ProbeKind.ICMP, count=1000)
    paths = [
        lost(UPLINK_OUT if n % 2 else VTEP_IN, seq=n) if n % 7 == 0 else delivered(seq=n)
        for n in range(1, 1001)
    ]
    back = [delivered(Way.REPLY, n) for n in range(1, 1001) if n % 7]
    return judge(case(paths=[*paths, *back], request=request(plan=plan)))


def all_different() -> Diagnosis:
    """Every probe ends in a function of its own: nothing folds."""
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    paths = [dropped(at, f"REASON_{n}", "x", last=VTEP_IN, seq=n) for n in range(1, 1001)]
    return judge(case(paths=paths))


GALLERY: dict[str, Callable[[], Diagnosis]] = {
    "healthy": lambda: judge(case(paths=all_well())),
    "stale": stale,
    "silent-receiver": silent_receiver,
    "nothing-seen": nothing_seen,
    "never-seen": never_seen,
    "fault-beside-the-way": fault_beside_the_way,
    "loop-between-nodes": loop_between_nodes,
    "retransmitted": retransmitted,
    "leak": leak,
    "third-node": third_node,
    "asked-by-arp": asked_by_arp,
    "long-names": long_names,
    "thousand": thousand,
    "all-different": all_different,
}
