"""What is closed when its block ends."""

from types import TracebackType
from typing import Self


class Closing:
    """For `with`: whatever ends the block, `close` is called."""

    def close(self) -> None:
        """Give back what is held."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
