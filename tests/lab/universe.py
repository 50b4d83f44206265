"""A mount namespace with a /run of its own, so that a lab built for a test meets no other lab."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

LOOK = """
sed 's/^[0-9]* [0-9]* [^ ]* //; s/ shared:[0-9]*//' /proc/self/mountinfo | sort
find /run /etc/cni /var/lib/cni 2>/dev/null | sort
ip -o link | grep -o '^[0-9]*: [^ ]*'
ip -4 route
grep -r . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf 2>/dev/null
"""


class Universe:
    """An anchor process in a private mount namespace, and a way to run commands there."""

    def __init__(self, *, shared: bool = False) -> None:
        """`shared`: mounts propagate, as systemd has it on most machines."""
        # Another lab of this machine would be there still, hidden, and would go at any moment.
        clear = "grep -o ' /run/[^ ]* ' /proc/self/mountinfo | tac | xargs -r umount -l; true"
        # However these tests end, even killed: the anchor's stdin then ends, and the lab with it.
        end = f"exec {sys.executable} -m tracer lab down >/dev/null 2>&1"
        wait = f"echo ready; while read line; do :; done; {end}"
        script = f"{clear}; mount -t tmpfs tmpfs /run && {{ {wait}; }}"
        if shared:
            script = f"mount --make-rshared / && {script}"
        self._anchor = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._anchor.stdout is not None
        assert self._anchor.stdout.readline() == "ready\n"

    @property
    def mount_namespace(self) -> str:
        """Its file."""
        return f"/proc/{self._anchor.pid}/ns/mnt"

    def processes(self) -> list[str]:
        """The command lines of the processes in it, but for the anchor's."""
        found = []
        here = os.stat(self.mount_namespace).st_ino
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                inside = os.stat(f"/proc/{pid}/ns/mnt").st_ino == here
                words = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if inside and int(pid) != self._anchor.pid:
                found.append(words)
        return sorted(found)

    def look(self) -> str:
        """Mounts, files, devices, routes, sysctls and processes, as they are now."""
        return self.output(["sh", "-c", LOOK]) + "\n".join(self.processes())

    @property
    def inside(self) -> list[str]:
        """What to put before a command."""
        return ["nsenter", f"--mount={self.mount_namespace}", "--"]

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
        assert self._anchor.stdin is not None
        self._anchor.stdin.close()
        self._anchor.wait(30)
