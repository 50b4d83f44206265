"""`python -m tests.fuzz [RUNS [bundles|captures]]`: hostile files, RUNS of each kind (10,000).

None may end in a traceback, take five seconds or half a gigabyte. An input that does is kept under
build/fuzz, and its path is printed.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.fuzz import seeds
from tests.fuzz.tally import TALLY_FILE

RUNS = 10_000
LONGEST = 1_000_000
"""Bytes of one input."""

KEPT = Path("build/fuzz")


def fuzz(target: str, sow: Callable[[Path], None], runs: int) -> bool:
    """One fuzzer to its end; whether nothing was found."""
    KEPT.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flantrace-corpus-") as place:
        corpus, tally = Path(place, "corpus"), Path(place, "tally")
        corpus.mkdir()
        sow(corpus)
        words = [
            f"-runs={runs}",
            f"-max_len={LONGEST}",
            f"-artifact_prefix={KEPT}/{target}-",
            # The forks are what is measured; the fuzzer itself may hold its corpus.
            "-rss_limit_mb=8000",
            "-timeout=120",
            "-print_final_stats=0",
        ]
        done = subprocess.run(
            [sys.executable, "-m", f"tests.fuzz.{target}", str(corpus), *words],
            env=os.environ | {TALLY_FILE: str(tally)},
            capture_output=True,
            text=True,
            check=False,
        )
        said = tally.read_text().strip() if tally.exists() else "nothing was run"
    print(f"{said}; {time.monotonic() - began:.0f} s", flush=True)
    if done.returncode != 0:
        print(done.stderr[-4000:], done.stdout[-2000:], sep="\n")
    return done.returncode == 0


def main() -> None:
    """Both fuzzers; exit code 1 if one found something."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    targets = {"bundles": seeds.bundles, "captures": seeds.captures}
    wanted = sys.argv[2:] or list(targets)
    found = [name for name in wanted if not fuzz(name, targets[name], runs)]
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
