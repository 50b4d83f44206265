"""What a cluster that is down has left on the machine."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from cluster.daemons import HIERARCHIES
from cluster.nodes import SYSCTLS
from cluster.paths import name, state
from cluster.shell import run

GOES_S = 10

_NET = r"^net\.(ipv4\.(ip_forward|conf\.(all|default)\.)|bridge\.|netfilter\.nf_conntrack_max)"


@dataclass(frozen=True)
class Machine:
    """What of the machine no cluster may change."""

    sysctls: frozenset[str]
    devices: frozenset[str]
    rules: frozenset[str]
    """Of its firewall."""

    @classmethod
    def now(cls) -> "Machine":
        """As it is."""
        own = (f"{path} = {Path('/proc/sys', path).read_text().strip()}" for path in SYSCTLS)
        net = run(["sysctl", "-a", "--pattern", _NET]).splitlines()
        return cls(
            sysctls=frozenset((*own, *net)),
            devices=frozenset(run(["ip", "-br", "link"]).splitlines()),
            rules=frozenset(run(["nft", "list", "ruleset"]).splitlines()),
        )

    def changes(self, after: "Machine") -> Iterator[str]:
        """What differs later."""
        for field in fields(self):
            old, new = getattr(self, field.name), getattr(after, field.name)
            yield from (f"{field.name}: gone: {each}" for each in sorted(old - new))
            yield from (f"{field.name}: new: {each}" for each in sorted(new - old))


def remains(before: Machine) -> list[str]:
    """Processes, cgroups, mounts and files of the cluster, and how the machine is not as before.

    What was killed may take a moment to go, and whoever inherited it to take note of its end.
    """
    deadline = time.monotonic() + GOES_S
    while (found := _found(before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def _found(before: Machine) -> list[str]:
    mine = f"flantrace-{name()}-"
    found = [f"cgroup {each}" for one in HIERARCHIES.iterdir() for each in one.glob(f"{mine}*")]
    for process in Path("/proc").glob("[0-9]*"):
        if mine in _text(process / "cgroup") or str(state()) in _text(process / "mountinfo"):
            words = _text(process / "cmdline").replace("\0", " ")
            found.append(f"process {process.name}: {words}")
    mounts = _text(Path("/proc/self/mountinfo")).splitlines()
    found += [f"mount {each}" for each in mounts if str(state()) in each]
    found += [str(state())] if state().exists() else []
    return [*found, *before.changes(Machine.now())]


def _text(file: Path) -> str:
    """Empty: the process has ended."""
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
