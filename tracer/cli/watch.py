"""`flantrace watch [NODE...]`: for days, and a line whenever the diagnosis changes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracer.cli import amounts, completion, options
from tracer.cli.answer import colored
from tracer.errors import NotFound, UsageError

if TYPE_CHECKING:
    from tracer.collect.kube import Api
    from tracer.collect.transport import Way
    from tracer.watching.intent import Options
    from tracer.watching.outlet import Outlet
    from tracer.watching.watcher import Watcher

SAMPLES = click.option(
    "--sample",
    metavar="1/N|auto|off",
    default="auto",
    show_default=True,
    help="Record one packet in N whole, the same at every hop and node.",
)


@click.command()
@click.argument("nodes", metavar="[NODE]...", nargs=-1, shell_complete=completion.node)
@options.cluster
@click.option("--here", is_flag=True, help="Watch this node itself, without agents.")
@click.option("--node", "own_name", metavar="NAME", help="With --here: what the cluster calls it.")
@SAMPLES
@click.option(
    "--max-overhead",
    metavar="PERCENT",
    default="1%",
    show_default=True,
    help="With --sample auto: what the programs may take of one CPU.",
)
@click.option("--for", "duration", metavar="TIME", help="End after that time. Default: never.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line.")
@options.color
@click.option("--metrics", metavar="[ADDR]:PORT", help="Serve metrics to Prometheus.")
@click.option(
    "--record",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep a ring of recordings there; each replays like any bundle.",
)
@click.option("--record-size", metavar="BYTES", default="1G", show_default=True)
@click.option("--record-age", metavar="TIME", default="7d", show_default=True)
@click.option("--on-finding", metavar="CMD", help="Run it when a finding opens or closes.")
@click.option("--webhook", metavar="URL", help="Post there when a finding opens or closes.")
def watch(nodes: tuple[str, ...], **words: object) -> int:
    """Hold every packet of NODEs against the leases, in the kernel, and say what is wrong.

    One line whenever a finding opens, changes or closes, with what changed just before it. Nothing
    is sent. Without NODE all nodes are watched; what is lost between two that are watched together
    is counted. Ends at Ctrl-C or SIGTERM; SIGHUP reads everything anew. The exit code is 0; with
    --for it is 1 where a finding is open at the end, and 3 where a node was not watched.
    """
    from tracer.watching.here import HereWay
    from tracer.watching.watcher import Watcher

    how = _how(words)
    seconds = options.text_of(words["duration"])
    lasts = amounts.seconds_of(seconds, "--for") if seconds is not None else None
    with contextlib.ExitStack() as stack:
        api, way, names = _whom(nodes, words)
        outlets = _outlets(words, names, stack)
        from tracer.cli.watching import say_trouble

        watcher = Watcher(api, way, names, how, outlets, say_trouble)
        if isinstance(way, HereWay):
            way.known = watcher.vigil.known
        with _signals(watcher):
            watcher.run(lasts)
        return _exit_code(watcher) if lasts is not None else 0


def _exit_code(watcher: Watcher) -> int:
    if watcher.vigil.findings.standing():
        return 1
    return 3 if watcher.vigil.silent else 0


def _whom(nodes: Sequence[str], words: dict[str, object]) -> tuple[Api, Way, tuple[str, ...]]:
    """The API, how to get to the nodes, and which."""
    from tracer.recording.many import chosen
    from tracer.watching.here import HereWay

    reach = options.way_to_nodes(words)
    if not words["here"]:
        if words["own_name"] is not None:
            raise _usage("--node is for --here", "name the nodes as arguments")
        api = reach.api()
        return api, reach.way(api), chosen(api.nodes(), nodes)
    if nodes:
        raise _usage("--here and a node are two questions", "leave out one")
    api = reach.api(lean=True)
    return api, HereWay(), (_this_node(api, options.text_of(words["own_name"])),)


def _this_node(api: Api, named: str | None) -> str:
    """What the cluster calls this machine. NotFound: it has no such node."""
    known = [node.name for node in api.nodes()]
    wanted = named or os.environ.get("NODE_NAME")
    for name in (wanted,) if wanted else (socket.gethostname(), socket.gethostname().lower()):
        if name in known:
            return name
    raise NotFound(
        f"the cluster has no node {wanted or socket.gethostname()}",
        where=api.server,
        hint="say what it calls this machine: --node NAME",
    )


def _how(words: dict[str, object]) -> Options:
    from tracer.watching.intent import Options

    return Options(one_in=_one_in(str(words["sample"])), most=_part(str(words["max_overhead"])))


def _one_in(text: str) -> int | None:
    """`1/64` -> 64; `off` -> 0; `auto` -> None."""
    if text == "auto":
        return None
    if text == "off":
        return 0
    one, slash, number = text.partition("/")
    if one != "1" or not slash or not (number.isascii() and number.isdigit()):
        raise _usage(f"{text!r} is no part of the packets", "for instance --sample 1/1024")
    if not 1 <= int(number) <= 1 << 31:
        raise _usage(f"--sample {text} is out of bounds", "for instance --sample 1/1024")
    return int(number)


def _part(text: str) -> float:
    """`1%` -> 0.01."""
    try:
        part = float(text.removesuffix("%")) / 100
    except ValueError:
        part = 0.0
    if not 0 < part <= 1:
        raise _usage(f"{text!r} is no part of a CPU", "for instance --max-overhead 1%")
    return part


def _outlets(
    words: dict[str, object], names: Sequence[str], stack: contextlib.ExitStack
) -> list[Outlet]:
    """Where it says what, each closed when the watch is over."""
    from tracer.cli import watching
    from tracer.watching.metrics import parse_address

    found: list[Outlet] = [
        watching.Lines(as_json=bool(words["as_json"]), color=colored(str(words["color"])))
    ]
    address = options.text_of(words["metrics"])
    if address is not None:
        found.append(watching.Measured(*parse_address(address)))
    command, webhook = (options.text_of(words[one]) for one in ("on_finding", "webhook"))
    if command is not None or webhook is not None:
        found.append(watching.Announced(command, webhook, watching.say))
    if isinstance(words["record"], Path):
        found.append(_recorder(words["record"], words, names))
    found.append(watching.Unit())
    for outlet in found:
        stack.callback(outlet.close)
    return found


def _recorder(folder: Path, words: dict[str, object], names: Sequence[str]) -> Outlet:
    from tracer.bundle.segments import Segments
    from tracer.cli.watching import say_trouble
    from tracer.watching.recorder import Recorder

    ring = Segments(
        folder,
        most_bytes=amounts.bytes_of(str(words["record_size"]), "--record-size"),
        most_age_s=amounts.seconds_of(str(words["record_age"]), "--record-age"),
        node=names[0] if len(names) == 1 else "several",
    )
    return Recorder(ring, say_trouble)


@contextlib.contextmanager
def _signals(watcher: Watcher) -> Iterator[None]:
    """SIGTERM and Ctrl-C end it; SIGHUP reads everything anew."""
    wanted = {
        signal.SIGINT: watcher.leave,
        signal.SIGTERM: watcher.leave,
        signal.SIGHUP: watcher.reread,
    }
    before = {
        number: signal.signal(number, lambda _number, _frame, act=act: act())  # type: ignore[misc]
        for number, act in wanted.items()
    }
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _usage(what: str, hint: str) -> UsageError:
    return UsageError(what, where="the command line", hint=hint)
