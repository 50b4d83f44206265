"""Which capabilities this process has: include/uapi/linux/capability.h by name."""

from collections.abc import Iterable
from pathlib import Path

from tracer.core import rights
from tracer.core.rights import WATCHING, named
from tracer.errors import NotPermitted

STATUS = Path("/proc/thread-self/status")

NUMBERS = {
    "CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3, "FSETID": 4, "KILL": 5,
    "SETGID": 6, "SETUID": 7, "SETPCAP": 8, "LINUX_IMMUTABLE": 9, "NET_BIND_SERVICE": 10,
    "NET_BROADCAST": 11, "NET_ADMIN": 12, "NET_RAW": 13, "IPC_LOCK": 14, "IPC_OWNER": 15,
    "SYS_MODULE": 16, "SYS_RAWIO": 17, "SYS_CHROOT": 18, "SYS_PTRACE": 19, "SYS_PACCT": 20,
    "SYS_ADMIN": 21, "SYS_BOOT": 22, "SYS_NICE": 23, "SYS_RESOURCE": 24, "SYS_TIME": 25,
    "SYS_TTY_CONFIG": 26, "MKNOD": 27, "LEASE": 28, "AUDIT_WRITE": 29, "AUDIT_CONTROL": 30,
    "SETFCAP": 31, "MAC_OVERRIDE": 32, "MAC_ADMIN": 33, "SYSLOG": 34, "WAKE_ALARM": 35,
    "BLOCK_SUSPEND": 36, "AUDIT_READ": 37, "PERFMON": 38, "BPF": 39, "CHECKPOINT_RESTORE": 40,
}  # fmt: skip
"""Without `CAP_`, as a container's securityContext has them."""


def effective(status: Path = STATUS) -> frozenset[str]:
    """Those in force now."""
    lines = status.read_text(encoding="ascii", errors="replace").splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return frozenset(name for name, number in NUMBERS.items() if mask >> number & 1)


def lacking(wanted: Iterable[str] = WATCHING) -> str | None:
    """`CAP_BPF and CAP_PERFMON`: those of `wanted` that are not in force; None: all are."""
    return named(rights.lacking(effective(), wanted)) or None


def insist() -> None:
    """Raises NotPermitted where packets cannot be watched for want of rights."""
    if missing := lacking():
        raise NotPermitted(
            f"packets are not watched: the agent lacks {missing}",
            where="bpf()",
            hint="run it as root, or let it have them (docs/reference/privileges.md)",
        )
