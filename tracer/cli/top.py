"""`flantrace top [NODE...]`: peers by what is wrong with their traffic, live or once."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from tracer.cli import completion, options
from tracer.cli.answer import colored
from tracer.cli.board import Board, Say, Source
from tracer.cli.interrupts import interruptible
from tracer.cli.progress import Progress
from tracer.core.overview import Silence, Sort, answer
from tracer.errors import CollectFailed, UsageError
from tracer.render.style import WIDTH

if TYPE_CHECKING:
    from tracer.model.watch import Status

PERIODS = 2
"""Of the counters: rates are differences of two."""


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1, shell_complete=completion.node)
@options.cluster
@click.option(
    "--once", is_flag=True, help="Print one table after two periods of a second, and end."
)
@click.option("--json", "as_json", is_flag=True, help="With --once: one document.")
@click.option(
    "--sort",
    type=click.Choice([sort.value for sort in Sort]),
    default=Sort.PACKETS.value,
    show_default=True,
    help="By what lines are sorted; what is wrong stands first in any case.",
)
@options.color
def top(
    nodes: tuple[str, ...], once: bool, as_json: bool, sort: str, color: str, **words: object
) -> int:
    """Show what passes between NODEs and all their peers, and what is wrong with it.

    Every packet is held against the leases, in the kernel; nothing is sent. Without NODE all nodes
    are watched. On a terminal it goes on until q is pressed (? for help); otherwise a table is
    printed each second. With --once the exit code is 0 where nothing is wrong, 1 where a fault is
    open, 3 where something is not known.
    """
    if as_json and not once:
        raise UsageError("--json without --once", where="the command line", hint="add --once")
    from tracer.watching.joined import statuses

    way = options.way_to_nodes(words)

    def begin(say: Say) -> Generator[Sequence[Status], None, None]:
        yield from statuses(way, nodes, say)

    return top_of(begin, nodes, once=once, as_json=as_json, sort=Sort(sort), color=colored(color))


def top_of(
    begin: Source,
    nodes: Sequence[str],
    *,
    once: bool = False,
    as_json: bool = False,
    sort: Sort = Sort.PACKETS,
    color: bool = False,
) -> int:
    """The same of any source of statuses. The exit code; CollectFailed: it ended by itself."""
    from tracer.cli import screen

    with interruptible():
        if once:
            return _once(begin, nodes, as_json=as_json, sort=sort, color=color)
        if screen.usable():
            return _live(begin, nodes, sort=sort, color=color)
        return _tables(begin, nodes, sort=sort, color=color)


def _once(begin: Source, nodes: Sequence[str], *, as_json: bool, sort: Sort, color: bool) -> int:
    from tracer.render.json_document import json_document
    from tracer.render.top import View, top_document, top_text

    progress = Progress()
    began = time.monotonic()
    try:
        with contextlib.closing(begin(progress)) as moments:
            found = _last(itertools.islice(moments, PERIODS))
    finally:
        progress.done()
    heard = {status.node for status in found}
    silent = {node: time.monotonic() - began for node in nodes if node not in heard}
    if as_json:
        click.echo(json_document(top_document(found, silent)), nl=False)
    else:
        text = top_text(found, width=_width(), view=View(sort), silent=silent, color=color)
        click.echo(text, nl=False, color=True)
    return answer(found, silent)[0]


def _last(moments: Iterable[Sequence[Status]]) -> Sequence[Status]:
    """Nothing: none came."""
    found: Sequence[Status] = ()
    for found in moments:  # noqa: B007 - the last is what is wanted
        pass
    return found


def _width() -> int:
    """Of the terminal; as wide as all other texts where there is none."""
    return shutil.get_terminal_size((WIDTH, 24)).columns


def _tables(begin: Source, nodes: Sequence[str], *, sort: Sort, color: bool) -> int:
    """One each second, each with its time, for whoever reads them from a file."""
    from tracer.render.top import View, top_text

    silence, progress = Silence(nodes), Progress()
    with contextlib.closing(begin(progress)) as moments:
        for found in moments:
            progress.done()
            silent = silence.hear(found, time.monotonic())
            text = top_text(found, width=_width(), view=View(sort), silent=silent, color=color)
            now = datetime.now(UTC)  # noqa: TID251 - the operator's clock
            click.echo(f"{now:%Y-%m-%dT%H:%M:%SZ}\n{text}", color=True)
            sys.stdout.flush()
    raise _ended()


def _live(begin: Source, nodes: Sequence[str], *, sort: Sort, color: bool) -> int:
    """The screen has a thread of its own; what watches stays where signals and errors are met."""
    board = Board()
    try:
        with contextlib.closing(begin(board.say)) as moments, _shown(board, nodes, sort, color):
            for found in moments:
                board.post(found)
                if board.left.is_set() or board.failed is not None:
                    break
    except KeyboardInterrupt:
        if not board.left.is_set() and board.failed is None:
            raise
    board.check()
    if not board.left.is_set():
        raise _ended()
    return 0


@contextlib.contextmanager
def _shown(board: Board, nodes: Sequence[str], sort: Sort, color: bool) -> Iterator[None]:
    """Inside, the board is on the terminal. Leaving it by q interrupts the main thread."""
    from tracer.cli import screen
    from tracer.render.top import View

    main = threading.get_ident()

    def show() -> None:
        screen.run(board, nodes, View(sort), color=color)
        if not board.ended.is_set():
            # What watches may be waiting for an agent: nobody who leaves wants to wait with it.
            signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=show, name="screen")
    thread.start()
    try:
        yield
    finally:
        board.ended.set()
        thread.join()


def _ended() -> CollectFailed:
    return CollectFailed(
        "no node is watched any more",
        where="the agents",
        hint="flantrace doctor says what is missing on the nodes",
    )
