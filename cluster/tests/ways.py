"""How flantrace gets to the nodes: by a command, or by the pods that it installs."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cluster import workers
from cluster.paths import ROOT, state
from cluster.setup import NODES, Cluster

IMAGE = "localhost/flantrace:dev"
Way = Callable[[], tuple[str, ...]]
"""The options that lead to the nodes; what has to be there for them is there then."""

_ON_NODE = r"""#!/bin/sh
# Runs a command on a node of the cluster that is up: on-node NODE COMMAND...
pid=$(sed -n "s/.*\"$1\": \([0-9]*\).*/\1/p" ANCHORS)
shift
exec nsenter --target="$pid" --net --mount --uts --wd=/ -- "$@"
"""


def by_a_command() -> tuple[str, ...]:
    """As `--node-exec 'ssh {node} sudo'` is one."""
    script = state() / "on-node"
    if not script.exists():
        script.write_text(_ON_NODE.replace("ANCHORS", str(state() / "anchors.json")))
        script.chmod(0o755)
    return ("--node-exec", f"{script} {{node}}")


def built_image(folder: Path) -> Path:
    """flantrace's own image, as `make image` builds it. AssertionError: with what was said."""
    target = folder / "flantrace-image.tar"
    words = [sys.executable, "-m", "tools.image", "--output", str(target)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the image cannot be built: {done.stdout}{done.stderr}"
    return target


class Installed:
    """The pods of `flantrace install`: put there once, and again where the cluster is another."""

    def __init__(self, cluster: Cluster, image: Path, install: Callable[[], None]) -> None:
        self._cluster = cluster
        self._image = image
        self._install = install

    def __call__(self) -> tuple[str, ...]:
        """No option is needed where flantrace is installed."""
        mark = state() / "flantrace-is-installed"
        if not mark.exists():
            with ThreadPoolExecutor() as pool:
                list(pool.map(self._load, NODES))
            self._install()
            mark.write_text(f"{os.getpid()}\n")
        return ()

    def _load(self, node: str) -> None:
        workers.ctr(self._cluster.places[node], "images", "import", self._image)
