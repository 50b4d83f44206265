"""flannel's annotations and net-conf -> leases and settings, read as flannel itself reads them."""

import json
import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from msgspec.structs import replace

from tracer.model.cluster import ClusterState, NetConf, Node
from tracer.model.lease import Lease
from tracer.model.packet import Ip, Mac, Net
from tracer.model.record import Record
from tracer.model.state import NodeState

DEFAULT_PREFIX = "flannel.alpha.coreos.com/"
VXLAN = "vxlan"
UNNAMED = "unnamed (udp, alloc or tencent-vpc)"
"""These backends publish an empty backend-type (flannel pkg/backend)."""
DEFAULT_VNI = 1
"""flannel pkg/backend/vxlan/vxlan.go, defaultVNI."""
DEFAULT_PORT = 8472
"""The Linux kernel's, when flannel passes 0."""

NET_CONF_FILES = (
    "/var/lib/rancher/k3s/agent/etc/flannel/net-conf.json",
    "/etc/kube-flannel/net-conf.json",
)
"""Where a node has flannel's configuration, if it is not in the API."""

_DATA = {4: "backend-data", 6: "backend-v6-data"}
_PUBLIC_IP = {4: "public-ip", 6: "public-ipv6"}
_MAC = re.compile(
    "[0-9a-f]{2}(:[0-9a-f]{2}){5}|[0-9a-f]{2}(-[0-9a-f]{2}){5}|[0-9a-f]{4}([.][0-9a-f]{4}){2}", re.I
)


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
    differs_on: tuple[str, ...] = ()
    """Where it was read on nodes: those whose own file says otherwise (see `node_net_confs`)."""


def leases(cluster: ClusterState) -> tuple[Lease, ...]:
    """Every node's lease in each family of which it has a pod CIDR or published data."""
    vxlan = any(map(says_vxlan, cluster.nodes))
    return tuple(lease for node in cluster.nodes for lease in leases_of(node, vxlan=vxlan))


def leases_of(node: Node, *, vxlan: bool) -> tuple[Lease, ...]:
    """One node's. `vxlan`: some node of the cluster says that it uses that backend."""
    found = (_lease(node, family, vxlan) for family in (4, 6))
    return tuple(lease for lease in found if lease is not None)


def says_vxlan(node: Node) -> bool:
    """The backend that the node publishes."""
    return _by_end(node.annotations, "backend-type")[1] == VXLAN


def read_net_conf(conf: NetConf) -> NetConfRead:
    """flannel's configuration as flannel understands it."""
    return _net_conf(conf.text, conf.source)


def net_conf(cluster: ClusterState, nodes: Iterable[NodeState] = ()) -> NetConfRead | None:
    """flannel's configuration: of the ConfigMap, else what most of the nodes' own files say.

    k3s keeps none in the API; `differs_on` then names the nodes whose file says otherwise. None: it
    was not found.
    """
    if cluster.net_conf is not None:
        return read_net_conf(cluster.net_conf)
    found = node_net_confs(nodes)
    alike: dict[NetConfRead, list[str]] = {}
    for node in sorted(found):
        alike.setdefault(replace(found[node], source=""), []).append(node)
    if not alike:
        return None
    first = max(alike.values(), key=len)[0]
    others = tuple(node for nodes in alike.values() if nodes[0] != first for node in nodes)
    return replace(found[first], differs_on=others)


def node_net_confs(nodes: Iterable[NodeState]) -> dict[str, NetConfRead]:
    """Node -> what flannel's configuration in its own files says. `source`: the node and the path.

    k3s writes one for its flannel (/var/lib/rancher/k3s/agent/etc/flannel); the path that flannel
    itself expects comes after it, for it may be left over from another installation.
    """
    return {
        state.node: _net_conf(state.files[path], f"{state.node} {path}")
        for state in nodes
        if (path := next((path for path in NET_CONF_FILES if path in state.files), None))
    }


def _net_conf(text: str, source: str) -> NetConfRead:
    defect = None
    try:
        raw = json.loads(text)
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
        source=source,
        defect=defect,
    )


