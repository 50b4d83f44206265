"""Record the cases anew: `python -m tests.recording [NAME...]`, as root. Then update the goldens.

Each case is one trace of pod-a to pod-b in the lab, with the fault of its name injected.
"""

import subprocess
import sys
from pathlib import Path

from tests.cases import BUNDLE, CASES

FLANTRACE = str(Path(sys.executable).parent / "flantrace")

SPECIAL: dict[str, tuple[str, ...]] = {
    "healthy": ("pod-a", "pod-b"),
    "healthy-same-node": ("pod-a", "pod-a2"),
    "healthy-node-to-node": ("node/node-a", "node/node-b"),
    "healthy-tcp": ("pod-a", "pod-b", "--probe", "tcp", "--port", "80"),
    "healthy-udp": ("pod-a", "pod-b", "--probe", "udp", "--port", "9"),
    "healthy-host-network": ("pod-a", "host-b"),
}
"""Cases without a fault: what is traced."""


def flantrace(*words: str) -> int:
    """Run one command; its stdout is not needed."""
    return subprocess.run([FLANTRACE, *words], stdout=subprocess.DEVNULL, check=False).returncode


def faults() -> list[str]:
    """What the lab can break, by name."""
    listed = subprocess.run(
        [FLANTRACE, "lab", "faults"], capture_output=True, text=True, check=True
    )
    return [line.split()[0] for line in listed.stdout.splitlines() if line.strip()]


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


def main() -> None:
    """Record the named cases, or all."""
    if flantrace("lab", "up") != 0:
        raise SystemExit("the lab does not come up")
    try:
        for name in sys.argv[1:] or [*SPECIAL, *faults()]:
            record(name)
    finally:
        flantrace("lab", "down")


if __name__ == "__main__":
    main()
