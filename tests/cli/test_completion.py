"""The Tab key in real shells, and in kubectl."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.debian import NoPackage
from tests.apiserver import Server, serving
from tests.lab.debian_kubectl import kubectl
from tracer.cli.completion import for_kubectl
from tracer.cli.main import flantrace

BIN = Path(sys.executable).parent


def environment(server: Server) -> dict[str, str]:
    """A home of its own, beside the kubeconfig: fish and kubectl write there."""
    return {
        "PATH": f"{BIN}:/usr/bin:/bin", "TERM": "dumb", "PS1": "ready> ", "LC_ALL": "C.UTF-8",
        "HOME": str(Path(server.kubeconfig).parent), "KUBECONFIG": server.kubeconfig,
    }  # fmt: skip


PATIENCE_S = 30.0

START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
SETUP = {
    "bash": "source <(flantrace completion bash)",
    "zsh": "PS1='ready> '; unsetopt beep; autoload -Uz compinit && compinit -u -D"
    " && source <(flantrace completion zsh)",
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as made:
        for name, node in (("web-0", "node-a"), ("web-1", "node-b"), ("db-0", "node-b")):
            made.pod(name, node, f"10.244.1.{len(name)}")
        made.service("front", "10.96.0.7")
        yield made


class Terminal:
    """A shell at a terminal, and someone who types."""

    def __init__(self, shell: str, given: dict[str, str]) -> None:
        if shutil.which(shell) is None:
            pytest.skip(f"there is no {shell} here")
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(START[shell][0], START[shell], given)
        self.types(f"{SETUP[shell]}; echo set''up\n")
        self.reads("setup")

    def types(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def reads(self, wanted: str) -> str:
        """Everything until that text is there."""
        text, until = "", time.monotonic() + PATIENCE_S
        while wanted not in text:
            left = until - time.monotonic()
            assert left > 0, f"{wanted!r} never came: {text!r}"
            if select.select([self._fd], [], [], left)[0]:
                text += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", os.read(self._fd, 4096).decode())
        return text

    def close(self) -> None:
        os.close(self._fd)
        os.waitpid(self._pid, 0)


@pytest.fixture(params=list(START))
def terminal(request: pytest.FixtureRequest, server: Server) -> Iterator[Terminal]:
    made = Terminal(request.param, environment(server))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("flantrace unin", "flantrace uninstall"),
        ("flantrace check --no-ag", "flantrace check --no-agents"),
        ("flantrace explain vtepmac-a", "flantrace explain vtepmac-annotation-stale"),
        ("flantrace --pass", "flantrace --passive"),
        ("flantrace -n shop db", "flantrace -n shop db-0"),
        ("flantrace shop/web-0 shop/d", "flantrace shop/web-0 shop/db-0"),
        ("flantrace check node-c --de", "flantrace check node-c --depth"),
    ],
)
def test_the_tab_key_completes_a_word(terminal: Terminal, typed: str, completed: str) -> None:
    terminal.types(f"{typed}\t")
    assert completed in terminal.reads(completed)


def fish(typed: str, server: Server) -> list[str]:
    """What fish offers."""
    if shutil.which("fish") is None:
        pytest.skip("there is no fish here")
    words = [
        "fish",
        "--no-config",
        "-c",
        f"flantrace completion fish | source; complete -C '{typed}'",
    ]
    done = subprocess.run(
        words, env=environment(server), capture_output=True, text=True, check=True
    )
    return [line.partition("\t")[0] for line in done.stdout.splitlines()]


def test_fish_offers_what_can_follow(server: Server) -> None:
    assert fish("flantrace unin", server) == ["uninstall"]
    assert fish("flantrace check --no-ag", server) == ["--no-agents"]
    assert fish("flantrace explain vtepmac-a", server) == ["vtepmac-annotation-stale"]
    assert fish("flantrace -n shop we", server) == ["web-0", "web-1"]


def offered(*words: str) -> list[str]:
    """What kubectl is told, without the help."""
    *lines, directive = for_kubectl(flantrace, list(words)).splitlines()
    assert directive in (":4", ":0")
    return [line.partition("\t")[0] for line in lines]


def test_a_first_word_may_be_a_command_or_a_pod(server: Server) -> None:
    words = ("--kubeconfig", server.kubeconfig, "-n", "shop")
    found = offered(*words, "")
    assert {"check", "install", "web-0", "db-0", "node/", "svc/"} <= set(found)
    assert "agent" not in found
    assert offered(*words, "web") == ["web-0", "web-1"]


@pytest.mark.parametrize(
    ("incomplete", "wanted"),
    [
        ("node/", ["node/node-a", "node/node-b", "node/node-c"]),
        ("svc/shop/f", ["svc/shop/front"]),
        ("shop/web-1", ["shop/web-1"]),
        ("elsewhere/", []),
    ],
)
def test_an_end_is_completed_by_its_kind(
    server: Server, incomplete: str, wanted: list[str]
) -> None:
    assert offered("trace", "--kubeconfig", server.kubeconfig, incomplete) == wanted


def test_nodes_are_completed_for_a_check(server: Server) -> None:
    assert offered("check", "--kubeconfig", server.kubeconfig, "node-a", "node-b") == ["node-b"]


def test_an_options_value_is_no_place_for_a_command() -> None:
    assert offered("--color", "") == ["auto", "always", "never"]
    assert offered("-n", "") == []


@pytest.mark.parametrize("code", [403, 500])
def test_an_api_server_that_refuses_is_no_error_at_the_prompt(server: Server, code: int) -> None:
    server.answers["/pods"] = code
    assert offered("trace", "--kubeconfig", server.kubeconfig, "w") == []


def test_without_a_cluster_commands_are_completed(tmp_path: Path) -> None:
    assert offered("--kubeconfig", str(tmp_path / "none"), "unin") == ["uninstall"]


def test_no_object_is_read_for_its_name(server: Server) -> None:
    offered("--kubeconfig", server.kubeconfig, "-n", "shop", "w")
    assert server.asked == ["/api/v1/namespaces/shop/pods?limit=500"]


def test_files_are_left_to_the_shell() -> None:
    assert for_kubectl(flantrace, ["replay", ""]) == ":0"


def test_kubectl_finds_the_plugin_and_completes_its_words(server: Server) -> None:
    try:
        binary = kubectl("trixie")
    except NoPackage as reason:
        pytest.skip(f"no kubectl of trixie: {reason}")

    def said(*words: str) -> str:
        done = subprocess.run(
            [binary, *words], env=environment(server), capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    assert "kubectl-flantrace" in said("plugin", "list")
    assert said("flantrace", "check", "--help").startswith(
        "Usage: kubectl flantrace check [OPTIONS] [NODE]..."
    )
    assert "hint   kubectl flantrace --help" in said("flantrace", "check", "--nonsense")
    assert "uninstall" in said("__complete", "flantrace", "unin").splitlines()[0]
    assert said("__complete", "flantrace", "-n", "shop", "web").startswith("web-0\nweb-1\n")
