"""`flantrace lab ...`: a cluster in namespaces of this machine. Imports happen when needed."""

import os
from collections.abc import Mapping

import click

from tracer.errors import NotPermitted, UsageError


@click.group("lab")
def lab() -> None:
    """Build a flannel cluster in namespaces of this machine, and break it."""


def _need_root() -> None:
    if os.geteuid() != 0:
        raise NotPermitted("the lab needs root", where="lab", hint="sudo flantrace lab ...")


def _say(line: str) -> None:
    click.echo(line, err=True)


@lab.command()
@click.option("--nodes", default=3, show_default=True, metavar="N", help="How many nodes.")
@click.option(
    "--shape",
    default="plain",
    show_default=True,
    metavar="NAME",
    help="What kind of cluster; `flantrace lab shapes` lists them.",
)
def up(nodes: int, shape: str) -> None:
    """Build the lab: nodes, pods, flannel, an API server."""
    _need_root()
    from tracer.lab.cluster import up as build

    build(nodes, _say, shape)
    from tracer.lab.paths import KUBECONFIG

    click.echo(f"lab is up: {nodes} nodes; kubeconfig {KUBECONFIG}")


@lab.command()
def shapes() -> None:
    """List the shapes that the lab can have, one a line, name first."""
    from tracer.lab.shape import SHAPES

    _listed({name: shape.sentence for name, shape in SHAPES.items()})


def _listed(sentences: Mapping[str, str]) -> None:
    width = max(map(len, sentences))
    for name, sentence in sentences.items():
        click.echo(f"{name:<{width}}  {sentence}")


@lab.command()
def down() -> None:
    """Take the lab away; the machine is as it was before."""
    _need_root()
    from tracer.lab.cluster import down as remove

    remove(_say)


@lab.command()
def status() -> None:
    """Show nodes, pods, addresses, the shape and the fault in force."""
    _need_root()
    from tracer.lab.status import lines

    for line in lines():
        click.echo(line)


@lab.command()
@click.argument("fault")
def inject(fault: str) -> None:
    """Set a fault; `flantrace lab faults` lists them."""
    _need_root()
    from tracer.lab.injection import inject as set_fault

    set_fault(fault)


@lab.command()
@click.argument("variant")
def vary(variant: str) -> None:
    """Do something that breaks nothing; `flantrace lab variants` lists what."""
    _need_root()
    from tracer.lab.injection import vary as set_variant

    set_variant(variant)


@lab.command()
def heal() -> None:
    """Put the lab back in order."""
    _need_root()
    from tracer.lab.injection import heal as put_right

    put_right()


@lab.command()
def faults() -> None:
    """List the faults, one a line, name first."""
    from tracer.lab.faults import FAULTS

    _listed({name: fault.listed for name, fault in FAULTS.items()})


@lab.command()
def variants() -> None:
    """List what a healthy cluster goes through, one a line, name first."""
    from tracer.lab.variants import VARIANTS

    _listed({name: variant.listed for name, variant in VARIANTS.items()})


@lab.command()
def kubeconfig() -> None:
    """Print the path of the lab's kubeconfig."""
    from tracer.lab.journal import present
    from tracer.lab.paths import KUBECONFIG

    _need_root()
    present()
    click.echo(KUBECONFIG)


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("place", metavar="NODE|POD")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD")
def execute(place: str, command: tuple[str, ...]) -> None:
    """Run a command in a node (network and mount namespaces) or in a pod."""
    if not command:
        raise UsageError(
            "no command", where="lab exec", hint="flantrace lab exec node-a -- ip neigh"
        )
    _need_root()
    from tracer.lab.enter import become

    become(place, command)
