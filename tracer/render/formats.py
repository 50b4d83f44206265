"""Every form in which an answer is given, by name."""

from enum import StrEnum

from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis


class Format(StrEnum):
    """A form of the answer. The words are those of the command line."""

    TEXT = "text"
    JSON = "json"


def rendered(
    bundle: Bundle,
    diagnosis: Diagnosis,
    form: Format,
    *,
    depth: str = "path",
    color: bool = False,
) -> bytes:
    """One recording's answer. Only the form that is asked for is imported.

    `depth` and `color` are for text: `verdict`, `path` or `full`; ANSI colours or none.
    """
    match form:
        case Format.TEXT:
            from tracer.render.text import text

            return text(diagnosis, depth, color=color).encode()
        case Format.JSON:
            from tracer.render.json_document import json_document

            return json_document(diagnosis).encode()
