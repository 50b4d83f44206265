"""TC filters for kernels without tcx links (below 6.6). They survive a killed process, so:

every filter's name begins with `flantrace-` and names its owner, who holds an abstract socket of
the same name in the same network namespace while it lives. A filter whose socket is gone is
nobody's. A `+` at the end of the name says that the clsact qdisc came with us.
"""

import contextlib
import errno
import os
import secrets
import socket
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pyroute2 import IPRoute

MARK = "flantrace-"
_CAME_WITH_US = "+"
_INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_QDISC = 0xFFFFFFF1
_PRIORITY = 1
"""In front of those that may end the classification, such as a CNI's."""
_DIRECT_ACTION = 1
_ETH_P_ALL = 0x0003
_GONE = frozenset({errno.ENOENT, errno.EINVAL, errno.ENODEV})
"""What the kernel says of a device, a qdisc or a filter that is not there any more."""


class _Filter(NamedTuple):
    ifindex: int
    parent: int
    priority: int
    protocol: int
    handle: int
    name: str


class Filters:
    """This process's filters in the current network namespace."""

    def __init__(self) -> None:
        """Removes what dead processes left, first."""
        cleanup()
        self._name = MARK + secrets.token_hex(4)
        self._alive = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._alive.bind("\0" + self._name)
        self._ipr = _open()

    def attach(self, ifindex: int, program_in: int, program_out: int) -> None:
        """Filters on both directions. Raises OSError; ENODEV when the device has gone."""
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            name = self._name + (_CAME_WITH_US if self._qdisc_is_ours(ifindex) else "")
            for parent, program in ((_INGRESS, program_in), (_EGRESS, program_out)):
                self._add(ifindex, parent, program, name)
        except NetlinkError as error:
            code = error.code
            if code == errno.EINVAL and not os.path.exists(f"/sys/class/net/{_name_of(ifindex)}"):
                code = errno.ENODEV
            raise OSError(code, os.strerror(code)) from error

    def detach(self, ifindex: int) -> None:
        """Remove this device's; one that has gone is no error."""
        for found in self._own():
            if found.ifindex == ifindex:
                _remove(self._ipr, found)

    def attached(self) -> frozenset[int]:
        """Devices with a filter of this owner in both directions."""
        found = Counter(one.ifindex for one in self._own())
        return frozenset(ifindex for ifindex, count in found.items() if count > 1)

    def take_over(self, other: "Filters", program_in: int, program_out: int) -> None:
        """Replace each of the other owner's filters, in one step. Raises OSError."""
        from pyroute2.netlink.exceptions import NetlinkError

        have = {one.ifindex for one in self._own()}
        for found in other._own():
            if found.ifindex in have:
                continue
            name = self._name + (_CAME_WITH_US if found.name.endswith(_CAME_WITH_US) else "")
            program = program_in if found.parent == _INGRESS else program_out
            try:
                self._put("replace-filter", found, program, name)
            except NetlinkError as error:
                if error.code not in _GONE:
                    raise OSError(error.code, os.strerror(error.code)) from error

    def close(self) -> None:
        """Remove our filters, and the qdiscs that came with us and are empty."""
        for found in self._own():
            _remove(self._ipr, found)
        self._ipr.close()
        self._alive.close()

    def _own(self) -> list[_Filter]:
        return [one for one in _ours(self._ipr) if one.name.rstrip(_CAME_WITH_US) == self._name]

    def _qdisc_is_ours(self, ifindex: int) -> bool:
        from pyroute2.netlink.exceptions import NetlinkError

        try:
            self._ipr.tc("add", "clsact", ifindex)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
            # it came with another flantrace that still runs: the last one takes it away
            filters = _filters(self._ipr, ifindex)
            return any(_is_ours(one) and one.name.endswith(_CAME_WITH_US) for one in filters)
        return True

    def _add(self, ifindex: int, parent: int, program: int, name: str) -> None:
        from pyroute2.netlink.exceptions import NetlinkError

        place = _Filter(ifindex, parent, _PRIORITY, 0, 0, name)
        try:
            self._put("add-filter", place, program, name)
        except NetlinkError as error:
            if error.code not in (errno.EINVAL, errno.ENOENT, errno.EEXIST):
                raise
            # that priority has a filter of another kind: the kernel chooses
            self._put("add-filter", place._replace(priority=0), program, name)

    def _put(self, command: str, at: _Filter, program: int, name: str) -> None:
        self._ipr.tc(
            command,
            "bpf",
            at.ifindex,
            handle=at.handle,
            fd=program,
            name=name,
            parent=at.parent,
            prio=at.priority,
            protocol=_ETH_P_ALL,
            flags=_DIRECT_ACTION,
        )


def cleanup() -> list[str]:
    """Remove what killed processes left in this network namespace; says what was removed."""
    removed = []
    with contextlib.closing(_open()) as ipr:
        for found in _ours(ipr):
            if not _is_alive(found.name):
                side = "ingress" if found.parent == _INGRESS else "egress"
                removed.append(f"filter {found.name} on {_name_of(found.ifindex)} {side}")
                if _remove(ipr, found):
                    removed.append(f"clsact qdisc on {_name_of(found.ifindex)}")
    return removed


def _open() -> "IPRoute":
    from pyroute2 import IPRoute

    return IPRoute()


def _name_of(ifindex: int) -> str:
    try:
        return socket.if_indextoname(ifindex)
    except OSError:
        return f"device {ifindex}"


def _is_ours(found: _Filter) -> bool:
    return found.name.startswith(MARK)


def _is_alive(name: str) -> bool:
    """Does the owner hold its socket? Works across PID namespaces, unlike a process id."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as attempt:
        try:
            attempt.bind("\0" + name.rstrip(_CAME_WITH_US))
        except OSError:
            return True
    return False


def _ours(ipr: "IPRoute") -> list[_Filter]:
    with_clsact = {q["index"] for q in ipr.get_qdiscs() if q.get_attr("TCA_KIND") == "clsact"}
    return [one for ifindex in with_clsact for one in _filters(ipr, ifindex) if _is_ours(one)]


def _filters(ipr: "IPRoute", ifindex: int) -> Iterator[_Filter]:
    """The BPF filters of a device; of others, only that they are there (without a name)."""
    for parent in (_INGRESS, _EGRESS):
        for message in _listed(ipr, ifindex, parent):
            if not message["handle"]:
                continue  # the head of a chain, not a filter
            options: Any = message.get_attr("TCA_OPTIONS")
            is_bpf = message.get_attr("TCA_KIND") == "bpf" and options is not None
            yield _Filter(
                ifindex,
                parent,
                message["info"] >> 16,
                message["info"] & 0xFFFF,
                message["handle"],
                (options.get_attr("TCA_BPF_NAME") or "") if is_bpf else "",
            )


def _listed(ipr: "IPRoute", ifindex: int, parent: int) -> list[Any]:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        return list(ipr.get_filters(index=ifindex, parent=parent))
    except NetlinkError as error:
        if error.code not in _GONE:
            raise
        return []  # the device went away since the qdiscs were listed


def _remove(ipr: "IPRoute", found: _Filter) -> bool:
    """Remove a filter; True when its qdisc went with it. One that is gone already is no error."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        ipr.tc(
            "del-filter",
            "bpf",
            found.ifindex,
            handle=found.handle,
            parent=found.parent,
            info=found.priority << 16 | found.protocol,
        )
        if found.name.endswith(_CAME_WITH_US) and not any(_filters(ipr, found.ifindex)):
            ipr.tc("del", "clsact", found.ifindex)
            return True
    except NetlinkError as error:
        if error.code not in _GONE:
            raise
    return False
