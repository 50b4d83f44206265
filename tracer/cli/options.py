"""The options that commands share, each declared once."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracer.bundle.unpack import DEFAULT_LIMIT
from tracer.collect.command import own_command
from tracer.errors import UsageError
from tracer.formats import Format, Look
from tracer.install.settings import NAMESPACE

if TYPE_CHECKING:
    from tracer.collect.kube import Api
    from tracer.model.bundle import Bundle
    from tracer.recording.reach import Reach

Command = TypeVar("Command", bound=Callable[..., Any])

DEPTHS = ("verdict", "path", "full")


def _stacked(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


color = click.option(
    "--color",
    type=click.Choice(("auto", "always", "never")),
    default="auto",
    show_default=True,
    help="auto: on a terminal, unless NO_COLOR is set.",
)

output = _stacked(
    click.option(
        "--format",
        "form",
        type=click.Choice([form.value for form in Format]),
        help="The form of the answer.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Short for --format json."),
    click.option(
        "--depth",
        type=click.Choice(DEPTHS),
        default="path",
        show_default=True,
        help="How much of the same trace to print; verdict is one line of five words.",
    ),
    color,
    click.option(
        "--diagram",
        type=click.Choice([look.value for look in Look]),
        default=Look.MERMAID.value,
        show_default=True,
        help="The path in Markdown; ascii for what draws no Mermaid, such as Jira.",
    ),
)

kubeconfig = _stacked(
    click.option("--kubeconfig", type=click.Path(), help="As kubectl's."),
    click.option("--context", help="A context of the kubeconfig."),
)


def _timeout(words: str) -> Callable[[Command], Command]:
    return click.option(
        "--timeout",
        "timeout_s",
        metavar="SECONDS",
        type=click.FloatRange(min=0.1),
        default=15.0,
        show_default=True,
        help=words,
    )


def _pull_policy(words: str) -> Callable[[Command], Command]:
    return click.option(
        "--pull-policy", type=click.Choice(("Always", "IfNotPresent", "Never")), help=words
    )


pull_policy = _pull_policy("When nodes pull it. Default: as Kubernetes chooses.")

flantrace_namespace = click.option(
    "--flantrace-namespace",
    metavar="NAME",
    default=NAMESPACE,
    show_default=True,
    help="Namespace of flantrace's own pods.",
)

server = _stacked(kubeconfig, _timeout("How long to wait for an answer of the API server."))

cluster = _stacked(
    click.option("--lab", "use_lab", is_flag=True, help="Use the lab's cluster and nodes."),
    kubeconfig,
    click.option(
        "--node-exec",
        metavar="TEMPLATE",
        help="How to run a command on a node, such as 'ssh {node} sudo'. Default: exec into the"
        " pods of `flantrace install`.",
    ),
    click.option(
        "--agent",
        metavar="CMD",
        help="How flantrace is called there. Default: flantrace; by --lab or --node-exec, this"
        " installation's path.",
    ),
    click.option(
        "--ephemeral",
        is_flag=True,
        help="Make a pod on each node concerned, and remove it afterwards: nothing is installed.",
    ),
    click.option("--image", metavar="REF", help="With --ephemeral: flantrace's image."),
    _pull_policy("With --ephemeral: when nodes pull it. Default: as Kubernetes chooses."),
    flantrace_namespace,
    _timeout("How long to wait for the API server, and for an agent to be ready."),
)

reach = _stacked(
    cluster,
    click.option(
        "-n", "--namespace", default="default", show_default=True, help="Namespace of the pods."
    ),
    click.option(
        "--family",
        type=click.Choice(("4", "6")),
        help="The address family to follow. Default: IPv4 where both ends have it.",
    ),
)

packet = _stacked(
    click.option(
        "--probe",
        "kind",
        type=click.Choice(["icmp", "tcp", "udp"]),
        default="icmp",
        show_default=True,
        help="What the packet is; tcp and udp need --port.",
    ),
    click.option("--port", type=click.IntRange(1, 65535), help="Port of the packet."),
    click.option("--size", type=click.IntRange(28, 65535), help="Bytes of the IP packet, DF set."),
)

matrix = click.option(
    "--matrix", is_flag=True, help="Of a check: show who can reach whom by the tables."
)

redaction = _stacked(
    click.option(
        "--redact",
        is_flag=True,
        help="Replace names, addresses and MACs, and cut payload, in all that is written.",
    ),
    click.option(
        "--redact-key",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="A secret of 16 bytes or more: recordings redacted with it have the same tokens.",
    ),
)

delivery = _stacked(
    click.option(
        "--save",
        "save_to",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Keep everything recorded in one file. Without it a recording that shows no healthy "
        "path is kept in this folder.",
    ),
    click.option("--no-save", is_flag=True, help="Keep nothing, whatever is found."),
    click.option(
        "--report",
        "reports",
        metavar="FORMAT=FILE",
        multiple=True,
        help="Write the answer to a file, too; any of --format's forms. May be repeated.",
    ),
)

unpacked = click.option(
    "--max-unpacked",
    metavar="BYTES",
    type=click.IntRange(min=1),
    default=DEFAULT_LIMIT,
    show_default=True,
    help="Refuse a bundle that unpacks to more.",
)


def as_asked(bundle: Bundle, words: dict[str, object]) -> Bundle:
    """The recording, redacted if that is asked for. UsageError for a key that is none."""
    if not words["redact"]:
        if words["redact_key"] is not None:
            raise UsageError(
                "--redact-key without --redact", where="the command line", hint="add --redact"
            )
        return bundle
    from tracer.bundle.redact import redacted

    key = words["redact_key"]
    return redacted(bundle, key.read_bytes() if isinstance(key, Path) else None)


def text_of(value: object) -> str | None:
    """An option's text; None: it was not given."""
    return value if isinstance(value, str) else None


