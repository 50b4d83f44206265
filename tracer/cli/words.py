"""Which words of a command line are what, before click sees them.

`flantrace pod-a pod-b` is `flantrace trace pod-a pod-b`, and common options stand before or after
the command.
"""

from collections.abc import Mapping, Sequence

import click

DEFAULT = "trace"


def arranged(words: Sequence[str], group: click.Group) -> list[str]:
    """The same words with the command first and named: `--lab a b` -> `trace --lab a b`."""
    before, rest = _leading_options(words, _takes_value(group))
    if not rest:
        return list(words)
    if rest[0] in group.commands:
        return [rest[0], *before, *rest[1:]]
    return [DEFAULT, *before, *rest]


def awaits_value(words: Sequence[str], group: click.Group) -> bool:
    """The last word is an option that wants another word."""
    return bool(words) and _takes_value(group).get(words[-1], 0) > 0


def _leading_options(
    words: Sequence[str], takes_value: Mapping[str, int]
) -> tuple[list[str], list[str]]:
    """Split where the first word that is no option, and no option's value, stands."""
    index = 0
    while index < len(words):
        word = words[index]
        if word == "--" or not word.startswith("-") or word == "-":
            break
        index += 1 + takes_value.get(word, 0)
    return list(words[:index]), list(words[index:])


def _takes_value(group: click.Group) -> dict[str, int]:
    """Every option of the commands -> how many of the next words belong to it."""
    found: dict[str, int] = {}
    for command in group.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                for name in (*parameter.opts, *parameter.secondary_opts):
                    found[name] = 0 if parameter.is_flag or parameter.count else parameter.nargs
    return found
