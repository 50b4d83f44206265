"""kube-proxy's rules in a firewall dump: a few Services stand for all.

It writes the same dozen lines for each of thousands of Services: tens of megabytes on every node,
which tell of translation only. Those of the first Services tell how it is set up.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec

from tracer.model.decoding import decoder

WHOLE = 256 * 1024
"""Bytes up to which a dump is kept as it is: some 200 Services."""

SAMPLE = 20
"""Services whose rules are kept in a larger one."""

_HASHED = "KUBE-(?:SVC|SVL|SEP|FW|XLB|EXT)-[A-Z0-9]{16}"
_NAMED = '(?:service|endpoint|external|firewall)-[A-Z0-9]{8}-[^"]*'
"""Chains of one Service (pkg/proxy/iptables/proxier.go, pkg/proxy/nftables/proxier.go)."""

_OF_ONE_SERVICE = re.compile(f"{_HASHED}|{_NAMED}")
_FIRST = re.compile("KUBE-SVC-|service-")

_IN_A_LINE = re.compile(rf"(?:^:|^-A | -[jg] )({_HASHED})\b")
_LINE_OF = re.compile(r"(?::|-A )(\S+)")
_IN_AN_OBJECT = re.compile(rf'"(?:chain|name|target)": ?"({_HASHED}|{_NAMED})"')
_OBJECT_OF = re.compile(r'.*?"(?:chain|name)": ?"([^"]*)"')


class _Ruleset(msgspec.Struct):
    """What `nft -j` prints: one object a table, chain, set, rule."""

    nftables: list[msgspec.Raw]


def with_few_services(text: str) -> str:
    """The dump of iptables-save or `nft -j`, of other Services than the first only how much is
    left out. A dump of another form is as it was.
    """
    if len(text) <= WHOLE:
        return text
    if not text.startswith("{"):
        lines = text.splitlines(keepends=True)
        kept = _sampled(lines, _LINE_OF, _IN_A_LINE)
        note = f"# flantrace left out {len(lines) - len(kept)} lines of other Services\n"
        return "".join(kept) + note if len(kept) < len(lines) else text
    try:
        items = decoder(_Ruleset).decode(text).nftables
    except (msgspec.DecodeError, RecursionError):
        return text
    objects = [bytes(item).decode() for item in items]
    kept = _sampled(objects, _OBJECT_OF, _IN_AN_OBJECT)
    left_out = len(objects) - len(kept)
    note = f'{{"metainfo": {{"left_out_of_other_services": {left_out}}}}}'
    return f'{{"nftables": [{", ".join([*kept, note])}]}}\n' if left_out else text


def _sampled(
    items: Sequence[str], belongs_to: re.Pattern[str], names: re.Pattern[str]
) -> list[str]:
    """The items that name no Service's chain, and those of the first Services.

    `belongs_to`: the chain of a rule, or the name of what is no rule. `names`: chains of Services.
    """
    found = [names.findall(item) for item in items]
    kept = set(islice(dict.fromkeys(n for each in found for n in each if _FIRST.match(n)), SAMPLE))
    for item, each in zip(items, found, strict=True):
        owner = belongs_to.match(item) if each else None
        if owner is not None and _OF_ONE_SERVICE.fullmatch(owner[1]):
            kept.update(each if owner[1] in kept else ())
    result = []
    for item, each in zip(items, found, strict=True):
        if kept.issuperset(each):
            result.append(item)
        elif item.startswith('{"map"'):
            result.append(_thinned(item, kept))
    return result


def _thinned(text: str, kept: set[str]) -> str:
    """A verdict map of all Services, with the elements of those that are kept."""
    whole: dict[str, dict[str, Any]] = msgspec.json.decode(text)
    for body in whole.values():
        elements: Iterable[object] = body.get("elem", ())
        body["elem"] = [
            one
            for one in elements
            if kept.issuperset(_IN_AN_OBJECT.findall(msgspec.json.encode(one).decode()))
        ]
    return msgspec.json.encode(whole).decode()
