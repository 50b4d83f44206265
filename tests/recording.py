"""Record the cases anew: `python -m tests.recording [NAME...]`, as root. Then update the goldens.

Each case is one trace of pod-a to pod-b in the lab, with the fault of its name injected, in the
first of the lab's shapes that the fault names.
"""

import subprocess
import sys
from pathlib import Path

from tests.cases import BUNDLE, CASES
from tracer.lab.faults import FAULTS
from tracer.lab.shape import PLAIN

FLANTRACE = str(Path(sys.executable).parent / "flantrace")

SPECIAL: dict[str, tuple[str, ...]] = {
    "healthy": ("pod-a", "pod-b"),
    "healthy-same-node": ("pod-a", "pod-a2"),
    "healthy-node-to-node": ("node/node-a", "node/node-b"),
    "healthy-tcp": ("pod-a", "pod-b", "--probe", "tcp", "--port", "80"),
    "healthy-udp": ("pod-a", "pod-b", "--probe", "udp", "--port", "9"),
    "healthy-host-network": ("pod-a", "host-b"),
    "healthy-ipv6": ("pod-a", "pod-b"),
    "healthy-direct-routing": ("pod-a", "pod-b"),
}
"""Cases without a fault: what is traced."""

SHAPES = {"healthy-ipv6": "ipv6", "healthy-direct-routing": "direct-routing"}
"""Cases without a fault that need a lab of another shape than the plain one."""


def flantrace(*words: str) -> int:
    """Run one command; its stdout is not needed."""
    return subprocess.run([FLANTRACE, *words], stdout=subprocess.DEVNULL, check=False).returncode


def shape_of(name: str) -> str:
    """The lab that a case is recorded in."""
    return FAULTS[name].shapes[0] if name in FAULTS else SHAPES.get(name, PLAIN.name)


def record(name: str) -> None:
    """One case's bundle."""
    target = CASES / name / BUNDLE
    target.parent.mkdir(parents=True, exist_ok=True)
    words = SPECIAL.get(name, ("pod-a", "pod-b"))
    if name not in SPECIAL and flantrace("lab", "inject", name) != 0:
        raise SystemExit(f"cannot inject {name}")
    code = flantrace("--lab", *words, "--save", str(target))
    print(f"{name}: exit code {code}, {target.stat().st_size} bytes")
    if name not in SPECIAL and flantrace("lab", "heal") != 0:
        raise SystemExit(f"cannot heal {name}")


def record_all(shape: str, names: list[str]) -> None:
    """The cases of one shape, in one lab."""
    if flantrace("lab", "up", "--shape", shape) != 0:
        raise SystemExit(f"the lab does not come up in the shape {shape}")
    try:
        for name in names:
            record(name)
    finally:
        flantrace("lab", "down")


def main() -> None:
    """Record the named cases, or all."""
    by_shape: dict[str, list[str]] = {}
    for name in sys.argv[1:] or [*SPECIAL, *FAULTS]:
        by_shape.setdefault(shape_of(name), []).append(name)
    for shape, names in by_shape.items():
        record_all(shape, names)


if __name__ == "__main__":
    main()
