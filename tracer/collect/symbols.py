"""Numbers of the running kernel to names: where a packet was freed, and why."""

import bisect
import itertools
import re
from array import array
from collections.abc import Iterator
from pathlib import Path

from tracer.collect.btf import Btf

KALLSYMS = Path("/proc/kallsyms")
TRACEFS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))

_FEW = 1000
"""Symbols whose addresses are looked at: the first of an x86 kernel are per-CPU offsets, near 0."""

_PREFIX = "SKB_DROP_REASON_"
_ENTRY = re.compile(r"\{\s*(\d+),\s*\"([A-Z0-9_]+)\"\s*\}")


class Callers:
    """Symbols of the kernel's code. Read on first use: most traces see no drop (60 ms, 10 MB)."""

    def __init__(self, path: Path = KALLSYMS, *, keep: bool = True) -> None:
        """`keep` False: nothing but answers is kept, and each new address is a reading.

        For who runs for days: packets are dropped in few places, and modules come and go.
        """
        self._path = path
        self._keep = keep
        self._starts: array[int] | None = None
        self._names: list[str] = []
        self._known: dict[int, str | None] = {}

    def name(self, address: int) -> str | None:
        """`ip_rcv_core+0x22c`; None when the kernel hides its addresses (kernel.kptr_restrict)."""
        if address not in self._known:
            self._known[address] = self._search(address)
        return self._known[address]

    def _search(self, address: int) -> str | None:
        if not self._keep:
            return self._nearest(address)
        if self._starts is None:
            self._read()
        index = bisect.bisect_right(self._starts or (), address) - 1
        if index < 0 or self._starts is None:
            return None
        return f"{self._names[index]}+{address - self._starts[index]:#x}"

    def _nearest(self, address: int) -> str | None:
        best, name = 0, None
        for start, rest in self._code():
            if best <= start <= address and start:
                best, name = start, rest
        return f"{name.split()[0]}+{address - best:#x}" if name is not None else None

    def _code(self) -> Iterator[tuple[int, str]]:
        """Where each symbol of code lies, and the rest of its line; nothing of an unread table."""
        try:
            with self._path.open(encoding="ascii", errors="replace") as lines:
                for line in lines:
                    start, kind, rest = line.split(" ", 2)
                    if kind in "tTwW":
                        yield int(start, 16), rest
        except OSError:
            return

    def _read(self) -> None:
        found = [(start, rest.split()[0]) for start, rest in self._code()]
        if found and not any(start for start, _ in found):
            found = []
        # a stable sort by address alone: of aliases, the table's last one wins
        found.sort(key=lambda entry: entry[0])
        self._starts = array("Q", (start for start, _ in found))
        self._names = [name for _, name in found]


def shown(path: Path = KALLSYMS) -> bool:
    """Whether this process sees where the kernel's code lies. OSError: not even names."""
    with path.open(encoding="ascii", errors="replace") as lines:
        return any(int(line.split(" ", 1)[0], 16) for line in itertools.islice(lines, _FEW))


def reasons(btf: Btf | None) -> dict[int, str]:
    """Drop reasons by number, without their prefix. Empty below Linux 5.17.

    The numbers differ from kernel to kernel, and BTF has more of them than tracefs.
    """
    values = btf.values("skb_drop_reason") if btf else {}
    names = {
        number: name.removeprefix(_PREFIX)
        for name, number in values.items()
        if name.startswith((_PREFIX, "SKB_CONSUMED"))
    }
    return names or _reasons_of_tracefs()


def _reasons_of_tracefs() -> dict[int, str]:
    for folder in TRACEFS:
        try:
            text = (folder / "events/skb/kfree_skb/format").read_text()
        except OSError:
            continue
        return {int(number): name for number, name in _ENTRY.findall(text)}
    return {}
