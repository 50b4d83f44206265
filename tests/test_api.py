"""The functions for programs: what they give is what the command prints."""

import inspect
import re
from pathlib import Path

import pytest

from tests.cases import bundle_of
from tests.test_cases import replayed
from tracer import api
from tracer.api import diagnose, load, render, save
from tracer.bundle.limits import check
from tracer.errors import BadBundle, UsageError
from tracer.formats import BINARY, Format

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "embed.md"
FAULT = bundle_of("fdb-missing")


@pytest.mark.parametrize("form", sorted(set(Format) - BINARY))
def test_what_is_rendered_is_what_the_command_prints(form: Format) -> None:
    assert render(load(FAULT), form.value) == replayed(FAULT, "--format", form.value)[1]


def test_the_verdict_has_the_commands_exit_code() -> None:
    assert diagnose(load(FAULT)).verdict.exit_code == replayed(FAULT)[0] == 1


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    save(load(FAULT), tmp_path / "a.tgz")
    assert load(str(tmp_path / "a.tgz")) == check(load(FAULT), "a")


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    render(load(FAULT))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "words", [{"form": "novel"}, {"form": "markdown", "diagram": "oil"}], ids=str
)
def test_a_form_that_does_not_exist_is_said(words: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="none that is known"):
        render(load(FAULT), **words)


def test_a_bundle_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadBundle):
        load(tmp_path / "absent.tgz")


@pytest.mark.parametrize(
    "words",
    [
        {"probe": "tcp"},
        {"probe": "sctp"},
        {"port": 80},
        {"count": 0},
        {"count": 1001},
    ],
    ids=str,
)
def test_words_that_contradict_each_other_are_said_before_anything_is_done(
    words: dict[str, object],
) -> None:
    with pytest.raises(UsageError):
        api.collect("a", "b", node_exec="true", **words)  # type: ignore[arg-type]


def test_every_function_is_documented_and_every_documented_one_exists() -> None:
    named = set(re.findall(r"^\| `(\w+)\(|, `(\w+)\(", PAGE.read_text(), re.M))
    functions = {name for name in api.__all__ if inspect.isfunction(getattr(api, name))}
    assert {one or other for one, other in named} == functions
    assert all(getattr(api, name).__doc__ for name in functions)


def test_the_pages_program_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs live in tests/lab/test_traces.py; here without a cluster, and says so."""
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    space: dict[str, object] = {}
    exec(program, space)
    traced = space["traced"]
    assert callable(traced)
    said = traced("pod-a", "pod-b", node_exec="true", kubeconfig=str(tmp_path / "none"))
    assert "kubeconfig" in said
