"""Running the system's own tools (iproute2, nft, CNI plugins), in a node or outside."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from tracer.errors import CollectFailed, NotSupported
from tracer.lab.paths import MOUNT_NAMESPACES, NETNS_DIR

TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = {
    "ip": "iproute2",
    "bridge": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "iptables-restore": "iptables",
    "nsenter": "util-linux",
}


def tool(name: str) -> str:
    """The absolute path of a tool. Raises NotSupported that names the package."""
    found = shutil.which(name, path=TOOL_PATH)
    if found is None:
        raise NotSupported(
            f"{name} is not installed",
            where="lab",
            hint=f"apt-get install {PACKAGES.get(name, name)}",
        )
    return found


def has_tool(name: str) -> bool:
    """Whether the tool is installed."""
    return shutil.which(name, path=TOOL_PATH) is not None


def run(
    command: Sequence[str], *, text: str | None = None, environ: Mapping[str, str] | None = None
) -> str:
    """Run a command to its end and return its stdout. Raises CollectFailed with its stderr."""
    argv = [tool(command[0]) if "/" not in command[0] else command[0], *command[1:]]
    done = subprocess.run(
        argv,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": TOOL_PATH, "LC_ALL": "C.UTF-8", **(environ or {})},
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise CollectFailed(
            said[0] if said else f"exit code {done.returncode}",
            where=" ".join(command)[:200],
            hint="`flantrace lab down` clears what is left; then `flantrace lab up`",
        )
    return done.stdout


def run_in_node(
    node: str,
    command: Sequence[str],
    *,
    text: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Run a command in a node's network and mount namespaces. Raises CollectFailed."""
    spaces = [f"--net={NETNS_DIR}/{node}", f"--mount={MOUNT_NAMESPACES}/{node}"]
    return run(["nsenter", *spaces, "--", *command], text=text, environ=environ)


def ip(netns: str, lines: Sequence[str]) -> None:
    """Run `ip` commands in a named network namespace, in one process. Raises CollectFailed."""
    if lines:
        run(["ip", "-n", netns, "-batch", "-"], text="\n".join(lines) + "\n")


def bridge(netns: str, lines: Sequence[str]) -> None:
    """Run `bridge` commands in a named network namespace, in one process."""
    if lines:
        run(["bridge", "-n", netns, "-batch", "-"], text="\n".join(lines) + "\n")


def write_in_node(node: str, path: str, text: str, mode: str = "0644") -> None:
    """Write a file as the node sees it, directories included."""
    script = 'umask 022; mkdir -p "${1%/*}"; cat > "$1"; chmod "$2" "$1"'
    run_in_node(node, ["/bin/sh", "-c", script, "sh", path, mode], text=text)


def read_in_node(node: str, path: str) -> str:
    """Read a file as the node sees it. Raises CollectFailed when it is not there."""
    return run_in_node(node, ["/bin/cat", path])


def set_sysctls(netns: str, values: Mapping[str, str]) -> None:
    """Write sysctls (path below /proc/sys -> value) in a named network namespace, in order.

    What this kernel does not have is left out.
    """
    script = 'while [ $# -gt 0 ]; do [ ! -e "$1" ] || echo "$2" > "$1" || exit 1; shift 2; done'
    words = [word for name, value in values.items() for word in (f"/proc/sys/{name}", value)]
    spaces = ["nsenter", f"--net={NETNS_DIR}/{netns}", "--"]
    run([*spaces, "/bin/sh", "-c", script, "sh", *words])


def sysctl(netns: str, name: str) -> str:
    """Read a sysctl (path below /proc/sys) in a named network namespace."""
    shown = run(["nsenter", f"--net={NETNS_DIR}/{netns}", "--", "/bin/cat", f"/proc/sys/{name}"])
    return shown.strip()
