"""The intent of the cluster as it changes: leases, read once for each change of a Node object."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tracer.core.held import USUAL_PORTS, Held, HeldPeer, held_own, held_peer, held_with
from tracer.core.leases import NetConfRead, leases_of, read_net_conf, says_vxlan
from tracer.model.cluster import NetConf, Node
from tracer.model.lease import Lease
from tracer.model.state import Link


class LeaseChange(NamedTuple):
    """One lease that came, is another, or went."""

    before: Lease | None
    now: Lease | None


class Known:
    """All nodes and flannel's configuration, as far as they have been heard of."""

    def __init__(self, like: "Known | None" = None) -> None:
        """`like`: another one in this process, whose leases are taken over where it has them."""
        self._like = like
        self.nodes: dict[str, Node] = {}
        self.conf_text: NetConf | None = None
        self.conf: NetConfRead | None = None
        self._leases: dict[str, tuple[Lease, ...]] = {}
        self._peers: dict[str, tuple[HeldPeer, ...]] = {}
        self._vxlan: set[str] = set()
        self._read_as = False
        """What leases without vxlan's data were read as: set when all of them are, for `like`."""

    def take(
        self, nodes: Iterable[Node], gone: Iterable[str] = (), conf: NetConf | None = None
    ) -> list[LeaseChange]:
        """What changed of the leases by it. `conf` None: as before."""
        before = {name: self._leases.pop(name, ()) for name in gone if self.nodes.pop(name, None)}
        self._vxlan -= before.keys()
        spoke = bool(self._vxlan)
        fresh = {node.name: node for node in nodes}
        self.nodes |= fresh
        self._vxlan -= fresh.keys()
        self._vxlan |= {name for name, node in fresh.items() if says_vxlan(node)}
        if conf is not None and conf != self.conf_text:
            self.conf_text, self.conf = conf, read_net_conf(conf)
            self._peers.clear()
        if bool(self._vxlan) is not spoke:
            fresh = self.nodes  # what a lease without vxlan's data means depends on the others
        for name, node in fresh.items():
            before.setdefault(name, self._leases.get(name, ()))
            read = self._read_already(node)
            self._leases[name] = read or leases_of(node, vxlan=bool(self._vxlan))
        self._read_as = bool(self._vxlan)
        for name in before:
            self._peers.pop(name, None)
        return [one for name, old in before.items() for one in self._differences(name, old)]

    def _read_already(self, node: Node) -> tuple[Lease, ...]:
        like = self._like
        if like is None or like.nodes.get(node.name) is not node:
            return ()
        return like.leases_of(node.name) if like._read_as is bool(self._vxlan) else ()

    @property
    def vxlan_ports(self) -> frozenset[int]:
        """UDP ports that may carry VXLAN, flannel's own among them."""
        return frozenset({*USUAL_PORTS, *((self.conf.port,) if self.conf is not None else ())})

    def leases(self) -> tuple[Lease, ...]:
        """Every node's, in the order in which the nodes were heard of."""
        return tuple(lease for leases in self._leases.values() for lease in leases)

    def leases_of(self, node: str) -> tuple[Lease, ...]:
        """One node's, of each family."""
        return self._leases.get(node, ())

    def held(self, node: str, vteps: Mapping[int, Link | None]) -> Held | None:
        """What this node's kernel is to hold; None: flannel's configuration is not known yet."""
        if self.conf is None:
            return None
        own = held_own(self.leases_of(node), self.conf, vteps)
        peers: list[HeldPeer] = []
        for name, leases in self._leases.items():
            if name == node:
                continue
            if name not in self._peers:
                found = (held_peer(lease, self.conf) for lease in leases)
                self._peers[name] = tuple(one for one in found if one is not None)
            peers += self._peers[name]
        return held_with(self.conf, own, peers)

    def _differences(self, name: str, old: tuple[Lease, ...]) -> Iterable[LeaseChange]:
        was = {lease.family: lease for lease in old}
        now = {lease.family: lease for lease in self._leases.get(name, ())}
        for family in sorted(was.keys() | now.keys()):
            change = LeaseChange(was.get(family), now.get(family))
            if change.before != change.now:
                yield change
