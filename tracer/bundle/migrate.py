"""Older bundles, lifted step by step to today's format: one function a step, one table, one loop.

A step takes the archive's texts by name and returns them as the next format would have written
them. The format's number moves only when a field is removed or changes its meaning.
"""

from collections.abc import Callable, Mapping

from tracer.bundle import codec
from tracer.errors import BadBundle
from tracer.model.bundle import FORMAT
from tracer.model.record import Record

Texts = dict[str, bytes]

STEPS: Mapping[int, Callable[[Texts], Texts]] = {}
"""Format -> the step that lifts it to the next. Format 1 is the first."""


class _Version(Record, frozen=True):
    format: int


def lifted(texts: Texts, name: str) -> Texts:
    """The texts in today's format; BadBundle for a newer one or for no bundle at all."""
    if "bundle.json" not in texts:
        raise BadBundle(
            f"{name} is no flantrace bundle: it has no bundle.json",
            where=name,
            hint="pass a file that flantrace --save wrote",
        )
    for step in range(version(texts["bundle.json"], name), FORMAT):
        texts = STEPS[step](texts)
    return texts


def version(head: bytes, name: str) -> int:
    """The format that bundle.json names. BadBundle for one that cannot be read."""
    try:
        found = codec.read(head, _Version).format
    except codec.DECODE_ERRORS as error:
        raise BadBundle(
            f"{name} is damaged: bundle.json: {error}", where=name, hint="copy it again"
        ) from None
    if found > FORMAT:
        raise BadBundle(
            f"{name} was written by a newer flantrace (format {found}, this reads up to {FORMAT})",
            where=name,
            hint="update flantrace",
        )
    if found < 1:
        raise BadBundle(f"{name} has no format {found}", where=name, hint="copy it again")
    return found
