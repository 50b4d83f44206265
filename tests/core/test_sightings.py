"""Whose packet an observation is, and what a buffer's address proves."""

import pytest
from msgspec.structs import replace

from tests import packets as p
from tests.builders import bundle, request, state
from tests.changes import with_vxlan
from tests.packets import BRIDGE_IN, UDP, UPLINK_OUT, ethernet, freed, ipv4, journey, observed
from tests.packets import ping as echo_request
from tracer.core.correlate import correlate
from tracer.core.sightings import sightings, vxlan_ports
from tracer.model.cluster import NetConf
from tracer.model.observation import Device, Observation
from tracer.model.path import Outcome, Path

OURS = replace(request(), probe_id=7)
QUESTION = p.arp("10.244.3.0", "10.244.1.0")


def only(*observations: Observation) -> Path:
    (path,) = correlate(bundle(observations=observations, request=OURS))
    return path


def test_arp_freed_at_a_packets_old_address_is_not_that_packet() -> None:
    arp = freed("node-a", Device.VTEP, "NO_TX_TARGET", QUESTION, at=500, ethertype=p.ARP)
    path = only(*journey(echo_request(), last=UPLINK_OUT), arp)
    assert path.outcome is Outcome.LOST
    assert path.drop is None


def test_a_test_datagram_freed_at_a_packets_old_address_is_not_that_packet() -> None:
    plain = ipv4("192.0.2.12", "192.0.2.11", UDP, p.udp(25000, p.PORT, bytes(12)))
    datagram = freed("node-a", Device.UPLINK, "NO_SOCKET", plain, at=500)
    assert only(*journey(echo_request(), last=UPLINK_OUT), datagram).outcome is Outcome.LOST


@pytest.mark.parametrize("length", [0, 1, 19])
def test_a_cut_off_drop_after_arp_at_the_same_address_is_nobodys(length: int) -> None:
    arp = observed(
        ethernet(QUESTION, p.ARP), device=Device.VTEP, ifname="flannel.1", time_ns=400_000
    )
    drop = freed("node-a", Device.VTEP, "NO_TX_TARGET", echo_request()[:length], at=500)
    path = only(*journey(echo_request(), last=UPLINK_OUT), arp, drop)
    assert path.outcome is Outcome.LOST


def test_a_cut_off_sighting_in_between_does_not_hide_whose_the_buffer_is() -> None:
    dim = observed(b"", device=Device.BRIDGE, ifname="cni0", time_ns=20_000)
    drop = freed("node-a", Device.BRIDGE, "NETFILTER_DROP", b"", at=30)
    path = only(*journey(echo_request(), last=BRIDGE_IN), dim, drop)
    assert path.outcome is Outcome.DROPPED


def test_a_cut_off_drop_of_another_ping_is_no_path_of_the_trace() -> None:
    other = journey(echo_request(ident=99), last=BRIDGE_IN, at=900, skb=0x7000)
    drop = freed("node-a", Device.BRIDGE, "NETFILTER_DROP", b"", at=950, skb=0x7000)
    path = only(*journey(echo_request()), *other, drop)
    assert path.inner_id.token == "request id 7 seq 1"
    assert path.outcome is Outcome.DELIVERED


def test_an_address_says_nothing_on_another_node() -> None:
    drop = freed("node-b", Device.UPLINK, "NO_SOCKET", b"", at=5_000_500, skb=0x1000)
    recording = bundle(observations=(*journey(echo_request(), last=UPLINK_OUT), drop))
    (orphan,) = (one for one in sightings(recording) if one.freed)
    assert orphan.inner_id is None


def test_each_nodes_sightings_are_in_the_order_of_its_own_clock() -> None:
    recording = bundle(observations=tuple(reversed(journey(echo_request()))))
    order = [(one.observation.node, one.observation.time_ns) for one in sightings(recording)]
    assert order == sorted(order)


def test_vxlan_is_every_port_that_a_device_or_the_configuration_names() -> None:
    conf = NetConf(text='{"Backend":{"Type":"vxlan","Port":9999}}', source="ConfigMap a/b")
    healthy = bundle()
    odd = replace(
        bundle(with_vxlan(state("node-b"), port=7777)),
        cluster=replace(healthy.cluster, net_conf=conf),
    )
    assert vxlan_ports(odd) == {8472, 4789, 7777, 9999}
    assert vxlan_ports(replace(odd, nodes={})) == {8472, 4789, 9999}


def test_an_skb_that_is_not_known_joins_nothing() -> None:
    there = [replace(one, skb=0) for one in journey(echo_request(), last=UPLINK_OUT)]
    cut = freed("node-a", Device.UPLINK, "NO_SOCKET", b"\x45", at=500, skb=0)
    path = only(*there, cut)
    assert path.outcome is Outcome.LOST
    assert [hop.drop for hop in path.hops] == [None] * 4
