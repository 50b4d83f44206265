"""What a machine can do is found by trying: on this kernel, with things really taken away."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bpf_objects import gone, programs
from tests.collect import without_bpf

pytestmark = pytest.mark.kernel

DOCTOR = [sys.executable, "-m", "tracer", "doctor", "--here", "--json"]


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.skip("rights can be taken away from root only")


def answer(*before: str) -> tuple[dict[str, dict[str, str]], int, str]:
    """Item by name, exit code and sentence."""
    done = subprocess.run([*before, *DOCTOR], capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    items = document["nodes"][0]["items"]
    assert done.returncode == document["exit_code"]
    return {item["name"]: item for item in items}, done.returncode, document["sentence"]


def lacking(found: dict[str, dict[str, str]]) -> dict[str, str]:
    return {
        name: item["standing"]
        for name, item in found.items()
        if item["standing"] != "ok" and name not in ("flannel", "JIT")
    }


def test_this_machine_can_trace() -> None:
    found, code, sentence = answer()
    assert lacking(found) == {}
    assert code == 0
    assert sentence.startswith("flantrace can trace on this machine")


def test_nothing_of_it_stays() -> None:
    before = programs()
    answer()
    # others on this machine may trace meanwhile; theirs go, too
    new = {
        one: name for one, name in programs().items() if not name or name.startswith("flantrace")
    }
    assert gone(set(new) - set(before), 30)


WATCH = {"BPF", "NET_ADMIN", "PERFMON"}


@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("bpf", {"rights", "BPF", "drops", "programs"}),
        ("perfmon", {"rights", "drops", "programs"}),
        ("net_admin", {"rights", "BPF", "programs", "firewall"}),
    ],
)
def test_without_a_right_to_watch_the_right_is_named_first(taken: str, wanted: set[str]) -> None:
    found, code, sentence = answer("setpriv", f"--bounding-set=-{taken},-sys_admin")
    missing = {name for name, item in found.items() if item["standing"] == "missing"}
    assert code == 1
    assert missing >= wanted - {"firewall"}
    assert f"CAP_{taken.upper()}" in sentence
    assert sentence.startswith("flantrace cannot trace on this machine: the agent lacks")


@pytest.fixture
def a_pod() -> Iterator[None]:
    """A network namespace with a process in it: this machine may have none but its own."""
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE) as inside:
        yield
        inside.terminate()


@pytest.mark.usefixtures("a_pod")
@pytest.mark.parametrize(
    ("taken", "wanted"),
    [
        ("syslog", {"rights", "symbols"}),
        ("net_raw", {"rights", "probes"}),
        ("sys_admin", {"rights", "pods"}),
    ],
)
def test_without_one_of_the_others_there_is_less_and_a_trace_nevertheless(
    taken: str, wanted: set[str]
) -> None:
    found, code, _ = answer("setpriv", f"--bounding-set=-{taken}")
    assert set(lacking(found)) == wanted
    assert set(lacking(found).values()) == {"less"}
    assert code == 0


def test_a_filter_of_system_calls_that_refuses_bpf_is_told_from_a_lack_of_rights() -> None:
    found, code, sentence = answer(sys.executable, without_bpf.__file__)
    assert found["rights"]["standing"] == "ok"
    assert "seccomp" in found["BPF"]["remedy"]
    assert sentence.endswith("on this machine: the kernel refuses: Operation not permitted.")
    assert code == 1


def test_btf_that_is_hidden_is_missed() -> None:
    hide = 'mount -t tmpfs none /sys/kernel/btf && exec "$@"'
    found, code, sentence = answer("unshare", "--mount", "sh", "-c", hide, "sh")
    assert lacking(found) == {"BTF": "missing", "drops": "missing"}
    assert code == 1
    assert "no BTF: No such file or directory" in sentence


def test_a_machine_without_bcc_is_told_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "bcc.py").write_text("raise ImportError('no bcc here')\n")
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    found, code, _ = answer("env", f"PYTHONPATH={path}")
    assert found["compiler"]["standing"] == "missing"
    assert "python3-bpfcc" in found["compiler"]["remedy"]
    assert code == 1


def test_firewall_tools_that_are_not_there_are_missed_and_nothing_else() -> None:
    hide = (
        "for tool in nft xtables-nft-multi; do"
        ' mount --bind /dev/null $(readlink -f /usr/sbin/$tool); done; exec "$@"'
    )
    found, code, _ = answer("unshare", "--mount", "sh", "-c", hide, "sh")
    assert lacking(found) == {"firewall": "less"}
    assert code == 0


def test_somebody_who_is_not_root_gets_an_answer_too() -> None:
    found, code, sentence = answer("setpriv", "--reuid=65534", "--clear-groups")
    assert code == 1
    assert "as user 65534" in sentence
    assert found["BTF"]["standing"] == "ok"
