"""What went wrong with announcements: said when it begins, not each time."""

from collections.abc import Callable

from tracer.core.credentials import without_credentials
from tracer.render.style import escaped

MOST = 300
"""Characters of what another program said."""


class Failures:
    """Of one way of announcing. A failure is said once, and again once it has worked between."""

    def __init__(self, trouble: Callable[[str], None]) -> None:
        self._trouble = trouble
        self._last: str | None = None

    def worked(self) -> None:
        """It did, this time."""
        self._last = None

    def failed(self, what: str, words: str = "") -> None:
        """`words`: what the other side said, of which the end is quoted."""
        if what != self._last:
            self._last = what
            quoted = quotable(words)
            self._trouble(f"{what}: {quoted}" if quoted else what)


def quotable(words: str) -> str:
    """One line of another program's output: its end, without control characters and secrets."""
    line = " ".join(without_credentials(words).split())
    shown = line if len(line) <= MOST else f"...{line[-MOST:]}"
    return escaped(shown)
