"""The systemd unit is one that systemd takes, and gives the watch what it needs and no more."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tracer.cli.main import flantrace
from tracer.install.privileges import capabilities
from tracer.install.settings import METRICS_PORT
from tracer.watching.healthz import PATIENCE_S
from tracer.watching.httpd import parse_address

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "flantrace-watch.service"
FLANTRACE = Path(sys.executable).with_name("flantrace")

YOUNGER = ("RestartSteps", "RestartMaxDelaySec")
"""systemd 254's; an older one says that it ignores them, as the unit says."""

MOST_EXPOSED = 4.0
"""By `systemd-analyze security`: 10 is a root service without a word about it."""

pytestmark = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings() -> dict[str, list[str]]:
    """Key -> its values, in their order."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def one(key: str) -> str:
    (value,) = settings()[key]
    return value


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with the flantrace of these tests: systemd looks whether it is there."""
    text = UNIT.read_text()
    changed = text.replace("ExecStart=flantrace ", f"ExecStart={FLANTRACE} ")
    assert changed != text
    copy = tmp_path / UNIT.name
    copy.write_text(changed)
    return copy


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


def test_systemd_has_nothing_to_say_about_it(unit: Path) -> None:
    done = analyze("verify", str(unit))
    said = [line for line in done.stderr.splitlines() if unit.name in line]
    assert [line for line in said if not any(f"'{key}'" in line for key in YOUNGER)] == []
    assert done.returncode == 0


def test_systemd_would_say_so_if_a_word_were_wrong(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSistem=strict"))
    assert "ProtectSistem" in analyze("verify", str(unit)).stderr


def test_it_is_less_exposed_than_root_would_be(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED * 10:.0f}", str(unit))
    assert done.returncode == 0, done.stdout.splitlines()[-1]
    stricter = analyze("security", "--offline=true", "--threshold=10", str(unit))
    assert stricter.returncode != 0


def test_it_has_the_capabilities_of_an_agent() -> None:
    words = one("CapabilityBoundingSet").split()
    assert words == [f"CAP_{name}" for name in capabilities(passive_only=False, old_kernels=False)]


def test_what_would_blind_the_watch_is_not_set() -> None:
    blinding = {"ProtectKernelTunables", "ProtectKernelLogs", "PrivateNetwork", "ProtectProc"}
    assert not blinding & settings().keys()
    assert one("RestrictNamespaces") == "net"


def test_its_metrics_stay_on_the_node_unless_somebody_says_otherwise() -> None:
    (given,) = re.findall(r"METRICS=(\S+)", one("Environment"))
    assert parse_address(given) == ("127.0.0.1", METRICS_PORT)
    environment, file = UNIT.read_text().index("Environment="), one("EnvironmentFile")
    assert UNIT.read_text().index("EnvironmentFile=") > environment, "the file has the last word"
    assert file.startswith("-"), "and need not be there"


def test_it_waits_as_long_as_the_kubelet() -> None:
    assert one("WatchdogSec") == f"{PATIENCE_S:.0f}s"


def test_its_options_are_those_of_flantrace_watch() -> None:
    command = flantrace.get_command(None, "watch")  # type: ignore[arg-type]
    assert command is not None
    known = {word for option in command.params for word in option.opts}
    assert set(re.findall(r"--[a-z-]+", one("ExecStart"))) <= known
