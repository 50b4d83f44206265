"""`flantrace import`: what tcpdump wrote on the nodes -> a recording -> the answer."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracer.cli import options
from tracer.cli.answer import answer_of
from tracer.cli.delivery import deliver, delivery_of
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
@click.option(
    "--address",
    "addresses",
    metavar="NODE=IP",
    multiple=True,
    help="A node's underlay address, where neither state nor captures tell it.",
)
@click.option("--passive", is_flag=True, help="Follow all packets of the pair, not only its ping.")
@options.output
@options.delivery
@options.redaction
def import_(
    source: str | None,
    destination: str | None,
    files: tuple[tuple[str, Path], ...],
    state_dir: Path | None,
    passive: bool,
    addresses: tuple[str, ...],
    **words: object,
) -> int:
    """Diagnose captures that tcpdump made on the nodes.

    A pod is [NAMESPACE/]NAME or an address; without pods, the pair with most packets counts.
    """
    from tracer.capture.imported import imported

    delivery = delivery_of(answer_of(words), words)
    own = dict(map(_address, addresses))
    captures = [_capture(where, path) for where, path in files]
    bundle = imported(captures, state_dir, source, destination, passive=passive, addresses_of=own)
    return deliver(options.as_asked(bundle, words), delivery)


def _address(word: str) -> tuple[str, str]:
    """`node-a=192.0.2.11`. UsageError for what is no address."""
    node, _, ip = word.partition("=")
    try:
        return node, str(ip_address(ip))
    except ValueError:
        raise UsageError(
            f"{word!r} is no node and its address",
            where="--address",
            hint="for instance --address node-a=192.0.2.11",
        ) from None


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
