"""`--redact` on every command that writes, and `flantrace redact`: one road for all of them."""

from pathlib import Path

import pytest

from tests.cases import bundle_of
from tests.test_cases import replayed
from tracer.bundle.archive import read
from tracer.cli.main import run

FAULT = bundle_of("fdb-missing")
SECRETS = ("pod-a", "node-a", "36:fa:77:28:4d:8b")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(bytes(range(16)))
    return path


def test_a_redacted_bundle_gives_the_same_verdict_and_no_names(tmp_path: Path) -> None:
    out = tmp_path / "r.tgz"
    assert run(["redact", str(FAULT), "-o", str(out)]) == 0
    code, text = replayed(out)
    assert code == 1
    assert "fdb-missing" in text
    assert "replaced" in text
    assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize("form", ["text", "json", "markdown", "html", "mermaid", "summary"])
def test_every_form_is_redacted(form: str) -> None:
    code, text = replayed(FAULT, "--redact", "--format", form)
    assert code == 1
    assert not [secret for secret in SECRETS if secret in text]


def test_with_one_key_the_tokens_are_the_same_wherever_it_is_done(
    tmp_path: Path, key: Path
) -> None:
    out = tmp_path / "r.tgz"
    run(["redact", str(FAULT), "-o", str(out), "--redact-key", str(key)])
    later = tmp_path / "report.md"
    words = ["--redact", "--redact-key", str(key), "-o", str(later)]
    assert run(["report", str(FAULT), *words]) == 1
    assert later.read_text() == replayed(out, "--format", "markdown")[1]
    assert read(out).redacted


def test_two_redactions_without_a_key_have_nothing_in_common() -> None:
    assert replayed(FAULT, "--redact")[1] != replayed(FAULT, "--redact")[1]


def test_a_key_that_is_too_short_or_for_nothing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: Path
) -> None:
    short = tmp_path / "short"
    short.write_bytes(b"x")
    assert run(["replay", str(FAULT), "--redact", "--redact-key", str(short)]) == 2
    assert run(["replay", str(FAULT), "--redact-key", str(key)]) == 2
    assert "without --redact" in capsys.readouterr().err
