"""Progress on stderr: one line, rewritten on a terminal; a line a stage otherwise."""

import sys


class Progress:
    """Say what is being done. Never touches stdout."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = ""

    def __call__(self, stage: str) -> None:
        """Begin a stage."""
        if stage == self._last:
            return
        self._last = stage
        if self._terminal:
            sys.stderr.write(f"\r\033[K{stage} ...")
        else:
            sys.stderr.write(f"{stage} ...\n")
        sys.stderr.flush()

    def done(self) -> None:
        """Leave a clean line for the answer."""
        if self._terminal and self._last:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
