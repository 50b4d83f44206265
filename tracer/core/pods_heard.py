"""A watch's pods: what the API says of them, held against what was read at another moment."""

from collections.abc import Iterable

from msgspec.structs import replace

from tracer.model.cluster import Pod
from tracer.model.state import NodeState, NotRead

UNDER_WAY_NS = 1_000_000_000
"""A pod that is not there any more may be one that the API has not yet said is gone."""

LOOKED_FOR = "pod "
"""How the address of a pod begins that was looked for in vain (collect/snapshot.py)."""


class PodsHeard:
    """Of the watched nodes. Times are those of whoever diagnoses, in nanoseconds."""

    def __init__(self) -> None:
        self._pods: dict[str, Pod] = {}
        self._since: dict[str, int] = {}
        self.waits = False
        """Something was left out that may be judged a moment later."""

    def learn(self, now: int, before: Pod | None, pod: Pod | None) -> None:
        """One came, is another, or went."""
        one = pod or before
        if one is None:
            return
        key = f"{one.namespace}/{one.name}"
        if pod is None:
            self._pods.pop(key, None)
            self._since.pop(key, None)
            return
        if before is None or before.ips != pod.ips:
            self._since[key] = now
        self._pods[key] = pod

    def every(self) -> tuple[Pod, ...]:
        """As far as they have been heard of."""
        return tuple(self._pods.values())

    def of(self, node: str) -> tuple[Pod, ...]:
        """Those of one node."""
        return tuple(pod for pod in self._pods.values() if pod.node == node)

    def judged(self, now: int, states: Iterable[tuple[NodeState, int]]) -> dict[str, NodeState]:
        """By node: no pod is missed that the API said nothing of when the state was read, or has

        taken back since. `states`: each with when it was read.
        """
        self.waits = False
        return {state.node: self._judged(now, state, read) for state, read in states}

    def _judged(self, now: int, state: NodeState, read: int) -> NodeState:
        kept = tuple(one for one in state.not_read if self._is_missed(now, state.node, one, read))
        return state if len(kept) == len(state.not_read) else replace(state, not_read=kept)

    def _is_missed(self, now: int, node: str, one: NotRead, read: int) -> bool:
        if not one.what.startswith(LOOKED_FOR):
            return True
        ip = one.what.removeprefix(LOOKED_FOR)
        known = [
            self._since.get(key, 0)
            for key, pod in self._pods.items()
            if pod.node == node and ip in pod.ips
        ]
        if not known or max(known) > read:
            return False
        if now - read >= UNDER_WAY_NS:
            return True
        self.waits = True
        return False
