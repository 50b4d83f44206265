"""Attach loaded programs to devices and to the tracepoint, so that nothing outlives the process.

A tcx link (Linux 6.6) and a raw tracepoint are file descriptors: the kernel takes them down with
the process, however that ends. Below 6.6 collect/clsact.py makes filters instead.
"""

import ctypes
import errno
import os
import struct

from tracer.collect import clsact
from tracer.collect.syscall import (
    LINK_CREATE,
    LINK_UPDATE,
    RAW_TRACEPOINT_OPEN,
    address,
    bpf,
    info,
)
from tracer.errors import CollectFailed, NotPermitted

_TCX_INGRESS, _TCX_EGRESS = 46, 47
_NO_TCX = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})
"""What BPF_LINK_CREATE answers below 6.6 (seen on 5.10 and 6.1: EINVAL)."""

TCX, CLSACT = "tcx", "clsact"

_LINK_INFO = 20
_LINKED_TO_AT = 16
"""struct bpf_link_info of a tcx link: its ifindex, 0 when the device has gone."""


class Hooks:
    """Programs attached to both directions of devices."""

    def __init__(self, program_in: int, program_out: int, *, prefer: str = TCX) -> None:
        self.kind = prefer
        self._programs = (program_in, program_out)
        self._links: dict[int, tuple[int, int]] = {}
        self._has_tcx = False
        self._filters: clsact.Filters | None = None

    def attach(self, ifindex: int) -> None:
        """Watch a device; one that is watched already stays so.

        Raises OSError(ENODEV) when it has gone, NotPermitted, CollectFailed.
        """
        if ifindex in self.attached():
            return
        self.detach(ifindex)
        try:
            if self.kind == TCX:
                self._attach_tcx(ifindex)
            else:
                self._attach_clsact(ifindex)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            raise refusal(error, "attach to the node's devices") from error

    def detach(self, ifindex: int) -> None:
        """Leave a device; one that has gone, or never was watched, is no error."""
        for link in self._links.pop(ifindex, ()):
            os.close(link)
        if self._filters is not None:
            self._filters.detach(ifindex)

    def attached(self) -> frozenset[int]:
        """Devices that are watched in both directions, as the kernel has it.

        One that has gone took its hooks with it, also where a new one has its number.
        """
        linked = frozenset(
            ifindex for ifindex, links in self._links.items() if all(map(_is_attached, links))
        )
        return linked if self._filters is None else linked | self._filters.attached()

    def take_over(self, other: "Hooks") -> None:
        """Put these programs in the place of the other's, which is attached nowhere afterwards.

        At each hook in one step: every packet meets one of the two. Where these are attached
        already, both have met it until now. Raises NotPermitted, CollectFailed.
        """
        try:
            self._take_over_tcx(other)
            if other._filters is not None:
                self.kind = CLSACT
                self._filters = self._filters or clsact.Filters()
                self._filters.take_over(other._filters, *self._programs)
        except OSError as error:
            raise refusal(error, "put programs in the place of others") from error
        other.close()

    def close(self) -> None:
        """Detach from everything."""
        for ifindex in tuple(self._links):
            self.detach(ifindex)
        if self._filters is not None:
            self._filters.close()
            self._filters = None

    def _attach_tcx(self, ifindex: int) -> None:
        made: list[int] = []
        try:
            for program, kind in zip(self._programs, (_TCX_INGRESS, _TCX_EGRESS), strict=True):
                made.append(bpf(LINK_CREATE, struct.pack("=IIII", program, ifindex, kind, 0))[0])
        except OSError as error:
            for link in made:
                os.close(link)
            # below 6.6 the first attempt shows it, and a missing device looks the same
            if error.errno not in _NO_TCX or self._has_tcx:
                raise
            self.kind = CLSACT
            self._attach_clsact(ifindex)
            return
        self._links[ifindex] = (made[0], made[1])
        self._has_tcx = True

    def _take_over_tcx(self, other: "Hooks") -> None:
        for ifindex in other._links.keys() - self._links.keys():
            links = other._links[ifindex]
            try:
                for link, program in zip(links, self._programs, strict=True):
                    bpf(LINK_UPDATE, struct.pack("=IIII", link, program, 0, 0))
            except OSError as error:
                if error.errno != errno.ENOLINK:  # the device has gone
                    raise
            else:
                self._links[ifindex] = other._links.pop(ifindex)
                self._has_tcx = True

    def _attach_clsact(self, ifindex: int) -> None:
        if self._filters is None:
            self._filters = clsact.Filters()
        self._filters.attach(ifindex, *self._programs)


def _is_attached(link: int) -> bool:
    return bool(struct.unpack_from("=I", info(link, _LINK_INFO), _LINKED_TO_AT)[0])


def open_raw_tracepoint(program: int, name: str) -> int:
    """Attach to a raw tracepoint for as long as the returned descriptor is open. Raises OSError."""
    text = ctypes.create_string_buffer(name.encode())
    return bpf(RAW_TRACEPOINT_OPEN, struct.pack("=QI", address(text), program))[0]


def refusal(error: OSError, what: str) -> CollectFailed | NotPermitted:
    """The kernel said no: in our words, with what to do."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return NotPermitted(
            f"the kernel does not let us {what}: {error.strerror}",
            where="bpf()",
            hint="run as root (CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed)",
        )
    return CollectFailed(
        f"cannot {what}: {error.strerror}",
        where="bpf()",
        hint="docs: bpf/README.md names what the kernel must have",
    )
