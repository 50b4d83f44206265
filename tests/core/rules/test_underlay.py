"""Lost between two uplinks: by size, by port, or altogether."""

import struct
from ipaddress import ip_address

from msgspec.structs import replace

from tests.builders import ETH0, state, underlay
from tests.changes import with_link
from tests.core.rules.asking import ask, case, found, rules_of, words
from tests.paths import (
    FULL,
    SMALL,
    UPLINK_IN,
    UPLINK_OUT,
    VTEP_OUT,
    all_well,
    delivered,
    dropped,
    freed_on,
    lost,
)
from tracer.core.diagnose import judge
from tracer.core.rules.datagrams import seen_of
from tracer.core.rules.underlay import (
    cloud_sg_8472,
    nsx_intercepts_8472,
    underlay_mtu_blackhole,
)
from tracer.model.diagnosis import Diagnosis
from tracer.model.message import Datagram
from tracer.model.observation import Device, Direction, Observation
from tracer.model.path import Path, Way

MARK = 23456
TEST = Datagram(src=underlay("node-a"), dst=underlay("node-b"), src_port=MARK, ports=(8472, 8473))
ALL_LOST = tuple(lost(UPLINK_OUT, seq=seq) for seq in range(1, 6))


def datagram(node: str, direction: Direction, port: int, source: str = "node-a") -> Observation:
    """One of flantrace's own test datagrams as an agent saw it."""
    payload = b"flantrace"
    udp = struct.pack("!HHHH", MARK, port, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0)
    addresses = b"".join(ip_address(underlay(name)).packed for name in (source, "node-b"))
    frame = bytes(12) + b"\x08\x00" + header + addresses + udp
    return Observation(
        node=node, device=Device.UPLINK, direction=direction, ifindex=ETH0, ifname="eth0",
        netns=1, skb=1, time_ns=1, length=len(frame), gso_size=0, ethernet=True, headers=frame,
    )  # fmt: skip


def after_test(*arrived: int) -> Diagnosis:
    seen = [datagram("node-a", Direction.OUT, port) for port in TEST.ports]
    seen += [datagram("node-b", Direction.IN, port) for port in arrived]
    return judge(case(paths=ALL_LOST, datagrams=(TEST,), observations=tuple(seen)))


def test_a_port_that_vanishes_while_the_next_one_arrives_is_taken_by_the_fabric() -> None:
    told = after_test(8473)
    assert words(told) == ("LOST", "nsx-intercepts-8472", "node-a", "eth0", "-")
    assert told.findings[0].also == ()
    assert any("4790" in line for line in told.findings[0].fix)


def test_ports_that_vanish_alike_are_kept_out_by_a_security_group() -> None:
    told = after_test()
    assert words(told)[1] == "cloud-sg-8472"
    assert rules_of(told) == {"cloud-sg-8472"}


def test_plain_datagrams_that_arrive_do_not_acquit_the_fabric() -> None:
    """NSX lets plain data to 8472 pass (flannel #2388) and drops VXLAN."""
    told = after_test(8472, 8473)
    assert words(told)[1] == "nsx-intercepts-8472"
    assert "lets plain datagrams to it pass" in told.findings[0].sentence


def test_a_test_that_fits_neither_explains_nothing() -> None:
    assert words(after_test(8472))[1] == "unexplained-loss"


def test_without_a_test_both_candidates_are_named() -> None:
    told = judge(case(paths=ALL_LOST))
    assert words(told) == ("LOST", "cloud-sg-8472", "node-a", "eth0", "-")
    assert told.findings[0].also == ("nsx-intercepts-8472",)


def test_some_that_come_in_are_no_blocked_port() -> None:
    paths = (*ALL_LOST[:2], *(delivered(seq=seq) for seq in (3, 4, 5)))
    told = judge(case(paths=paths))
    assert words(told)[1] == "unexplained-loss"
    assert "2 of 5 requests; 3 of 5 arrived" in told.verdict.sentence
    assert told.verdict.exit_code == 1


def test_the_tests_of_flantrace_are_confessed() -> None:
    assert any("itself sent" in note for note in after_test().notes)


FROM_C = replace(TEST, src=underlay("node-c"))


def from_third_node(*arrived: int) -> Diagnosis:
    """As after a test in which nothing arrived; then node-c tried."""
    seen = [datagram("node-a", Direction.OUT, port) for port in TEST.ports]
    seen += [datagram("node-b", Direction.IN, port, "node-c") for port in arrived]
    tests = (TEST, FROM_C)
    return judge(case(paths=ALL_LOST, datagrams=tests, observations=tuple(seen)))


