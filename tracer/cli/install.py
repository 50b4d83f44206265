"""`flantrace install` and `flantrace uninstall`. Imports happen when needed."""

from __future__ import annotations

import click

from tracer.cli import options
from tracer.errors import UsageError
from tracer.install.settings import DEFAULT_IMAGE, K3S_PATHS, METRICS_PORT, PATHS, Settings

wait = click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=120.0,
    show_default=True,
    help="How long to wait until it is done.",
)


@click.command()
@click.option(
    "--image",
    metavar="REF",
    **({"default": DEFAULT_IMAGE} if DEFAULT_IMAGE is not None else {"required": True}),
    help="flantrace's image, as the nodes pull it.",
)
@options.pull_policy
@click.option("--dry-run", is_flag=True, help="Print the manifests for kubectl apply -f -.")
@click.option(
    "--passive-only",
    is_flag=True,
    help="Give agents no SYS_ADMIN and no SYS_PTRACE: they enter no pod, and send nothing.",
)
@click.option(
    "--old-kernels", is_flag=True, help="Some node runs Linux 5.10: give agents SYS_RESOURCE."
)
@click.option(
    "--watch",
    is_flag=True,
    help=f"A watch on every node, too; its metrics are at the node's port {METRICS_PORT}.",
)
@click.option("--k3s", is_flag=True, help="Read k3s' files. Without --dry-run it is found out.")
@options.flantrace_namespace
@options.server
@wait
def install(dry_run: bool, k3s: bool, wait_s: float, **words: object) -> None:
    """Run an agent's pod on every node, or bring those that run up to date.

    Makes a namespace, a ServiceAccount without a token, a DaemonSet, and roles that people may be
    bound to. Agents start when somebody traces; until then the pods only wait. With --watch a
    second DaemonSet, whose pods have a token that reads nodes, pods and flannel's configuration.
    """
    if dry_run:
        from tracer.install.as_yaml import as_yaml
        from tracer.install.watch import whole

        settings = _settings(words, K3S_PATHS if k3s else PATHS)
        click.echo(as_yaml(whole(settings)), nl=False)
        return
    from tracer.install.apply import install as apply
    from tracer.install.distribution import paths_of

    api = options.api(words)
    settings = _settings(words, K3S_PATHS if k3s else paths_of(api))
    count = apply(api, settings, _say, wait_s)
    click.echo(f"flantrace runs on {count} node{'' if count == 1 else 's'}")


@click.command()
@options.flantrace_namespace
@options.server
@wait
def uninstall(wait_s: float, **words: object) -> None:
    """Remove what `flantrace install` made, and wait until it is gone."""
    from tracer.install.removal import uninstall as remove

    removed = remove(options.api(words), str(words["flantrace_namespace"]), _say, wait_s)
    click.echo(f"removed {', '.join(removed)}" if removed else "flantrace was not installed")


def _settings(words: dict[str, object], paths: tuple[str, ...]) -> Settings:
    from tracer.collect.kube import NAME

    namespace = str(words["flantrace_namespace"])
    if not NAME.fullmatch(namespace):
        raise UsageError(
            f"{namespace!r} is no name of a namespace",
            where="--flantrace-namespace",
            hint="small letters, digits and dashes",
        )
    return Settings(
        image=str(words["image"]),
        namespace=namespace,
        pull_policy=options.text_of(words["pull_policy"]),
        passive_only=bool(words["passive_only"]),
        old_kernels=bool(words["old_kernels"]),
        paths=paths,
        watch=bool(words["watch"]),
    )


def _say(line: str) -> None:
    click.echo(line, err=True)
