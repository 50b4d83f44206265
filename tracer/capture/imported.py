"""tcpdump's captures of two nodes, and what `ip`, `bridge` and `kubectl` said -> a recording.

Whoever may not load BPF gets the same diagnosis from them, as far as captures go: nothing in them
tells where a kernel freed a packet, so that DROPPED becomes LOST.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from tracer import __version__
from tracer.capture import coverage
from tracer.capture.collecting import Capture, Kept, Networks, Pass, collect, talks
from tracer.capture.hosts import own_addresses
from tracer.capture.moments import iso
from tracer.capture.pair import addresses, busiest, end, one_family, pods_of, where_seen
from tracer.capture.placing import Placer
from tracer.capture.probes import Pings, pings
from tracer.capture.saved import Saved, saved
from tracer.capture.words import troubles
from tracer.core.correlate import correlate
from tracer.core.leases import leases, net_conf
from tracer.core.sightings import USUAL_PORTS
from tracer.core.words import CAPTURE
from tracer.model.bundle import FORMAT, AgentEnd, AgentReport, Bundle
from tracer.model.cluster import ClusterState, NetConf
from tracer.model.observation import Direction, Observation
from tracer.model.packet import Ip
from tracer.model.request import End, Request

ETHERNET = 14
"""Bytes of the header that a cooked frame lacks."""


def imported(
    captures: Sequence[Capture],
    state_dir: Path | None = None,
    source: str | None = None,
    destination: str | None = None,
    *,
    passive: bool = False,
    addresses_of: Mapping[str, Ip] | None = None,
) -> Bundle:
    """The recording that these captures make; the same files give the same bundle.

    An end is `[NAMESPACE/]POD`, `node/NAME` or an address; None: that of the busiest pair. Echo
    requests of the pair become probes, unless `passive`. `addresses_of`: node -> its own underlay
    address, where neither saved state nor the captures tell it. FlantraceError: a file is no
    capture, there is no such pair, or nothing tells on which node an end is.
    """
    known = saved(state_dir, [capture.node for capture in captures])
    ports = _ports(known)
    pair = _pair(captures, ports, known, source, destination)
    networks = _networks(known, pair)
    run = Pass(captures, ports)
    kept = collect(run, pair, networks, _gateways(known.cluster))
    kept.sort(key=lambda one: one.time_ns)
    nodes = [capture.node for capture in captures]
    own = own_addresses(
        {node: [one.hosts for one in run.files if one.capture.node == node] for node in nodes},
        addresses_of or {},
    )
    places = where_seen(pair, kept, nodes, own)
    ends = (
        end(pair[0], known.cluster, places.get(pair[0])),
        end(pair[1], known.cluster, places.get(pair[1])),
    )
    cluster = replace(known.cluster, pods=pods_of(pair, known.cluster))
    placers = {
        node: Placer(node, known.states.get(node), cluster, ends, kept, run.files, own.get(node))
        for node in dict.fromkeys(nodes)
    }
    observations, adrift = _observations(kept, nodes, placers, known)
    asked = None if passive else pings(observations, run.ports, *ends)
    return _Made(run, known, cluster, ends, placers, adrift).bundle(observations, asked)


def _ports(known: Saved) -> frozenset[int]:
    own = {
        link.vxlan.port
        for state in known.states.values()
        for link in state.links
        if link.vxlan is not None
    }
    read = net_conf(known.cluster, known.states.values())
    return USUAL_PORTS | own | ({read.port} if read is not None else set())


def _networks(known: Saved, pair: Sequence[Ip] = ()) -> Networks:
    read = net_conf(known.cluster, known.states.values())
    nets = [net for node in known.cluster.nodes for net in node.pod_cidrs]
    nets += [net for net in (read.network, read.network_v6) if net] if read is not None else []
    return Networks(nets, pair)


def _gateways(cluster: ClusterState) -> list[Ip]:
    """The nodes' flannel addresses, for which ARP is a sign of a missing neighbour."""
    return [
        lease.pod_cidr.partition("/")[0] for lease in leases(cluster) if lease.pod_cidr is not None
    ]


def _pair(
    captures: Sequence[Capture],
    ports: frozenset[int],
    known: Saved,
    source: str | None,
    destination: str | None,
) -> tuple[Ip, Ip]:
    sources = addresses(source, known.cluster) if source is not None else ()
    destinations = addresses(destination, known.cluster) if destination is not None else ()
    if sources and destinations:
        return one_family(sources, destinations)
    found = talks(Pass(captures, ports))
    pair = busiest(found, _networks(known), sources or destinations)
    return pair if not destinations or pair[1] in destinations else pair[::-1]


