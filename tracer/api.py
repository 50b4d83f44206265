"""flantrace for programs: chat bots, runbooks, pipelines.

    from tracer.api import collect, diagnose, render

    bundle = collect("shop/web-7d9c4", "shop/db-0", node_exec="ssh {node} sudo", agent="flantrace")
    diagnosis = diagnose(bundle)
    print(diagnosis.verdict.sentence, diagnosis.verdict.exit_code)
    print(render(bundle, "summary"))

Every function raises `tracer.errors.FlantraceError` (what, where, hint) where something could not
be done. A broken network is no error: it is a diagnosis. Nothing here writes to stdout or stderr.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TypedDict, TypeVar, Unpack

from tracer.bundle import archive
from tracer.bundle.redact import redacted
from tracer.bundle.unpack import DEFAULT_LIMIT
from tracer.core import diagnose as core
from tracer.core.conclude import conclude
from tracer.core.examine import examine as core_examine
from tracer.errors import FlantraceError, UsageError
from tracer.formats import BINARY, Format, Look, rendered
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis
from tracer.model.examination import Examination
from tracer.plan import probe_plan

__all__ = [
    "Bundle",
    "Diagnosis",
    "Examination",
    "FlantraceError",
    "collect",
    "diagnose",
    "examine",
    "load",
    "redact",
    "render",
    "save",
]


class Reaching(TypedDict, total=False):
    """How to get to the cluster and its nodes: the words of the command line's options."""

    kubeconfig: str | None
    context: str | None
    node_exec: str | None
    """A command template, such as "ssh {node} sudo"; None: exec into pods by the Kubernetes API."""
    agent: str | None
    flantrace_namespace: str
    ephemeral: bool
    """Make pods on the nodes concerned, of `image`, and remove them."""
    image: str | None
    pull_policy: str | None
    timeout_s: float


def collect(
    source: str,
    destination: str,
    *,
    namespace: str = "default",
    probe: str = "icmp",
    port: int | None = None,
    count: int | None = None,
    size: int | None = None,
    passive_s: float | None = None,
    active: bool = True,
    family: int | None = None,
    progress: Callable[[str], None] = lambda _stage: None,
    **reach: Unpack[Reaching],
) -> Bundle:
    """Record one trace. The words mean what the options of `flantrace trace` mean.

    `reach`: see Reaching. `passive_s`: send nothing and follow the pods' own traffic for so many
    seconds. `progress` is called with each stage in words. A node that cannot be reached makes a
    partial bundle; nothing at all collected is CollectFailed.
    """
    from tracer.recording.reach import Reach
    from tracer.recording.record import Order, Recorder

    order = Order(
        source=source,
        destination=destination,
        namespace=namespace,
        plan=None if passive_s is not None else probe_plan(probe, port, count, size),
        passive_s=passive_s,
        active=active and passive_s is None,
        reach=Reach(**reach),
        family=family,
    )
    recorder = Recorder(order, progress)
    recorder.run()
    return recorder.bundle()


def diagnose(bundle: Bundle) -> Diagnosis:
    """What follows from a recording. Pure: the same bundle gives the same diagnosis.

    `verdict.exit_code` is that of the command: 0 delivered, 1 a fault, 3 not known.
    """
    if bundle.request is None:
        raise UsageError(
            "this is the recording of a check", where="diagnose", hint="use examine(bundle)"
        )
    return core.diagnose(bundle)


def examine(bundle: Bundle) -> Examination:
    """What follows from the recording of a check, or from the state that a trace recorded.

    No packet is looked at. `exit_code` is that of the command: 0 no fault, 1 a fault, 3 not known.
    """
    return core_examine(bundle)


def render(
    bundle: Bundle, form: str = "text", *, depth: str = "path", diagram: str = "mermaid"
) -> str:
    """A recording's answer in one of the text forms of `--format`, without colours.

    Byte for byte what the command prints. `depth` is for `text`, `diagram` for `markdown`.
    """
    wanted = _member(form, Format, "form")
    if wanted in BINARY:
        raise UsageError(
            f"{form} is no text", where="render", hint=f"use tracer.api.{form}(bundle)"
        )
    look = _member(diagram, Look, "diagram")
    content = rendered(bundle, conclude(bundle), wanted, depth=depth, diagram=look)
    return content.decode()


_Word = TypeVar("_Word", bound=StrEnum)


def _member(word: str, kind: type[_Word], where: str) -> _Word:
    try:
        return kind(word)
    except ValueError:
        hint = f"one of {', '.join(kind)}"
        raise UsageError(f"{word!r} is none that is known", where=where, hint=hint) from None


def redact(bundle: Bundle, key: bytes | None = None) -> Bundle:
    """The same recording without its names, addresses, MACs and payload.

    `key`: a secret of at least 16 bytes, so that several recordings get the same tokens; None: a
    fresh one. docs/reference/redaction.md says what is kept.
    """
    return redacted(bundle, key)


def load(path: str | Path, max_unpacked: int = DEFAULT_LIMIT) -> Bundle:
    """A bundle from a file, of any format up to today's; BadBundle says what is wrong with it.

    `max_unpacked`: bytes that the archive may unpack to.
    """
    return archive.read(Path(path), max_unpacked)


def save(bundle: Bundle, path: str | Path) -> None:
    """Write a bundle whole or not at all."""
    archive.write(bundle, Path(path))
