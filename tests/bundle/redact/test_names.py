"""Names: one token each, numbered, or made from the name where two recordings must agree."""

import pytest

from tests.bundle.redact.maps import SECRET
from tracer.bundle.redact.names import Names, Sort, is_usual_device


def test_tokens_are_numbered_in_the_order_of_first_use() -> None:
    names = Names(None)
    assert [names.token(Sort.NODE, name) for name in ("b", "a", "b")] == [
        "node-1",
        "node-2",
        "node-1",
    ]
    assert names.token(Sort.POD, "b") == "pod-1"


def test_with_a_key_the_order_does_not_matter() -> None:
    one, other = Names(SECRET), Names(SECRET)
    one.token(Sort.NODE, "a")
    assert one.token(Sort.NODE, "b") == other.token(Sort.NODE, "b")
    assert other.token(Sort.NODE, "b").startswith("node-")


def test_an_end_is_a_pod_with_its_namespace_or_a_node() -> None:
    names = Names(None)
    assert names.end("default/web") == "default/pod-1"
    assert names.end("shop/web") == "ns-1/pod-1"
    assert names.end("worker.example") == "node-1"


def test_namespaces_that_every_cluster_has_stay() -> None:
    names = Names(None)
    for kept in ("default", "kube-system", "kube-flannel"):
        assert names.token(Sort.NAMESPACE, kept) == kept


def test_a_machine_that_is_called_like_its_node_has_the_nodes_token() -> None:
    names = Names(None)
    names.meet(Sort.NODE, "worker-7")
    assert names.host("worker-7") == "node-1"
    assert names.host("worker-7.example.org") == "host-1"


@pytest.mark.parametrize(
    "name",
    ["lo", "eth0", "eth0.100", "ens192", "enp3s0f1np1", "eno1", "bond0", "veth519d4b94", "cni0",
     "flannel.1", "flannel-v6.1", "docker0", "br-0123456789ab", "cilium_host"],
)  # fmt: skip
def test_devices_that_a_program_named_are_usual(name: str) -> None:
    assert is_usual_device(name)


@pytest.mark.parametrize(
    "name",
    ["enx001122334455", "cali0123456789a", "eni0123456789a", "wg-acme", "br-acme", "eth-acme"],
)
def test_devices_that_tell_of_a_mac_a_pod_or_an_owner_are_not(name: str) -> None:
    assert not is_usual_device(name)
    assert Names(None).token(Sort.DEVICE, name) == "dev-1"


def test_nothing_is_the_name_of_nothing() -> None:
    assert Names(None).token(Sort.DEVICE, "") == ""
