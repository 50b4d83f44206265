"""`python -m tracer`, and the console scripts."""

import sys

from tracer.cli.main import main


def kubectl() -> None:
    """`kubectl-flantrace`, which kubectl runs for `kubectl flantrace`."""
    main(program="kubectl flantrace")


def kubectl_complete() -> None:
    """`kubectl_complete-flantrace`, which kubectl asks for completions."""
    from tracer.cli.completion import for_kubectl
    from tracer.cli.main import flantrace

    sys.stdout.write(for_kubectl(flantrace, sys.argv[1:]) + "\n")


if __name__ == "__main__":
    main()
