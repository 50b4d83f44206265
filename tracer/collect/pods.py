"""A pod's network namespace, found by the pod's address: no container runtime is asked.

Several nodes may share one machine and its processes (the lab, kind), and their pods may even
share addresses. So a namespace that holds the address is this node's only if its device's other
end is a device here: the kernel numbers the namespaces at both ends of a veth pair.
"""

import contextlib
import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from tracer.collect.links import links as read_links
from tracer.collect.neighbours import addresses, neighbours
from tracer.collect.netlink import Netlink
from tracer.collect.netns import inside, nsid, opened, others
from tracer.collect.routes import routes
from tracer.errors import NotFound, NotPermitted
from tracer.model.packet import Ip
from tracer.model.state import Address, Link, PodLink

Found: TypeAlias = tuple[tuple[PodLink, ...], OSError | None]


def find_pods(netlink: Netlink, ips: Sequence[Ip], links: Iterable[Link]) -> Found:
    """The pods that hold `ips` and live on the node of `netlink`, whose devices are `links`.

    Where two namespaces hold one address (a sandbox left over), the one that is up counts.
    And, where some are missing, why a namespace could not be looked into, if one could not.
    """
    best: dict[Ip, PodLink] = {}
    if not ips:
        return (), None
    numbers = {link.peer_netnsid for link in links} - {None}
    paths, refused = others()
    for path, fd in _likely_first(netlink, paths, numbers):
        try:
            found = _look_inside(fd, path, set(ips))
        except OSError as error:
            refused = error
            continue
        for pod in found:
            if pod.ip not in best or (pod.up and not best[pod.ip].up):
                best[pod.ip] = pod
        if all(ip in best and best[ip].up for ip in ips):
            break
    pods = tuple(best[ip] for ip in dict.fromkeys(ips) if ip in best)
    return pods, refused if len(pods) < len(set(ips)) else None


def why_closed(refused: OSError) -> str:
    """Why a pod's namespace could not be looked into, in words."""
    needed = {errno.EPERM: "CAP_SYS_ADMIN", errno.EACCES: "CAP_SYS_PTRACE"}.get(refused.errno or 0)
    said = refused.strerror or str(refused)
    return f"{said}, it takes {needed}" if needed is not None else said


def pod_netns_fd(ip: Ip) -> int:
    """An open descriptor of the namespace of the pod `ip` of this node; the caller closes it."""
    try:
        with Netlink() as netlink:
            pods, refused = find_pods(netlink, (ip,), read_links(netlink))
        if refused is not None:
            raise refused
        for pod in pods:
            fd = os.open(pod.found_in, os.O_RDONLY | os.O_CLOEXEC)
            if os.fstat(fd).st_ino == pod.netns:
                return fd
            os.close(fd)  # the process went, and its number to another
    except PermissionError as error:
        raise NotPermitted(
            f"the network namespace of pod {ip} cannot be entered: {why_closed(error)}",
            where=os.uname().nodename,
            hint="let the agent have it, or trace with --passive, which does without",
        ) from error
    except OSError as error:
        raise _not_found(ip, error.strerror or str(error)) from error
    raise _not_found(ip, "no namespace of this node's processes or of /run/netns holds it")


def _not_found(ip: Ip, why: str) -> NotFound:
    return NotFound(
        f"the network namespace of pod {ip} was not found: {why}",
        where=os.uname().nodename,
        hint="is the pod running on this node? is the agent in the host's PID namespace?",
    )


def _likely_first(
    netlink: Netlink, paths: Mapping[int, str], numbers: set[int | None]
) -> Iterator[tuple[str, int]]:
    """(path, descriptor) of each namespace; those at the far end of a device here first."""
    later: list[str] = []
    for inode, path in paths.items():
        with contextlib.suppress(FileNotFoundError), opened(path) as fd:
            if os.fstat(fd).st_ino != inode:
                continue
            if nsid(netlink, fd) in numbers:
                yield path, fd
            else:
                later.append(path)
    for path in later:
        with contextlib.suppress(FileNotFoundError), opened(path) as fd:
            yield path, fd


def _look_inside(fd: int, path: str, ips: set[Ip]) -> list[PodLink]:
    """The pods among `ips` that live in one namespace."""
    inode = os.fstat(fd).st_ino
    with opened("/proc/thread-self/ns/net") as home:

        def look() -> list[PodLink]:
            with Netlink() as netlink:
                held = [one for one in addresses(netlink) if one.ip in ips]
                if not held:
                    return []
                number = nsid(netlink, home)
                devices = {link.ifindex: link for link in read_links(netlink)}
                return [
                    _pod(netlink, one, devices[one.ifindex], path, inode)
                    for one in held
                    if one.ifindex in devices and _is_ours(devices[one.ifindex], number)
                ]

        return inside(fd, look)


def _is_ours(link: Link, home: int | None) -> bool:
    """Whether a pod's device belongs to the node that the pod's namespace knows as `home`."""
    if link.peer_netnsid is not None:
        return link.peer_netnsid == home
    return link.kind is None and link.peer_ifindex is None
    # such as a virtual function moved into the pod: it has no other end to judge by


def _pod(netlink: Netlink, held: Address, link: Link, path: str, inode: int) -> PodLink:
    return PodLink(
        ip=held.ip,
        netns=inode,
        found_in=path,
        host_ifindex=link.peer_ifindex if link.kind == "veth" else None,
        ifname=link.ifname,
        mac=link.mac,
        mtu=link.mtu,
        up=link.up,
        routes=routes(netlink),
        neighbours=neighbours(netlink),
    )
