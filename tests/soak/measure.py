"""What the watch takes, from outside: its process by /proc, its own word by its metrics."""

import http.client
import os
import re
import socket
from pathlib import Path
from typing import NamedTuple

from tests.processes import children
from tracer.collect.netns import inside

MB = 1024.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Sample(NamedTuple):
    """At one moment. Memory in MB, of the process and its children together where not said."""

    at_s: float
    """Since the watch was started."""
    rss: float
    """Of the process."""
    pss: float
    own: float
    """Anonymous."""
    children: float
    """RSS of the children that were there."""
    fds: int
    threads: int
    cpu_s: float
    """User and system time of the process until now."""
    children_cpu_s: float
    """The same of the children that have ended."""
    scraped: dict[str, float]
    """`name{labels}` -> value."""

    def value(self, name: str) -> float:
        """The sum of a metric's series."""
        return sum(value for key, value in self.scraped.items() if key.partition("{")[0] == name)


def sample(pid: int, at_s: float, scraped: dict[str, float]) -> Sample:
    """OSError: the process is gone."""
    memory = _memory(pid)
    memories = [_memory_or_none(child) for child in children(pid)]
    there = [one for one in memories if one is not None]
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system, children_user, children_system = (int(one) / _TICKS for one in stat[11:15])
    return Sample(
        at_s=at_s,
        rss=memory["Rss"],
        pss=memory["Pss"] + sum(one["Pss"] for one in there),
        own=memory["Anonymous"] + sum(one["Anonymous"] for one in there),
        children=sum(one["Rss"] for one in there),
        fds=len(os.listdir(f"/proc/{pid}/fd")),
        threads=len(os.listdir(f"/proc/{pid}/task")),
        cpu_s=user + system,
        children_cpu_s=children_user + children_system,
        scraped=scraped,
    )


def scrape(netns: Path, port: int) -> dict[str, float]:
    """The metrics at the loopback of that network namespace. OSError: nobody answers."""
    with open(netns) as there:
        sock = inside(
            there.fileno(), lambda: socket.create_connection(("127.0.0.1", port), timeout=10)
        )
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.sock = sock
    try:
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        text = connection.getresponse().read().decode()
    except http.client.HTTPException as error:
        raise OSError(repr(error)) from error
    finally:
        connection.close()
    rows = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
    return {key: float(value) for key, _, value in rows}


def labels(key: str) -> dict[str, str]:
    """Of `name{label="value",...}`."""
    return dict(re.findall(r'(\w+)="([^"]*)"', key))


def _memory(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {words[0][:-1]: int(words[1]) / MB for words in map(str.split, lines)}


def _memory_or_none(pid: int) -> dict[str, float] | None:
    try:
        return _memory(pid)
    except OSError:
        return None  # it has ended
