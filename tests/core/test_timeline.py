"""The timeline: one clock at a time, each node's by its own."""

from msgspec.structs import replace

from tests.builders import cluster, flannel_pod, state
from tests.core.rules.asking import case
from tests.paths import VTEP_IN, all_well, dropped, freed_on
from tracer.core.case import Case
from tracer.core.diagnose import judge
from tracer.model.diagnosis import Moment
from tracer.model.observation import Device
from tracer.model.path import Hop, Path

START = 1_000_000_000
"""The builders' states: read at 03:12:07 by the wall, at this by the monotonic clock."""


def timed(path: Path, offset_us: int) -> Path:
    def at(hop: Hop) -> Hop:
        return replace(hop, time_ns=START + (offset_us + (hop.since_us or 0)) * 1000)

    return replace(path, hops=tuple(at(hop) for hop in path.hops))


def moments(asked: Case, clock: str) -> list[Moment]:
    return [moment for moment in judge(asked).timeline if moment.clock == clock]


def test_each_nodes_moments_are_by_its_own_clock_and_the_apis_come_first() -> None:
    paths = tuple(timed(path, 500_000) for path in all_well())
    clocks = [moment.clock for moment in judge(case(paths=paths)).timeline]
    assert list(dict.fromkeys(clocks)) == ["Kubernetes API", "node-a", "node-b"]
    assert clocks == sorted(clocks, key=["Kubernetes API", "node-a", "node-b"].index)


def test_what_several_packets_did_is_one_moment_with_its_last() -> None:
    paths = tuple(timed(path, 500_000 + 10_000 * n) for n, path in enumerate(all_well()))
    requests = [m for m in moments(case(paths=paths), "node-a") if "requests" in m.text]
    (first,) = requests
    assert first.text == "6 requests first seen at veth1 in"
    assert first.at == "2026-11-23T03:12:07.500Z"
    assert first.until == "2026-11-23T03:12:07.550Z"


def test_a_drop_is_dated_by_the_node_that_freed() -> None:
    at = freed_on("node-b", Device.VTEP, "flannel.1")
    end = dropped(at, "OTHERHOST", "ip_rcv_core", last=VTEP_IN)
    texts = [moment.text for moment in moments(case(paths=(timed(end, 0),)), "node-b")]
    assert "1 request freed at flannel.1: OTHERHOST in ip_rcv_core+0x22c" in texts


def test_what_the_api_dates_is_in_order_of_time_and_only_of_the_two_nodes() -> None:
    dated = cluster(
        flannel_pods=tuple(
            replace(flannel_pod(node), started=f"2026-11-23T0{hour}:00:00Z")
            for node, hour in (("node-a", 2), ("node-b", 1), ("node-c", 0))
        )
    )
    texts = [moment.text for moment in moments(case(cluster=dated), "Kubernetes API")]
    assert texts == [
        "flanneld on node-b started (kube-flannel-ds-bbbbb)",
        "flanneld on node-a started (kube-flannel-ds-aaaaa)",
        "nodes, pods and leases were read",
    ]


def test_dates_that_are_none_are_left_out() -> None:
    odd = state("node-a", captured_at="yesterday")
    late = state("node-b", captured_at="9999-12-31T23:59:59Z")
    paths = tuple(timed(path, 5_000_000) for path in all_well())
    asked = case(odd, late, paths=paths)
    assert moments(asked, "node-a") == []
    assert [moment.text for moment in moments(asked, "node-b")] == ["its tables were read"]


def test_a_recording_without_any_state_has_the_apis_dates_alone() -> None:
    paths = tuple(timed(path, 0) for path in all_well())
    clocks = {moment.clock for moment in judge(case(nodes={}, paths=paths)).timeline}
    assert clocks == {"Kubernetes API"}
