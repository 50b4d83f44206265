"""A pod's namespace is found by its address, and only the one of this node."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collect.nodes import POD, POD6, Overlay, add_pod, overlay, run
from tracer.collect import netns
from tracer.collect.links import links
from tracer.collect.netlink import Netlink
from tracer.collect.netns import own_inode
from tracer.collect.pods import find_pods, pod_netns_fd
from tracer.errors import NotFound
from tracer.model.state import PodLink

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    with overlay("p") as made:
        yield made


def found(net: Overlay, node: str, *ips: str) -> tuple[PodLink, ...]:
    def look() -> tuple[PodLink, ...]:
        with Netlink() as netlink:
            pods, _ = find_pods(netlink, ips, links(netlink))
            return pods

    return net.inside(node, look)


def test_a_named_namespace_is_found_with_its_veth(net: Overlay) -> None:
    (pod,) = found(net, "a", POD["a"])
    assert pod.netns == net.inode("pod-a")
    assert pod.found_in == f"/run/netns/{net.netns('pod-a')}"
    assert pod.host_ifindex == net.ifindex("a", "veth0")
    assert (pod.ifname, pod.mtu, pod.up) == ("eth0", 1450, True)
    assert pod.mac == net.json("pod-a", "ip", "link show dev eth0")[0]["address"]
    defaults = [one.gateway for one in pod.routes if one.destination in ("0.0.0.0/0", "::/0")]
    assert defaults == ["10.244.1.1", "fd00:1::1"]


def test_both_addresses_of_a_pod_are_found_at_once(net: Overlay) -> None:
    pods = found(net, "a", POD["a"], POD6["a"])
    assert [pod.ip for pod in pods] == [POD["a"], POD6["a"]]
    assert len({pod.netns for pod in pods}) == 1


def test_a_namespace_that_only_a_process_holds_is_found(net: Overlay) -> None:
    net.add("fleeting")
    inode, path = net.inode("fleeting"), net.netns("fleeting")
    net.ip("a", f"link add veth9 type veth peer name eth0 netns {path}")
    net.ip("fleeting", "addr add 10.244.1.9/24 dev eth0")
    net.ip("fleeting", "link set eth0 up")
    with subprocess.Popen(
        ["ip", "netns", "exec", path, "sh", "-c", "echo inside; exec sleep 60"],
        stdout=subprocess.PIPE,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"inside\n"
            run("ip", "netns", "del", path)
            (pod,) = found(net, "a", "10.244.1.9")
        finally:
            process.kill()
    assert pod.netns == inode
    assert pod.found_in == f"/proc/{process.pid}/ns/net"


def test_a_pod_with_the_same_address_on_another_node_is_not_taken(net: Overlay) -> None:
    add_pod(net, "b", "twin", 1, host="veth1")
    assert [pod.netns for pod in found(net, "a", POD["a"])] == [net.inode("pod-a")]
    assert [pod.netns for pod in found(net, "b", POD["a"])] == [net.inode("twin")]


def test_a_pod_of_another_node_is_not_found_here(net: Overlay) -> None:
    assert found(net, "a", POD["b"]) == ()


def test_a_pod_whose_veth_left_the_bridge_is_still_found(net: Overlay) -> None:
    net.ip("b", "link set veth0 nomaster")
    try:
        (pod,) = found(net, "b", POD["b"])
    finally:
        net.ip("b", "link set veth0 master cni0")
    assert pod.host_ifindex == net.ifindex("b", "veth0")


def test_looking_around_leaves_us_where_we_were(net: Overlay) -> None:
    before = own_inode(), len(os.listdir("/proc/self/fd"))
    with Netlink() as netlink:
        find_pods(netlink, (POD["a"],), links(netlink))
    assert (own_inode(), len(os.listdir("/proc/self/fd"))) == before
    assert net.inside("a", own_inode) == net.inode("a") != own_inode()


def test_the_descriptor_is_the_pods_namespace(net: Overlay) -> None:
    fd = net.inside("a", lambda: pod_netns_fd(POD["a"]))
    try:
        assert os.fstat(fd).st_ino == net.inode("pod-a")
    finally:
        os.close(fd)


def test_an_address_that_nobody_holds_says_so(net: Overlay) -> None:
    with pytest.raises(NotFound, match=r"pod 10\.244\.1\.250 was not found"):
        net.inside("a", lambda: pod_netns_fd("10.244.1.250"))


@pytest.mark.parametrize(
    ("group", "counts"), [("kubepods-besteffort-pod7.slice", True), ("x", False)]
)
def test_a_pods_process_that_a_security_module_hides_is_not_taken_for_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, counts: bool
) -> None:
    hidden = tmp_path / "ns" / "net"
    (tmp_path / "cgroup").write_text(f"0::/../{group}/cri-containerd-1f2e.scope\n")
    stat = os.stat

    def guarded(path: str) -> os.stat_result:
        if path == str(hidden):
            raise PermissionError(errno.EACCES, "Permission denied")
        return stat(path)

    monkeypatch.setattr(netns, "_candidates", lambda: iter([str(hidden)]))
    monkeypatch.setattr(os, "stat", guarded)
    found, refused = netns.others()
    assert not found
    assert (refused is not None) is counts
