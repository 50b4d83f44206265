"""One fuzzer's run over hostile bundles: `python -m tests.fuzz.bundles CORPUS -runs=N`.

Every input goes the way of a user's file, by the command line, in a fork that is measured; the
forms of the answer take turns. Then it runs once more in the fuzzer, which learns from it where the
code went.
"""

import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["tracer"]):
    import tracer.bundle
    import tracer.capture
    import tracer.core.rules
    import tracer.render
    from tests.fuzz.hostile_bundles import hostile_bundle
    from tests.fuzz.measured import Nursery
    from tests.fuzz.tally import Tally, quietly
    from tracer.cli.main import run
    from tracer.formats import Format

    for package in (tracer.bundle, tracer.capture, tracer.core, tracer.core.rules, tracer.render):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)

FOLDER = Path(tempfile.mkdtemp(prefix="flantrace-fuzz-"))
FILE, OUT = FOLDER / "a.tgz", FOLDER / "out"
FORMS = tuple(Format)
quietly()
NURSERY = Nursery(run)
TALLY = Tally("bundles")


def one_bundle(data: bytes) -> None:
    FILE.write_bytes(data)
    form = FORMS[TALLY.runs % len(FORMS)].value
    words = ["report", str(FILE), "--format", form, "-o", str(OUT)]
    TALLY.put(NURSERY.measured(words), len(data))
    run(words)


def _next(data: bytes, most: int, seed: int) -> bytes:
    return hostile_bundle(data, most, seed, atheris.Mutate)


def main() -> None:
    atheris.Setup(sys.argv, one_bundle, custom_mutator=_next)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
