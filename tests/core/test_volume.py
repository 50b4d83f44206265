"""Recordings of many packets: nothing is lost or mixed up. Times are the bench's affair."""

from msgspec.structs import replace

from tests.builders import POD, bundle, request
from tests.packets import ACK, TCP, UDP, freed, ipv4, journey, ping, tcp, udp
from tracer.core.correlate import correlate
from tracer.model.observation import Device, Observation
from tracer.model.path import Outcome, Path

A, B = POD["node-a"], POD["node-b"]
PASSIVE = replace(request(), plan=None, passive_s=10.0)
SKBS = 16
"""So few buffers that every address is used again and again, as the kernel does."""


def paths(observations: list[Observation]) -> tuple[Path, ...]:
    return correlate(bundle(observations=tuple(observations), request=PASSIVE))


def test_twenty_thousand_observations_are_two_and_a_half_thousand_whole_paths() -> None:
    found = paths(
        [
            one
            for seq in range(2500)
            for one in journey(ping(seq), at=100 * seq, skb=0x1000 + seq % SKBS)
        ]
    )
    assert len(found) == len({path.inner_id for path in found}) == 2500
    assert {len(path.hops) for path in found} == {8}
    assert {path.outcome for path in found} == {Outcome.DELIVERED}
    assert {hop.times for path in found for hop in path.hops} == {1}


def test_a_long_transfer_is_one_path_for_each_segment() -> None:
    def segment(n: int) -> bytes:
        return ipv4(A, B, TCP, tcp(40000, 80, 1000 * n, ACK) + bytes(40), length=1040)

    found = paths([one for n in range(2500) for one in journey(segment(n), at=100 * n)])
    assert len(found) == 2500
    assert {(len(path.hops), path.outcome) for path in found} == {(8, Outcome.DELIVERED)}
    assert {hop.part for path in found for hop in path.hops} == {None}


def test_one_identity_that_is_dropped_thousands_of_times_is_one_path() -> None:
    same = ipv4(A, B, UDP, udp(5, 6, b"again"), ip_id=0)
    found = paths(
        [
            one
            for n in range(4000)
            for one in (
                *journey(same, last=1, at=100 * n, skb=0x1000 + n),
                freed(
                    "node-a", Device.BRIDGE, "NETFILTER_DROP", same, at=100 * n + 50, skb=0x1000 + n
                ),
            )
        ]
    )
    (path,) = found
    assert path.outcome is Outcome.DROPPED
    assert [hop.times for hop in path.hops[:2]] == [4000, 4000]
    (drop,) = (hop.drop for hop in path.hops if hop.drop is not None)
    assert (drop.reason, path.drop) == ("NETFILTER_DROP", drop)
