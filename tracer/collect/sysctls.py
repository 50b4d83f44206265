"""The sysctls that decide about forwarded packets."""

import socket
import struct
from collections.abc import Mapping

from tracer.collect.netlink import RTM_GETNETCONF, Netlink, attributes
from tracer.model.state import NotRead

_ROOT = "/proc/sys/"
_GLOBAL = (
    "net.ipv4.ip_forward",
    "net.ipv4.icmp_echo_ignore_all",
    "net.ipv4.conf.all.accept_local",
    "net.ipv4.conf.all.src_valid_mark",
    "net.ipv6.conf.all.disable_ipv6",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.bridge.bridge-nf-call-arptables",
    "net.ipv4.neigh.default.gc_thresh1",
    "net.ipv4.neigh.default.gc_thresh2",
    "net.ipv4.neigh.default.gc_thresh3",
    "net.ipv6.neigh.default.gc_thresh3",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
)
_SPECIAL = {-1: "all", -2: "default"}
_IFINDEX = 1
_PER_DEVICE: dict[int, tuple[str, dict[int, str]]] = {
    socket.AF_INET: ("net.ipv4", {2: "forwarding", 3: "rp_filter"}),
    socket.AF_INET6: ("net.ipv6", {2: "forwarding"}),
}


def sysctls(netlink: Netlink, names: Mapping[int, str]) -> tuple[dict[str, str], list[NotRead]]:
    """Name -> value, and those that could not be read. `names`: ifindex -> ifname.

    Per device they come from RTM_GETNETCONF, which is the same numbers in one dump: a node of
    hundreds of pods would need a thousand files of /proc/sys.
    """
    found: dict[str, str] = {}
    missing: list[NotRead] = []
    for name in _GLOBAL:
        try:
            with open(_ROOT + name.replace(".", "/"), encoding="ascii", errors="replace") as file:
                found[name] = file.read(4096).strip()
        except OSError as error:
            missing.append(NotRead(what=f"sysctl {name}", why=error.strerror or str(error)))
    for family in _PER_DEVICE:
        try:
            found.update(_of_devices(netlink, family, names))
        except OSError as error:
            what = f"sysctl {_PER_DEVICE[family][0]}.conf.*"
            missing.append(NotRead(what=what, why=error.strerror or str(error)))
    return found, missing


def _of_devices(netlink: Netlink, family: int, names: Mapping[int, str]) -> dict[str, str]:
    prefix, wanted = _PER_DEVICE[family]
    found: dict[str, str] = {}
    for payload in netlink.dump(RTM_GETNETCONF, struct.pack("=Bxxx", family)):
        given = attributes(payload, 4)
        if _IFINDEX not in given:
            continue
        ifindex: int = struct.unpack("=i", given[_IFINDEX])[0]
        device = _SPECIAL.get(ifindex) or names.get(ifindex)
        if device is None:
            continue  # made after the links were read
        for kind, word in wanted.items():
            if kind in given:
                key = f"{prefix}.conf.{device.replace('.', '/')}.{word}"
                found[key] = str(struct.unpack("=i", given[kind])[0])
    return found
