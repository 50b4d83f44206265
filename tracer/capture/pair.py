"""The two ends of a trace, found in captures and in what kubectl said."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address, ip_network

from tracer.capture.collecting import Kept, Networks, Talk
from tracer.core.leases import leases
from tracer.errors import NotFound, UsageError
from tracer.model.cluster import ClusterState, Pod
from tracer.model.observation import Direction
from tracer.model.packet import Ip
from tracer.model.request import End, EndKind

NODE = "node/"


def addresses(word: str, cluster: ClusterState) -> tuple[Ip, ...]:
    """What `ADDRESS`, `[NAMESPACE/]POD` or `node/NAME` means. NotFound: no file says."""
    try:
        return (str(ip_address(word)),)
    except ValueError:
        pass
    if word.startswith(NODE):
        found = tuple(ip for ip, name in _flannel_addresses(cluster).items() if name == word[5:])
    else:
        namespace, _, name = word.rpartition("/")
        wanted = (namespace or "default", name)
        pods = [pod for pod in cluster.pods if (pod.namespace, pod.name) == wanted]
        found = tuple(ip for pod in pods for ip in pod.ips if _is_ip(ip))
    if not found:
        raise NotFound(
            f"no address of {word} is known",
            where="pods.json and nodes.json of --state-dir",
            hint="save them with kubectl, or name the address itself",
        )
    return found


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def one_family(sources: Sequence[Ip], destinations: Sequence[Ip]) -> tuple[Ip, Ip]:
    """The first address of each in a family that both have."""
    for source in sources:
        for destination in destinations:
            if ip_address(source).version == ip_address(destination).version:
                return source, destination
    raise UsageError(
        f"{sources[0]} and {destinations[0]} are of two address families",
        where="the command line",
        hint="name two addresses of one family",
    )


def busiest(
    found: Mapping[frozenset[Ip], Talk], networks: Networks, named: Iterable[Ip]
) -> tuple[Ip, Ip]:
    """Source and destination of the pair with most packets: who asks first is the source.

    Only what crosses the overlay counts: encapsulated somewhere, or between two of the pods'
    addresses. `named`: addresses of which one must be an end. UsageError: there is none.
    """
    named = frozenset(named)
    overlay = {
        pair: talk
        for pair, talk in found.items()
        if (talk.encapsulated or all(networks.holds(ip) for ip in pair))
        and not any(ip_address(ip).is_multicast for ip in pair)
        and (not named or named & pair)
    }
    if not overlay:
        raise UsageError(
            "the captures hold no packet between two pods",
            where="the files of --node",
            hint="name the two addresses; were the captures made on the nodes, without a filter?",
        )
    talk = max(overlay.values(), key=lambda talk: talk.frames)
    source, destination = talk.asked or talk.first
    return (destination, source) if named and source not in named else (source, destination)


def end(ip: Ip, cluster: ClusterState, node: str | None) -> End:
    """One end with its name, where a file says it. UsageError: nothing tells its node.

    `node`: where the captures show it, which is asked last.
    """
    hosts = _flannel_addresses(cluster)
    if ip in hosts:
        return End(kind=EndKind.NODE, name=hosts[ip], node=hosts[ip], ip=ip)
    pod = _pod(ip, cluster)
    place = (pod.node if pod is not None else None) or _by_cidr(ip, cluster) or node
    if place is None:
        raise UsageError(
            f"nothing tells on which node {ip} is",
            where="the captures and --state-dir",
            hint="save nodes.json and pods.json with kubectl, capture with -i any,"
            " or say whose the underlay addresses are: --address node-a=192.0.2.11",
        )
    name = f"{pod.namespace}/{pod.name}" if pod is not None else ip
    host = pod is not None and pod.host_network
    return End(kind=EndKind.POD, name=name, node=place, ip=ip, host_network=host)


def _pod(ip: Ip, cluster: ClusterState) -> Pod | None:
    """Who has the address: a pod that runs, rather than one that has ended."""
    holders = [pod for pod in cluster.pods if ip in pod.ips]
    running = [pod for pod in holders if pod.phase not in ("Succeeded", "Failed")]
    return next(iter(running or holders), None)


def pods_of(pair: tuple[Ip, Ip], cluster: ClusterState) -> tuple[Pod, ...]:
    """The traced pods."""
    found = (_pod(ip, cluster) for ip in pair)
    return tuple(pod for pod in found if pod is not None)


def _flannel_addresses(cluster: ClusterState) -> dict[Ip, str]:
    """A node's own flannel address: the first of its pod CIDR (flannel vxlan_network.go)."""
    return {
        str(ip_network(lease.pod_cidr, strict=False).network_address): lease.node
        for lease in leases(cluster)
        if lease.pod_cidr is not None
    }


def _by_cidr(ip: Ip, cluster: ClusterState) -> str | None:
    address = ip_address(ip)
    for lease in leases(cluster):
        if lease.pod_cidr is not None and address in ip_network(lease.pod_cidr, strict=False):
            return lease.node
    return None


def where_seen(
    pair: tuple[Ip, Ip], kept: Sequence[Kept], nodes: Sequence[str], own: Mapping[str, Ip]
) -> dict[Ip, str]:
    """Address -> the node whose capture shows it leave: unencapsulated in, or encapsulated out.

    `nodes`: of each file. `own`: underlay addresses that are known. Without either nothing is told.
    """
    votes: dict[Ip, Counter[str]] = {ip: Counter() for ip in pair}
    for one in kept:
        inner = one.packet.inner
        if inner is None or inner.src not in votes:
            continue
        outer, node = one.packet.outer, nodes[one.file]
        if outer is None:
            # What comes out of the overlay comes in unencapsulated, too: it counts less.
            votes[inner.src][node] += one.bare.direction is Direction.IN
        elif one.bare.direction is Direction.OUT or outer.src == own.get(node):
            votes[inner.src][node] += 3
    found = {ip: max(count, key=lambda node: count[node]) for ip, count in votes.items() if +count}
    both = set(nodes)
    for ip, other in (pair, pair[::-1]):
        if ip not in found and len(both) == 2 and other in found:
            found[ip] = next(iter(both - {found[other]}))
    return found
