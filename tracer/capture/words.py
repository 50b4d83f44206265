"""What captures could not give, in words: each one a trouble of the recording."""

from collections.abc import Iterator, Mapping, Sequence

from tracer.capture.collecting import KEPT, FileSigns
from tracer.capture.coverage import Span
from tracer.capture.moments import iso
from tracer.capture.probes import Pings
from tracer.model.bundle import AgentEnd, AgentReport, Trouble
from tracer.model.observation import Device

UNFILTERED = "capture on -i any and without a filter"


def troubles(
    files: Sequence[FileSigns],
    spans: Mapping[str, Span],
    agents: Mapping[str, AgentReport],
    asked: Pings | None,
    left_out: int,
    adrift: int,
    new_port: int | None,
) -> tuple[Trouble, ...]:
    """Gravest first: what makes an answer UNKNOWN, then what is missing in it."""
    found = [
        *_not_covered(spans, agents),
        *(one for signs in files for one in _of_file(signs, agents[signs.capture.node])),
        *_of_packets(asked, left_out, adrift, new_port),
    ]
    if not all(signs.report.dropped for signs in files):
        what = "the captures do not say how many packets tcpdump itself lost"
        found.append(_trouble(what, "its last line does: packets dropped by kernel"))
    return tuple(found)


def _trouble(what: str, hint: str, node: str | None = None) -> Trouble:
    return Trouble(node=node, what=what, hint=hint)


def _not_covered(spans: Mapping[str, Span], agents: Mapping[str, AgentReport]) -> Iterator[Trouble]:
    times = "; ".join(f"{node} {_clock(one.first_ns)} to {_clock(one.last_ns)}"
                      for node, one in spans.items())  # fmt: skip
    for node, agent in agents.items():
        if agent.end is AgentEnd.BYE:
            continue
        if node not in spans:
            what = f"the capture of {node} holds no frame: nothing shows that it ran"
            yield _trouble(what, f"{UNFILTERED}, so that other packets show it", node)
        else:
            what = f"the capture of {node} does not cover the time of these packets: {times}"
            yield _trouble(what, "capture on both nodes at once, with their clocks right", node)


def _clock(time_ns: int) -> str:
    """`12:34:56.789`"""
    return iso(time_ns)[11:23]


def _of_file(signs: FileSigns, agent: AgentReport) -> Iterator[Trouble]:
    name, count = signs.capture.path.name, signs.report.count
    if signs.report.damage is not None:
        what = f"{name} is damaged: {signs.report.damage}; the {count} frames before it are used"
        yield _trouble(what, "copy it again, or end tcpdump with Ctrl-C")
    if signs.report.unreadable:
        yield _trouble(f"{signs.report.unreadable} blocks of {name} cannot be read", "")
    if bad := sum(signs.undecodable.values()):
        whys = ", ".join(f"{why} ({n})" for why, n in signs.undecodable.most_common(3))
        cut = any(why.startswith("cut off") for why in signs.undecodable)
        hint = "capture more of each packet: tcpdump -s 160" if cut else ""
        yield _trouble(f"{bad} of {count} frames of {name} are not decodable: {whys}", hint)
    if signs.untimed:
        yield _trouble(f"{signs.untimed} of {count} frames of {name} carry no time", "")
    if signs.passed_by:
        what = f"{signs.passed_by} more frames of the pair in {name} are left out, after {KEPT}"
        yield _trouble(what, "")
    for words in sorted(signs.report.filters):
        yield _trouble(f"{name} was captured with the filter {words!r}", "")
    watched = {point.device for point in agent.points}
    if signs.every_device and count and signs.first_ns is not None:
        if Device.UPLINK not in watched:
            what = f"{name} shows no VXLAN, and looks as if it had a filter"
            yield _trouble(what, UNFILTERED)
        elif Device.VTEP not in watched:
            what = f"{name} shows no pod's packet by itself, and looks as if it had a filter"
            yield _trouble(what, UNFILTERED)


def _of_packets(
    asked: Pings | None, left_out: int, adrift: int, new_port: int | None
) -> Iterator[Trouble]:
    if asked is not None and asked.others:
        what = f"{asked.others} echo requests of other pings between the two are not counted"
        yield _trouble(what, "")
    if left_out:
        what = f"{left_out} packets left one node when the other's capture may not have run"
        yield _trouble(f"{what}; they are left out", "")
    if adrift:
        what = f"of {adrift} frames nothing tells whether they came in or went out"
        yield _trouble(what, "save the nodes' state, or capture on -i any")
    if new_port is not None:
        yield _trouble(f"udp {new_port} carries VXLAN, and nothing that was saved says so", "")
