"""Completion in shells, and in kubectl: commands, options, rules, and names of the cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

from tracer.cli.words import DEFAULT, arranged, awaits_value
from tracer.errors import FlantraceError

if TYPE_CHECKING:
    from tracer.collect.kube import Api

VARIABLE = "_FLANTRACE_COMPLETE"
"""What the shells' functions set for the process that is to complete."""

PATIENCE_S = 1.5
"""For the API server: whoever presses the key waits."""

NO_FILES, FILES = 4, 0
"""Cobra's directives, which kubectl reads: whether the shell may offer files as well."""


class _Ours(ShellComplete):
    """Words are arranged first, as everywhere: `flantrace POD` means `flantrace trace POD`."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        group = self.cli
        assert isinstance(group, click.Group)
        meant = arranged(args, group)
        if any(word in group.commands for word in meant[:1]):
            return super().get_completions(meant, incomplete)
        found = super().get_completions([DEFAULT, *args], incomplete)
        if awaits_value(args, group):
            return found
        more = super().get_completions([], incomplete)
        known = {item.value for item in more}
        return more + [item for item in found if item.value not in known]


class _Bash(_Ours, BashComplete):
    pass


class _Zsh(_Ours, ZshComplete):
    pass


class _Fish(_Ours, FishComplete):
    pass


SHELLS = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def ready() -> None:
    """Have click use these classes."""
    for name, shell in SHELLS.items():
        add_completion_class(shell, name)


def script(group: click.Group, shell: str) -> str:
    """What a shell reads to complete `flantrace`."""
    return SHELLS[shell](group, {}, "flantrace", VARIABLE).source()


def for_kubectl(group: click.Group, words: list[str]) -> str:
    """The answer to kubectl, which calls `kubectl_complete-flantrace WORD... INCOMPLETE`."""
    *args, incomplete = words or [""]
    found = _Bash(group, {}, "kubectl flantrace", VARIABLE).get_completions(args, incomplete)
    plain = [item for item in found if item.type == "plain"]
    lines = [f"{item.value}\t{item.help or ''}".rstrip() for item in plain]
    directive = NO_FILES if len(plain) == len(found) else FILES
    return "\n".join([*lines, f":{directive}"])


@click.command()
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script by which a SHELL completes flantrace's words.

    \b
    bash: source <(flantrace completion bash)
    zsh:  source <(flantrace completion zsh)
    fish: flantrace completion fish | source
    """
    group = context.find_root().command
    assert isinstance(group, click.Group)
    click.echo(script(group, shell), nl=False)


def end(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Pods, node/NAME and svc/NAME."""
    from tracer.collect.kube_names import ends

    namespace = str(context.params.get("namespace") or "default")
    return _from_api(context, incomplete, lambda api: ends(api, namespace, incomplete))


def node(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Names of nodes."""
    from tracer.collect.kube_names import names
    from tracer.collect.kube_write import NODES

    return _from_api(context, incomplete, lambda api: names(api, NODES))


def rule(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Slugs of rules."""
    from tracer.core.rules.catalogue import CATALOGUE, slug

    return [name for name in map(slug, CATALOGUE) if name.startswith(incomplete)]


def _from_api(
    context: click.Context, incomplete: str, ask: Callable[[Api], Iterable[str]]
) -> list[str]:
    """No cluster, no names: nobody wants an error between two words."""
    from tracer.collect.kube import Api

    words: dict[str, Any] = context.params
    kubeconfig = words.get("kubeconfig")
    if words.get("use_lab") and not kubeconfig:
        from tracer.lab.paths import KUBECONFIG

        kubeconfig = KUBECONFIG
    try:
        api = Api(kubeconfig, words.get("context"), PATIENCE_S)
        return [name for name in ask(api) if name.startswith(incomplete)]
    except FlantraceError:
        return []


def asked_for() -> bool:
    """A shell's function started this process."""
    return VARIABLE in os.environ
