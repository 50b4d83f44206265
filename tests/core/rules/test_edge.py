"""The pods' edge, and what is said where no rule knows."""

from msgspec.structs import replace

from tests.builders import state
from tests.changes import with_link, without_fdb
from tests.core.rules.asking import ask, case, explained, rules_of, words
from tests.paths import (
    BRIDGE_IN,
    BRIDGE_OUT,
    VTEP_IN,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
    unseen,
)
from tracer.core.diagnose import judge
from tracer.core.rules.catalogue import CATALOGUE, LAST, slug
from tracer.core.rules.veth import veth_detached
from tracer.model.observation import Device
from tracer.model.path import Entry, Mark, Way
from tracer.model.state import NotRead

ON_BRIDGE = freed_on("node-b", Device.BRIDGE, "cni0")


def test_a_veth_that_is_off_its_bridge_explains_a_failed_neighbour() -> None:
    detached = with_link(state("node-b"), "veth2", master=None)
    paths = [dropped(ON_BRIDGE, "NEIGH_FAILED", "neigh_invalidate", last=VTEP_IN)]
    told = judge(case(detached, paths=paths))
    assert words(told) == ("DROPPED", "veth-detached", "node-b", "cni0", "NEIGH_FAILED")
    assert told.findings[0].fix[1:3] == (
        "ip link set veth2 master cni0 up   # on node-b",
        "or delete the pod so that it is made anew:",
    )


def test_a_port_that_is_put_back_gets_the_hairpin_that_its_configuration_asks_for() -> None:
    conf = '{"plugins":[{"type":"flannel","delegate":{"hairpinMode": true}}]}'
    detached = with_link(
        state("node-b", files={"/etc/cni/net.d/10-flannel.conflist": conf}), "veth2", master=None
    )
    paths = [dropped(ON_BRIDGE, "NEIGH_FAILED", "neigh_invalidate", last=VTEP_IN)]
    fix = judge(case(detached, paths=paths)).findings[0].fix
    assert fix[2] == "bridge link set dev veth2 hairpin on   # on node-b"


def test_a_cached_neighbour_lets_packets_get_as_far_as_the_bridge() -> None:
    detached = with_link(state("node-b"), "veth2", master=None)
    assert explained(detached, paths=[lost(BRIDGE_OUT)])[1] == "veth-detached"


def test_the_senders_own_veth_explains_silence() -> None:
    detached = with_link(state("node-a"), "veth1", master=None)
    told = judge(case(detached, paths=[unseen(seq=seq) for seq in range(1, 6)]))
    assert words(told) == ("LOST", "veth-detached", "node-a", "veth1", "-")


def test_an_attached_veth_is_no_finding() -> None:
    for way in (Way.REQUEST, Way.REPLY):
        assert ask(veth_detached, case(), way) is None


def test_where_nobody_could_look_for_pods_their_rules_are_not_asked() -> None:
    gap = NotRead(what="pods", why="Operation not permitted")
    blind = replace(state("node-b"), pods=(), not_read=(gap,))
    told = judge(case(blind))
    asked = {"veth-detached", "veth-down", "pod-gone", "pod-route-missing"}
    assert {s.rule for s in told.skipped} == asked


def test_a_drop_that_no_rule_knows_is_located_with_what_decided() -> None:
    bad = Entry(table="neighbour", text="10.244.2.2 is at 02:00:00:00:00:01", mark=Mark.BAD)
    unknown = dropped(ON_BRIDGE, "DEV_HDR", "__dev_queue_xmit", last=BRIDGE_OUT)
    hops = (*unknown.hops[:-2], replace(unknown.hops[-2], entries=(bad,)), unknown.hops[-1])
    told = judge(case(paths=[replace(unknown, hops=hops)]))
    assert words(told) == ("DROPPED", "unexplained-drop", "node-b", "cni0", "DEV_HDR")
    shown = {(line.label, line.differs) for line in told.findings[0].evidence}
    assert ("neighbour", True) in shown
    assert "__dev_queue_xmit+0x22c" in told.findings[0].sentence


def test_a_loss_that_no_rule_knows_is_located() -> None:
    told = judge(case(paths=[lost(VTEP_IN)]))
    assert words(told) == ("LOST", "unexplained-loss", "node-b", "flannel.1", "-")
    assert "and not at cni0 of node-b" in told.findings[0].sentence


def test_a_pod_that_answers_nothing_is_told_from_a_lost_reply() -> None:
    paths = [*(delivered(seq=n) for n in (1, 2)), *(unseen(Way.REPLY, n) for n in (1, 2))]
    told = judge(case(paths=paths))
    assert words(told) == ("LOST", "unexplained-loss", "node-b", "veth2", "-")
    assert told.findings[0].sentence.startswith("default/pod-b gets the requests and sends no")


def test_an_explained_way_needs_no_unexplained_rule() -> None:
    gone = without_fdb(state("node-a"), "02:f1:00:00:00:02")
    at = freed_on("node-a", Device.VTEP, "flannel.1")
    told = judge(case(gone, paths=[dropped(at, "NO_TX_TARGET", "vxlan_xmit", last=2)]))
    assert not rules_of(told) & {slug(rule) for rule in LAST}


def test_the_unexplained_ones_come_last_in_the_catalogue() -> None:
    assert CATALOGUE[-2:] == LAST


def test_no_slug_is_there_twice() -> None:
    slugs = [slug(rule) for rule in CATALOGUE]
    assert len(slugs) == len(set(slugs))


def test_every_finding_names_the_rule_that_found_it() -> None:
    """A finding's slug is its function's name: one name for code, page, fault and case."""
    for asked in (
        case(paths=[lost(BRIDGE_IN)]),
        case(paths=[lost(VTEP_IN)]),
        case(paths=all_well()),
    ):
        for rule in CATALOGUE:
            finding = ask(rule, asked)
            assert finding is None or finding.rule == slug(rule)