def _observations(
    kept: Sequence[Kept], nodes: Sequence[str], placers: Mapping[str, Placer], known: Saved
) -> tuple[tuple[Observation, ...], int]:
    """Each frame at its device, in the order of time; and how many had no direction."""
    found: list[Observation] = []
    adrift = 0
    for one in kept:
        node = nodes[one.file]
        point = placers[node].point(one)
        if point is None:
            continue
        direction = placers[node].direction(one, point)
        if direction is Direction.UNKNOWN:
            adrift += 1
            continue
        state = known.states.get(node)
        links = state.links if state is not None else ()
        mtu = next((link.mtu for link in links if link.ifname == point.ifname), 1500)
        found.append(
            Observation(
                node=node,
                device=point.device,
                direction=direction,
                ifindex=point.ifindex,
                ifname=point.ifname,
                netns=0,
                skb=0,
                time_ns=one.time_ns,
                length=one.bare.length,
                gso_size=_segments(one, mtu),
                ethernet=one.bare.ethernet,
                ethertype=one.bare.ethertype,
                headers=one.bare.headers,
            )
        )
    return tuple(found), adrift


def _segments(one: Kept, mtu: int) -> int:
    """What no device of this MTU carries was glued by GRO, or not cut yet: no word on the MTU.

    A capture does not tell the size of its segments: it is taken to be the largest that fits.
    """
    size = one.bare.length - (ETHERNET if one.bare.ethernet else 0)
    inner = one.packet.inner
    if size <= mtu or inner is None:
        return 0
    headers = (60 if ":" in inner.src else 40) + (50 if one.packet.outer is not None else 0)
    return max(1, mtu - headers)


class _Made:
    """The bundle in the making: what the captures cover, and what has to be said of them."""

    def __init__(
        self,
        run: Pass,
        known: Saved,
        cluster: ClusterState,
        ends: tuple[End, End],
        placers: Mapping[str, Placer],
        adrift: int,
    ) -> None:
        self._run = run
        self._known = known
        self._cluster = cluster
        self._ends = ends
        self._placers = placers
        self._adrift = adrift
        self._spans = coverage.spans(run.files)

    def bundle(self, observations: tuple[Observation, ...], asked: Pings | None) -> Bundle:
        """All of it, without the packets of which nothing can be said."""
        draft = self._whole(observations, asked, set(), 0)
        doubts = coverage.doubtful(correlate(draft), self._spans)
        unsure = {doubt.towards for doubt in doubts if doubt.every}
        left_out = frozenset(
            inner_id for doubt in doubts if not doubt.every for inner_id in doubt.packets
        )
        observations = coverage.without(observations, self._run.ports, left_out)
        if asked is not None:
            asked = pings(observations, self._run.ports, *self._ends)
        made = self._whole(observations, asked, unsure, len(left_out))
        if not self._counted() and coverage.lost_by_chance(correlate(made)):
            agents = {node: replace(agent, lost=None) for node, agent in made.agents.items()}
            return replace(made, agents=agents)
        return made

    def _whole(
        self,
        observations: tuple[Observation, ...],
        asked: Pings | None,
        unsure: set[str],
        left_out: int,
    ) -> Bundle:
        first = min((span.first_ns for span in self._spans.values()), default=0)
        last = max((span.last_ns for span in self._spans.values()), default=0)
        source, destination = self._ends
        agents = {node: self._agent(node, unsure) for node in self._placers}
        said = troubles(
            self._run.files, self._spans, agents, asked, left_out, self._adrift, self._new_port()
        )
        return Bundle(
            format=FORMAT,
            tool_version=__version__,
            created_at=iso(first),
            request=Request(
                source=source,
                destination=destination,
                plan=asked.plan if asked is not None else None,
                passive_s=None if asked is not None else round((last - first) / 1e9, 1),
                probe_id=asked.probe_id if asked is not None else None,
                active=False,
            ),
            cluster=self._with_port(),
            nodes=self._known.states,
            agents=agents,
            observations=observations,
            sent=asked.sent if asked is not None else (),
            troubles=(*self._known.troubles, *said),
        )

    def _agent(self, node: str, unsure: set[str]) -> AgentReport:
        files = [
            (number, signs)
            for number, signs in enumerate(self._run.files)
            if signs.capture.node == node
        ]
        ran = node in self._spans and node not in unsure
        return AgentReport(
            node=node,
            end=AgentEnd.BYE if ran else AgentEnd.UNKNOWN,
            points=coverage.devices(files, self._placers[node]),
            attach=CAPTURE,
            lost=sum(sum(signs.report.dropped.values()) for _, signs in files),
            counters=self._known.counters.get(node, {}),
        )

    def _counted(self) -> bool:
        """Every file says what was lost."""
        return all(signs.report.dropped for signs in self._run.files)

    def _new_port(self) -> int | None:
        """A port that carries VXLAN though nothing that was saved says so."""
        return min(self._run.ports - _ports(self._known), default=None)

    def _with_port(self) -> ClusterState:
        """Where flannel's configuration was not saved, the captures tell its port."""
        port = self._new_port()
        if port is None or self._cluster.net_conf is not None:
            return self._cluster
        text = f'{{"Backend":{{"Type":"vxlan","Port":{port}}}}}'
        return replace(
            self._cluster, net_conf=NetConf(text=text, source="the captures' VXLAN headers")
        )
