"""The real cluster: one for the whole run, brought up before the first test that asks for it."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.faults.fault import Fault
from cluster.paths import name, state
from cluster.setup import Cluster, down, running, up
from cluster.shell import Failed
from cluster.tests.clock import Clock
from cluster.tests.flantrace import Flantrace, typed
from cluster.tests.remains import Machine, remains
from cluster.tests.trial import Trial
from cluster.tests.ways import IMAGE, Installed, built_image, by_a_command
from cluster.tests.whole import Lines, whole

TryOut = Callable[[Fault], Trial]

TAIL = 15
"""Lines of each log that are shown where the cluster cannot come up."""

_CLOCK = pytest.StashKey[Clock]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--running",
        action="store_true",
        help="use the cluster that is up (python -m cluster up) and leave it up",
    )
    parser.addoption(
        "--by-a-command",
        action="store_true",
        help="flantrace gets to the nodes by --node-exec: nothing is installed on the cluster",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_CLOCK] = Clock()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster of two nodes; nothing of it is left when the run is over."""
    if os.geteuid() != 0:
        pytest.exit("the cluster needs root: its nodes are namespaces, mounts and cgroups", 1)
    if request.config.getoption("--running"):
        yield running()
        return
    _refuse_a_second()
    down()
    before = Machine.now()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        yield _brought_up(request.config.stash[_CLOCK])
    finally:
        down()
    left = remains(before)
    assert not left, "the cluster left something behind:\n" + "\n".join(left)


def _refuse_a_second() -> None:
    """One that somebody works with is not taken from them; what a killed run left is."""
    try:
        anchors = json.loads((state() / "anchors.json").read_text())
    except FileNotFoundError:
        return
    if any(Path(f"/proc/{pid}").exists() for pid in anchors.values()):
        pytest.exit(
            f"a cluster named {name()} is up: end it (python -m cluster down), test on it"
            " (pytest cluster --running), or choose another name (FLANTRACE_CLUSTER)",
            1,
        )


def _brought_up(clock: Clock) -> Cluster:
    clock.test = "the cluster"
    try:
        with clock("up"):
            return up()
    except Failed as error:
        said = [f"the cluster does not come up: {error}", *_tails()]
    return pytest.exit("\n".join(said), 1)


def _tails() -> Iterator[str]:
    for log in sorted((state() / "logs").glob("*.log")):
        yield f"--- {log.name}"
        yield from log.read_text(errors="replace").splitlines()[-TAIL:]


def _ended(number: int, _frame: object) -> None:
    pytest.exit(f"ended by {signal.Signals(number).name}", pytest.ExitCode.INTERRUPTED)


@pytest.fixture(scope="session")
def before(cluster: Cluster) -> Lines:
    """The cluster as it is, which every test leaves so."""
    return whole(cluster)


@pytest.fixture(scope="session")
def flantrace(
    request: pytest.FixtureRequest,
    cluster: Cluster,
    before: Lines,  # noqa: ARG001
    tmp_path_factory: pytest.TempPathFactory,
) -> Flantrace:
    """flantrace at the operator's place. How it gets to the nodes is decided here.

    `before`: nothing is asked, nor broken, before that is known.
    """
    if request.config.getoption("--by-a-command"):
        return Flantrace(cluster, by_a_command)
    clock = request.config.stash[_CLOCK]
    clock.test = "flantrace"
    with clock("image"):
        image = built_image(tmp_path_factory.mktemp("image"))

    def install() -> None:
        done = typed(cluster, "install", "--image", IMAGE, "--pull-policy", "Never")
        assert done.returncode == 0, done.stdout + done.stderr

    way = Installed(cluster, image, install)
    with clock("installation"):
        way()
    return Flantrace(cluster, way)


@pytest.fixture(scope="session")
def image() -> str:
    """flantrace's own image, as it is called on the nodes."""
    return IMAGE


@pytest.fixture
def installed(cluster: Cluster, flantrace: Flantrace) -> Cluster:
    """The cluster with flantrace's pods on it; put there again where a test took them away."""
    flantrace.way()
    return cluster


@pytest.fixture
def try_out(
    cluster: Cluster, flantrace: Flantrace, clock: Clock, before: Lines
) -> Iterator[TryOut]:
    """Begins the trial of a fault; whatever the test does, nothing of it is left."""
    trials: list[Trial] = []

    def begin(fault: Fault) -> Trial:
        trials.append(Trial(fault, cluster, flantrace, clock, before))
        return trials[-1]

    yield begin
    for trial in trials:
        trial.end()


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> Clock:
    """Times what a test does."""
    clock = request.config.stash[_CLOCK]
    clock.test = request.node.name
    return clock


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    lines = list(config.stash[_CLOCK].lines())
    if lines:
        terminalreporter.section("what took how long")
        for line in lines:
            terminalreporter.write_line(line)
