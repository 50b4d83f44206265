"""What a rule asks a node about an address: its kind, the way back to it, a Service's or not."""

from ipaddress import ip_network

from tracer.core.netfilter.packet import Packet, text_of
from tracer.core.tables import Tables
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
        self._tables = Tables(state)
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

    def way_back(self, packet: Packet, mark: int | None) -> bool | None:
        """A packet to this packet's source would leave by the device that it came in by.

        As `fib saddr . iif oif` and the rpfilter match ask (nft_fib_ipv4.c, ipt_rpfilter.c).
        """
        source, device = text_of(packet.src, packet.family), packet.iif
        if source is None or device is None or mark is None or not self._tables.state.routes:
            return None
        if device == "lo":
            return True
        answer = self._tables.route(source, mark=mark)
        if answer.not_evaluated or (answer.route is not None and answer.route.multipath):
            return None
        link = self._tables.link(answer.route.ifindex) if answer.route is not None else None
        return answer.kind == "unicast" and link is not None and link.ifname == device

    def is_service(self, family: int, address: int) -> bool | None:
        """An address of a Service, in IPVS mode; None: in another mode it cannot be said."""
        if not self._ipvs:
            return None
        return self._types.get((family, address), ("", ""))[1] == IPVS_DEVICE
