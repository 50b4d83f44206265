"""What the firewall tools print, unjudged. No tool is called where it would load a module."""

import os
import shutil
import subprocess
from concurrent.futures import Executor, Future
from typing import TypeAlias

from tracer.collect.service_rules import with_few_services
from tracer.model.state import FirewallDump, NotRead

Result: TypeAlias = FirewallDump | NotRead

TIMEOUT_S = 10.0
"""nft takes some 4 s for kube-proxy's 55,000 rules of 5,000 Services."""

PRINTED, BYTES_PER_DUMP = 64 * 1024 * 1024, 8 * 1024 * 1024
"""Bytes that a tool may print, and those that are kept when most Services are left out."""

_TOOLS = ("nft -j list ruleset", "iptables-nft-save", "ip6tables-nft-save")
_LEGACY = {
    "iptables-legacy-save": "/proc/thread-self/net/ip_tables_names",
    "ip6tables-legacy-save": "/proc/thread-self/net/ip6_tables_names",
}
_PLAIN = ("iptables-save", "ip6tables-save")
"""On a distribution that has only one variant, and so does not name it."""
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/bin", "/bin"])


def start(executor: Executor) -> list[Future[Result]]:
    """Start every dump that this node can give; they run while other things are read."""
    commands = list(_TOOLS)
    if _find("iptables-nft-save") is None:
        commands += _PLAIN
    started = [executor.submit(_dump, command) for command in commands]
    for command, tables in _LEGACY.items():
        started.append(executor.submit(_legacy, command, tables))
    return started


def _legacy(command: str, tables: str) -> Result:
    """The kernel lists the legacy tables of this namespace; without any the tool prints nothing.

    Asking the tool about a table that is not there would load its module.
    """
    try:
        with open(tables, encoding="ascii", errors="replace") as file:
            present = file.read(4096).split()
    except FileNotFoundError:
        present = []
    except OSError as error:
        return NotRead(what=command, why=error.strerror or str(error))
    return _dump(command) if present else FirewallDump(tool=command, text="")


def _dump(command: str) -> Result:
    words = command.split()
    path = _find(words[0])
    if path is None:
        return NotRead(what=command, why="not installed")
    try:
        done = subprocess.run(
            [path, *words[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return NotRead(what=command, why=f"no end after {TIMEOUT_S:g} s")
    except OSError as error:
        return NotRead(what=command, why=error.strerror or str(error))
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        return NotRead(what=command, why=lines[0] if lines else f"exit code {done.returncode}")
    printed = len(done.stdout)
    text = with_few_services(done.stdout.decode("utf-8", "replace")) if printed <= PRINTED else None
    if text is None or len(text) > BYTES_PER_DUMP:
        return NotRead(what=command, why=f"{printed} bytes, too many to keep")
    return FirewallDump(tool=command, text=text)


def _find(tool: str) -> str | None:
    return shutil.which(tool, path=_PATH)
