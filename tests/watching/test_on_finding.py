"""A command is told of findings: real ones, that fail, hang, and leave children behind."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

from tests.processes import children
from tests.watching.announced import Said, turned, until
from tracer.errors import UsageError
from tracer.model.watch import Turn
from tracer.watching.on_finding import OnFinding


@pytest.fixture
def said() -> Said:
    return Said()


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "a script.sh"
    path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{text}\n")
    path.chmod(0o755)
    return f"'{path}' 'one word' two"


def test_it_gets_the_document_on_stdin_its_words_and_its_variables(
    tmp_path: Path, said: Said
) -> None:
    wanted = 'cat > stdin; printf "%s|" "$@" > words; env | grep ^FLANTRACE_ | sort > variables'
    OnFinding(script(tmp_path, wanted), said).send(turned())
    document = json.loads((tmp_path / "stdin").read_text())
    assert next(iter(document)) == "schema"
    assert document["turn"] == "opened"
    assert document["finding"]["rule"] == "vtepmac-annotation-stale"
    assert document["before"] == ["flanneld on node-b started 3.4 s before"]
    assert (tmp_path / "words").read_text() == "one word|two|"
    assert (tmp_path / "variables").read_text().splitlines() == [
        "FLANTRACE_NODE=node-1",
        "FLANTRACE_RULE=vtepmac-annotation-stale",
        "FLANTRACE_SENTENCE=node-b has no MAC.",
        "FLANTRACE_TURN=opened",
    ]
    assert said.all == []


def test_no_shell_reads_the_command(tmp_path: Path, said: Said) -> None:
    command = script(tmp_path, 'printf "%s|" "$@" > words')
    OnFinding(f"{command} ; touch $HOME > *", said).send(turned())
    assert (tmp_path / "words").read_text() == "one word|two|;|touch|$HOME|>|*|"


def test_what_others_wrote_cannot_break_the_environment(tmp_path: Path, said: Said) -> None:
    odd = "an annotation\0with\nlines and \x1b[31m" + "x" * 200_000
    OnFinding(script(tmp_path, 'printf %s "$FLANTRACE_SENTENCE" > out'), said).send(
        turned(sentence=odd)
    )
    text = (tmp_path / "out").read_text()
    assert text.startswith(r"an annotation\x00with\nlines and \x1b[31mxxx")
    assert len(text) == 2000


def test_a_document_larger_than_a_pipe_arrives_whole_and_may_go_unread(
    tmp_path: Path, said: Said
) -> None:
    long = turned(sentence="x" * 300_000)
    OnFinding(script(tmp_path, "wc -c > out"), said).send(long)
    assert int((tmp_path / "out").read_text()) > 300_000
    OnFinding("true", said).send(long)
    assert said.all == []


def test_a_failure_is_said_once_with_the_end_of_its_stderr(tmp_path: Path, said: Said) -> None:
    fails = "seq 9999 >&2; printf 'no such\\033[31m\\nchannel\\n' >&2; [ -e well ] || exit 3"
    command = OnFinding(script(tmp_path, fails), said)
    command.send(turned())
    command.send(turned())
    assert len(said.all) == 1
    assert "failed (exit code 3): ..." in said.all[0]
    assert said.all[0].endswith(r"9998 9999 no such\x1b[31m channel")
    assert len(said.all[0]) < 500
    (tmp_path / "well").touch()
    command.send(turned())
    (tmp_path / "well").unlink()
    command.send(turned())
    assert len(said.all) == 2, "it worked between: that it fails again is news"


def test_a_secret_that_it_prints_is_not_repeated(tmp_path: Path, said: Said) -> None:
    OnFinding(script(tmp_path, "echo 'token: hunter2' >&2; exit 1"), said).send(turned())
    assert "hunter2" not in said.all[0]
    assert "[removed]" in said.all[0]


def test_one_that_was_killed_says_by_which_signal(tmp_path: Path, said: Said) -> None:
    OnFinding(script(tmp_path, "kill -TERM $$"), said).send(turned())
    assert "killed by SIGTERM" in said.all[0]


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path, said: Said) -> None:
    hangs = "echo waiting >&2; sleep 600 & echo $! > child; trap '' TERM; wait"
    began = time.monotonic()
    OnFinding(script(tmp_path, hangs), said, limit_s=0.5).send(turned())
    assert 0.5 <= time.monotonic() - began < 5
    assert said.all[0].endswith("was killed, since it took 0.5 s: waiting")
    child = int((tmp_path / "child").read_text())
    until(lambda: not runs(child))


def test_a_child_that_it_leaves_behind_holds_nothing_up(tmp_path: Path, said: Said) -> None:
    """It has the stderr of its parent, which therefore has no end."""
    began = time.monotonic()
    OnFinding(script(tmp_path, "sleep 5 & echo $! > child"), said).send(turned())
    assert time.monotonic() - began < 4
    assert said.all == []
    os.kill(int((tmp_path / "child").read_text()), 9)


def test_one_that_says_without_end_is_killed_and_quoted_by_its_end(said: Said) -> None:
    OnFinding("sh -c 'yes >&2'", said, limit_s=0.5).send(turned())
    assert "was killed, since it took 0.5 s: ...y y y" in said.all[0].replace("... y", "...y")
    assert len(said.all[0]) < 500


def test_one_that_is_given_up_is_killed_soon(said: Said) -> None:
    command = OnFinding("sleep 600", said)
    threading.Timer(0.3, command.give_up).start()
    began = time.monotonic()
    command.send(turned())
    assert time.monotonic() - began < 3
    assert "since the watch ended" in said.all[0]


def test_one_that_went_away_is_said(tmp_path: Path, said: Said) -> None:
    command = OnFinding(script(tmp_path, "true"), said)
    (tmp_path / "a script.sh").unlink()
    command.send(turned(Turn.CLOSED))
    assert "cannot be run: No such file or directory" in said.all[0]


def test_it_leaves_no_descriptor_and_no_process(said: Said) -> None:
    command = OnFinding("true", said)
    command.send(turned())
    before, ours = os.listdir("/proc/self/fd"), children("self")
    for _ in range(20):
        command.send(turned())
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert children("self") == ours, "another test's may be there"


@pytest.mark.parametrize("command", ["", "  ", "'", "no-such-command --really"])
def test_what_is_no_command_is_a_usage_error(command: str, said: Said) -> None:
    with pytest.raises(UsageError, match="the command cannot be run"):
        OnFinding(command, said)


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
