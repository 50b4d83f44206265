"""The script of the how-to, as a watch runs it."""

import sys
from pathlib import Path

import pytest

from tests.watching.announced import Said, turned
from tests.watching.hook_server import hooks
from tracer.model.watch import Turn
from tracer.watching.on_finding import OnFinding

SCRIPT = Path(__file__).parents[2] / "docs" / "how-to" / "tell-a-chat.py"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_chat_gets_a_text_for_people(tmp_path: Path) -> None:
    said, secret = Said(), tmp_path / "chat-url"
    with hooks(200) as server:
        secret.write_text(f"http://{server.at}/hooks/s3cr3t\n")
        command = OnFinding(f"{sys.executable} {SCRIPT} {secret}", said)
        command.send(turned(sentence="node-b says <!channel> @all."))
        command.send(turned(Turn.CLOSED))
    assert said.all == []
    assert [one["text"].splitlines() for one in server.got] == [
        [
            "OPENED vtepmac-annotation-stale on node-1: node-b says  !channel   all.",
            "before: flanneld on node-b started 3.4 s before",
            "fix: restart flanneld on node-b",
        ],
        [
            "CLOSED vtepmac-annotation-stale on node-1: node-b has no MAC.",
            "before: flanneld on node-b started 3.4 s before",
        ],
    ]


def test_where_the_chat_refuses_the_watch_says_so_without_its_url(tmp_path: Path) -> None:
    said, secret = Said(), tmp_path / "chat-url"
    with hooks(403) as server:
        secret.write_text(f"http://{server.at}/hooks/s3cr3t\n")
        OnFinding(f"{sys.executable} {SCRIPT} {secret}", said).send(turned())
    assert said.all[0].endswith("HTTP Error 403: Forbidden")
    assert "s3cr3t" not in said.all[0]


def test_it_may_be_run_as_it_is() -> None:
    assert SCRIPT.stat().st_mode & 0o111