def test_a_third_nodes_datagrams_tell_the_pair_from_the_receiver() -> None:
    pair, receiver = from_third_node(8472, 8473), from_third_node()
    assert words(pair)[1] == words(receiver)[1] == "cloud-sg-8472"
    assert pair.findings[0].hits.endswith("node-c still reaches it")
    assert receiver.findings[0].hits == "everything to pods of node-b, from node-c as well"
    third = [line for line in pair.findings[0].evidence if "from node-c" in line.source]
    assert [line.value for line in third] == ["arrived", "arrived"]


def test_a_third_nodes_datagrams_are_not_taken_for_the_senders() -> None:
    first = [line for line in from_third_node(8472).findings[0].evidence if line.label == "test"]
    assert [line.value for line in first] == ["vanished", "vanished", "arrived", "vanished"]


def test_only_a_tests_own_datagrams_are_counted_as_its_own() -> None:
    late = replace(datagram("node-b", Direction.IN, 8472), headers=bytes(60))
    own = [datagram("node-a", Direction.OUT, port) for port in TEST.ports]
    third = datagram("node-b", Direction.IN, 8472, "node-c")
    assert seen_of(TEST, (), [late, *own, late, late]) == 2
    assert seen_of(FROM_C, (TEST,), [*own, third, late]) == 1


def full_lost(path: Path, way: Way = Way.REQUEST) -> tuple[Path, ...]:
    return (*(p for p in all_well() if p.size == SMALL or p.way is not way), path)


def test_a_large_packet_lost_where_small_ones_pass_is_the_underlays_mtu() -> None:
    told = judge(case(paths=full_lost(lost(UPLINK_OUT, seq=6, size=FULL))))
    assert words(told) == ("LOST", "underlay-mtu-blackhole", "node-a", "eth0", "-")
    assert told.findings[0].sentence == (
        "The underlay between node-a and node-b carries 134 B and swallows 1500 B."
    )
    assert "the one request of 1450 B; 5 of 5 requests arrived" in told.verdict.sentence
    assert told.findings[0].confirm == ("ping -M do -c 3 -s 1472 192.0.2.12   # on node-a",)


def test_a_large_packet_freed_as_it_leaves_is_the_same() -> None:
    """On a veth pair the kernel itself refuses what the other end cannot take."""
    at = freed_on("node-a", Device.UPLINK, "eth0")
    large = dropped(at, "NOT_SPECIFIED", "__dev_forward_skb2", last=UPLINK_OUT, seq=6, size=FULL)
    assert words(judge(case(paths=full_lost(large))))[1] == "underlay-mtu-blackhole"


def test_a_large_reply_is_followed_on_its_own_way() -> None:
    paths = full_lost(lost(UPLINK_OUT, Way.REPLY, seq=6, size=FULL), Way.REPLY)
    told = judge(case(paths=paths))
    assert words(told)[1:3] == ("underlay-mtu-blackhole", "node-b")


def test_a_narrow_uplink_of_the_nodes_own_fragments_and_is_another_fault() -> None:
    narrow = with_link(state("node-a"), "eth0", mtu=1400)
    paths = full_lost(lost(UPLINK_OUT, seq=6, size=FULL))
    assert ask(underlay_mtu_blackhole, case(narrow, paths=paths)) is None


def test_a_large_packet_that_dies_elsewhere_is_not_the_underlay() -> None:
    at = freed_on("node-a", Device.BRIDGE, "cni0")
    large = dropped(at, "PKT_TOO_BIG", "ip_forward", last=1, seq=6, size=FULL)
    told = judge(case(paths=full_lost(large)))
    assert words(told) == ("DROPPED", "unexplained-drop", "node-a", "cni0", "PKT_TOO_BIG")


def test_loss_elsewhere_is_not_the_underlay() -> None:
    for last in (VTEP_OUT, UPLINK_IN):
        broken = case(paths=[lost(last)])
        for rule in (nsx_intercepts_8472, cloud_sg_8472, underlay_mtu_blackhole):
            assert ask(rule, broken) is None


def test_the_security_group_finding_names_both_addresses() -> None:
    finding = found(cloud_sg_8472, case(paths=ALL_LOST))
    assert "192.0.2.11 and 192.0.2.12" in finding.fix[0]
    assert finding.fix[1] == "flantrace default/pod-a default/pod-b"
