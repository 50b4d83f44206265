"""One self-contained page: no script, no network, every string escaped."""

from jinja2 import Environment, PackageLoader, StrictUndefined

from tracer.model.diagnosis import Diagnosis
from tracer.render.advice import again, steps
from tracer.render.headline import sent
from tracer.render.page import page
from tracer.render.style import plain

_TEMPLATES = Environment(
    loader=PackageLoader("tracer.render"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def html(diagnosis: Diagnosis) -> str:
    """The whole report. Of one diagnosis always the same bytes; ends in a newline."""
    safe = plain(diagnosis)
    template = _TEMPLATES.get_template("report.html.jinja")
    return template.render(
        diagnosis=safe, page=page(safe), steps=steps, again=again(safe), sent=sent(safe)
    )
