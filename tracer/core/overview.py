"""What a watch's statuses amount to: the answer in a sentence, and what stands first."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

from tracer.model.diagnosis import Finding, Severity
from tracer.model.watch import Rates, Status

QUIET, LACKING, WRONG = 0, 1, 2
"""How bad a peer's traffic looks: nothing; packets missing some time; dropped or misaddressed now.
"""

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.UNKNOWN, Severity.INFO)


class Sort(StrEnum):
    """By what lines are sorted, below what is wrong, which always stands first."""

    PACKETS = "packets"
    BITS = "bits"
    DROPS = "drops"
    MISADDRESSED = "misaddressed"
    GAP = "gap"
    NODE = "node"
    PEER = "peer"


def level(row: Rates) -> int:
    """QUIET, LACKING or WRONG."""
    if row.dropped_s > 0 or row.deviating_s > 0:
        return WRONG
    return LACKING if row.gap else QUIET


def ordered(statuses: Iterable[Status], sort: Sort) -> list[Rates]:
    """Every line: what is wrong first, then by `sort`, the most first; names by the alphabet."""
    rows = [row for status in statuses for row in status.rates]
    rows.sort(key=_name)
    if sort is Sort.PEER:
        rows.sort(key=lambda row: (row.peer or "", row.node))
    elif sort is not Sort.NODE:
        rows.sort(key=lambda row: _amount(row, sort), reverse=True)
    rows.sort(key=level, reverse=True)
    return rows


def _name(row: Rates) -> tuple[str, str, str]:
    return row.node, row.peer or "", row.subnet or ""


def _amount(row: Rates, sort: Sort) -> float:
    match sort:
        case Sort.BITS:
            return row.bytes_in_s + row.bytes_out_s
        case Sort.DROPS:
            return row.dropped_s
        case Sort.MISADDRESSED:
            return row.deviating_s
        case Sort.GAP:
            return -1 if row.gap is None else row.gap
        case _:
            return row.packets_in_s + row.packets_out_s


def standing(statuses: Iterable[Status]) -> tuple[Finding, ...]:
    """Every finding that is open, once, errors first; each node's status may list those of all."""
    found = {
        (one.rule, one.node, one.device): one for status in statuses for one in status.standing
    }
    return tuple(sorted(found.values(), key=lambda one: _ORDER.index(one.severity)))


def answer(statuses: Sequence[Status], silent: Mapping[str, float]) -> tuple[int, str]:
    """The exit code, and the sentence: 1 for a fault that is open, 3 where something is not known.

    `silent`: nodes that are watched and said nothing lately -> for how many seconds. Warnings do
    not change the code.
    """
    open_ = standing(statuses)
    errors = [one for one in open_ if one.severity is Severity.ERROR]
    nodes = _counted(len(statuses), "node")
    if errors:
        first = f"{errors[0].rule} on {errors[0].node}"
        begin = ": " if len(open_) == 1 else "; the first: "
        found = _counted(len(open_), "finding")
        return 1, f"{found} open, {nodes} watched{begin}{first}"
    unknown = _unknown(statuses, silent, open_)
    if unknown is not None:
        return 3, unknown
    if open_:
        lesser = _counted(len(open_), "lesser finding")
        return 0, f"nothing stops traffic on {nodes}; {lesser} open: {open_[0].rule}"
    return 0, _no_finding(statuses, nodes)


def _no_finding(statuses: Sequence[Status], nodes: str) -> str:
    """Packets that are dropped this second need not be a fault: that is for the rules to say."""
    wrong = sum(level(row) == WRONG for status in statuses for row in status.rates)
    if not wrong:
        return f"nothing is wrong on {nodes}"
    peers = _counted(wrong, "peer")
    return f"no finding is open on {nodes}; packets of {peers} dropped or misaddressed just now"


def _unknown(
    statuses: Sequence[Status], silent: Mapping[str, float], open_: Sequence[Finding]
) -> str | None:
    """Why "nothing is wrong" cannot be said; None: it can."""
    if silent:
        node, seconds = max(silent.items(), key=lambda one: one[1])
        others = f" and {_counted(len(silent) - 1, 'other')}" if len(silent) > 1 else ""
        return f"{node}{others} said nothing for {seconds:.0f} s"
    if not statuses:
        return "no node has said anything yet"
    unheard = [one.node for one in statuses if one.leases_age_s is None]
    if unheard:
        return f"no lease is known on {unheard[0]}: the API server said nothing yet"
    untold = sum(one.untold for one in statuses)
    if untold:
        return f"{_counted(untold, 'freed packet')} could not be told apart, for want of room"
    doubts = [one for one in open_ if one.severity is Severity.UNKNOWN]
    return doubts[0].sentence if doubts else None


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Silence:
    """Which nodes have stopped to say anything: an agent that is gone leaves its last figures."""

    PATIENCE_S = 5.0

    def __init__(self, nodes: Iterable[str] = ()) -> None:
        self._asked = tuple(nodes)
        self._heard: dict[str, tuple[int, float]] = {}

    def hear(self, statuses: Iterable[Status], now_s: float) -> dict[str, float]:
        """Nodes without news -> since how many seconds. `now_s`: any one clock that never jumps."""
        for node in self._asked:
            self._heard.setdefault(node, (-1, now_s))
        for status in statuses:
            if self._heard.get(status.node, (-1, 0.0))[0] != status.time_ns:
                self._heard[status.node] = (status.time_ns, now_s)
        return {
            node: now_s - at
            for node, (_, at) in self._heard.items()
            if now_s - at >= self.PATIENCE_S
        }
