"""What one recording promises and holds, read once and shared by all that look at it.

A fact that was not recorded raises MissingFact, which the rule engine turns into "not checked":
never guess, never crash.
"""

from collections.abc import Callable
from functools import cached_property, lru_cache

from msgspec.structs import replace

from tracer.core.decode import decode
from tracer.core.leases import NetConfRead, leases, net_conf
from tracer.core.sightings import USUAL_PORTS
from tracer.core.tables import Tables
from tracer.model.bundle import AgentEnd, Bundle
from tracer.model.cluster import FlannelPod, Node, Pod
from tracer.model.lease import Lease
from tracer.model.observation import Observation
from tracer.model.packet import Ip, Net, Packet
from tracer.model.state import Link, NodeState

DEFAULT_VNI = 1

ENDED = ("Succeeded", "Failed")
"""Phases of pods that have no network any more."""

AT_ONCE = 32
"""Nodes whose tables are kept indexed at one time: a large cluster's would not fit."""


class MissingFact(Exception):
    """A fact that was not recorded, in words."""

    def __init__(self, missing: str) -> None:
        super().__init__(missing)
        self.missing = missing


class Facts:
    """Leases, objects and tables of one bundle, by name."""

    assumed: frozenset[str] = frozenset()
    """Nodes that were not read and stand as their leases say (core/assumed.py)."""

    def __init__(self, bundle: Bundle, like: "Facts | None" = None) -> None:
        """`like`: facts of a bundle with the same leases and configuration."""
        self.bundle = bundle
        self.leases: tuple[Lease, ...] = like.leases if like else leases(bundle.cluster)
        self.net_conf: NetConfRead | None = (
            like.net_conf if like else net_conf(bundle.cluster, bundle.nodes.values())
        )
        self._lease = {(lease.node, lease.family): lease for lease in reversed(self.leases)}
        self._nodes = {node.name: node for node in reversed(bundle.cluster.nodes)}
        self._flannel = {pod.node: pod for pod in reversed(bundle.cluster.flannel_pods)}

        @lru_cache(maxsize=AT_ONCE)
        def tables_of(node: str) -> Tables:
            return Tables(bundle.nodes[node])

        self._gaps = {
            name: {gap.what: gap.why for gap in reversed(state.not_read)}
            for name, state in bundle.nodes.items()
            if state.not_read
        }
        """Node -> what could not be read there, and why."""
        self._tables: Callable[[str], Tables] = tables_of

    def beside(self, state: NodeState) -> "Facts":
        """The same, with a node that was not read, and is assumed to be like this."""
        nodes = {**self.bundle.nodes, state.node: state}
        facts = Facts(replace(self.bundle, nodes=nodes), like=self)
        facts.assumed = self.assumed | {state.node}
        return facts

    @cached_property
    def vni(self) -> int:
        """The overlay's VNI: what flannel is told, else what most leases say, else 1."""
        if self.net_conf is not None and self.net_conf.vni is not None:
            return self.net_conf.vni
        said = [lease.vni for lease in self.leases if lease.vni is not None]
        return max(set(said), key=lambda vni: (said.count(vni), -vni)) if said else DEFAULT_VNI

    def state(self, node: str) -> NodeState:
        """MissingFact: nothing was read on that node."""
        state = self.bundle.nodes.get(node)
        if state is None:
            raise MissingFact(f"state of {node}: {self.why_silent(node)}")
        return state

    def tables(self, node: str, *needed: str) -> Tables:
        """A node's tables. MissingFact: not recorded, or one of `needed` could not be read."""
        self.state(node)
        gaps = self._gaps.get(node, {})
        for what in needed:
            if what in gaps:
                raise MissingFact(f"{what} of {node}: {gaps[what]}")
        return self._tables(node)

    def tables_if_read(self, node: str) -> Tables | None:
        """A node's tables; None: nothing was read there."""
        return self._tables(node) if node in self.bundle.nodes else None

    def why_silent(self, node: str) -> str:
        """Why a node said nothing, in the words of the trouble that was recorded."""
        for trouble in self.bundle.troubles:
            if trouble.node == node:
                return trouble.what
        agent = self.bundle.agents.get(node)
        if agent is not None and agent.end is AgentEnd.SILENT:
            return "the agent stopped answering"
        return "not recorded"

    def lease(self, node: str, family: int) -> Lease:
        """A node's lease in one family. MissingFact: it published none."""
        lease = self._lease.get((node, family))
        if lease is None:
            raise MissingFact(f"lease of {node}: its Node object carries none")
        return lease

    def vtep(self, node: str, family: int) -> Link | None:
        """The node's VTEP: that of the VNI that it publishes, else the overlay's, else any.

        flanneld leaves the device of another VNI where it is: what it publishes tells them apart.
        """
        tables = self.tables(node, "links")
        own = [one.vni for one in self.leases if (one.node, one.family) == (node, family)]
        for vni in (*(vni for vni in own if vni is not None), self.vni, None):
            found = tables.vtep(vni, family)
            if found is not None:
                return found
        return None

    def flannel_pod(self, node: str) -> FlannelPod | None:
        """The pod that runs flanneld on a node."""
        return self._flannel.get(node)

    def packet(self, seen: Observation | None) -> Packet | None:
        """What was recorded, as far as it can be read; None: nothing was."""
        if seen is None:
            return None
        own = (self.net_conf.port,) if self.net_conf is not None else ()
        return decode(seen, frozenset((*USUAL_PORTS, *own)))

    def api_node(self, name: str) -> Node | None:
        """A Node object."""
        return self._nodes.get(name)

    def pods_on(self, node: str) -> tuple[Pod, ...]:
        """The Pod objects of a node that have a network of their own and have not ended."""
        return self._pods.get(node, ())

    @cached_property
    def _pods(self) -> dict[str, tuple[Pod, ...]]:
        found: dict[str, list[Pod]] = {}
        for pod in self.bundle.cluster.pods:
            if pod.node is not None and not pod.host_network and pod.phase not in ENDED:
                found.setdefault(pod.node, []).append(pod)
        return {node: tuple(pods) for node, pods in found.items()}

    def owner_of(self, ip: Ip) -> str | None:
        """The node that has an underlay address, as far as anything recorded says."""
        return self._owners.get(ip)

    def behind(self, ip: Ip) -> str | None:
        """The node that peers reach under an address of a NAT (public-ip-overwrite)."""
        return next((one.node for one in self.leases if one.public_ip_overwrite == ip), None)

    def hidden_by_nat(self, node: str, ip: Ip) -> bool:
        """Others are published by the address of their NAT, this node by its own, which it is."""
        lease = self._lease.get((node, 6 if ":" in ip else 4))
        if lease is None or lease.public_ip != ip or lease.public_ip_overwrite is not None:
            return False
        return self._spans_nat

    @cached_property
    def _spans_nat(self) -> bool:
        return any(lease.public_ip_overwrite is not None for lease in self.leases)

    @cached_property
    def subnets(self) -> dict[Net, tuple[str, ...]]:
        """Pod CIDR -> the nodes to which Kubernetes gave it: one, if all is well."""
        found: dict[Net, tuple[str, ...]] = {}
        for lease in self.leases:
            if lease.pod_cidr is not None:
                found[lease.pod_cidr] = (*found.get(lease.pod_cidr, ()), lease.node)
        return found

    @cached_property
    def vtep_ips(self) -> dict[Ip, tuple[str, ...]]:
        """The address of flannel's device, first of a pod CIDR -> the nodes that should have it."""
        found: dict[Ip, tuple[str, ...]] = {}
        for subnet, nodes in self.subnets.items():
            first = subnet.partition("/")[0]
            found[first] = (*found.get(first, ()), *nodes)
        return found

    @cached_property
    def _owners(self) -> dict[Ip, str]:
        found: dict[Ip, str] = {}
        for node in reversed(self.bundle.cluster.nodes):
            found |= dict.fromkeys((*node.external_ips, *node.internal_ips), node.name)
        for name, state in reversed(list(self.bundle.nodes.items())):
            found |= {address.ip: name for address in state.addresses}
        return found
