"""Plain Ethernet captures without any saved state: whose address is whose is in the packets."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.builders import mac, underlay
from tests.capture.files import pcap, run, split, written
from tests.packets import SYN, TCP, ethernet, ipv4, observed, tcp
from tracer.capture.collecting import Capture
from tracer.capture.imported import imported
from tracer.core.diagnose import diagnose
from tracer.errors import UsageError
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Direction, Observation
from tracer.model.path import Outcome, Way

A, B = underlay("node-a"), underlay("node-b")
STRANGER = "192.0.2.200"


def uplink_only(observations: Sequence[Observation]) -> list[Observation]:
    return [one for one in observations if one.device is Device.UPLINK]


def login(node: str) -> list[Observation]:
    """Somebody's SSH to a node: what passes its uplink and concerns no other node."""
    syn = ipv4(STRANGER, underlay(node), TCP, tcp(50000, 22, 1, SYN))
    frame = ethernet(syn, src="02:00:00:00:00:99", dst=mac(node, "eth0"))
    seen = observed(frame, node=node, direction=Direction.IN)
    return [seen] * 3


def made(
    folder: Path,
    *,
    logins: Sequence[str],
    last: int = 7,
    ifname: str | None = None,
    addresses_of: dict[str, str] | None = None,
) -> Bundle:
    """`tcpdump -ni eth0` on both nodes while a ping ran, nothing saved."""
    everything = uplink_only(run(last=last)) + [one for node in logins for one in login(node)]
    captures = [
        Capture(node, written(folder, f"{node}.pcap", pcap(mine, 1)), ifname)
        for node, mine in split(everything).items()
    ]
    return imported(captures, addresses_of=addresses_of)


def hops(bundle: Bundle) -> list[tuple[str, Direction]]:
    """Where the first request was seen."""
    path = next(path for path in diagnose(bundle).paths if path.way is Way.REQUEST)
    return [(hop.node, hop.direction) for hop in path.hops]


WHOLE = [("node-a", Direction.OUT), ("node-b", Direction.IN)]


@pytest.mark.parametrize("logins", [("node-a", "node-b"), ("node-a",), ("node-b",)], ids=str)
def test_the_address_that_stands_in_every_packet_is_the_nodes_own(
    tmp_path: Path, logins: tuple[str, ...]
) -> None:
    """One node is enough: the other's is the one that is left."""
    assert hops(made(tmp_path, logins=logins)) == WHOLE


def test_captures_of_nothing_but_each_other_need_a_word(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing tells on which node") as error:
        made(tmp_path, logins=())
    assert "--address node-a=" in error.value.hint
    assert hops(made(tmp_path, logins=(), addresses_of={"node-a": A})) == WHOLE
    assert hops(made(tmp_path, logins=(), addresses_of={"node-b": B})) == WHOLE


def test_what_did_not_come_in_at_the_other_node_is_seen_to_be_missing(tmp_path: Path) -> None:
    bundle = made(tmp_path, logins=("node-a", "node-b"), last=3, ifname="eth0")
    verdict = diagnose(bundle).verdict
    assert (verdict.outcome, verdict.node) == (Outcome.LOST, "node-a")
