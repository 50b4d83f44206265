"""Everything that a node's kernel and files say at one moment, read and not judged."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from msgspec import structs

from tracer.collect import firewall as firewall_tools
from tracer.collect import links as device_links
from tracer.collect.ethtool import ethtool
from tracer.collect.files import files, host_local
from tracer.collect.links import xdp_programs
from tracer.collect.modules import vxlan_support
from tracer.collect.neighbours import addresses, fdb, neighbours
from tracer.collect.netlink import Netlink
from tracer.collect.netns import own_inode
from tracer.collect.pods import find_pods, why_closed
from tracer.collect.routes import routes, rules
from tracer.collect.sysctls import sysctls
from tracer.collect.tc_filters import filters, tcx_programs
from tracer.core.promised import Keep, everything
from tracer.errors import CollectFailed
from tracer.model.packet import Ip
from tracer.model.state import Counters, FirewallDump, Link, NodeState, NotRead, PodLink

T = TypeVar("T")


def snapshot(
    node: str, *, pods: Sequence[Ip], firewall: bool = True, keep: Keep = everything
) -> NodeState:
    """The state of this node, which the cluster calls `node`; `pods` are looked for here.

    `keep`: is asked for each route, neighbour and FDB entry. A part that cannot be read becomes a
    NotRead. CollectFailed: the kernel refuses rtnetlink.
    """
    with _netlink() as netlink, ThreadPoolExecutor(3) as executor:
        dumps = firewall_tools.start(executor) if firewall else []
        return _Reading(netlink, keep).state(node, pods, dumps)


def links() -> tuple[Link, ...]:
    """Every device of this node, now. CollectFailed: the kernel refuses rtnetlink."""
    with _netlink() as netlink:
        return device_links.links(netlink)


def counters() -> dict[str, Counters]:
    """ifname -> counters of every device, now. OSError: the kernel refuses."""
    with Netlink() as netlink:
        return device_links.counters(netlink)


class _Reading:
    """One snapshot in the making: reads part by part and keeps what failed."""

    def __init__(self, netlink: Netlink, keep: Keep) -> None:
        self._netlink = netlink
        self._keep = keep
        self._not_read: list[NotRead] = []

    def state(
        self, node: str, pods: Sequence[Ip], dumps: Sequence[Future[firewall_tools.Result]]
    ) -> NodeState:
        """The state, in the order in which the parts get old: counters and neighbours first."""
        netlink, part, keep, kernel = self._netlink, self._part, self._keep, os.uname()
        # Fine enough to date what the monotonic clock counts from here.
        captured = datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251
        moment = time.monotonic_ns()
        links = part("links", lambda: device_links.links(netlink))
        return NodeState(
            node=node,
            hostname=kernel.nodename,
            kernel=kernel.release,
            machine=kernel.machine,
            captured_at=captured,
            monotonic_ns=moment,
            netns=own_inode(),
            neighbours=part("neighbours", lambda: neighbours(netlink, keep)),
            fdb=part("fdb", lambda: fdb(netlink, keep)),
            addresses=part("addresses", lambda: addresses(netlink)),
            routes=part("routes", lambda: routes(netlink, keep)),
            rules=part("rules", lambda: rules(netlink)),
            links=_as_drivers_say(links),
            pods=self._pods(pods, links),
            sysctls=self._noted(sysctls(netlink, {link.ifindex: link.ifname for link in links})),
            files=self._noted(files()),
            host_local=self._noted(host_local()),
            filters=part("XDP programs", lambda: xdp_programs(netlink))
            + part("tc filters", lambda: filters(netlink))
            + part("tcx programs", lambda: tcx_programs([link.ifindex for link in links])),
            firewall=self._firewall(dumps),
            vxlan_support=vxlan_support(kernel.release, links),
            not_read=tuple(self._not_read),
        )

    def _part(self, what: str, read: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        try:
            return read()
        except OSError as error:
            self._not_read.append(NotRead(what=what, why=error.strerror or str(error)))
            return ()

    def _noted(self, result: tuple[dict[str, str], list[NotRead]]) -> Mapping[str, str]:
        found, missing = result
        self._not_read += missing
        return found

    def _pods(self, ips: Sequence[Ip], links: Sequence[Link]) -> tuple[PodLink, ...]:
        try:
            pods, refused = find_pods(self._netlink, ips, links)
        except OSError as error:
            pods, refused = (), error
        if refused is not None:
            self._not_read.append(NotRead(what="pods", why=why_closed(refused)))
            return pods
        why = "no network namespace of this node holds the address"
        there = {pod.ip for pod in pods}
        self._not_read += [NotRead(what=f"pod {ip}", why=why) for ip in ips if ip not in there]
        return pods

    def _firewall(self, dumps: Sequence[Future[firewall_tools.Result]]) -> tuple[FirewallDump, ...]:
        found: list[FirewallDump] = []
        for dump in dumps:
            result = dump.result()
            if isinstance(result, FirewallDump):
                found.append(result)
            else:
                self._not_read.append(result)
        return tuple(found)


def _netlink() -> Netlink:
    try:
        return Netlink()
    except OSError as error:
        raise CollectFailed(
            f"the kernel refuses rtnetlink: {error.strerror}",
            where=os.uname().nodename,
            hint="run the agent as root, outside of a sandbox that filters system calls",
        ) from error


def _as_drivers_say(links: Sequence[Link]) -> tuple[Link, ...]:
    """The links with their checksum offload, and hardware's with its driver's name: a virtual kind
    is its own driver.
    """
    with ethtool() as ask:
        return tuple(
            structs.replace(
                link,
                driver=None if link.kind else ask.driver(link.ifname),
                tx_checksum=ask.tx_checksum(link.ifname),
            )
            for link in links
        )
