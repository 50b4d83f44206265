"""A recording without its names, addresses, MACs and payload: what may leave the building.

rules      what becomes of each recorded field, and why; docs/reference/redaction.md is made of them
walk       from record to record by the rules
values     what each kind of rule does
names, addresses, macs, text, frames: the maps behind them
"""

from tracer.bundle.redact.redaction import redacted

__all__ = ["redacted"]
