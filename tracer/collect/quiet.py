"""Keep what a C library writes to descriptor 2 off the terminal, and at hand."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def stderr_kept() -> Iterator[list[str]]:
    """The list holds the lines once the block has ended."""
    said: list[str] = []
    sys.stderr.flush()
    # not a temporary file: a container's root may be read-only as a whole
    with os.fdopen(os.memfd_create("stderr"), "w+b") as file:
        terminal = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
            file.seek(0)
            said += file.read().decode(errors="replace").splitlines()


@contextlib.contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for the length of a block: libbcc reads them with getenv()."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
