"""What `flantrace predict` would have recorded where a trace was."""

from msgspec.structs import replace

from tracer.model.bundle import Bundle


def without_packets(whole: Bundle) -> Bundle:
    """The state of a trace alone: one packet of each kind is foretold from it."""
    asked = whole.traced
    plan = replace(asked.plan, count=1) if asked.plan is not None else None
    return replace(
        whole,
        request=replace(asked, predict=True, plan=plan),
        observations=(),
        sent=(),
        datagrams=(),
        agents={},
    )
