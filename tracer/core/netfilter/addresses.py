"""What kind of address one is on this node, and what kube-proxy keeps in sets of addresses."""

from ipaddress import ip_network

from tracer.model.packet import Ip, Net
from tracer.model.state import NodeState

LOCAL_TABLE = 255
IPVS_DEVICE = "kube-ipvs0"
"""kube-proxy in IPVS mode gives this device every address of a Service."""


class Addresses:
    """inet_addr_type (net/ipv4/fib_frontend.c): what the local table has, else unicast."""

    def __init__(self, state: NodeState) -> None:
        names = {link.ifindex: link.ifname for link in state.links}
        self._types: dict[tuple[int, int], tuple[str, str]] = {}
        self._nets: list[tuple[int, int, int, tuple[str, str]]] = []
        for held in state.addresses:
            self._add(held.ip, ("local", names.get(held.ifindex, "")))
        for route in state.routes:
            if route.table == LOCAL_TABLE and route.kind in ("local", "broadcast", "anycast"):
                device = names.get(route.ifindex, "") if route.ifindex is not None else ""
                self._add(route.destination, (route.kind, device))
        self._known = bool(state.addresses)
        self._ipvs = IPVS_DEVICE in names.values()

    def _add(self, net: Ip | Net, kind: tuple[str, str]) -> None:
        try:
            found = ip_network(net, strict=False)
        except ValueError:
            # A recording may hold anything; what is no network holds no address.
            return
        if found.prefixlen == found.max_prefixlen:
            self._types.setdefault((found.version, int(found.network_address)), kind)
        else:
            low, high = int(found.network_address), int(found.broadcast_address)
            self._nets.append((found.version, low, high, kind))

    def kind(self, family: int, address: int, device: str | None = None) -> str | None:
        """`local`, `broadcast`, `multicast`, `unicast` ...; None: this recording cannot say.

        With a device only what is so on this device counts (`--limit-iface-in`, `fib ... iif`).
        """
        if family == 4:
            if address >> 24 == 0 or address == 0xFFFFFFFF:
                return "broadcast"
            if address >> 28 == 0xE:
                return "multicast"
        elif address >> 120 == 0xFF:
            return "multicast"
        if not self._known:
            return None
        kind, where = self._found(family, address)
        if kind == "unicast" and family == 6:
            # IPv6 asks the whole routing table, which tells unicast from unreachable.
            return "" if device is None else None
        return kind if device is None or where == device else "unicast"

    def _found(self, family: int, address: int) -> tuple[str, str]:
        exact = self._types.get((family, address))
        if exact is not None:
            return exact
        for version, low, high, kind in self._nets:
            if version == family and low <= address <= high:
                return kind
        if family == 4 and address >> 24 == 127:
            return "local", "lo"
        return "unicast", ""

    def is_service(self, family: int, address: int) -> bool | None:
        """An address of a Service, in IPVS mode; None: in another mode it cannot be said."""
        if not self._ipvs:
            return None
        return self._types.get((family, address), ("", ""))[1] == IPVS_DEVICE
