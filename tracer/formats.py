"""Every form in which an answer is given, by name."""

from enum import StrEnum

from tracer.core.conclude import Conclusion
from tracer.errors import UsageError
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis
from tracer.model.examination import Examination


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
    conclusion: Conclusion,
    form: Format,
    *,
    depth: str = "path",
    color: bool = False,
    diagram: Look = Look.MERMAID,
    matrix: bool = False,
) -> bytes:
    """One recording's answer. Only the form that is asked for is imported.

    `depth` (`verdict`, `path`, `full`) and `color` (ANSI) are for text, `diagram` for Markdown,
    `matrix` (who reaches whom) for a check's text. UsageError for a form that a check has not.
    """
    if isinstance(conclusion, Examination):
        return _of_check(conclusion, form, depth=depth, color=color, matrix=matrix)
    return _of_trace(bundle, conclusion, form, depth=depth, color=color, diagram=diagram)


def _of_check(
    examination: Examination, form: Format, *, depth: str, color: bool, matrix: bool
) -> bytes:
    if form is Format.TEXT:
        from tracer.render.examination import examination_text

        return examination_text(examination, depth, color=color, cells=matrix).encode()
    if form is Format.JSON:
        from tracer.render.json_document import json_document

        return json_document(examination).encode()
    if form in (Format.MARKDOWN, Format.SUMMARY):
        from tracer.render.examination_markdown import examination_markdown

        return examination_markdown(examination, short=form is Format.SUMMARY).encode()
    raise UsageError(
        f"a check has no {form}: it follows no packets",
        where="--format",
        hint="text, json, markdown or summary",
    )


def _of_trace(
    bundle: Bundle,
    diagnosis: Diagnosis,
    form: Format,
    *,
    depth: str,
    color: bool,
    diagram: Look,
) -> bytes:
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
