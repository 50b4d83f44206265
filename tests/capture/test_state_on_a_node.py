"""The state that the how-to's script saves is the one that the agent's snapshot reads.

Held against each other on a node with all kinds of entries, field by field. What iproute2 does not
print: a device's driver and offload, the carrier of one that is down, `otherhost` while it is 0.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.collect.nodes import POD, Overlay, overlay
from tests.collect.test_snapshot import OVER_IPV4, OVER_IPV6
from tracer.capture.node_files import node_state
from tracer.collect.snapshot import snapshot
from tracer.core.ports import host_end
from tracer.model.state import Counters, Link, NodeState

pytestmark = pytest.mark.kernel

SCRIPT = Path(__file__).parents[2] / "docs" / "how-to" / "collect-state.sh"


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    with overlay("c") as made:
        made.batch("a", OVER_IPV4)
        made.batch("a", OVER_IPV6, "-6")
        made.ip("a", "link add cx type vxlan dstport 4790 external")
        made.ip("a", "link add gb type vxlan id 9 group 239.1.1.1 dev eth0 dstport 4791 gbp")
        made.ip("a", "neigh add 192.0.2.50 dev eth0 nud failed")
        made.ip("a", "rule add blackhole priority 200")
        made.ip("a", "rule add goto 32766 priority 201")
        made.bridge("a", "fdb add 02:00:00:00:00:77 dev veth0 master static")
        made.bridge("a", "fdb add 02:00:00:00:00:78 dev gb dst 192.0.2.9 port 4000 vni 12")
        # The bridge learns where the pod is.
        made.execute("pod-a", "python3", "-c", SEND, POD["b"])
        yield made


SEND = """
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (sys.argv[1], 9))
"""


@pytest.fixture(scope="module")
def both(net: Overlay, tmp_path_factory: pytest.TempPathFactory) -> tuple[NodeState, NodeState]:
    folder = tmp_path_factory.mktemp("state")
    said = net.execute("a", "sh", str(SCRIPT), str(folder / "node-a"))
    assert said == ""
    ours = net.inside("a", lambda: snapshot("node-a", pods=[POD["a"]]))
    return node_state(folder / "node-a", "node-a"), ours


def without_what_is_not_printed(link: Link) -> Link:
    return replace(
        link,
        driver=None,
        tx_checksum=None,
        carrier=link.carrier and link.up,
        counters=Counters(),
    )


def test_links_are_those_of_the_snapshot(both: tuple[NodeState, NodeState]) -> None:
    saved, ours = both
    assert [without_what_is_not_printed(one) for one in saved.links] == [
        without_what_is_not_printed(one) for one in ours.links
    ]
    assert {one.kind for one in saved.links} >= {"vxlan", "bridge", "veth"}
    assert all(one.driver is None for one in saved.links)


def test_counters_are_those_of_the_snapshot(both: tuple[NodeState, NodeState]) -> None:
    saved, ours = both
    for one, other in zip(saved.links, ours.links, strict=True):
        mine, theirs = one.counters, other.counters
        assert (mine.rx_errors, mine.tx_errors) == (theirs.rx_errors, theirs.tx_errors)
        assert mine.tx_dropped <= theirs.tx_dropped
        assert mine.rx_packets <= theirs.rx_packets
        assert mine.rx_otherhost in (None, theirs.rx_otherhost)


@pytest.mark.parametrize("part", ["addresses", "routes", "rules"])
def test_tables_are_those_of_the_snapshot(part: str, both: tuple[NodeState, NodeState]) -> None:
    saved, ours = both
    found, expected = getattr(saved, part), getattr(ours, part)
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert len(found) > 5


MULTICAST = ("ff02:", "33:33:", "01:00:5e:")
"""Of IPv6 and IGMP: they come and go by the kernel's timers."""


@pytest.mark.parametrize("part", ["neighbours", "fdb"])
def test_what_changes_with_time_is_that_of_the_snapshot(
    part: str, both: tuple[NodeState, NodeState]
) -> None:
    def steady(state: NodeState) -> list[str]:
        return sorted(
            str(one) for one in getattr(state, part) if not any(m in str(one) for m in MULTICAST)
        )

    saved, ours = both
    assert steady(saved) == steady(ours)
    assert len(steady(saved)) > 2


def test_sysctls_files_and_firewall_are_those_of_the_snapshot(
    both: tuple[NodeState, NodeState],
) -> None:
    saved, ours = both
    changing = "net.netfilter.nf_conntrack_count"
    for name, value in ours.sysctls.items():
        if name != changing:
            assert saved.sysctls.get(name) == value, name
    nft = {dump.tool: dump.text for dump in ours.firewall}
    for dump in saved.firewall:
        if dump.tool in nft:
            assert dump.text == nft[dump.tool]


def test_kernel_machine_and_moment_are_there(both: tuple[NodeState, NodeState]) -> None:
    saved, ours = both
    assert (saved.hostname, saved.kernel, saved.machine) == (
        ours.hostname, ours.kernel, ours.machine,
    )  # fmt: skip
    assert abs(int(saved.captured_at[17:19]) - int(ours.captured_at[17:19])) % 58 <= 2


def test_the_pod_s_veth_is_found_by_neighbour_and_bridge(
    both: tuple[NodeState, NodeState],
) -> None:
    saved, ours = both
    assert host_end(saved, POD["a"]) == ours.pods[0].host_ifindex
