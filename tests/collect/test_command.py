"""A template reaches a node; whatever it does wrong is said, and nothing of it stays."""

import queue
import shlex
import sys
import time
from pathlib import Path

import pytest

from tracer import __version__
from tracer.bundle import codec
from tracer.collect.command import CommandChannel, agent_line, own_command
from tracer.collect.transport import Item, StreamEnd
from tracer.errors import UsageError
from tracer.model.message import PROTOCOL, Beat, Hello, Hold

Heard = queue.Queue[tuple[str, Item]]


def channel(script: str) -> tuple[CommandChannel, Heard]:
    heard: Heard = queue.Queue()
    words = [sys.executable, "-c", script]
    started = CommandChannel("node-a", words, lambda *item: heard.put(item))
    return started, heard


def ended(heard: Heard) -> tuple[list[Item], StreamEnd]:
    """Everything up to the stream's end."""
    items: list[Item] = []
    while True:
        _, item = heard.get(timeout=10)
        if isinstance(item, StreamEnd):
            return items, item
        items.append(item)


HELLO = codec.line(Hello(protocol=PROTOCOL, version=__version__, node="node-a", pid=1)).decode()


def test_the_node_is_substituted_everywhere_and_the_agent_is_appended() -> None:
    assert agent_line("env -u {node} x-{node}", "/opt/{node}/flantrace", "node-a") == [
        "env", "-u", "node-a", "x-node-a", "/opt/node-a/flantrace", "agent",
    ]  # fmt: skip


def test_the_default_agent_is_this_installation_by_its_absolute_path() -> None:
    word = shlex.split(own_command())[0]
    assert Path(word).is_absolute()
    assert agent_line("env", None, "node-a")[1] == word


@pytest.mark.parametrize("name", ["a b", "a;reboot", "$(x)", "../x", "", "A", "-x"])
def test_a_name_that_no_node_can_have_never_enters_a_command_line(name: str) -> None:
    with pytest.raises(UsageError, match="no name of a node"):
        agent_line("env {node}", None, name)


@pytest.mark.parametrize("template", ["no-such-command-at-all {node}", "env 'open {node}"])
def test_a_template_that_cannot_be_meant_is_a_usage_error(template: str) -> None:
    with pytest.raises(UsageError):
        agent_line(template, None, "node-a")


def test_what_a_login_shell_prints_first_is_passed_over() -> None:
    _, heard = channel(f"print('Welcome to node-a'); print({HELLO!r}, end='')")
    items, end = ended(heard)
    assert [type(item) for item in items] == [Hello]
    assert end.exit_code == 0
    assert "Welcome" in end.said


def test_the_tail_of_stderr_is_kept_for_the_hint() -> None:
    _, heard = channel("import sys; sys.exit('ip: Operation not permitted')")
    items, end = ended(heard)
    assert items == []
    assert (end.exit_code, end.said) == (1, "ip: Operation not permitted")


def test_garbage_after_the_greeting_ends_the_stream_with_its_text() -> None:
    _, heard = channel(f"print({HELLO!r}, end=''); print('segfault at 0')")
    _, end = ended(heard)
    assert end.garbage is not None
    assert end.garbage.startswith("segfault at 0")


def test_what_is_sent_arrives_and_closing_ends_a_listener() -> None:
    script = (
        f"import sys; sys.stdin.readline(); print({HELLO!r}, end='', flush=True); sys.stdin.read()"
    )
    started, heard = channel(script)
    started.send(Beat())
    assert isinstance(heard.get(timeout=10)[1], Hello)
    started.close()
    assert ended(heard)[1].exit_code == 0


def test_one_that_will_not_leave_is_made_to() -> None:
    script = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"print({HELLO!r}, end='', flush=True); time.sleep(60)"
    )
    started, heard = channel(script)
    assert isinstance(heard.get(timeout=10)[1], Hello)
    started.close(patience_s=0.1)
    ended(heard)


def test_a_hello_of_a_newer_agent_is_still_read() -> None:
    newer = HELLO.replace(f'"protocol":{PROTOCOL}', '"protocol":99,"colour":"blue"')
    _, heard = channel(f"print({newer!r}, end='')")
    items, _ = ended(heard)
    assert isinstance(items[0], Hello)
    assert items[0].protocol == 99


def test_one_that_takes_no_orders_holds_nobody_up() -> None:
    started, heard = channel("import time; time.sleep(60)")
    began = time.monotonic()
    for _ in range(5):
        started.send(Hold(protocol=PROTOCOL, version="x" * 1_000_000, node="node-a"))
    started.close(0.2)
    assert time.monotonic() - began < 5
    ended(heard)
