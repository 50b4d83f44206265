"""Files that are written whole or not at all, also when interrupted or when the disk is full."""

import contextlib
import os
import tempfile
from pathlib import Path

from tracer.errors import UsageError

HINT = "pass a file in a folder that exists and that you may write to"


def write_whole(path: Path, content: bytes, *, what: str, option: str) -> None:
    """Replace `path` in one step. UsageError names `what` (`the bundle`) and its option."""
    try:
        replace_whole(path, content)
    except OSError as error:
        raise UsageError(
            f"cannot write {what} to {path}: {error.strerror or error}", where=option, hint=HINT
        ) from None


def replace_whole(path: Path, content: bytes) -> None:
    """The same for who knows what to do about an OSError.

    Until it is whole it is a file beside it, `.NAME.` and eight characters (mkstemp): a process
    that is killed leaves that.
    """
    handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(scratch).chmod(0o666 & ~umask)
        Path(scratch).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(scratch).unlink()
        raise


def check_target(path: Path, *, what: str, option: str) -> None:
    """UsageError before anything is recorded, if nothing could be written there."""
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"cannot write {what} to {path}", where=option, hint=HINT)
