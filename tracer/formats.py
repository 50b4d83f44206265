"""Every form in which an answer is given, by name."""

from enum import StrEnum

from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis


class Format(StrEnum):
    """A form of the answer. The words are those of the command line."""

    TEXT = "text"
    SUMMARY = "summary"
    MARKDOWN = "markdown"
    HTML = "html"
    MERMAID = "mermaid"
    JSON = "json"
    PCAPNG = "pcapng"


BINARY = frozenset({Format.PCAPNG})
"""What a terminal cannot show."""


class Look(StrEnum):
    """How a report in Markdown shows the path."""

    MERMAID = "mermaid"
    ASCII = "ascii"


def rendered(
    bundle: Bundle,
    diagnosis: Diagnosis,
    form: Format,
    *,
    depth: str = "path",
    color: bool = False,
    diagram: Look = Look.MERMAID,
) -> bytes:
    """One recording's answer. Only the form that is asked for is imported.

    `depth` (`verdict`, `path`, `full`) and `color` (ANSI) are for text, `diagram` for Markdown.
    """
    match form:
        case Format.TEXT:
            from tracer.render.text import text

            return text(diagnosis, depth, color=color).encode()
        case Format.JSON:
            from tracer.render.json_document import json_document

            return json_document(diagnosis).encode()
        case Format.MARKDOWN:
            from tracer.render.markdown import markdown

            return markdown(diagnosis, drawn=diagram is Look.MERMAID).encode()
        case Format.HTML:
            from tracer.render.html import html

            return html(diagnosis).encode()
        case Format.MERMAID:
            from tracer.render.mermaid import mermaid

            return mermaid(diagnosis).encode()
        case Format.PCAPNG:
            from tracer.capture.pcapng_out import pcapng

            return pcapng(bundle, diagnosis)
        case Format.SUMMARY:
            from tracer.render.summary import summary

            return summary(diagnosis).encode()
