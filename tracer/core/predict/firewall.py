"""What a node's firewall says to the packet on its way."""

from tracer.core.predict.walk import Ending, Walk
from tracer.core.rules.firewall import dropping

MOST_QUOTED = 80
"""Characters of a rule."""


def drops(walk: Walk, hook: str) -> Ending | None:
    """The end of the packet at a hook; None: it passes. What may drop it there is a doubt."""
    udp = walk.outer.dst_port if walk.outer is not None else None
    for drop in dropping(walk.tables.state, hook):
        if drop.ports and udp not in drop.ports:
            continue
        walk.doubts.append(f"{drop.tool} of {walk.node} may drop it: {drop.quote[:MOST_QUOTED]}")
    return None
