"""The three entries that flanneld writes for each peer, taken out of a node's tables and put back.

Nodes of a large cluster have thousands of entries that are just what the leases promise. An agent
that knows the leases names the peers of these, and sends the rest.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from tracer.core.expect import expectation
from tracer.model.lease import Lease
from tracer.model.state import FdbEntry, Link, Neighbour, NodeState, Route

BOOT, V6_METRIC = 3, 1024
"""RTPROT_BOOT and IP6_RT_PRIO_USER: what routes get that name neither protocol nor metric."""


Entry: TypeAlias = Route | Neighbour | FdbEntry

Keep: TypeAlias = Callable[[Entry], bool]
"""Whether an entry that is read is wanted."""


def everything(_entry: Entry) -> bool:
    """All are."""
    return True


class Entries(NamedTuple):
    """What flannel writes for one peer (pkg/backend/vxlan/vxlan_network.go)."""

    route: Route
    neighbour: Neighbour
    fdb: FdbEntry


def without_promised(
    state: NodeState, leases: Iterable[Lease], unsettled: Collection[str] = ()
) -> NodeState:
    """The node without the entries of peers that have all as promised; these are named, too.

    `unsettled`: peers whose entries are being written. They count as having all, and whatever there
    is to the same subnet, VTEP or MAC is left out with it.
    """
    held = {*state.routes, *state.neighbours, *state.fdb}
    wanted: dict[str, list[Entry]] = {}
    for peer, entries in promised_of(state.node, vteps_of(state), leases):
        wanted.setdefault(peer, []).extend(entries)
    peers = [one for one, all_ in wanted.items() if one in unsettled or held.issuperset(all_)]
    gone = {entry for peer in peers for entry in wanted[peer]}
    gone |= set(_alike(state, (one for peer in unsettled for one in wanted.get(peer, ()))))
    return replace(
        state,
        routes=tuple(route for route in state.routes if route not in gone),
        neighbours=tuple(entry for entry in state.neighbours if entry not in gone),
        fdb=tuple(entry for entry in state.fdb if entry not in gone),
        promised=tuple(dict.fromkeys((*state.promised, *peers))),
    )


def with_promised(state: NodeState, leases: Iterable[Lease]) -> NodeState:
    """The node as it was, its tables in another order."""
    named = set(state.promised)
    put_back = [
        entries
        for peer, entries in promised_of(state.node, vteps_of(state), leases)
        if peer in named
    ]
    return replace(
        state,
        routes=(*state.routes, *(one.route for one in put_back)),
        neighbours=(*state.neighbours, *(one.neighbour for one in put_back)),
        fdb=(*state.fdb, *(one.fdb for one in put_back)),
        promised=(),
    )


def _alike(state: NodeState, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Those that the kernel finds by the same as these."""
    wanted = frozenset(map(_key, entries))
    if wanted:
        yield from (one for one in state.routes if _key(one) in wanted)
        yield from (one for one in state.neighbours if _key(one) in wanted)
        yield from (one for one in state.fdb if _key(one) in wanted)


def _key(entry: Entry) -> tuple[int | None, str]:
    if isinstance(entry, Route):
        return entry.ifindex, entry.destination
    return entry.ifindex, entry.ip if isinstance(entry, Neighbour) else entry.mac


def promised_of(
    node: str, vteps: Mapping[int, Link], leases: Iterable[Lease]
) -> Iterator[tuple[str, Entries]]:
    """(peer, entries of one family) on a node with these VTEPs, by family."""
    for lease in leases:
        expected, vtep = expectation(lease), vteps.get(lease.family)
        if expected is None or vtep is None or lease.node == node:
            continue
        if expected.vtep_mac is None or expected.public_ip is None:
            continue
        six = lease.family == 6
        yield (
            lease.node,
            Entries(
                Route(
                    destination=expected.pod_cidr,
                    gateway=expected.gateway,
                    ifindex=vtep.ifindex,
                    onlink=True,
                    metric=V6_METRIC if six else 0,
                    protocol=BOOT,
                ),
                Neighbour(
                    ifindex=vtep.ifindex,
                    ip=expected.gateway,
                    mac=expected.vtep_mac,
                    state="PERMANENT",
                ),
                FdbEntry(
                    ifindex=vtep.ifindex,
                    mac=expected.vtep_mac,
                    dst=expected.public_ip,
                    flags=("self",),
                ),
            ),
        )


def vteps_of(state: NodeState) -> Mapping[int, Link]:
    """Family -> flannel's device, by name."""
    return vteps_among(state.links)


def vteps_among(links: Iterable[Link]) -> Mapping[int, Link]:
    """The same of a node's devices."""
    found: dict[int, Link] = {}
    for link in links:
        if link.vxlan is not None and link.ifname.startswith("flannel"):
            found.setdefault(6 if link.ifname.startswith("flannel-v6") else 4, link)
    return found
