"""From record to record by the rules: what has no rule does not pass."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from tracer.bundle.redact.frames import Frames
from tracer.bundle.redact.rules import Kind, Rule
from tracer.bundle.redact.rules_node import NODE
from tracer.bundle.redact.rules_recording import RECORDING
from tracer.bundle.redact.rules_watch import WATCH
from tracer.model.record import Record

RULES: Mapping[type[Record], Mapping[str, Rule]] = {**RECORDING, **NODE, **WATCH}
"""Every field of every record in a bundle; a test fails for one without a rule."""

AnyRecord = TypeVar("AnyRecord", bound=Record)
_Step = tuple[str, Callable[[Any], Any]]


class Walk:
    """One pass over a bundle. `does`: what each kind of rule does with one value."""

    def __init__(self, does: Mapping[Kind, Callable[[Any], Any]], frames: Frames) -> None:
        self._does, self._frames = does, frames
        self._steps: dict[type[Record], list[_Step]] = {}

    def record(self, record: AnyRecord) -> AnyRecord:
        """The record that stands for this one. KeyError: a field has no rule."""
        kind = type(record)
        steps = self._steps.get(kind)
        if steps is None:
            steps = self._steps[kind] = self._plan(kind)
        return replace(record, **{name: step(record) for name, step in steps}) if steps else record

    def _plan(self, kind: type[Record]) -> list[_Step]:
        rules = RULES[kind]
        named = [(name, rules[name]) for name in kind.__struct_fields__]
        return [
            (name, self._step(name, rule)) for name, rule in named if rule.kind is not Kind.KEEP
        ]

    def _step(self, name: str, rule: Rule) -> Callable[[Any], Any]:
        if rule.kind is Kind.FRAME:
            return self._frames.headers
        one = self.record if rule.kind is Kind.INSIDE else self._does[rule.kind]
        key = self._does[rule.keys] if rule.keys is not None else None

        def step(record: Any) -> Any:
            value = getattr(record, name)
            if value is None:
                return None
            if isinstance(value, tuple):
                return tuple([one(each) for each in value])
            if key is not None:
                return {key(name): one(each) for name, each in value.items()}
            return one(value)

        return step
