"""Running commands; what fails says what it said."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRON = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/root"}
"""All that a daemon of the cluster gets: no proxy, no credential of the machine's user."""


class Failed(Exception):
    """A command that had to succeed did not; its words."""


def run(
    words: Sequence[str | Path],
    *,
    text: str | None = None,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float = 120,
) -> str:
    """The stdout of a command. Failed: it did not succeed in time."""
    argv = [str(word) for word in words]
    try:
        done = subprocess.run(
            argv,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=dict(ENVIRON if environ is None else environ),
            cwd=cwd,
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(argv)[:300]}: no end after {timeout:g} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise Failed(f"{' '.join(argv)[:300]}: exit code {done.returncode}: {said}")
    return done.stdout
