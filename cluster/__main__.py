"""`python -m cluster up | down | env | in PLACE COMMAND...`: a cluster to try things on by hand."""

import os
import sys
from pathlib import Path

from cluster.build import build, programs
from cluster.debian_go import NoGo
from cluster.paths import KUBECONFIG, state
from cluster.setup import down, running, up
from cluster.shell import PATH, Failed

USAGE = """usage: python -m cluster up       bring the cluster up (first it is built, some minutes)
       python -m cluster up --dual-stack   the same, with IPv6 beside IPv4
       python -m cluster down     end it, and leave nothing
       python -m cluster in PLACE COMMAND...   run a command in node-a, node-b, operator, control"""


def main(words: list[str]) -> int:
    """One command."""
    try:
        match words:
            case ["up"] | ["up", "--dual-stack"]:
                build()
                up(dual_stack=len(words) > 1)
            case ["down"]:
                down()
            case ["in", place, *command] if command:
                environ = {
                    **os.environ,
                    "KUBECONFIG": str(state() / KUBECONFIG),
                    "PATH": f"{programs()}:{Path(sys.executable).parent}:{PATH}",
                }
                inside = running().places[place].enter
                os.execvpe(inside[0], [*inside, *command], environ)
            case _:
                print(USAGE, file=sys.stderr)
                return 2
    except (Failed, NoGo) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


sys.exit(main(sys.argv[1:]))
