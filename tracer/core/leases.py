"""flannel's annotations and net-conf -> leases and settings, read as flannel itself reads them."""

import json
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from tracer.model.cluster import ClusterState, Node
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Mac, Net
from tracer.model.record import Record

DEFAULT_PREFIX = "flannel.alpha.coreos.com/"
VXLAN = "vxlan"
DEFAULT_VNI = 1
"""flannel pkg/backend/vxlan/vxlan.go, defaultVNI."""
DEFAULT_PORT = 8472
"""The Linux kernel's, when flannel passes 0."""

_DATA = {4: "backend-data", 6: "backend-v6-data"}
_PUBLIC_IP = {4: "public-ip", 6: "public-ipv6"}


class NetConfRead(Record, frozen=True, kw_only=True):
    """net-conf.json as flannel understands it (pkg/subnet/config.go)."""

    network: Net | None
    network_v6: Net | None
    enable_ipv4: bool
    enable_ipv6: bool
    enable_nftables: bool
    backend_type: str
    vni: int
    port: int
    mtu: int | None
    direct_routing: bool
    gbp: bool
    learning: bool
    source: str
    defect: str | None = None
    """Why flannel would not start with it, in words."""


def leases(cluster: ClusterState) -> tuple[Lease, ...]:
    """Every node's lease in each family of which it has a pod CIDR or published data."""
    return tuple(
        lease
        for node in cluster.nodes
        for family in (4, 6)
        if (lease := _lease(node, family)) is not None
    )


def net_conf(cluster: ClusterState) -> NetConfRead | None:
    """flannel's configuration; None where it was not found (k3s keeps none in the API)."""
    if cluster.net_conf is None:
        return None
    defect = None
    try:
        raw = json.loads(cluster.net_conf.text)
    except (ValueError, RecursionError) as error:
        raw, defect = {}, f"net-conf.json is not JSON: {error}"
    if not isinstance(raw, dict):
        raw, defect = {}, "net-conf.json is not a JSON object"
    top = _folded(raw)
    backend = top.get("backend")
    inside = _folded(backend) if isinstance(backend, dict) else {}
    return NetConfRead(
        network=_text(top.get("network")),
        network_v6=_text(top.get("ipv6network")),
        enable_ipv4=top.get("enableipv4") is not False,
        enable_ipv6=top.get("enableipv6") is True,
        enable_nftables=top.get("enablenftables") is True,
        # Backend left out means "udp", whatever the documentation says (config.go).
        backend_type=_text(inside.get("type")) or ("" if backend is not None else "udp"),
        vni=_number(inside.get("vni")) or DEFAULT_VNI,
        port=_number(inside.get("port")) or DEFAULT_PORT,
        mtu=_number(inside.get("mtu")),
        direct_routing=inside.get("directrouting") is True,
        gbp=inside.get("gbp") is True,
        learning=inside.get("learning") is True,
        source=cluster.net_conf.source,
        defect=defect,
    )


def _lease(node: Node, family: int) -> Lease | None:
    """None: the node has nothing of this family."""
    cidr = next((net for net in node.pod_cidrs if _family(net) == family), None)
    values = {key: _by_end(node.annotations, key) for key in (_DATA[family], _PUBLIC_IP[family])}
    data_key, data = values[_DATA[family]]
    public_ip = values[_PUBLIC_IP[family]][1]
    if cidr is None and data is None and public_ip is None:
        return None
    backend_type = _by_end(node.annotations, "backend-type")[1]
    vni, mac, defect = _vxlan_data(data) if backend_type == VXLAN else (None, None, None)
    return Lease(
        node=node.name,
        family=family,
        pod_cidr=cidr,
        backend_type=backend_type,
        vni=vni,
        vtep_mac=mac,
        public_ip=public_ip,
        public_ip_overwrite=_by_end(node.annotations, f"{_PUBLIC_IP[family]}-overwrite")[1],
        source=f"Node/{node.name} {data_key}",
        defect=_defect(node, cidr, backend_type, data, public_ip) or defect,
    )


def _defect(
    node: Node, cidr: Net | None, backend_type: str | None, data: str | None, ip: Ip | None
) -> str | None:
    """The first reason for which peers pass this node over (kube.go, vxlan_network.go)."""
    if _by_end(node.annotations, "kube-subnet-manager")[1] != "true":
        return "it lacks the annotation kube-subnet-manager=true"
    if cidr is None:
        return "the node has no pod CIDR of this family"
    if backend_type is None:
        return "it lacks the annotation backend-type"
    if backend_type == VXLAN and data is None:
        return "it lacks the annotation backend-data"
    if ip is None:
        return "it lacks the annotation public-ip"
    return None


def _vxlan_data(text: str | None) -> tuple[int | None, Mac | None, str | None]:
    """(VNI, VtepMAC, what is wrong) of `{"VNI":1,"VtepMAC":"..."}`; old flannel left VNI out."""
    if text is None:
        return None, None, None
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return None, None, "backend-data is not JSON"
    if raw is None:
        return None, None, None
    if not isinstance(raw, dict):
        return None, None, "backend-data is not a JSON object"
    fields = _folded(raw)
    mac = _mac(fields.get("vtepmac"))
    return _number(fields.get("vni")), mac, None if mac else "backend-data holds no valid VtepMAC"


def _by_end(annotations: Mapping[str, str], end: str) -> tuple[str, str | None]:
    """(full key, value) by flannel's own name for it: `PREFIX/NAME` or `PREFIX/WORD-NAME`."""
    plain = DEFAULT_PREFIX + end
    if plain in annotations:
        return plain, annotations[plain]
    for key, value in annotations.items():
        name = key.partition("/")[2]
        if name == end or (name.endswith(f"-{end}") and not _longer(name, end)):
            return key, value
    return plain, None


def _longer(name: str, end: str) -> bool:
    """`node-public-ip` ends in `public-ip`, and is another annotation."""
    return end in _PUBLIC_IP.values() and name.endswith(f"node-{end}")


def _folded(raw: Mapping[Any, Any]) -> dict[str, Any]:
    """Keys without case, as Go's encoding/json matches them."""
    return {str(key).lower(): value for key, value in raw.items()}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _mac(value: Any) -> Mac | None:
    """Six bytes in lower-case colon form, as Go's net.ParseMAC would take them."""
    if not isinstance(value, str):
        return None
    digits = value.lower().replace("-", ":")
    parts = digits.split(":")
    whole = len(parts) == 6 and all(len(part) == 2 for part in parts)
    return digits if whole and not set("".join(parts)) - set("0123456789abcdef") else None


def _family(net: Net) -> int | None:
    try:
        return ip_network(net, strict=False).version
    except ValueError:
        return None
