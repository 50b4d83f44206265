"""Record the cases that are missing: `python -m tests.recording [--anew] [NAME...]`, as root.

Each case is a trace of pod-a to pod-b, one of pod-b to pod-a and a check of all nodes, in a lab of
its own with the fault of its name injected, in the first of the lab's shapes that the fault names.
What the lab cannot make is constructed of recordings that it can. Update the goldens afterwards.
"""

import sys

from tests.cases import BUNDLE, CASES, CHECK, CONSTRUCTION, SWAPPED
from tests.constructed import CONSTRUCTED
from tests.lab.universe import Universe
from tracer.bundle import archive
from tracer.lab.faults import FAULTS
from tracer.lab.shape import PLAIN

SPECIAL: dict[str, tuple[str, ...]] = {
    "healthy": ("pod-a", "pod-b"),
    "healthy-same-node": ("pod-a", "pod-a2"),
    "healthy-node-to-node": ("node/node-a", "node/node-b"),
    "healthy-tcp": ("pod-a", "pod-b", "--probe", "tcp", "--port", "80"),
    "healthy-udp": ("pod-a", "pod-b", "--probe", "udp", "--port", "9"),
    "healthy-host-network": ("pod-a", "host-b"),
    "healthy-ipv6": ("pod-a", "pod-b"),
    "healthy-dual-stack": ("pod-a", "pod-b", "--family", "6"),
    "healthy-direct-routing": ("pod-a", "pod-b"),
}
"""Cases without a fault: what is traced."""

SHAPES = {
    "healthy-ipv6": "ipv6",
    "healthy-dual-stack": "dual-stack",
    "healthy-direct-routing": "direct-routing",
}
"""Cases without a fault that need a lab of another shape than the plain one."""


BY_HAND: dict[str, str] = {"routes-lost--no-device": "ip -n node-a link delete flannel.1"}
"""Further ways to a fault that the lab injects otherwise; `lab heal` ends them, too."""


def shape_of(name: str) -> str:
    """The lab that a case is recorded in."""
    return FAULTS[name].shapes[0] if name in FAULTS else SHAPES.get(name, PLAIN.name)


def questions(name: str) -> dict[str, tuple[str, ...]]:
    """What is typed for each recording of a case."""
    if name in SPECIAL:
        first, second, *further = SPECIAL[name]
    else:
        first, second, *further = "pod-a", "pod-b", *(FAULTS[name].traced if name in FAULTS else ())
    asked = {BUNDLE: (first, second, *further), SWAPPED: (second, first, *further)}
    if name in FAULTS or name in BY_HAND or name == "healthy" or name in SHAPES:
        asked[CHECK] = ("check",)
    return asked


def record(universe: Universe, name: str, *, anew: bool) -> None:
    """One case's recordings."""
    missing = {
        CASES / name / file: words
        for file, words in questions(name).items()
        if anew or not (CASES / name / file).exists()
    }
    if not missing:
        return
    if name in FAULTS:
        universe.lab("inject", name)
    if name in BY_HAND:
        universe.output(BY_HAND[name].split())
    for target, words in missing.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        done = universe.flantrace("--lab", *words, "--save", str(target))
        print(f"{name}: {' '.join(words)}: exit code {done.returncode}")
        if done.returncode not in (0, 1, 3):
            raise SystemExit(done.stderr)
    if name in FAULTS or name in BY_HAND:
        universe.lab("heal")


def record_all(shape: str, names: list[str], *, anew: bool) -> None:
    """The cases of one shape, in one lab."""
    universe = Universe()
    try:
        universe.lab("up", "--shape", shape)
        for name in names:
            record(universe, name, anew=anew)
    finally:
        universe.close()


def construct(name: str) -> None:
    """A case of recordings of another one, and the reason why."""
    construction = CONSTRUCTED[name]
    folder = CASES / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in (BUNDLE, SWAPPED, CHECK):
        made = construction.made(archive.read(CASES / construction.base / file))
        archive.write(made, folder / file)
    (folder / CONSTRUCTION).write_text(f"Constructed, not recorded: {construction.why}\n")


def main() -> None:
    """Record the named cases, or all."""
    anew = "--anew" in sys.argv
    asked = [word for word in sys.argv[1:] if not word.startswith("-")]
    by_shape: dict[str, list[str]] = {}
    for name in asked or [*SPECIAL, *FAULTS, *BY_HAND, *CONSTRUCTED]:
        if name not in CONSTRUCTED:
            by_shape.setdefault(shape_of(name), []).append(name)
    for shape, names in by_shape.items():
        record_all(shape, names, anew=anew)
    for name in asked or CONSTRUCTED:
        if name in CONSTRUCTED:
            construct(name)


if __name__ == "__main__":
    main()
