"""From an order to an answer: begin, record, keep, print; however it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tracer.cli import options
from tracer.cli.answer import answer_of
from tracer.cli.delivery import deliver, delivery_of
from tracer.cli.interrupts import interruptible
from tracer.cli.progress import Progress

if TYPE_CHECKING:
    from tracer.model.bundle import Bundle


class Recording(Protocol):
    """A trace, a prediction or a check under way."""

    def run(self) -> None:
        """Until it is whole."""

    def bundle(self) -> Bundle:
        """What there is so far."""


def recorded(begin: Callable[[Callable[[str], None]], Recording], words: dict[str, object]) -> int:
    """Record, and give the answer. `begin` gets what shows progress."""
    delivery = delivery_of(answer_of(words), words)
    progress = Progress()
    interrupted = False
    with interruptible():
        try:
            recording = begin(progress)
            try:
                recording.run()
            except KeyboardInterrupt:
                interrupted = True
        finally:
            progress.done()
        bundle = options.as_asked(recording.bundle(), words)
        return deliver(bundle, delivery, interrupted=interrupted)