def seconds_of(value: object) -> float:
    """--timeout."""
    return value if isinstance(value, float) else 15.0


def api(words: Mapping[str, object]) -> Api:
    """The API server that the options of `server` mean."""
    from tracer.collect.kube import Api

    return Api(
        text_of(words["kubeconfig"]), text_of(words["context"]), seconds_of(words["timeout_s"])
    )


def way_to_nodes(words: Mapping[str, object]) -> Reach:
    """What the options of `cluster` mean. UsageError says what to pass."""
    from tracer.recording.reach import Reach

    kubeconfig, node_exec = text_of(words["kubeconfig"]), text_of(words["node_exec"])
    if words["use_lab"]:
        kubeconfig, template = _lab(kubeconfig)
        node_exec = node_exec or (None if words["ephemeral"] else template)
    elif node_exec is not None:
        _check_template(node_exec)
    return Reach(
        kubeconfig=kubeconfig,
        context=text_of(words["context"]),
        timeout_s=seconds_of(words["timeout_s"]),
        node_exec=node_exec,
        agent=text_of(words["agent"]),
        flantrace_namespace=str(words["flantrace_namespace"]),
        ephemeral=bool(words["ephemeral"]),
        image=text_of(words["image"]),
        pull_policy=text_of(words["pull_policy"]),
    )


def _lab(kubeconfig: str | None) -> tuple[str, str]:
    """The lab's kubeconfig, where no other one was named, and its template."""
    from tracer.lab.paths import KUBECONFIG

    if kubeconfig is None and not Path(KUBECONFIG).exists():
        raise UsageError("the lab is not up", where=KUBECONFIG, hint="start it: flantrace lab up")
    return kubeconfig or KUBECONFIG, f"{own_command()} lab exec {{node}} --"


def _check_template(node_exec: str) -> None:
    try:
        if not shlex.split(node_exec):
            raise ValueError("it is empty")
    except ValueError as error:
        raise UsageError(
            f"the template cannot be read: {error}",
            where=f"--node-exec {node_exec!r}",
            hint="for instance --node-exec 'ssh {node} sudo'",
        ) from None
