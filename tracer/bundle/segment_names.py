"""Names of a ring's segments: sorted as they came, and whose they are can be read off them.

flantrace-20261130T061502.123Z-NODE.tgz          a segment
flantrace-20261130T061502.123Z-NODE_pinned.tgz   one of an incident
.flantrace-20261130T061502.123Z-NODE.tgz.k3v_0qa1   one that a killed process was writing
"""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

PINNED = "_pinned"
"""No node's name has an underscore (RFC 1123), so none can be taken for this."""

MOST_OF_A_NODE = 150
"""Characters. A node's name may have 253, and a file's name 255 bytes with all that is added."""

_MOMENT = "%Y%m%dT%H%M%S"
_SHORTEST = timedelta(milliseconds=1)


class Name(NamedTuple):
    """What a segment's name says."""

    moment: datetime
    """UTC, to the millisecond."""
    pinned: bool


class Names:
    """Those of one node's segments."""

    def __init__(self, node: str) -> None:
        self._node = _short(node)
        whole = rf"flantrace-(\d{{8}}T\d{{6}}\.\d{{3}})Z-{re.escape(self._node)}({PINNED})?\.tgz"
        self._whole = re.compile(whole, re.ASCII)
        self._half = re.compile(rf"\.{whole}\.[a-z0-9_]{{8}}", re.ASCII)

    def of(self, name: Name) -> str:
        """The file's name."""
        moment = f"{name.moment:{_MOMENT}}.{name.moment.microsecond // 1000:03}"
        return f"flantrace-{moment}Z-{self._node}{PINNED if name.pinned else ''}.tgz"

    def read(self, text: str) -> Name | None:
        """None: it is no segment of this node."""
        match = self._whole.fullmatch(text)
        if match is None:
            return None
        try:
            moment = datetime.strptime(match[1], f"{_MOMENT}.%f").replace(tzinfo=UTC)
        except ValueError:
            return None
        return Name(moment, match[2] is not None)

    def is_half(self, text: str) -> bool:
        """It was being written when its process was killed."""
        return self._half.fullmatch(text) is not None


def moment_of(created_at: str) -> datetime:
    """When a bundle was made, to the millisecond. ValueError for what is no date."""
    moment = datetime.fromisoformat(created_at)
    moment = moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def next_free(moment: datetime, taken: set[datetime]) -> datetime:
    """The same moment, or as much later as it takes for nothing to have its name."""
    while moment in taken:
        moment += _SHORTEST
    return moment


def _short(node: str) -> str:
    plain = re.sub(r"[^a-z0-9.-]", "-", node.lower())
    if plain == node and len(node) <= MOST_OF_A_NODE:
        return node
    return f"{plain[:MOST_OF_A_NODE]}-{hashlib.sha256(node.encode()).hexdigest()[:8]}"
