"""One fault of a real cluster, and what flantrace has to say about it."""

from collections.abc import Callable
from dataclasses import dataclass

from cluster.setup import Cluster

Act = Callable[[Cluster], None]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How to break it, who is expected to name it, and what the printed fix cannot undo."""

    name: str
    slug: str
    """The rule that has to be named."""
    inject: Act
    trace: bool = True
    """Packets are hit: a trace of web-a to web-b names it."""
    check: bool = True
    """It stands in tables: a check names it."""
    obey: bool = True
    """The printed fix is run, and must heal. False: it is not in commands, and `heal` is."""
    editor: str = "true"
    """KUBE_EDITOR while the fix is run; `true` leaves what it is shown as it is."""
    after: Act | None = None
    """What the printed fix says in words only, such as making pods anew."""
    heal: Act | None = None
    """What undoes the fault where the printed fix cannot be run by a test, or says it in words."""
    useless: Act | None = None
    """A remedy that people try: it must not heal."""
    ghost: bool = False
    """There is a Node without a machine: a check cannot read it, and says so."""
    words: tuple[str, str] = ("web-a", "web-b")
    """The ends of the trace."""


def on(node: str, *words: str) -> Act:
    """Run a command on a node."""

    def act(cluster: Cluster) -> None:
        cluster.places[node].run(*words)

    return act


def shell(node: str, script: str) -> Act:
    """Run a shell's line on a node."""
    return on(node, "sh", "-c", script)


def kubectl(*words: str) -> Act:
    """Run kubectl as cluster-admin."""

    def act(cluster: Cluster) -> None:
        cluster.kubectl(*words)

    return act


def all_of(*acts: Act) -> Act:
    """One after the other."""

    def act(cluster: Cluster) -> None:
        for one in acts:
            one(cluster)

    return act
