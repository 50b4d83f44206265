"""Paths: hop by hop, equal ones folded, with the entry that decided each hop."""

from tracer.core.words import NOUN
from tracer.model.diagnosis import Diagnosis, Tally
from tracer.model.path import Entry, Hop, Mark, Outcome, Path, Place, Way
from tracer.render.folds import Fold, folds, title
from tracer.render.packets import describe
from tracer.render.style import MARGIN, WIDTH, Style, at_margin, wrapped

ENTRY = 14
"""Where the entries of a hop begin."""

TABLE = 11


def sections(
    diagnosis: Diagnosis, style: Style, *, full: bool, most: int | None = None
) -> list[list[str]]:
    """Requests, then replies: those of the way that failed, or all, or a line for the mirror.

    `most`: leave out all but so many different paths of a way, those that fewest packets took.
    """
    found: list[list[str]] = []
    requests = folds(diagnosis, Way.REQUEST)
    found += _sections(requests, diagnosis, style, most)
    replies = folds(diagnosis, Way.REPLY)
    if not replies:
        return found
    calm = all(path.outcome is Outcome.DELIVERED for fold in replies for path in fold.paths)
    marked = any(entry.mark is Mark.BAD for fold in replies for entry in _entries(fold.sample))
    if calm and not full and not marked:
        if _mirrors(replies, requests):
            return [*found, [_mirror_line(diagnosis, replies)]]
        if diagnosis.request.predict:
            return [*found, ["replies would arrive (--depth full shows their path)"]]
    return found + _sections(replies, diagnosis, style, most)


def _sections(
    among: list[Fold], diagnosis: Diagnosis, style: Style, most: int | None
) -> list[list[str]]:
    shown = among
    if most is not None and len(among) > most:
        weight = sorted((len(fold.paths) for fold in among), reverse=True)[most - 1]
        shown = [fold for fold in among if len(fold.paths) >= weight][:most]
    found = [_section(fold, among, diagnosis, style) for fold in shown]
    if len(shown) < len(among):
        rest = sum(len(fold.paths) for fold in among) - sum(len(fold.paths) for fold in shown)
        noun = NOUN[among[0].sample.way][rest != 1]
        left = len(among) - len(shown)
        found.append([f"{left} further paths of {rest} {noun} are left out here"])
    return found


def _entries(path: Path) -> tuple[Entry, ...]:
    return tuple(entry for hop in path.hops for entry in hop.entries)


def _mirrors(replies: list[Fold], requests: list[Fold]) -> bool:
    """The replies passed the devices of delivered requests, backwards."""
    if len(replies) != 1:
        return False
    back = [(hop.node, hop.ifname) for hop in replies[0].sample.hops]
    return any(
        [(hop.node, hop.ifname) for hop in fold.sample.hops] == back[::-1]
        for fold in requests
        if fold.sample.outcome is Outcome.DELIVERED
    )


def _mirror_line(diagnosis: Diagnosis, replies: list[Fold]) -> str:
    tallies = [tally for tally in diagnosis.tallies if tally.way is Way.REPLY]
    count = " and ".join(_tallied(tally) for tally in tallies)
    if not count:
        count = f"{len(replies[0].paths)}"
    return f"replies: {count} by the mirror path (--depth full shows it)"


def _tallied(tally: Tally) -> str:
    if tally.size is not None:
        return f"that of {tally.size} B"
    return f"{tally.delivered} of {tally.sent}"


def _section(fold: Fold, among: list[Fold], diagnosis: Diagnosis, style: Style) -> list[str]:
    """One path: its title, its hops, and what it did not reach."""
    sample = fold.sample
    widths = _widths(sample)
    lines = [title(fold, among, diagnosis)]
    before: Hop | None = None
    for number, hop in enumerate(sample.hops, start=1):
        if before is not None and before.node != hop.node:
            lines.append(_rule("underlay"))
        lines += _hop(number, hop, before, widths, style)
        before = hop
    if sample.outcome is Outcome.LOST:
        lines.append(_lost(sample))
    if sample.outcome is Outcome.UNKNOWN and sample.doubt:
        lines += wrapped(f"------  not known: {sample.doubt}", 4)
    if sample.not_reached:
        lines += _hanging("------  not reached: ", _places(sample.not_reached))
    return lines


def _lost(path: Path) -> str:
    if not path.hops:
        return f"    ------  never seen{': ' + path.doubt if path.doubt else ''}"
    freed = f"; {path.doubt}" if path.doubt else ", and freed nowhere"
    return f"    ------  lost: seen nowhere after this{freed}"


def _places(places: tuple[Place, ...]) -> str:
    return ", ".join(f"{p.node} {p.ifname} {p.direction.value}" for p in places)


def _hanging(head: str, text: str) -> list[str]:
    lines = wrapped(text, 4 + len(head))
    return [f"    {head}{lines[0][4 + len(head) :]}", *lines[1:]]


def _widths(path: Path) -> tuple[int, int]:
    nodes = max((len(hop.node) for hop in path.hops), default=0)
    devices = max((len(_device(hop)) for hop in path.hops), default=0)
    return nodes, max(9, devices)


def _device(hop: Hop) -> str:
    return "dropped" if hop.drop is not None else hop.ifname


def _hop(
    number: int, hop: Hop, before: Hop | None, widths: tuple[int, int], style: Style
) -> list[str]:
    nodes, devices = widths
    sign = "X" if hop.drop is not None else str(number)
    direction = "" if hop.drop is not None else hop.direction.value
    time = elapsed(hop.since_us)
    head = f"{sign:>2}  {hop.node:<{nodes}}  {_device(hop):<{devices}}  {direction:<3} {time:>9}"
    words = describe(hop, before).split("  ")
    rest: list[str] = []
    # Too long for one line: whole groups of words go to the next one.
    while len(head) + 4 + len("  ".join(words)) > WIDTH and words:
        rest.insert(0, words.pop())
    lines = [f"{head}    {'  '.join(words)}".rstrip()]
    lines += wrapped("  ".join(rest), ENTRY) if rest else []
    for entry in hop.entries:
        lines += _entry(entry, style)
    return lines


def elapsed(since_us: int | None) -> str:
    """Three units, so that the column stays nine wide."""
    if since_us is None:
        return ""
    if since_us < 100_000:
        return f"+{since_us} us"
    return f"+{since_us / 1000:.0f} ms" if since_us < 10_000_000 else f"+{since_us / 1e6:.0f} s"


def _entry(entry: Entry, style: Style) -> list[str]:
    mark = entry.mark.value
    room = MARGIN - len(mark) - 2
    lines = wrapped(entry.text, ENTRY + TABLE, room)
    first = " " * ENTRY + f"{entry.table:<{TABLE}}" + lines[0][ENTRY + TABLE :]
    lines[0] = at_margin(first, mark, style.mark(entry.mark))
    if entry.mark is Mark.BAD and entry.expected is not None:
        because = f", says {entry.because}" if entry.because is not None else ""
        lines += wrapped(f"should be {entry.expected}{because}", ENTRY + TABLE)
    return lines


def _rule(word: str) -> str:
    return f"{f'    ------  {word}   ':-<94}"
