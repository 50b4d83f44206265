"""Strings that try to be something else, and a diagnosis that is made of them."""

from typing import Any

import msgspec

from tracer.model.diagnosis import Diagnosis

NASTY = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "]]>",
    "</details></text></svg>",
    "[x](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "http://evil.example/x",
    "www.evil.example",
    "someone@evil.example",
    "@team",
    "org/repo#12",
    "#12",
    "`code`",
    "``",
    "**bold** __bold__ ~~gone~~",
    "| cell | cell |",
    "line\n# heading",
    "line\n\n- list\n\n```\ncode",
    "```\n```",
    ":smile:",
    "$x^2$ &lt; &#64;x",
    "\\",
    "1. one",
    "---",
    "end",
    "%% comment %%{init: {}}%%",
    "a --> b",
    '"]; click h0 "http://evil.example"',
    "\x1b[2J\x00\x07",
    "\u202egnp.exe \u200b\ufeff",
    "\ud800",
    "\u00e4\u4e2d",
    "x" * 10_000,
    "",
)


def hostile(diagnosis: Diagnosis, nasty: str) -> Diagnosis:
    """The same diagnosis with every free string replaced; enums, addresses and dates stay."""
    return msgspec.convert(_replaced(msgspec.to_builtins(diagnosis), nasty), Diagnosis)


FREE = frozenset(
    {
        "name", "node", "device", "sentence", "label", "value", "source", "hits", "text", "ifname",
        "caller", "reason", "expected", "because", "doubt", "rule", "peer", "missing", "clock",
        "token", "recorded_by", "recorded_at", "at", "until", "ip", "src", "dst", "advertised",
        "programmed", "programmed_fdb", "actual", "wire", "undecodable", "table",
    }
)  # fmt: skip
"""Fields whose text comes from elsewhere."""

LISTS = frozenset({"fix", "confirm", "useless", "also", "notes"})


KINDS = frozenset({"unknown", "pod", "bridge", "vtep", "uplink"})
"""Of a hop's device; of a finding's it is a free name."""


def _replaced(value: Any, nasty: str) -> Any:
    if isinstance(value, list):
        return [_replaced(item, nasty) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _field(key, item, nasty) for key, item in value.items()}


def _field(key: str, item: Any, nasty: str) -> Any:
    if isinstance(item, str) and key in FREE and not (key == "device" and item in KINDS):
        return nasty
    if key in LISTS and isinstance(item, list):
        return [nasty for _ in item]
    return _replaced(item, nasty)
