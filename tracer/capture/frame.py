"""One packet as a capture has it, and what a file says beside its packets."""

from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.model.observation import Direction


class Frame(NamedTuple):
    """One packet as the capture has it. `data` begins where the link type says."""

    time_ns: int | None
    """Since 1970, by the capturing node's clock; None: the block carries no time."""
    data: bytes
    length: int
    """Bytes of the whole packet; `data` may hold fewer."""
    link_type: int
    ifname: str | None = None
    ifindex: int | None = None
    direction: Direction = Direction.UNKNOWN


@dataclass
class FileReport:
    """What a file says beside its frames, known once it was read to its end."""

    count: int = 0
    damage: str | None = None
    """Why reading ended before the file did, in words."""
    unreadable: int = 0
    """Blocks that could not be read, between others that could."""
    dropped: dict[tuple[int, int], int] = field(default_factory=dict)
    """Packets that the capturing system dropped, by interface and cause; empty: it says nothing."""
    names: set[str] = field(default_factory=set)
    """Interfaces that the file names, those without a frame too."""
    filters: set[str] = field(default_factory=set)
    """Capture filters that the file names."""
