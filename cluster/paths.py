"""Where the cluster keeps what: the cache of built programs, and the state of a running cluster."""

import os
import re
from pathlib import Path

from cluster import debian

ROOT = Path(__file__).parent.parent
MODULES = Path(__file__).parent / "modules"


def cache() -> Path:
    """What stays from run to run, outside of the checkout."""
    return debian.cache() / "cluster"


def name() -> str:
    """The name of the cluster that is meant: several may stand side by side."""
    given = os.environ.get("FLANTRACE_CLUSTER", "one")
    if not re.fullmatch(r"[a-z0-9]{1,12}", given):
        raise SystemExit(f"FLANTRACE_CLUSTER={given!r}: letters and digits, at most twelve")
    return given


def state() -> Path:
    """Everything of the running cluster. Not below what nodes see as their own /etc, /var/lib."""
    return Path(f"/var/tmp/flantrace-cluster-{name()}")


KUBECONFIG = "admin.conf"
"""Below `state()`: cluster-admin's, as seen from the operator's namespace."""
