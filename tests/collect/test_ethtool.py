"""Checksum offload as the kernel has it, toggled on real devices by ethtool's own system call."""

import array
import fcntl
import shutil
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.collect.nodes import Overlay, overlay
from tracer.collect.ethtool import ethtool
from tracer.collect.snapshot import snapshot
from tracer.model.state import NodeState

pytestmark = pytest.mark.kernel

SIOCETHTOOL, STXCSUM = 0x8946, 0x17


@pytest.fixture(scope="module")
def net() -> Iterator[Overlay]:
    with overlay("e") as made:
        yield made


def switch(device: str, *, on: bool) -> None:
    """`ethtool -K DEVICE tx on|off`."""
    data = array.array("B", struct.pack("=II", STXCSUM, on))
    request = struct.pack("16sP16x", device.encode(), data.buffer_info()[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCETHTOOL, request)


def offload(state: NodeState) -> dict[str, bool | None]:
    return {link.ifname: link.tx_checksum for link in state.links}


@pytest.mark.parametrize("device", ["eth0", "flannel.1", "cni0"])
def test_the_offload_of_uplink_vtep_and_bridge_is_followed(net: Overlay, device: str) -> None:
    def read() -> dict[str, bool | None]:
        return offload(net.inside("a", lambda: snapshot("a", pods=[], firewall=False)))

    before = read()
    net.inside("a", lambda: switch(device, on=False))
    off = read()
    net.inside("a", lambda: switch(device, on=True))
    assert (before[device], off[device], read()[device]) == (True, False, True)
    assert {name for name in off if off[name] != before[name]} <= {device, "cni0"}
    # a bridge has what its ports have in common


@pytest.mark.skipif(shutil.which("ethtool") is None, reason="ethtool is not installed")
def test_it_is_what_ethtool_prints(net: Overlay) -> None:
    state = net.inside("a", lambda: snapshot("a", pods=[], firewall=False))
    for name, on in offload(state).items():
        said = net.execute("a", "ethtool", "-k", name)
        assert f"tx-checksumming: {'on' if on else 'off'}" in said


def test_a_device_that_is_not_there_has_none(net: Overlay) -> None:
    def ask() -> tuple[bool | None, str | None]:
        with ethtool() as asked:
            return asked.tx_checksum("nobody0"), asked.driver("nobody0")

    assert net.inside("a", ask) == (None, None)


def test_a_virtual_device_names_its_driver(net: Overlay) -> None:
    def ask() -> str | None:
        with ethtool() as asked:
            return asked.driver("veth0")

    assert net.inside("a", ask) == "veth"
