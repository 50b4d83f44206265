"""The lab with a pod network that has room for thousands of nodes.

`python -m tests.soak.wide up` is `flantrace lab up` with it.
"""

import sys
from dataclasses import replace

from tracer.lab.shape import PLAIN, SHAPES, Shape

WIDE = replace(PLAIN, network="10.224.0.0/11")
"""8,192 subnets of /24. The lab's own nodes have the first ones."""


def widen() -> Shape:
    """In this process, from now on, the plain shape has the wide network."""
    SHAPES[PLAIN.name] = WIDE
    return WIDE


def main() -> None:
    """One command of the lab."""
    widen()
    from tracer.cli.main import main as flantrace

    flantrace(["lab", *sys.argv[1:]])


if __name__ == "__main__":
    main()
