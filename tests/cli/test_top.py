"""The live view on a real terminal: keys, sizes, and that it leaves the terminal as it was."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.recorded_top import DISMISSED
from tests.render.statuses import faulty, healthy, status
from tracer.cli.board import Say, Source
from tracer.cli.main import flantrace, run
from tracer.cli.top import top_of
from tracer.model.watch import Status
from tracer.render.json_document import json_document
from tracer.render.top import top_document, top_text

PATIENCE_S = 20.0
ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[a-zA-Z]|[()][A-Z0-9]|[=>78])")
ENTERS, LEAVES = "\x1b[?1049h", "\x1b[?1049l"
"""xterm's: to the other screen, and back to what was there before."""
REDRAW, CLEAR = "\x0c", "\x1b[2J"


class Terminal:
    """One of 100 columns and 24 lines, with the live view in it, and someone who types."""

    def __init__(self, folder: Path, what: str = "goes-on", term: str = "xterm") -> None:
        file = folder / "statuses.json"
        file.write_text(json_document(top_document(faulty(), {})))
        self.fd, theirs = pty.openpty()
        self.resize(24, 100)
        self.before = termios.tcgetattr(theirs)
        self.raw = ""
        environment = os.environ | {"TERM": term}
        for name in ("LINES", "COLUMNS"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.recorded_top", str(file), what],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.theirs = theirs

    def resize(self, lines: int, columns: int) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def types(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def reads(self, wanted: str, since: str = "") -> str:
        """What comes until that text is there, escapes and runs of spaces as one space each.

        `since`: only what comes after the last of these.
        """
        raw, until = "", time.monotonic() + PATIENCE_S
        while wanted not in (text := plain(raw.rpartition(since)[2] if since else raw)):
            left = until - time.monotonic()
            assert left > 0, f"{wanted!r} never came: {text!r}"
            if select.select([self.fd], [], [], min(left, 0.5))[0]:
                new = os.read(self.fd, 65536).decode()
                raw, self.raw = raw + new, self.raw + new
            elif self.process.poll() is not None:
                raise AssertionError(f"it ended: {text!r} {self.process.communicate()[1]}")
        return text

    def drawn(self, wanted: str, without: str = "\0") -> str:
        """The whole screen, once one text is on it and the other is not.

        It is cleared first, and the line of keys comes last. What was drawn before is passed over:
        whoever reads one screen for each that is asked for never catches up with a lag.
        """
        until = time.monotonic() + PATIENCE_S
        while True:
            while select.select([self.fd], [], [], 0)[0]:
                self.raw += os.read(self.fd, 65536).decode()
            self.types(REDRAW)
            text = self.reads("? help", since=CLEAR)
            if wanted in text and without not in text:
                return text
            assert time.monotonic() < until, f"{wanted!r} never came: {text!r}"

    def ended(self) -> tuple[int, str]:
        """The exit code and what went to stderr, once it has left; the terminal as it was."""
        said = self.process.communicate(timeout=PATIENCE_S)[1]
        while select.select([self.fd], [], [], 0.2)[0]:
            self.raw += os.read(self.fd, 65536).decode()
        assert termios.tcgetattr(self.theirs) == self.before
        return self.process.returncode, said

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        os.close(self.fd)
        os.close(self.theirs)


def plain(raw: str) -> str:
    return " ".join(ESCAPE.sub(" ", raw).split())


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    made.close()


def test_the_answer_the_peers_and_the_keys_stand_on_the_screen_in_colour(
    terminal: Terminal,
) -> None:
    text = terminal.drawn("FAULT 1 finding open, 3 nodes watched: neigh-stale-one-node on node-a")
    assert "node-a node-b 0.4 987 0 6 0 12.0M 784k" in text
    assert "q leave s sort (packets) n node (all) ? help" in text
    assert "\x1b[31m" in terminal.raw


def test_s_sorts_and_n_goes_from_node_to_node(terminal: Terminal) -> None:
    terminal.drawn("s sort (packets) n node (all)")
    terminal.types("s")
    terminal.drawn("s sort (bits)")
    terminal.types("nn")
    text = terminal.drawn("n node (node-b)")
    assert "node-b node-a" in text
    assert "node-c node-a" not in text
    terminal.types("nn")
    terminal.drawn("n node (all)")


def test_arrows_move_by_a_line_and_home_goes_back(terminal: Terminal) -> None:
    terminal.drawn("node-c node-b")
    terminal.types("\x1bOB")
    assert "1 above" in terminal.drawn("1 above")
    terminal.types("\x1b[6~")
    terminal.drawn("5 above")
    terminal.types("\x1bOH")
    terminal.drawn("node-a node-b")


def test_a_question_mark_shows_what_the_columns_mean_and_another_goes_back(
    terminal: Terminal,
) -> None:
    terminal.drawn("FAULT")
    terminal.types("?")
    assert "FAULT" not in terminal.drawn("misaddr/s packets that are not as the leases say")
    terminal.types("?")
    terminal.drawn("FAULT")


def test_another_size_of_the_terminal_draws_it_anew(terminal: Terminal) -> None:
    assert "out bps" in terminal.drawn("FAULT")
    terminal.resize(12, 64)
    assert "gap" in terminal.drawn("and ", without="bps")
    terminal.resize(2, 9)
    time.sleep(0.5)
    terminal.resize(30, 130)
    terminal.drawn("42 s ago")


def test_q_leaves_the_terminal_as_it_was_and_dismisses_the_agents(terminal: Terminal) -> None:
    terminal.drawn("FAULT")
    terminal.types("q")
    code, said = terminal.ended()
    assert (code, said) == (0, f"{DISMISSED}\n")
    assert terminal.raw.index(ENTERS) < terminal.raw.rindex(LEAVES)
    assert "FAULT" not in terminal.raw[terminal.raw.rindex(LEAVES) :]


def test_q_leaves_at_once_while_agents_are_still_being_started(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "waits")
    try:
        terminal.reads("starting agents ...")
        pressed = time.monotonic()
        terminal.types("q")
        assert terminal.ended() == (0, f"{DISMISSED}\n")
        assert time.monotonic() - pressed < 3
    finally:
        terminal.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was_too(terminal: Terminal, number: int) -> None:
    terminal.drawn("FAULT")
    terminal.process.send_signal(number)
    code, said = terminal.ended()
    assert code == 130
    assert said.startswith(f"{DISMISSED}\nflantrace: interrupted\n")
    assert terminal.raw.index(ENTERS) < terminal.raw.rindex(LEAVES)


@pytest.mark.parametrize(
    ("what", "why"), [("ends", "no node is watched any more"), ("fails", "node-b went away")]
)
def test_where_the_watch_ends_by_itself_the_reason_stands_on_the_old_screen(
    tmp_path: Path, what: str, why: str
) -> None:
    terminal = Terminal(tmp_path, what)
    try:
        code, said = terminal.ended()
    finally:
        terminal.close()
    assert code == 4
    assert f"flantrace: {why}\n" in said
    assert "Traceback" not in said


def test_a_terminal_that_is_none_to_curses_gets_tables(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "goes-on", term="no-such-terminal")
    try:
        terminal.reads("FAULT 1 finding open")
        terminal.reads("FAULT 1 finding open")
        terminal.process.send_signal(signal.SIGTERM)
        code, said = terminal.ended()
    finally:
        terminal.close()
    assert code == 130
    assert "Traceback" not in said
    assert ENTERS not in terminal.raw


def source(*moments: Sequence[Status]) -> Source:
    def begin(_say: Say) -> Generator[Sequence[Status], None, None]:
        yield from moments

    return begin


def test_a_pipe_gets_a_table_each_second_with_its_time(tmp_path: Path) -> None:
    file = tmp_path / "statuses.json"
    file.write_text(json_document(top_document(faulty(), {})))
    done = subprocess.run(
        [sys.executable, "-m", "tests.cli.recorded_top", str(file), "ends"],
        capture_output=True,
        env={name: value for name, value in os.environ.items() if name != "COLUMNS"},
        text=True,
        check=False,
    )
    assert done.returncode == 4
    tables = re.split(r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", done.stdout)
    assert tables[1:] == [top_text(faulty(), color=True) + "\n"] * 3


@pytest.mark.parametrize(
    ("statuses", "code"),
    [(healthy(), 0), (faulty(), 1), ((status("node-a", leases_age_s=None),), 3), ((), 3)],
)
def test_once_prints_the_table_of_the_second_period_and_its_exit_code_is_the_answer(
    statuses: Sequence[Status], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    early = tuple(replace(one, records=1) for one in statuses)
    assert top_of(source(early, statuses, ()), (), once=True) == code
    assert capsys.readouterr().out == top_text(statuses)


def test_once_with_a_node_that_says_nothing_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    assert top_of(source(healthy(), healthy()), ("node-a", "node-x"), once=True) == 3
    assert capsys.readouterr().out.startswith("UNKNOWN  node-x said nothing for 0 s\n")


def test_once_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert top_of(source(faulty(), faulty()), (), once=True, as_json=True) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["exit_code"]) == ("flantrace/top/1", 1)
    assert [one["node"] for one in document["nodes"]] == ["node-a", "node-b", "node-c"]


def test_json_without_once_says_what_to_add(capsys: pytest.CaptureFixture[str]) -> None:
    assert "top" in flantrace.commands
    assert run(["top", "--lab", "--json"]) == 2
    assert "add --once" in capsys.readouterr().err
