"""nft's verdicts, verdict maps, and statements that change a packet."""

from collections.abc import Callable
from typing import Any

from tracer.core.netfilter.decision import Outcome
from tracer.core.netfilter.model import (
    ACCEPT,
    DROP,
    ELSEWHERE,
    KEPT,
    RETURN,
    Choice,
    Kind,
    Step,
    Verdict,
)
from tracer.core.netfilter.names import TCP
from tracer.core.netfilter.nft_keys import Key, key_of, keys_of
from tracer.core.netfilter.nft_lookup import Lookup
from tracer.core.netfilter.nft_matches import BAD, Scope
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.steps import Reader, for_connection, is_value, of_family, unclear

_SIMPLE = {"accept": ACCEPT, "drop": DROP, "return": RETURN}
_NAT = {
    "masquerade": Outcome.MASQUERADE, "snat": Outcome.SNAT, "dnat": Outcome.DNAT,
    "redirect": Outcome.DNAT,
}  # fmt: skip
_MARKS = {"meta": "mark", "ct": "ct_mark"}
_FIELDS = {"saddr": "src", "daddr": "dst", "sport": "sport", "dport": "dport"}


def verdict_of(verb: str, body: Any, scope: Scope) -> Verdict:
    """A verdict, or what ends a packet's way otherwise."""
    if verb in _SIMPLE:
        return _SIMPLE[verb]
    if verb in ("jump", "goto"):
        kind = Kind.JUMP if verb == "jump" else Kind.GOTO
        return Verdict(kind, str(body["target"]))
    if verb == "reject":
        return Verdict(Kind.REJECT, nft_reject(body))
    if verb in _NAT:
        return Verdict(Kind.NAT, outcome=_NAT[verb], rewrite=_rewrite(verb, body or {}, scope))
    return ELSEWHERE


def implied(verb: str, body: Any, scope: Scope) -> list[Step]:
    """What nft asks for silently before such a verdict, and leaves out of its lists.

    Where a table is for both families it leaves out `meta nfproto ipv4` before a reset, too: one
    that stood there cannot be told from none (nft 1.0.6).
    """
    if not isinstance(body, dict):
        return []
    if verb == "reject" and body.get("type") == "tcp reset":
        return [is_value("protocol", TCP), *([unclear] if scope.mixed else [])]
    said = body.get("type") if verb == "reject" else body.get("family")
    family = {"icmp": 4, "icmpv6": 6, "ip": 4, "ip6": 6}.get(str(said))
    return [of_family(family)] if family is not None else []


def nft_reject(body: Any) -> str:
    """`icmpx port-unreachable`, in words that fit both families; the packet tells which."""
    if not body:
        return "icmpx port-unreachable"
    return f"{body['type']} {body.get('expr', '')}".strip()


def choice_of(body: Any, scope: Scope) -> Choice | Verdict:
    """A verdict map."""
    keys, data = keys_of(body["key"], scope.addresses), body["data"]
    if isinstance(data, str):
        named = scope.named(data.removeprefix("@"), keys)
        if named is None:
            return ELSEWHERE
        lookup = named
    else:
        lookup = Lookup(keys, ((key, value) for key, value in data["set"]))

    def find(packet: Packet) -> tuple[list[Verdict], bool]:
        hits, may_miss = lookup.find(keys, packet)
        verdicts = [verdict for hit in hits if (verdict := _mapped(hit, scope)) is not None]
        may_miss = may_miss or len(verdicts) < len(hits)
        if may_miss and not lookup.whole:
            verdicts.append(ELSEWHERE)
        return list(dict.fromkeys(verdicts)), may_miss

    return Choice(find)


def _mapped(data: Any, scope: Scope) -> Verdict | None:
    """A verdict of a map; None: `continue`, as if nothing were found."""
    try:
        verb, body = next(iter(data.items()))
        return None if verb == "continue" else verdict_of(verb, body, scope)
    except (*BAD, StopIteration):
        return ELSEWHERE


def effect_of(body: Any, scope: Scope) -> Step | None:
    """`meta mark set ...`; what sets something that a probe does not have changes nothing."""
    kind, key = next(iter(body["key"].items()))
    if kind in _MARKS and key.get("key") == "mark":
        field = _MARKS[kind]
    elif kind == "payload" and key.get("field") in _FIELDS:
        field = _FIELDS[key["field"]]
    else:
        return None
    read = _value(body["value"], key_of(body["key"], scope.addresses), scope)

    def effect(packet: Packet) -> bool:
        setattr(packet, field, read(packet))
        return True

    return for_connection(effect) if kind == "ct" else effect


def _value(expression: Any, key: Key, scope: Scope) -> Reader:
    """A value that is set, or translated to."""
    if isinstance(expression, dict):
        if "map" in expression:
            return unclear
        return key_of(expression, scope.addresses).read
    try:
        value = key.parse(expression)
    except BAD:
        return unclear
    return lambda _packet: value


def _rewrite(
    verb: str, body: Any, scope: Scope
) -> Callable[[Packet], tuple[int | None, int | None]] | None:
    if verb == "masquerade":
        return None
    address, port = body.get("addr"), body.get("port")
    number = port if isinstance(port, int) else None if port is not None else KEPT
    if verb == "redirect":
        return lambda _packet: (None, number)
    if verb == "snat" and port is None:
        number = None
    if address is None:
        return lambda _packet: (KEPT, number)

    def rewrite(packet: Packet) -> tuple[int | None, int | None]:
        side = {"payload": {"protocol": "ip" if packet.family == 4 else "ip6", "field": "daddr"}}
        value = _value(address, key_of(side, scope.addresses), scope)(packet)
        return value if isinstance(value, int) else None, number

    return rewrite
