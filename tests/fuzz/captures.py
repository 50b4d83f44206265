"""One fuzzer's run over hostile captures: `python -m tests.fuzz.captures CORPUS -runs=N`.

Each input is node-a's file of an import whose other half, and every other time saved state, is as
it was recorded.
"""

import importlib
import pkgutil
import sys
import tarfile
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tracer"]):
    import tracer.bundle
    import tracer.capture
    import tracer.core.rules
    from tests.fuzz.hostile_captures import hostile_capture
    from tests.fuzz.measured import Nursery
    from tests.fuzz.tally import Tally, quietly
    from tracer.cli.main import run

    for package in (tracer.bundle, tracer.capture, tracer.core, tracer.core.rules):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

RECORDED = Path(__file__).parents[1] / "capture" / "recorded" / "vtepmac-annotation-stale.tar.xz"
FOLDER = Path(tempfile.mkdtemp(prefix="flantrace-fuzz-"))
FILE = FOLDER / "input.pcap"
quietly()
NURSERY = Nursery(run)
TALLY = Tally("captures")


def one_capture(data: bytes) -> None:
    FILE.write_bytes(data)
    words = ["import", "--no-save", "--node", "node-a", str(FILE), "--depth", "full"]
    words += ["--node", "node-b", str(FOLDER / "node-b-any.pcap")]
    words += ["--state-dir", str(FOLDER)] if TALLY.runs % 2 else []
    TALLY.put(NURSERY.measured(words), len(data))
    run(words)


def _next(data: bytes, most: int, seed: int) -> bytes:
    return hostile_capture(data, most, seed, atheris.Mutate)


def main() -> None:
    with tarfile.open(RECORDED) as archive:
        archive.extractall(FOLDER)
    atheris.Setup(sys.argv, one_capture, custom_mutator=_next)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
