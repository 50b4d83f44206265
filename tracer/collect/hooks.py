"""Attach loaded programs to devices and to the tracepoint, so that nothing outlives the process.

A tcx link (Linux 6.6) and a raw tracepoint are file descriptors: the kernel takes them down with
the process, however that ends. Below 6.6 collect/clsact.py makes filters instead.
"""

import ctypes
import errno
import os
import struct

from tracer.collect import clsact
from tracer.collect.syscall import LINK_CREATE, RAW_TRACEPOINT_OPEN, address, bpf
from tracer.errors import CollectFailed, NotPermitted

_TCX_INGRESS, _TCX_EGRESS = 46, 47
_NO_TCX = frozenset({errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS})
"""What BPF_LINK_CREATE answers below 6.6 (seen on 5.10 and 6.1: EINVAL)."""

TCX, CLSACT = "tcx", "clsact"


class Hooks:
    """Programs attached to both directions of devices."""

    def __init__(self, program_in: int, program_out: int, *, prefer: str = TCX) -> None:
        self.kind = prefer
        self._programs = (program_in, program_out)
        self._links: list[int] = []
        self._filters: clsact.Filters | None = None

    def attach(self, ifindex: int) -> None:
        """Watch a device. Raises OSError(ENODEV) when it has gone, NotPermitted, CollectFailed."""
        try:
            if self.kind == TCX:
                self._attach_tcx(ifindex)
            else:
                self._attach_clsact(ifindex)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            raise refusal(error, "attach to the node's devices") from error

    def close(self) -> None:
        """Detach from everything."""
        while self._links:
            os.close(self._links.pop())
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
            if error.errno not in _NO_TCX or self._links:
                raise
            self.kind = CLSACT
            self._attach_clsact(ifindex)
            return
        self._links += made

    def _attach_clsact(self, ifindex: int) -> None:
        if self._filters is None:
            self._filters = clsact.Filters()
        self._filters.attach(ifindex, *self._programs)


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
