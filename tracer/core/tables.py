"""One node's recorded tables, indexed: what they would say to a packet."""

from collections.abc import Mapping
from functools import cached_property
from ipaddress import ip_interface

from tracer.core.routes import LOCAL, RouteAnswer, Routes
from tracer.model.packet import Ip, Mac
from tracer.model.state import Address, FdbEntry, Link, Lookup, Neighbour, NodeState

__all__ = ["RouteAnswer", "Tables"]

SUBNET_ENV = "/run/flannel/subnet.env"
_SUBNET = {4: "FLANNEL_SUBNET", 6: "FLANNEL_IPV6_SUBNET"}


class Tables:
    """A read-only view over one NodeState. Built once; every look-up is by index."""

    def __init__(self, state: NodeState) -> None:
        self.state = state
        self._links = {link.ifindex: link for link in state.links}
        self._names = {link.ifname: link for link in state.links}

    def link(self, ifindex: int | None) -> Link | None:
        """A device by its number."""
        return self._links.get(ifindex) if ifindex is not None else None

    def link_named(self, ifname: str) -> Link | None:
        """A device by its name."""
        return self._names.get(ifname)

    def addresses_of(self, ifindex: int) -> tuple[Address, ...]:
        """The addresses of a device."""
        return tuple(self._addresses.get(ifindex, ()))

    def has_address(self, ip: Ip) -> bool:
        """Some device of this node holds the address."""
        return ip in self._own

    def vtep(self, vni: int | None, family: int) -> Link | None:
        """flannel's VXLAN device of a VNI (`flannel.1`, `flannel-v6.1`); None: of any VNI."""
        prefix = "flannel-v6." if family == 6 else "flannel."
        for link in self.state.links:
            if link.vxlan is None or not link.ifname.startswith(prefix):
                continue
            if vni is None or link.vxlan.vni == vni:
                return link
        return None

    def uplink(self, peer: Ip | None) -> Link | None:
        """The device by which packets to a peer's underlay address leave; never by name."""
        if peer is not None:
            answer = self.route(peer)
            found = self.link(answer.route.ifindex) if answer.route is not None else None
            if found is not None and answer.kind == "unicast":
                return found
        for family in (4, 6):
            vtep = self.vtep(None, family)
            if vtep is not None and vtep.vxlan is not None:
                return self.link(vtep.vxlan.underlay_ifindex)
        return None

    def bridge(self) -> Link | None:
        """The pods' bridge: the holder of FLANNEL_SUBNET, or cni0, or a traced pod's master.

        The pod comes last: its veth may have been taken into another bridge, or into none.
        """
        for family in (4, 6):
            subnet = self.subnet_env.get(_SUBNET[family])
            if subnet is None:
                continue
            holder = self._holders.get(_address_of(subnet))
            if holder is not None:
                return holder
        named = self.link_named("cni0")
        if named is not None:
            return named
        veths = (self.link(pod.host_ifindex) for pod in self.state.pods)
        masters = (self.link(veth.master) for veth in veths if veth is not None)
        return next((master for master in masters if master is not None), None)

    @cached_property
    def subnet_env(self) -> Mapping[str, str]:
        """The words of /run/flannel/subnet.env; empty where it was not read."""
        text = self.file(SUBNET_ENV) or ""
        pairs = (line.partition("=") for line in text.splitlines())
        return {key.strip(): value.strip() for key, equals, value in pairs if equals}

    def route(
        self,
        dst: Ip,
        *,
        src: Ip | None = None,
        iif: str | None = None,
        mark: int = 0,
        oif: int | None = None,
    ) -> RouteAnswer:
        """What rules and routes say to a packet. An own address without a recorded local route is
        local still. `oif`: ifindex of the device that the sender is bound to.
        """
        if self.has_address(dst) and not self._has_local_table:
            return RouteAnswer(kind="local")
        answer = self._routes.lookup(dst, src, iif, mark, oif)
        asked = self._asked.get((dst, src, iif)) if not mark and oif is None else None
        return answer if asked is None else _as_the_kernel_said(answer, asked)

    def neighbour(self, ifindex: int, ip: Ip) -> Neighbour | None:
        """The neighbour entry of an address on a device."""
        return self._neighbours.get((ifindex, ip))

    def fdb(self, ifindex: int, mac: Mac) -> FdbEntry | None:
        """The VXLAN device's own entry for a MAC (`self`); a bridge's entries do not count."""
        return self._fdb.get((ifindex, mac))

    def sysctl(self, name: str) -> str | None:
        """A sysctl's value by its full name."""
        return self.state.sysctls.get(name)

    def file(self, path: str) -> str | None:
        """A file's text."""
        return self.state.files.get(path)

    @cached_property
    def _addresses(self) -> dict[int, list[Address]]:
        found: dict[int, list[Address]] = {}
        for address in self.state.addresses:
            found.setdefault(address.ifindex, []).append(address)
        return found

    @cached_property
    def _holders(self) -> dict[Ip | None, Link]:
        """Address -> the first device that holds it."""
        found: dict[Ip | None, Link] = {}
        for address in self.state.addresses:
            link = self.link(address.ifindex)
            if link is not None:
                found.setdefault(address.ip, link)
        return found

    @cached_property
    def _own(self) -> frozenset[Ip]:
        return frozenset(address.ip for address in self.state.addresses)

    @cached_property
    def _has_local_table(self) -> bool:
        return any(route.table == LOCAL for route in self.state.routes)

    @cached_property
    def _asked(self) -> dict[tuple[Ip, Ip | None, str | None], Lookup]:
        """What the kernel itself was asked for."""
        return {(one.dst, one.src, one.iif): one for one in self.state.lookups}

    @cached_property
    def _routes(self) -> Routes:
        return Routes(self.state.routes, self.state.rules)

    @cached_property
    def _neighbours(self) -> dict[tuple[int, Ip], Neighbour]:
        return {(entry.ifindex, entry.ip): entry for entry in self.state.neighbours}

    @cached_property
    def _fdb(self) -> dict[tuple[int, Mac], FdbEntry]:
        return {
            (entry.ifindex, entry.mac): entry
            for entry in self.state.fdb
            if entry.dst is not None or "self" in entry.flags
        }


def _as_the_kernel_said(answer: RouteAnswer, asked: Lookup) -> RouteAnswer:
    """The kernel's own answer counts. An error has too many causes to say more than the tables do:
    forwarding switched off and a source that is refused are errors of a look-up, too.
    """
    if asked.route is None:
        return answer
    same = answer.route is not None and answer.route == asked.route
    return RouteAnswer(kind=asked.route.kind, route=asked.route, rule=answer.rule if same else None)


def _address_of(interface: str) -> Ip | None:
    """`10.244.1.1` of `10.244.1.1/24`."""
    try:
        return str(ip_interface(interface).ip)
    except ValueError:
        return None
