"""Watch a pair of pods' packets in the kernel: compile, load, attach, read. The home of bcc."""

import errno
import mmap
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tracer.collect import btf, hooks, symbols, syscall
from tracer.collect.capabilities import insist
from tracer.collect.closing import Closing
from tracer.collect.convert import Converter
from tracer.collect.freed import freed_flags, open_tracepoint
from tracer.collect.layout import RECORD
from tracer.collect.pairing import Filter, flags
from tracer.collect.quiet import environment, stderr_kept
from tracer.collect.ring import LOOK_AGAIN_NS, Ring
from tracer.errors import NotPermitted, NotSupported
from tracer.model.observation import AttachedPoint, Observation

if TYPE_CHECKING:
    from bcc import BPF

__all__ = ["Filter", "Watch", "compile_source", "compiler_version", "load", "source", "sources"]

RING_BYTES = 4 << 20
"""Room for 18,000 records; a power of two."""

KERNEL_STUB = Path(__file__).parent / "kernel_stub"
"""In place of the kernel's headers: those that BCC's own prelude includes, in our words."""

_INCLUDE = re.compile(r'^#include "([^"]+)"$', re.M)


class _Loaded(NamedTuple):
    """File descriptors of what the kernel has taken; ours to close."""

    program_in: int
    program_out: int
    program_freed: int | None
    ring: int
    lost: int


class Watch(Closing):
    """The traced packets at every hook of one node. Detaches when closed, or with the process."""

    def __init__(
        self,
        node: str,
        filter: Filter,  # noqa: A002  (the word of the design)
        points: Sequence[AttachedPoint],
        *,
        prefer: str = hooks.TCX,
        ring_bytes: int = RING_BYTES,
    ) -> None:
        """Compile, load, attach. Must run in the node's network namespace.

        What cannot be watched becomes a line of `problems`, and `points` are those that are.
        Raises NotSupported, NotPermitted, CollectFailed; ValueError for a filter of no meaning.
        """
        insist()
        types = btf.load()
        reasons = symbols.reasons(types)
        drops = freed_flags(types, reasons)
        self.problems = [drops.problem] if drops.problem is not None else []
        definitions = [*flags(filter), *drops.flags]
        loaded = _compile(definitions, ring_bytes, drops=bool(drops.flags))
        self._ring = Ring(loaded.ring, ring_bytes, RECORD.size)
        self._lost_map = os.fdopen(loaded.lost)
        self._tracepoint: int | None = None
        self._hooks = hooks.Hooks(loaded.program_in, loaded.program_out, prefer=prefer)
        try:
            self._tracepoint = self._open_tracepoint(loaded.program_freed)
            self.points = tuple(point for point in points if self._attach(point))
        except BaseException:
            self.close()
            raise
        finally:
            for program in loaded[:3]:
                if program is not None:
                    os.close(program)
        self.attach = self._hooks.kind
        self.drops = self._tracepoint is not None
        self.reasons = self.drops and drops.reasons
        here = os.stat("/proc/thread-self/ns/net").st_ino
        names = reasons if self.reasons else {}
        self._convert = Converter(node, here, self.points, names, symbols.Callers())

    def fileno(self) -> int:
        """For select and poll: readable when observations wait."""
        return self._ring.fileno()

    def drain(self) -> list[Observation]:
        """What was seen since the last call, in the kernel's order. Works after close(), too."""
        return [self._convert(record) for record in self._ring.drain()]

    def lost(self) -> int:
        """Observations that found no room in the ring, until now."""
        return sum(syscall.per_cpu_counts(self._lost_map.fileno()))

    def close(self) -> None:
        """Detach from everything. drain() and lost() still answer."""
        if self._tracepoint is not None:
            os.close(self._tracepoint)
            self._tracepoint = None
        self._hooks.close()

    def _open_tracepoint(self, program: int | None) -> int | None:
        opened, problem = open_tracepoint(program)
        self.problems += [problem] if problem is not None else []
        return opened

    def _attach(self, point: AttachedPoint) -> bool:
        try:
            self._hooks.attach(point.ifindex)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            self.problems.append(f"{point.ifname} went away before it could be watched")
            return False
        return True


