"""Raw records to observations: numbers get the names that this node has for them."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from tracer.collect.layout import FREED, IN, RECORD, RawRecord
from tracer.collect.symbols import Callers
from tracer.model.observation import AttachedPoint, Device, Direction, Drop, Observation

Buffer: TypeAlias = bytes | memoryview


class Converter:
    """For one node: knows its devices, its drop reasons, its kernel's symbols."""

    def __init__(
        self,
        node: str,
        netns: int,
        points: Sequence[AttachedPoint],
        reasons: Mapping[int, str],
        callers: Callers,
    ) -> None:
        """`netns`: inode of the namespace that the points are in."""
        self._node = node
        self._netns = netns
        self._points = {point.ifindex: point for point in points}
        self._reasons = reasons
        self._callers = callers

    def __call__(self, record: Buffer) -> Observation:
        """One observation."""
        raw = RawRecord._make(RECORD.unpack(record))
        if raw.direction == FREED:
            return self._freed(raw)
        point = self._points.get(raw.ifindex)
        return Observation(
            node=self._node,
            device=point.device if point else Device.UNKNOWN,
            direction=Direction.IN if raw.direction & 15 == IN else Direction.OUT,
            ifindex=raw.ifindex,
            ifname=point.ifname if point else "",
            netns=self._netns,
            skb=raw.skb,
            time_ns=raw.time_ns,
            length=raw.length,
            gso_size=raw.gso_size,
            ethernet=True,
            headers=raw.headers[: raw.captured],
        )

    def _freed(self, raw: RawRecord) -> Observation:
        # an index says nothing in another namespace: a pod's eth0 may have the bridge's
        point = self._points.get(raw.ifindex) if raw.netns == self._netns else None
        ifname = raw.ifname.split(b"\0", 1)[0].decode(errors="replace")
        return Observation(
            node=self._node,
            device=point.device if point else Device.UNKNOWN,
            direction=Direction.FREED,
            ifindex=raw.ifindex,
            ifname=ifname,
            netns=raw.netns,
            skb=raw.skb,
            time_ns=raw.time_ns,
            length=raw.length,
            gso_size=raw.gso_size,
            ethernet=False,
            ethertype=raw.ethertype,
            headers=raw.headers[: raw.captured],
            drop=Drop(reason=self._reason(raw.reason), caller=self._callers.name(raw.location)),
        )

    def _reason(self, number: int) -> str | None:
        """Sub-systems number their own reasons in the upper half: those stay numbers."""
        if not self._reasons:
            return None
        return self._reasons.get(number, f"{number:#x}")
