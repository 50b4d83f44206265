"""The address family of a trace: IPv4 where both ends have it, unless another is asked for."""

import pytest
from msgspec.structs import replace

from tests.builders import api_node, cluster
from tracer.errors import NotFound
from tracer.model.cluster import ClusterState, Pod
from tracer.recording.ends import resolve

V6 = {"pod-a": "fd00:10:244:1::2", "pod-b": "fd00:10:244:2::2", "pod-c": "fd00:10:244:3::2"}


def pod(name: str, *ips: str, node: str | None = None) -> Pod:
    return Pod(namespace="default", name=name, ips=ips, node=node or f"node-{name[-1]}")


def both_families() -> ClusterState:
    """Pods with an address of each family, as in a dual-stack cluster."""
    pods = [pod(f"pod-{letter}", f"10.244.{n}.2", V6[f"pod-{letter}"])
            for n, letter in enumerate("abc", start=1)]  # fmt: skip
    return cluster(pods=tuple(pods))


def ips(words: tuple[str, str], found: ClusterState, family: int | None = None) -> tuple[str, str]:
    source, destination = resolve(words, "default", found, family)
    return source.ip, destination.ip


def test_of_two_families_ipv4_is_traced_unless_the_other_is_asked_for() -> None:
    pair = ("pod-a", "pod-b")
    assert ips(pair, both_families()) == ("10.244.1.2", "10.244.2.2")
    assert ips(pair, both_families(), 4) == ("10.244.1.2", "10.244.2.2")
    assert ips(pair, both_families(), 6) == (V6["pod-a"], V6["pod-b"])


def test_ipv6_is_traced_unasked_where_an_end_has_nothing_else() -> None:
    found = cluster(pods=(pod("pod-a", "10.244.1.2", V6["pod-a"]), pod("pod-b", V6["pod-b"])))
    assert ips(("pod-a", "pod-b"), found) == (V6["pod-a"], V6["pod-b"])


def test_a_family_that_an_end_has_not_got_is_said_with_the_ends_name() -> None:
    found = cluster(pods=(pod("pod-a", "10.244.1.2", V6["pod-a"]), pod("pod-b", "10.244.2.2")))
    with pytest.raises(NotFound, match=r"^pod-b has no IPv6 address") as caught:
        resolve(("pod-a", "pod-b"), "default", found, 6)
    assert "--family 6" in caught.value.hint
    with pytest.raises(NotFound, match="no address family in common"):
        resolve(
            ("pod-a", "pod-b"),
            "default",
            cluster(pods=(pod("pod-a", "10.244.1.2"), pod("pod-b", V6["pod-b"]))),
        )


def test_a_node_has_a_flannel_address_in_each_family() -> None:
    node = replace(
        api_node("node-a", backend_v6_data='{"VNI":1,"VtepMAC":"02:f6:00:00:00:01"}'),
        pod_cidrs=("10.244.1.0/24", "fd00:10:244:1::/64"),
    )
    found = replace(both_families(), nodes=(node,))
    assert ips(("node/node-a", "pod-b"), found) == ("10.244.1.0", "10.244.2.2")
    assert ips(("node/node-a", "pod-b"), found, 6) == ("fd00:10:244:1::", V6["pod-b"])
