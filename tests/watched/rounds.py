"""One fault of the lab under a watch: when its name opened, when all was well again."""

import time
from typing import NamedTuple

from tests.watched.watched import Said, Watched
from tracer.core.standing import LONGEST_NS, WELL_FOR_NS

OPENS_S, CLOSES_S = 2.0, 5.0
"""What is to be reached: after the first evidence that the kernel gives; after the repair."""

UNSEEN = {
    "hostlocal-exhausted": "host-local's files change; nothing that runs is hit",
    "subnet-env-stale": "a file changes; nothing that runs is hit",
    "other-cni-config": "files change, and one pod's network",
    "br-netfilter-off": "a switch changes; only a Service's packets within one node are hit",
    "rules-flushed": "rules go; only packets that leave the cluster are hit",
    "masq-pod-to-pod": "a rule comes; packets arrive all the same",
    "underlay-mtu-blackhole": "a fifth of the packets is lost; counters tell when more are missing"
    " than may be under way",
    "podcidr-not-assigned": "a node that has joined may be given its pod CIDR for a minute",
}
"""The kernel has no news of these, and pod-to-pod traffic is not hit: the half-minute's look finds
them. Or traffic alone does not tell one from what mends itself."""

SELDOM_S = 30.0
LATE_S = {"podcidr-not-assigned": 60.0, "underlay-mtu-blackhole": 2.0}
PATIENCE_S = 10.0
"""More than what is to be reached: the machine may be busy. Times are judged by the report."""


class Round(NamedTuple):
    """One fault."""

    fault: str
    opened_s: float | None
    """After the injection had ended; negative: before. None: its name never opened."""
    closed_s: float | None
    """After the repair had ended, until nothing was open. None: it never was."""
    others: tuple[str, ...]
    """Other names that opened meanwhile."""
    left: tuple[str, ...] = ()
    """Sentences of what did not close."""
    damped_s: float = 0.0
    """By how much a finding was closed later because earlier rounds had opened it, too."""


def waits_s(fault: str) -> float:
    """How much longer it may take to open, and to close."""
    return LATE_S.get(fault, SELDOM_S if fault in UNSEEN else 0.0)


def round_of(watch: Watched, fault: str) -> Round:
    """Inject it, wait for its name, mend it, wait until nothing is open."""
    first = len(watch.said)
    watch.lab.lab("inject", fault)
    injected = time.monotonic()
    patience = waits_s(fault) + PATIENCE_S
    named = watch.until(lambda: bool(_named(watch.said[first:], fault)), patience)
    opened = _named(watch.said[first:], fault)[0].at - injected if named else None
    watch.rest(2.0)
    watch.lab.lab("heal")
    healed = time.monotonic()
    well = watch.until(lambda: not watch.open, LONGEST_NS / 1e9 + PATIENCE_S)
    last = max((one.at for one in watch.said[first:]), default=healed)
    watch.rest(3.0)
    well = well and not watch.open
    said = watch.said[first:]
    others = {one.rule for one in said if fault not in one.names and one.turn == "opened"}
    left = tuple(one.sentence for one in watch.open.values())
    closed = max(last - healed, 0.0) if well else None
    times = max((one.times for one in said if one.turn == "closed"), default=1)
    damped = min(WELL_FOR_NS << (times - 1), LONGEST_NS) - WELL_FOR_NS
    return Round(fault, opened, closed, tuple(sorted(others)), left, damped / 1e9)


def _named(said: list[Said], fault: str) -> list[Said]:
    return [one for one in said if fault in one.names and one.turn != "closed"]
