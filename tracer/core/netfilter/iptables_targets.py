"""iptables' targets as effects and a verdict."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

from tracer.core.netfilter.decision import Outcome
from tracer.core.netfilter.iptables_matches import value_and_mask
from tracer.core.netfilter.iptables_words import Module, Option
from tracer.core.netfilter.model import (
    ACCEPT,
    DROP,
    ELSEWHERE,
    KEPT,
    RETURN,
    Kind,
    Step,
    Verdict,
)
from tracer.core.netfilter.names import rejection_of_iptables
from tracer.core.netfilter.packet import Packet
from tracer.core.netfilter.steps import address, for_connection, marked, untrack

Ending = tuple[list[Step], Verdict | None]
"""Effects, then a verdict; None: the next rule is asked."""

PASSING = frozenset({
    "AUDIT", "CHECKSUM", "CLASSIFY", "CONNSECMARK", "DSCP", "ECN", "HL", "IDLETIMER", "LED", "LOG",
    "NFLOG", "RATEEST", "SECMARK", "SET", "TCPMSS", "TCPOPTSTRIP", "TEE", "TOS", "TRACE", "TTL",
    "ULOG",
})  # fmt: skip
"""They let the packet go on, and change nothing that a probe has."""

_ENDS = {"ACCEPT": ACCEPT, "DROP": DROP, "RETURN": RETURN}
_ALL = 0xFFFFFFFF


def ending(target: Module | None, *, goes: bool, chains: Collection[str], family: int) -> Ending:
    """What a target does. One that nobody here knows is decided elsewhere."""
    if target is None:
        return [], None
    if target.name in _ENDS:
        return [], _ENDS[target.name]
    if target.name in chains:
        return [], Verdict(Kind.GOTO if goes else Kind.JUMP, target.name)
    if target.name in PASSING:
        return [], None
    try:
        return _BUILDERS[target.name](target.options, family)
    except (ValueError, LookupError):
        return [], ELSEWHERE


def unexplained(name: str, chains: Collection[str]) -> Ending:
    """What can be said of a target without its options, as nft's JSON shows it."""
    if name in ("MARK", "CONNMARK", "HMARK"):
        return [_forget], None
    if name in ("CT", "NOTRACK"):
        return [_untracked_or_not], None
    if name in _NAT:
        return [], Verdict(Kind.NAT, outcome=_NAT[name])
    if name == "REJECT":
        return [], Verdict(Kind.REJECT)
    return ending(Module(name, []), goes=False, chains=chains, family=4)


def _value(options: Sequence[Option], name: str) -> str | None:
    return next((each.values[0] for each in options if each.name == name and each.values), None)


def _reject(options: Sequence[Option], family: int) -> Ending:
    usual = "icmp-port-unreachable" if family == 4 else "icmp6-port-unreachable"
    kind = _value(options, "--reject-with") or usual
    return [], Verdict(Kind.REJECT, rejection_of_iptables(kind))


def _mark(options: Sequence[Option], _family: int) -> Ending:
    return [_set_mark("mark", options[0])], None


def _connmark(options: Sequence[Option], _family: int) -> Ending:
    name = options[0].name
    nf_mask = int(_value(options, "--nfmask") or _value(options, "--mask") or str(_ALL), 0)
    ct_mask = int(_value(options, "--ctmask") or _value(options, "--mask") or str(_ALL), 0)
    if name == "--save-mark":
        return [for_connection(partial(_copy_mark, "mark", nf_mask, "ct_mark", ct_mask))], None
    if name == "--restore-mark":
        return [for_connection(partial(_copy_mark, "ct_mark", ct_mask, "mark", nf_mask))], None
    return [for_connection(_set_mark("ct_mark", options[0]))], None


def _set_mark(field: str, option: Option) -> Step:
    """`--set-xmark` and its kin (xt_mark.c: `(mark & ~mask) ^ value`)."""
    value, mask = value_and_mask(option.values[0])
    effects = {
        "--set-xmark": (value, _ALL & ~mask),
        "--set-mark": (value, _ALL & ~(mask | value)),
        "--or-mark": (value, _ALL & ~value),
        "--and-mark": (0, value),
        "--xor-mark": (value, _ALL),
    }
    return marked(field, *effects[option.name])


def _copy_mark(source: str, source_mask: int, into: str, mask: int, packet: Packet) -> bool:
    """connmark_tg: `(into & ~mask) ^ (source & source_mask)`."""
    seen, old = getattr(packet, source), getattr(packet, into)
    kept = 0 if mask == _ALL else old
    known = seen is not None and kept is not None
    setattr(packet, into, (kept & ~mask) ^ (seen & source_mask) if known else None)
    return True


def _forget(packet: Packet) -> bool:
    packet.mark = packet.ct_mark = None
    return True


def _untracked_or_not(packet: Packet) -> bool:
    packet.tracked = packet.state = None
    return True


def _ct(options: Sequence[Option], _family: int) -> Ending:
    return [untrack for option in options if option.name == "--notrack"], None


def _notrack(_options: Sequence[Option], _family: int) -> Ending:
    return [untrack], None


def _masquerade(_options: Sequence[Option], _family: int) -> Ending:
    return [], Verdict(Kind.NAT, outcome=Outcome.MASQUERADE)


def _snat(options: Sequence[Option], family: int) -> Ending:
    to, _port = _destination(_value(options, "--to-source") or "", family)
    # The kernel keeps the port where it can.
    return [], Verdict(Kind.NAT, outcome=Outcome.SNAT, rewrite=lambda _packet: (to, None))


def _dnat(options: Sequence[Option], family: int) -> Ending:
    to = _destination(_value(options, "--to-destination") or "", family)
    return [], Verdict(Kind.NAT, outcome=Outcome.DNAT, rewrite=lambda _packet: to)


def _redirect(options: Sequence[Option], _family: int) -> Ending:
    port = _value(options, "--to-ports")
    number = KEPT if port is None else int(port) if port.isdecimal() else None
    return [], Verdict(Kind.NAT, outcome=Outcome.DNAT, rewrite=lambda _packet: (None, number))


def _destination(to: str, family: int) -> tuple[int | None, int | None]:
    """`10.0.0.1`, `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1-10.0.0.9`, `:80-90`."""
    if family == 6 and not to.startswith("["):
        host, port = to, ""
    else:
        host, _, port = to.rpartition(":") if ":" in to else (to, "", "")
    host = host.strip("[]")
    number = None if "-" in host else address(host, family) if host else KEPT
    return number, KEPT if not port else int(port) if port.isdecimal() else None


_NAT = {
    "MASQUERADE": Outcome.MASQUERADE, "SNAT": Outcome.SNAT, "DNAT": Outcome.DNAT,
    "REDIRECT": Outcome.DNAT,
}  # fmt: skip
_BUILDERS: dict[str, Callable[[Sequence[Option], int], Ending]] = {
    "REJECT": _reject,
    "MARK": _mark,
    "CONNMARK": _connmark,
    "CT": _ct,
    "NOTRACK": _notrack,
    "MASQUERADE": _masquerade,
    "SNAT": _snat,
    "DNAT": _dnat,
    "REDIRECT": _redirect,
}
