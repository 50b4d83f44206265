"""Live traces that travel: kept, reported, embedded; and what they print equals their replay."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tracer.collect.command import own_command
from tracer.formats import Format
from tracer.lab.paths import KUBECONFIG

pytestmark = pytest.mark.lab

FLANTRACE = str(Path(sys.executable).parent / "flantrace")
PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "embed.md"
FAULT = "fdb-missing"


def flantrace(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([FLANTRACE, *words], capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def lab() -> Iterator[None]:
    assert flantrace("lab", "up").returncode == 0
    yield
    assert flantrace("lab", "down").returncode == 0


@pytest.fixture
def broken(lab: None) -> Iterator[None]:  # noqa: ARG001
    assert flantrace("lab", "inject", FAULT).returncode == 0
    yield
    assert flantrace("lab", "heal").returncode == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob("flantrace-*.tgz"))


@pytest.mark.usefixtures("broken")
def test_a_trace_that_finds_a_fault_is_kept_and_its_replay_prints_the_same(folder: Path) -> None:
    live = flantrace("--lab", "pod-a", "pod-b")
    (bundle,) = kept(folder)
    assert f"kept: {bundle.name}" in live.stderr.decode()
    replay = flantrace("replay", bundle.name)
    assert (live.stdout, live.returncode) == (replay.stdout, replay.returncode)
    assert bundle.stat().st_size < 200_000


@pytest.mark.usefixtures("broken")
def test_every_report_of_a_live_trace_equals_that_of_its_bundle(folder: Path) -> None:
    words = [f"--report={form}=live.{form}" for form in Format]
    live = flantrace("--lab", "pod-a", "pod-b", "--save", "a.tgz", *words)
    assert live.returncode == 1, live.stderr
    assert kept(folder) == []
    for form in Format:
        later = flantrace("report", "a.tgz", "--format", form, "-o", f"later.{form}")
        assert later.returncode == 1, later.stderr
        assert (folder / f"live.{form}").read_bytes() == (folder / f"later.{form}").read_bytes()


@pytest.mark.usefixtures("broken")
def test_no_save_keeps_nothing(folder: Path) -> None:
    assert flantrace("--lab", "pod-a", "pod-b", "--no-save").returncode == 1
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("lab")
def test_a_healthy_trace_keeps_nothing_unasked(folder: Path) -> None:
    done = flantrace("--lab", "pod-a", "pod-b", "--format", "summary")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"### DELIVERED")
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_trace_that_is_told_to_end_keeps_what_it_saw(
    number: signal.Signals, folder: Path
) -> None:
    trace = subprocess.Popen(
        [FLANTRACE, "--lab", "pod-a", "pod-b", "--passive", "--for", "60s"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert trace.stderr is not None
    for line in trace.stderr:
        if line.startswith(b"watching"):
            break
    time.sleep(0.5)
    trace.send_signal(number)
    out, _ = trace.communicate(timeout=20)
    assert trace.returncode == 130
    (bundle,) = kept(folder)
    assert flantrace("replay", str(bundle)).stdout == out
    watched = re.search(rb"was seen in ([\d.]+) s", out)
    assert watched is not None
    assert float(watched[1]) < 20


@pytest.mark.usefixtures("broken")
def test_the_program_of_the_page_on_embedding_says_what_the_command_says() -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    reach = {"node_exec": f"{own_command()} lab exec {{node}} --", "kubeconfig": KUBECONFIG}
    script = f"{program}\nprint(traced('pod-a', 'pod-b', **{reach!r}), end='')"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    later = flantrace("report", "incident.tgz", "--format", "summary")
    assert later.stdout == done.stdout
    assert FAULT.encode() in done.stdout