def _lease(node: Node, family: int, vxlan: bool) -> Lease | None:
    """None: the node has nothing of this family. `vxlan`: a backend that peers use."""
    cidr = next((net for net in map(_net, node.pod_cidrs) if _version(net) == family), None)
    values = {key: _by_end(node.annotations, key) for key in (_DATA[family], _PUBLIC_IP[family])}
    data_key, data = values[_DATA[family]]
    published = values[_PUBLIC_IP[family]][1]
    if cidr is None and data is None and published is None:
        return None
    public_ip = _ip(published, family)
    backend_type = _by_end(node.annotations, "backend-type")[1]
    backend_type = UNNAMED if backend_type == "" else backend_type
    vni, mac, wrong = _vxlan_data(data) if backend_type == VXLAN else (None, None, None)
    overwrite = _by_end(node.annotations, f"{_PUBLIC_IP[family]}-overwrite")[1]
    return Lease(
        node=node.name,
        family=family,
        pod_cidr=cidr,
        backend_type=backend_type,
        vni=vni,
        vtep_mac=mac,
        public_ip=public_ip,
        public_ip_overwrite=_ip(overwrite, family),
        source=f"Node/{node.name} {data_key}",
        defect=_managed_defect(node, cidr)
        or _address_defect(published, public_ip, _PUBLIC_IP[family])
        or _backend_defect(backend_type, data, _DATA[family], vxlan)
        or wrong,
    )


def lacking(node: Node, family: int) -> tuple[str, ...]:
    """Keys of the annotations without which peers pass over the node in that family (kube.go)."""
    ends = ("kube-subnet-manager", "backend-type", _DATA[family], _PUBLIC_IP[family])
    found = {end: _by_end(node.annotations, end) for end in ends}
    if found["backend-type"][1] not in (None, VXLAN):
        # host-gw, for one, publishes no data of its own.
        del found[_DATA[family]]
    return tuple(key for key, value in found.values() if value is None)


def _managed_defect(node: Node, cidr: Net | None) -> str | None:
    """Peers pass over a node that no flanneld manages, or that has no subnet (kube.go)."""
    if _by_end(node.annotations, "kube-subnet-manager")[1] != "true":
        return "it lacks the annotation kube-subnet-manager=true"
    return "the node has no pod CIDR of this family" if cidr is None else None


def _address_defect(published: str | None, ip: Ip | None, key: str) -> str | None:
    if published is None:
        return f"it lacks the annotation {key}"
    return f"{key} is no address of its family: {published[:60]!r}" if ip is None else None


def _backend_defect(
    backend_type: str | None, data: str | None, key: str, vxlan: bool
) -> str | None:
    """What vxlan_network.go passes over: "ignoring non-vxlan subnet"."""
    if backend_type is None:
        return "it lacks the annotation backend-type"
    if backend_type != VXLAN:
        return f"its backend is {backend_type[:60]}, not {VXLAN}" if vxlan else None
    return f"it lacks the annotation {key}" if data is None else None


def _vxlan_data(text: str | None) -> tuple[int | None, Mac | None, str | None]:
    """(VNI, VtepMAC, what is wrong) of `{"VNI":1,"VtepMAC":"..."}`; old flannel left VNI out."""
    if text is None:
        return None, None, None
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        return None, None, "backend-data is not JSON"
    if raw is None:
        return None, None, "backend-data is null: it holds no VtepMAC"
    if not isinstance(raw, dict):
        return None, None, "backend-data is not a JSON object"
    fields = _folded(raw)
    vni, mac = _number(fields.get("vni")), _mac(fields.get("vtepmac"))
    if mac is None:
        return vni, None, "backend-data holds no valid VtepMAC"
    # Go's decoder refuses what does not fit its uint32, and the peer is passed over.
    whole = fields.get("vni") is None or (vni is not None and 0 <= vni < 1 << 32)
    return (vni, mac, None) if whole else (None, mac, "backend-data holds no valid VNI")


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
    """Six bytes in lower-case colon form; Go's net.ParseMAC also takes dashes and dotted fours."""
    if not isinstance(value, str) or not _MAC.fullmatch(value):
        return None
    digits = re.sub("[:.-]", "", value.lower())
    return ":".join(digits[at : at + 2] for at in range(0, 12, 2))


def _ip(value: str | None, family: int) -> Ip | None:
    try:
        ip = ip_address(value) if value is not None else None
    except ValueError:
        return None
    return _same(str(ip), value) if ip is not None and ip.version == family else None


def _net(net: Net) -> Net | None:
    try:
        return _same(str(ip_network(net, strict=False)), net)
    except ValueError:
        return None


def _same(text: str, said: str | None) -> str:
    """Of two equal strings the one that is there anyway: a watch keeps 5,000 leases."""
    return said if said == text else text


def _version(net: Net | None) -> int | None:
    return None if net is None else 6 if ":" in net else 4
