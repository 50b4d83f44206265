"""The group of all commands, and the one place where errors become words and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from tracer import __version__
from tracer.cli import completion
from tracer.cli.agent import agent
from tracer.cli.check import check
from tracer.cli.cleanup import cleanup
from tracer.cli.diff import diff
from tracer.cli.doctor import doctor
from tracer.cli.explain import explain
from tracer.cli.idle import idle
from tracer.cli.importing import import_
from tracer.cli.install import install, uninstall
from tracer.cli.lab import lab
from tracer.cli.predict import predict
from tracer.cli.redact import redact
from tracer.cli.replay import replay
from tracer.cli.report import report
from tracer.cli.top import top
from tracer.cli.trace import trace
from tracer.cli.watch import watch
from tracer.cli.words import arranged
from tracer.errors import FlantraceError

BUG = 70
"""EX_SOFTWARE of sysexits.h: Python's own 1 would read as "a fault was found"."""

INTERRUPTED = 130


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`flantrace POD_A POD_B` is short for `flantrace trace POD_A POD_B`.",
)
@click.version_option(__version__, prog_name="flantrace")
def flantrace() -> None:
    """Follow a packet from pod to pod over flannel's VXLAN, and name what stops it."""


COMMANDS = (
    trace, check, watch, top, predict, doctor, install, uninstall, replay, report, diff, explain,
    redact, import_,
)  # fmt: skip
"""In the order in which people meet them."""

for command in (*COMMANDS, lab, cleanup, completion.completion, agent, idle):
    flantrace.add_command(command)


def main(words: Sequence[str] | None = None, program: str = "flantrace") -> None:
    """Run one command line and leave with its exit code. No traceback reaches a user."""
    if completion.asked_for():
        completion.ready()
    sys.exit(run(list(sys.argv[1:] if words is None else words), program))


def run(words: list[str], program: str = "flantrace") -> int:
    """The exit code of one command line. `program`: what was typed to start it."""
    try:
        result = flantrace.main(
            arranged(words, flantrace),
            prog_name=program,
            complete_var=completion.VARIABLE,
            standalone_mode=False,
        )
        sys.stdout.flush()
        return int(result or 0)
    except FlantraceError as error:
        _say(error.what, error.where, error.hint)
        return error.exit_code
    except click.UsageError as error:
        _say(error.format_message(), "the command line", f"{program} --help")
        return 2
    except click.ClickException as error:
        _say(error.format_message(), "the command line", f"{program} --help")
        return 2
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted", "by you", "nothing is left behind on any node")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our stdout has left; Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("FLANTRACE_DEBUG"):
            raise
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        line = "" if place is None else f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
        _say(
            f"this is a bug in flantrace: {type(error).__name__}: {error}",
            line,
            "please report it with the command and FLANTRACE_DEBUG=1's output",
        )
        return BUG


def _say(what: str, where: str, hint: str) -> None:
    """Three lines: what, where, what to do next."""
    for label, text in (("flantrace:", what), ("  where ", where), ("  hint  ", hint)):
        click.echo(f"{label} {' '.join(text.split())}", err=True)
