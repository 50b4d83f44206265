"""The folder of --state-dir: what kubectl said of the cluster, and a folder for each node."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tracer.capture.kubectl import cluster_state
from tracer.capture.node_files import later_counters, node_state
from tracer.errors import BadCapture
from tracer.model.bundle import Trouble
from tracer.model.cluster import ClusterState
from tracer.model.state import Counters, NodeState

HOW = "docs/how-to/diagnose-captures.md has the script that saves it"


class Saved(NamedTuple):
    """Everything that was saved beside the captures."""

    cluster: ClusterState
    states: dict[str, NodeState]
    counters: dict[str, dict[str, Counters]]
    troubles: tuple[Trouble, ...]


def saved(folder: Path | None, nodes: Sequence[str]) -> Saved:
    """What the folder holds. A part that is missing is a trouble; BadCapture: no such folder."""
    if folder is None:
        what = "no state was saved: routes, neighbours, FDB and leases could not be read"
        trouble = Trouble(node=None, what=what, hint=f"pass --state-dir; {HOW}")
        return Saved(ClusterState(captured_at=""), {}, {}, (trouble,))
    if not folder.is_dir():
        raise BadCapture(f"no such folder: {folder}", where="--state-dir", hint=HOW)
    cluster, troubles = cluster_state(folder)
    there = sorted({*nodes, *(path.parent.name for path in folder.glob("*/link.json"))})
    states = {name: node_state(folder / name, name) for name in there if (folder / name).is_dir()}
    missing = tuple(
        Trouble(node=node, what=f"no state of {node} was saved", hint=HOW)
        for node in dict.fromkeys(nodes)
        if node not in states
    )
    counters = {name: later_counters(folder / name) for name in states}
    return Saved(cluster, states, counters, (*missing, *troubles))
