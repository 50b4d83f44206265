"""A mount namespace with a /run of its own, so that a lab built for a test meets no other lab."""

import json
import subprocess
import sys
from collections.abc import Sequence


class Universe:
    """An anchor process in a private mount namespace, and a way to run commands there."""

    def __init__(self) -> None:
        script = "mount -t tmpfs tmpfs /run && echo ready && exec cat >/dev/null"
        self._anchor = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._anchor.stdout is not None
        assert self._anchor.stdout.readline() == "ready\n"

    @property
    def inside(self) -> list[str]:
        """What to put before a command."""
        return ["nsenter", f"--mount=/proc/{self._anchor.pid}/ns/mnt", "--"]

    def run(
        self, command: Sequence[str], *, text: str | None = None, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever its exit code."""
        return subprocess.run(
            [*self.inside, *command],
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def output(self, command: Sequence[str], *, text: str | None = None) -> str:
        """The stdout of a command that must succeed."""
        done = self.run(command, text=text)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def flantrace(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run flantrace."""
        return self.run([sys.executable, "-m", "tracer", *words])

    def lab(self, *words: str) -> str:
        """Run `flantrace lab ...`, which must succeed; its stdout."""
        done = self.flantrace("lab", *words)
        assert done.returncode == 0, f"lab {words}: {done.stdout}{done.stderr}"
        return done.stdout

    def server(self) -> str:
        """The URL of the lab's API."""
        conf = json.loads(self.output(["cat", "/run/flantrace-lab/kubeconfig"]))
        return str(conf["clusters"][0]["cluster"]["server"])

    def close(self) -> None:
        """Take down the lab that may be there, and end."""
        self.flantrace("lab", "down")
        assert self._anchor.stdin is not None
        self._anchor.stdin.close()
        self._anchor.wait(10)
