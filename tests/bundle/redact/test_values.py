"""What the rules of single fields do."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.bundle.redact.maps import addresses, macs
from tracer.bundle.redact.names import Names, Sort
from tracer.bundle.redact.rules import Kind
from tracer.bundle.redact.values import Values


def done(kind: Kind, value: object) -> Any:
    """One value by one rule, in a recording that knows a node and a device."""
    names = Names(None)
    names.meet(Sort.NODE, "worker")
    names.meet(Sort.DEVICE, "wg-acme")
    return Values(names, addresses(), macs()).by_kind()[kind](value)


def test_every_kind_but_those_of_records_is_done_here() -> None:
    elsewhere = {Kind.KEEP, Kind.INSIDE, Kind.FRAME}
    values = Values(Names(None), addresses(), macs())
    assert set(values.by_kind()) == set(Kind) - elsewhere


@pytest.mark.parametrize("kind", [Kind.IP, Kind.NETWORK, Kind.MAC])
def test_nonsense_in_the_place_of_an_address_goes(kind: Kind) -> None:
    assert done(kind, "nonsense") == "[removed]"


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        ("ghcr.io/flannel-io/flannel:v0.28.9", "image:v0.28.9"),
        ("registry.acme.example:5000/net/flannel", "image"),
        ("acme/flannel:v0.25.1-acme7", "image:v0.25.1"),
        ("acme/flannel:latest", "image"),
        ("acme/flannel@sha256:0123456789abcdef", "image"),
    ],
)
def test_of_an_image_the_version_stays(image: str, wanted: str) -> None:
    assert done(Kind.IMAGE, image) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("bpf cil_from_container", "bpf cil_from_container"),
        ("cali_tc_preamble", "cali_tc_preamble"),
        ("u32 pref 49152 handle 0x800", "u32 pref 49152 handle 0x800"),
        ("program 17", "program 17"),
        ("bpf acme_qos", "program-1"),
    ],
)
def test_of_programs_those_of_known_plugins_keep_their_name(name: str, wanted: str) -> None:
    assert done(Kind.PROGRAM, name) == wanted


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/run/netns/cni-1b2c", "/run/netns/"),
        ("/proc/1234/ns/net", "/proc/"),
        ("/opt/acme/netns/x", "[removed]"),
    ],
)
def test_of_a_namespace_the_sort_of_place_stays(path: str, wanted: str) -> None:
    assert done(Kind.PLACE, path) == wanted


def test_switches_for_all_devices_keep_their_name_and_devices_get_theirs() -> None:
    before = {
        "net.ipv4.ip_forward": "1",
        "net.ipv6.conf.all.forwarding": "0",
        "net.ipv4.conf.default.forwarding": "1",
        "net.ipv4.conf.flannel/1.forwarding": "1",
        "net.ipv4.conf.wg-acme.rp_filter": "2",
        "net.ipv4.tcp_rmem": "4096\t131072",
    }
    after = before | {"net.ipv4.conf.dev-1.rp_filter": "2"}
    del after["net.ipv4.conf.wg-acme.rp_filter"]
    assert done(Kind.SYSCTLS, before) == after


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({"kubernetes.io/hostname": "worker"}, {"kubernetes.io/hostname": "node-1"}),
        ({"kubernetes.io/hostname": "other"}, {"kubernetes.io/hostname": "host-1"}),
        ({"node.kubernetes.io/instance-type": "k3s"}, {"node.kubernetes.io/instance-type": "k3s"}),
        ({"node.kubernetes.io/instance-type": "m5.large"}, {}),
        ({"acme.example/team": "payroll"}, {}),
    ],
)
def test_of_labels_only_the_host_and_the_distribution_stay(
    labels: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
    assert done(Kind.LABELS, labels) == wanted


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        ("flannel.alpha.coreos.com/public-ip", "flannel.alpha.coreos.com/public-ip"),
        ("flannel.alpha.coreos.com/node-public-ipv6", "flannel.alpha.coreos.com/node-public-ipv6"),
        ("acme.example/public-ip-overwrite", "prefix-1/public-ip-overwrite"),
        ("acme.example/net-backend-v6-data", "prefix-1/prefix-2-backend-v6-data"),
    ],
)
def test_annotations_are_found_under_the_prefix_that_stands_for_theirs(
    key: str, wanted: str
) -> None:
    assert done(Kind.ANNOTATIONS, {key: "127.0.0.1", "acme.example/owner": "x"}) == {
        wanted: "127.0.0.1"
    }


def test_an_address_of_kernel_memory_is_a_number() -> None:
    values = Values(Names(None), addresses(), macs()).by_kind()[Kind.HANDLE]
    assert [values(handle) for handle in (0xFFFF888163714100, 0xFFFF888163714200)] == [1, 2]
    assert values(0xFFFF888163714100) == 1
