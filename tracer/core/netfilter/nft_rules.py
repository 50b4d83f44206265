"""A rule of nft's JSON as steps and a verdict. What is iptables' own in it, others explain."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from tracer.core.netfilter.model import ELSEWHERE, Choice, Rule, Step, Verdict
from tracer.core.netfilter.nft_keys import keys_of
from tracer.core.netfilter.nft_matches import BAD, Scope, match_steps, needs_of
from tracer.core.netfilter.nft_verdicts import choice_of, effect_of, implied, verdict_of
from tracer.core.netfilter.steps import always, unclear, untrack

_PASSING = frozenset({
    "comment", "continue", "counter", "ct expectation", "ct helper", "ct timeout", "dup", "flow",
    "last", "log", "map", "secmark",
})  # fmt: skip
"""They let the packet go on, and change nothing that a probe has."""
_UNCLEAR = frozenset({"ct count", "limit", "meter", "quota", "socket", "tproxy"})


class Foreign(NamedTuple):
    """What is iptables' own in a rule: its matches by name, in order, and its target."""

    match: Callable[[str], list[Step]]
    target: Callable[[str], tuple[list[Step], Verdict | None]]


class Draft:
    """A rule in the making."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.parts: list[Any] = []
        self.verdict: Verdict | Choice | None = None
        self.writes = False

    def add(self, steps: Iterable[Step], part: Any) -> None:
        """Matches, and the statement that they are."""
        for step in steps:
            if step is not always:
                self.steps.append(step)
                self.parts.append(part)

    def effect(self, step: Step, part: Any) -> None:
        """A step that changes the packet."""
        self.steps.append(step)
        self.parts.append(part)
        self.writes = True

    def rule(self, quote: str | list[Any]) -> Rule | None:
        """None: it neither decides nor changes anything."""
        if self.verdict is None and not self.writes:
            return None
        return Rule(
            tuple(self.steps), self.verdict, quote=quote, parts=self.parts, writes=self.writes
        )


def draft_of(statements: Any, scope: Scope, foreign: Foreign) -> Draft:
    """Read a rule's statements. What cannot be read is unclear; nothing is raised."""
    draft = Draft()
    for statement in statements if isinstance(statements, list) else [statements]:
        try:
            verb, body = next(iter(statement.items()))
            _add(draft, verb, body, statement, scope, foreign)
        except (*BAD, StopIteration):
            draft.add([unclear], statement)
            if draft.verdict is None:
                draft.verdict = ELSEWHERE
    return draft


def _add(
    draft: Draft, verb: str, body: Any, statement: Any, scope: Scope, foreign: Foreign
) -> None:
    if verb == "match":
        draft.add(match_steps(body, scope), statement)
    elif verb == "xt" and isinstance(body, dict) and body.get("type") == "match":
        draft.add(foreign.match(body["name"]), statement)
    elif verb == "xt":
        effects, draft.verdict = foreign.target(body["name"])
        for effect in effects:
            draft.effect(effect, statement)
    elif verb == "vmap":
        draft.add(needs_of(keys_of(body["key"], scope.addresses)), statement)
        draft.verdict = choice_of(body, scope)
    elif verb == "mangle":
        written = effect_of(body, scope)
        if written is not None:
            draft.effect(written, statement)
    elif verb == "notrack":
        draft.effect(untrack, statement)
    elif verb == "set":
        # An element is added or renewed; what stands inside may be a limit.
        draft.add([unclear] if body.get("stmt") else [], statement)
    elif verb in _UNCLEAR:
        draft.add([unclear], statement)
    elif verb not in _PASSING:
        draft.add(implied(verb, body, scope), statement)
        draft.verdict = verdict_of(verb, body, scope)
