"""Nodes by nodes: who can reach whom by the tables."""

from tracer.model.examination import Examination, Reach
from tracer.model.path import Outcome
from tracer.render.style import WIDTH, wrapped

MOST = 24
"""Rows and columns that a terminal shows; of larger clusters the pairs that fail are listed."""

ARRIVES, STOPPED, UNKNOWN, SELF, UNREAD = "+", "X", "?", ".", " "


def matrix(examination: Examination) -> list[str]:
    """Rows send, columns receive; the columns are numbered as the rows are."""
    nodes = examination.asked
    if len(nodes) > MOST:
        return _listed(examination)
    widest = max((len(node) for node in nodes), default=0)
    cells = {(one.sender, one.receiver): one for one in reversed(examination.reach)}
    numbers = [f"{number:>3}" for number in range(1, len(nodes) + 1)]
    lines = [f"{'from / to':<{widest + 4}}{''.join(numbers)}"]
    for number, sender in zip(numbers, nodes, strict=True):
        row = "".join(f"  {_cell(examination, cells, sender, receiver)}" for receiver in nodes)
        lines.append(f"{number} {sender:<{widest}}{row}".rstrip())
    lines.append("")
    lines += wrapped(
        f"{ARRIVES} arrives by the tables, {STOPPED} is stopped, {UNKNOWN} not known,"
        " blank: not read",
        0,
    )
    return lines + _where(examination)


def _cell(
    examination: Examination, cells: dict[tuple[str, str], Reach], sender: str, receiver: str
) -> str:
    if sender == receiver:
        return SELF
    if sender not in examination.read or receiver not in examination.read:
        return UNREAD
    one = cells.get((sender, receiver))
    if one is None:
        return ARRIVES
    return UNKNOWN if one.outcome is Outcome.UNKNOWN else STOPPED


def _where(examination: Examination) -> list[str]:
    """Where the ways that are stopped would end, those of one cause in one line."""
    groups: dict[tuple[str | None, ...], int] = {}
    for one in examination.reach:
        key = (one.node, one.device, one.reason, one.rule)
        groups[key] = groups.get(key, 0) + 1
    return [
        line
        for (node, device, reason, rule), count in groups.items()
        for line in wrapped(_ending(node, device, reason, rule, count), 0)
    ]


def _ending(
    node: str | None, device: str | None, reason: str | None, rule: str | None, count: int
) -> str:
    where = f"on {node}" + (f", at {device}" if device is not None else "") if node else "nowhere"
    why = f", {reason}" if reason is not None else ""
    return f"{count} end {where}{why}" + (f": {rule}" if rule is not None else "")


def _listed(examination: Examination) -> list[str]:
    if not examination.stopped:
        return wrapped(f"all {examination.ways:,} ways arrive by the tables", 0)
    lines = wrapped(
        f"{examination.stopped:,} of {examination.ways:,} ways do not arrive by the tables", 0
    )
    lines += _where(examination)
    shown = examination.reach[: WIDTH // 2]
    lines += [f"  {one.sender} to {one.receiver}" for one in shown]
    left = examination.stopped - len(shown)
    return lines + ([f"  and {left:,} more (--json lists the first 2,000)"] if left else [])
