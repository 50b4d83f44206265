"""Run a command in which bpf() is refused, as by a container's profile: `without_bpf.py CMD...`."""

import ctypes
import errno
import os
import struct
import sys

from tracer.collect.syscall import number

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_NUMBER, IF_EQUAL, ANSWER = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def main() -> None:
    """Become the command."""
    filters = [(LOAD_NUMBER, 0, 0, 0), (IF_EQUAL, 0, 1, number()), (ANSWER, 0, 0, REFUSE)]
    code = b"".join(struct.pack("=HBBI", *one) for one in [*filters, (ANSWER, 0, 0, ALLOW)])
    program = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("=HxxxxxxQ", len(filters) + 1, ctypes.addressof(program))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no filter can be set")
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
