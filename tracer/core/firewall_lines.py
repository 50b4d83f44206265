"""A node's firewall as lines to compare: without counters, handles and what tools remark."""

import json
import re
from collections.abc import Iterator

from tracer.core.netfilter.nft_words import nft_words
from tracer.model.state import FirewallDump

_COUNTS = re.compile(r" ?\[\d+:\d+\]")
_OF_IPTABLES = re.compile("ip6? (filter|raw|mangle|security|nat)$")
"""Where iptables-nft keeps its rules: iptables-save says them in the words that people know."""


def firewall_lines(dumps: tuple[FirewallDump, ...]) -> Iterator[tuple[str, str]]:
    """(key, line) of every chain and rule. A chain whose policy changed keeps its key."""
    twice = any("iptables" in dump.tool and dump.text.strip() for dump in dumps)
    for dump in dumps:
        if dump.text.lstrip().startswith("{"):
            yield from _nft(dump, twice=twice)
        else:
            yield from _iptables(dump)


def _iptables(dump: FirewallDump) -> Iterator[tuple[str, str]]:
    table = ""
    for line in dump.text.splitlines():
        said = _COUNTS.sub("", line).strip()
        if said.startswith("*"):
            table = said[1:]
        elif said.startswith(":"):
            chain, _, policy = said[1:].partition(" ")
            text = f"{dump.tool}: {table} chain {chain} policy {policy}"
            yield f"{dump.tool} {table} {chain}", text
        elif said.startswith("-A"):
            yield f"{dump.tool} {table} {said}", f"{dump.tool}: {table} {said}"


def _nft(dump: FirewallDump, *, twice: bool) -> Iterator[tuple[str, str]]:
    try:
        items = json.loads(dump.text)["nftables"]
        for item in items:
            kind, body = next(iter(item.items()))
            table = f"{body.get('family')} {body.get('table') or body.get('name')}"
            if kind == "metainfo" or (twice and _OF_IPTABLES.match(table)):
                continue
            chain = body.get("chain") or body.get("name")
            if kind == "rule":
                text = f"nft: {table} {chain}: {nft_words(body.get('expr', []))}"
                yield text, text
            else:
                policy = f" policy {body['policy']}" if "policy" in body else ""
                yield f"nft {kind} {table} {chain}", f"nft: {kind} {table} {chain}{policy}"
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError, StopIteration):
        # A dump cut short or in another form is still the same text or another one.
        yield dump.tool, f"{dump.tool}: {len(dump.text)} characters that are no ruleset"
