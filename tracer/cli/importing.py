"""`flantrace import`: what tcpdump wrote on the nodes -> a recording -> the answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracer.cli import options
from tracer.cli.answer import Answer, print_answer
from tracer.errors import UsageError

if TYPE_CHECKING:
    from tracer.capture.collecting import Capture


@click.command("import")
@click.argument("source", metavar="[POD_A]", required=False)
@click.argument("destination", metavar="[POD_B]", required=False)
@click.option(
    "--node",
    "files",
    type=(str, click.Path(path_type=Path)),
    multiple=True,
    required=True,
    metavar="NODE[:DEVICE] FILE",
    help="A capture made on that node, pcap or pcapng; give one for each.",
)
@click.option(
    "--state-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="What ip, bridge and kubectl said: DIR/NODE/*.json and DIR/*.json.",
)
@click.option("--passive", is_flag=True, help="Follow all packets of the pair, not only its ping.")
@options.output
@options.save
def import_(
    source: str | None,
    destination: str | None,
    files: tuple[tuple[str, Path], ...],
    state_dir: Path | None,
    passive: bool,
    as_json: bool,
    depth: str,
    color: str,
    save_to: Path | None,
) -> int:
    """Diagnose captures that tcpdump made on the nodes.

    A pod is [NAMESPACE/]NAME or an address; without pods, the pair with most packets counts.
    """
    from tracer.bundle.archive import check_target, write
    from tracer.capture.imported import imported

    if save_to is not None:
        check_target(save_to)
    captures = [_capture(words, path) for words, path in files]
    bundle = imported(captures, state_dir, source, destination, passive=passive)
    if save_to is not None:
        write(bundle, save_to)
    return print_answer(bundle, Answer(as_json=as_json, depth=depth, color=color))


def _capture(words: str, path: Path) -> Capture:
    """`NODE` or `NODE:DEVICE`. UsageError for what no node can be called."""
    from tracer.capture.collecting import Capture
    from tracer.collect.kube import NAME

    node, _, device = words.partition(":")
    if not NAME.fullmatch(node):
        raise UsageError(
            f"{node!r} cannot be a node",
            where="--node",
            hint="for instance --node node-a a.pcap, or --node node-a:eth0 a.pcap",
        )
    return Capture(node, path, device or None)