def sources() -> Path:
    """The folder of the C: packaged with a wheel, beside `tracer/` in a checkout."""
    packaged = Path(__file__).parent.parent / "_bpf"
    return packaged if packaged.is_dir() else packaged.parent.parent / "bpf"


def source(name: str) -> str:
    """A program's text with our own headers in it.

    BCC turns a map's methods into calls in the main file alone (rewriter of libbcc): what writes
    records could not stand in a header that the compiler reads by itself.
    """
    seen: set[str] = set()

    def whole(file: str) -> str:
        return _INCLUDE.sub(lambda found: included(found[1]), (sources() / file).read_text())

    def included(file: str) -> str:
        if file in seen:
            return ""
        seen.add(file)
        return whole(file)

    return whole(name)


def compiler_version() -> str:
    """BCC's. NotSupported: it is not here, or cannot be loaded."""
    try:
        import bcc
    except (ImportError, OSError, AttributeError) as error:
        raise NotSupported(
            str(error),
            where=sys.executable,
            hint="install the distribution's python3-bpfcc, and make the .venv with its Python",
        ) from error
    return str(bcc.__version__)


def compile_source(
    text: str, definitions: Sequence[str], *, kernel: Path = KERNEL_STUB, arch: str | None = None
) -> "BPF":
    """Compile with BCC against our stub headers, never the host's. Raises NotSupported.

    `arch`: the kernel's name of another architecture than this machine's, such as `arm64`.
    """
    try:
        import bcc
    except ImportError as error:
        raise NotSupported(
            "the Python module bcc is missing",
            where=sys.executable,
            hint="install the distribution's python3-bpfcc, and make the .venv with its Python",
        ) from error
    variables = {"BCC_KERNEL_SOURCE": str(kernel)} | ({"ARCH": arch} if arch else {})
    cflags = [
        f"-I{sources()}",
        f"-DPAGE_SIZE={mmap.PAGESIZE}",
        f"-DREADER_LOOKS_AGAIN_NS={LOOK_AGAIN_NS}",
        "-w",
        *definitions,
    ]
    said: list[str] = []
    try:
        with environment(variables), stderr_kept() as said:
            return bcc.BPF(text=text.encode(), cflags=cflags)
    except Exception as error:  # bcc raises nothing narrower
        errors = [line.strip() for line in said if "error:" in line]
        raise NotSupported(
            "the BPF program does not compile",
            where=str(sources()),
            hint=errors[0] if errors else f"bcc {bcc.__version__} says: {error}",
        ) from error


def load(module: "BPF", name: str, kind: str) -> int:
    """Have the kernel verify a program; its descriptor belongs to the module.

    Raises NotPermitted, or NotSupported with the verifier's last words.
    """
    said: list[str] = []
    try:
        with stderr_kept() as said:
            return int(module.load_func(name.encode(), getattr(type(module), kind)).fd)
    except Exception as error:  # bcc raises nothing narrower
        if os.geteuid() != 0 or "not permitted" in str(error):
            raise NotPermitted(
                f"the kernel does not let us load the BPF program {name}",
                where="bpf()",
                hint="run as root (CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN are needed)",
            ) from error
        words = [line.strip() for line in said if line and not line.startswith("processed")]
        raise NotSupported(
            f"the kernel refuses the BPF program {name}",
            where="bpf()",
            hint=words[-1] if words else f"bcc says: {error}",
        ) from error


def _compile(definitions: Sequence[str], ring_bytes: int, *, drops: bool) -> _Loaded:
    pages = f"-DRING_PAGES={ring_bytes // mmap.PAGESIZE}"
    module = compile_source(source("trace.c"), [pages, *definitions])
    try:
        programs = [load(module, name, "SCHED_CLS") for name in ("flantrace_in", "flantrace_out")]
        freed = load(module, "flantrace_freed", "RAW_TRACEPOINT") if drops else None
        return _Loaded(
            os.dup(programs[0]),
            os.dup(programs[1]),
            None if freed is None else os.dup(freed),
            os.dup(module[b"ring"].map_fd),
            os.dup(module[b"lost"].map_fd),
        )
    finally:
        module.cleanup()  # frees LLVM's memory; the descriptors are copies
