"""The capabilities that a process has are those that the kernel says."""

import subprocess
import sys
from pathlib import Path

import pytest

from tracer.collect.capabilities import NUMBERS, effective


def test_a_status_is_read(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tpython\nCapPrm:\t000001ffffffffff\nCapEff:\t000000c400003000\n")
    assert effective(status) == {"NET_ADMIN", "NET_RAW", "SYSLOG", "PERFMON", "BPF"}


@pytest.mark.kernel
@pytest.mark.parametrize("name", ["BPF", "SYS_PTRACE", "NET_RAW"])
def test_one_that_is_taken_away_is_not_there(name: str) -> None:
    code = "from tracer.collect.capabilities import effective; print(*effective())"
    without = ["setpriv", f"--bounding-set=-cap_{NUMBERS[name]}", sys.executable, "-c", code]
    done = subprocess.run(without, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == effective() - {name}
