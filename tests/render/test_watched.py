"""A watch's segment replayed: the answer of a check, and what came before."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from tests.cases import CHECK, bundle_of
from tests.conftest import Golden
from tracer.bundle.archive import read
from tracer.bundle.segments import Segments
from tracer.cli.main import run
from tracer.model.bundle import Bundle
from tracer.model.observation import Direction
from tracer.model.watch import Deviating, Happening, Kind, Watched
from tracer.render.examination import examination_schema

HERE = Path(__file__).parent
SCHEMA = HERE.parent.parent / "docs" / "reference" / "examination-1.schema.json"
NOW, S = 86_400_000_000_000, 1_000_000_000


def segment(count: int = 2) -> Bundle:
    """One node's neighbour entry was replaced; a check of it was recorded in the lab."""
    changes = tuple(
        Happening(
            node="node-a" if number % 2 else "",
            time_ns=NOW - (9 + count - number) * S,
            what=(
                f"the neighbour 10.244.2.0 at c6:47:97:42:06:{number:02x} (node-b) was written"
                if number % 2
                else "flanneld on node-a started"
            ),
            about=("node-a",),
        )
        for number in range(count)
    )
    deviating = Deviating(
        node="node-a",
        peer="node-b",
        subnet="10.244.2.0/24",
        kind=Kind.PEER_MAC,
        direction=Direction.OUT,
        ifname="flannel.1",
        packets=1412,
        first_ns=NOW - 7 * S,
        last_ns=NOW - S // 4,
        seen=None,
    )
    return replace(
        read(bundle_of("neigh-stale-one-node", CHECK)),
        watched=Watched(time_ns=NOW, deviating=(deviating,), happened=changes),
    )


def replayed(
    bundle: Bundle, folder: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """As it comes out of a ring."""
    ring = Segments(folder, most_bytes=1 << 20, most_age_s=60, node="node-a")
    path = ring.write(bundle, pinned=True)
    assert isinstance(path, Path)
    code = run(["replay", str(path), *words])
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "words"),
    [("watched.txt", ()), ("watched.md", ("--format", "markdown"))],
)
def test_a_segments_answer_equals_its_golden(
    file: str,
    words: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    golden: Golden,
) -> None:
    code, text = replayed(segment(), tmp_path, capsys, *words)
    assert code == 1
    golden(HERE / file, text)


def test_but_for_what_came_before_it_is_the_answer_of_the_same_evidence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = segment().watched
    assert watched is not None
    quiet = replace(segment(), watched=replace(watched, happened=()))
    assert without_before(replayed(segment(), tmp_path, capsys)[1]) == without_before(
        replayed(quiet, tmp_path, capsys)[1]
    )


def without_before(text: str) -> str:
    """The same without the block of what came before."""
    before = text[text.index("before, by the clock of the watch") :].partition("\n\n")[0]
    return text.replace(f"{before}\n\n", "")


def test_the_document_has_the_timeline_and_is_valid_by_its_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(replayed(segment(), tmp_path, capsys, "--json")[1])
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    assert [one["node"] for one in document["timeline"]] == [None, "node-a", "node-a"]
    Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


def test_the_published_schema_is_that_of_the_document(golden: Golden) -> None:
    golden(SCHEMA, examination_schema())


def test_the_page_of_a_watch_shows_what_replay_says() -> None:
    page = (HERE.parents[1] / "docs" / "how-to" / "watch-overnight.md").read_text()
    text = (HERE / "watched.txt").read_text()
    assert text[text.index("before, by the clock") :].partition("\n\n")[0] in page


def test_of_many_the_last_are_shown_and_in_full_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = replayed(segment(100), tmp_path, capsys)[1]
    assert "before, by the clock of the watch (89 more: --depth full)" in text
    assert "1,412 packets to node-b" in text
    whole = replayed(segment(100), tmp_path, capsys, "--depth", "full")[1]
    assert whole.count("flanneld on node-a started") == 50


@pytest.mark.parametrize("node", ["n" * 253, "node-a\x1b[31m"])
def test_whatever_a_node_is_called_the_lines_are_plain_and_words_are_not_cut(
    node: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = Happening(node=node, time_ns=NOW, what="word " * 60 + "end", about=())
    text = replayed(
        replace(segment(), watched=Watched(time_ns=NOW, happened=(odd,))), tmp_path, capsys
    )[1]
    assert text.isascii()
    assert "\x1b" not in text
    assert text.count("word") == 60
