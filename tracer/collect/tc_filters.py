"""Programs and filters of others on a device's hooks: clsact filters and tcx links."""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Iterable, Iterator

from tracer.collect.netlink import RTM_GETQDISC, RTM_GETTFILTER, Netlink, attributes, text
from tracer.collect.syscall import address, bpf
from tracer.model.state import TcFilter

_OURS = "flantrace"
"""Begins the names of our own programs and filters: another trace may be running."""

_TCMSG = struct.Struct("=BxxxiIII")
_KIND, _OPTIONS = 1, 2
_BPF_NAME = 7
_HOOKS = {0xFFFFFFF2: "ingress", 0xFFFFFFF3: "egress"}
_WITH_HOOKS = ("clsact", "ingress")

_PROG_GET_FD_BY_ID, _OBJ_GET_INFO_BY_FD, _PROG_QUERY = 13, 15, 16
_TCX_HOOKS = {46: "tcx ingress", 47: "tcx egress"}
_QUERY = struct.Struct("=IIIIQI")
_MOST_PROGRAMS = 64
"""BPF_MPROG_MAX: a hook holds no more."""
_INFO_SIZE, _INFO_NAME = 80, slice(64, 80)
"""Of struct bpf_prog_info, up to its name."""


def filters(netlink: Netlink) -> tuple[TcFilter, ...]:
    """Filters on the clsact and ingress qdiscs of every device, but for flantrace's own."""
    hooked: dict[int, None] = {}
    for payload in netlink.dump(RTM_GETQDISC, _TCMSG.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        ifindex = _TCMSG.unpack_from(payload)[1]
        if text(attributes(payload, _TCMSG.size).get(_KIND, b"")) in _WITH_HOOKS:
            hooked[ifindex] = None
    return tuple(
        TcFilter(ifindex=ifindex, hook=hook, name=name)
        for ifindex in hooked
        for parent, hook in _HOOKS.items()
        for name in _on_hook(netlink, ifindex, parent)
    )


def tcx_programs(ifindexes: Iterable[int]) -> tuple[TcFilter, ...]:
    """Programs attached by tcx (Linux 6.6), of which rtnetlink knows nothing.

    An older kernel has none. OSError: we may not ask.
    """
    found: list[TcFilter] = []
    for ifindex in ifindexes:
        for hook, words in _TCX_HOOKS.items():
            try:
                programs = _query(ifindex, hook)
            except OSError as error:
                if error.errno == errno.ENODEV:
                    continue  # the device went since its link was read
                if error.errno == errno.EINVAL:
                    return ()  # the attach type is not known: a kernel before tcx
                raise
            for name in map(_program_name, programs):
                if not name.startswith(_OURS):
                    found.append(TcFilter(ifindex=ifindex, hook=words, name=name))
    return tuple(found)


def _on_hook(netlink: Netlink, ifindex: int, parent: int) -> Iterator[str]:
    request = _TCMSG.pack(socket.AF_UNSPEC, ifindex, 0, parent, 0)
    try:
        payloads = netlink.dump(RTM_GETTFILTER, request)
    except OSError:
        return  # the ingress qdisc has no egress hook
    for payload in payloads:
        _, _, handle, _, info = _TCMSG.unpack_from(payload)
        found = attributes(payload, _TCMSG.size)
        options = attributes(found.get(_OPTIONS, b""))
        if not handle:
            continue  # the head that every classifier has besides its filters
        kind = text(found.get(_KIND, b""))
        title = text(options.get(_BPF_NAME, b"")) if kind == "bpf" else ""
        if not title.startswith(_OURS):
            yield f"{kind} {title or f'pref {info >> 16} handle {handle:#x}'}"


def _query(ifindex: int, hook: int) -> tuple[int, ...]:
    """Ids of the programs on one tcx hook, in the order in which they run."""
    ids = ctypes.create_string_buffer(4 * _MOST_PROGRAMS)
    request = _QUERY.pack(ifindex, hook, 0, 0, address(ids), _MOST_PROGRAMS)
    _, answer = bpf(_PROG_QUERY, request)
    count = min(_QUERY.unpack_from(answer)[5], _MOST_PROGRAMS)
    return struct.unpack_from(f"={count}I", ids.raw)


def _program_name(program: int) -> str:
    """The name that its author gave it; by its number where it has none or is gone."""
    try:
        fd, _ = bpf(_PROG_GET_FD_BY_ID, struct.pack("=I", program))
    except OSError:
        return f"program {program}"
    try:
        info = ctypes.create_string_buffer(_INFO_SIZE)
        bpf(_OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, _INFO_SIZE, address(info)))
    except OSError:
        return f"program {program}"
    finally:
        os.close(fd)
    return text(info.raw[_INFO_NAME].split(b"\0")[0]) or f"program {program}"
