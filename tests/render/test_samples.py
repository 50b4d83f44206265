"""A watch's samples in a replayed segment: text, Markdown, JSON, and the trace of a pair."""

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from msgspec.structs import replace

from tests.builders import state
from tests.core.test_trajectories import MIDDLE_US, on_its_way, segment, span
from tests.packets import VTEP_IN, VTEP_OUT, freed, ping
from tracer.bundle.segments import Segments
from tracer.cli.main import run
from tracer.model.bundle import Bundle
from tracer.model.observation import Device, Observation

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "examination-1.schema.json"


def packets() -> Iterable[Observation]:
    """Three that are complete, one that the kernel freed at the VTEP, one that is unknown."""
    for number in range(3):
        yield from on_its_way(ping(number), skb=0x1000 + 0x400 * number)
    yield from on_its_way(ping(7), last=VTEP_OUT, skb=0x5000)
    yield freed("node-a", Device.VTEP, "NO_TX_TARGET", ping(7), at=MIDDLE_US + 99, skb=0x5000)
    yield from on_its_way(ping(8), last=VTEP_IN, skb=0x7000)


def recorded() -> Bundle:
    found = segment(packets())
    return replace(found, nodes={**found.nodes, "node-a": state("node-a", fdb=())})


def replayed(
    bundle: Bundle, folder: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, str]:
    """As it comes out of a ring."""
    path = Segments(folder, most_bytes=1 << 20, most_age_s=60, node="several").write(
        bundle, pinned=True
    )
    assert isinstance(path, Path)
    code = run(["replay", str(path), *words])
    done = capsys.readouterr()
    return code, done.out + done.err


def test_the_text_says_who_came_through_and_where_the_others_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = replayed(recorded(), tmp_path, capsys)[1]
    block = text[text.index("sampled packets") :].partition("\n\n")[0]
    assert block.splitlines() == [
        "sampled packets (every one), followed on node-a, node-b",
        "  from    to        followed    complete    unknown    ended",
        "  node-a  node-b           5           3          1        1",
        "  1 packet seen last at node-a flannel.1 out, 1 of them seen freed (NO_TX_TARGET); the last:",  # noqa: E501
        "    10.244.1.2 > 10.244.2.2 icmp request id 7 seq 7",
        "  unknown: not seen further, where a policy, a Service's address, the node itself, or what glues",  # noqa: E501
        "    TCP segments may be the reason, or where records were lost",
    ]  # fmt: skip


def test_markdown_has_the_same_as_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = replayed(recorded(), tmp_path, capsys, "--format", "markdown")[1]
    assert "## Sampled packets" in text
    assert "| node-a | node-b | 5 | 3 | 1 | 1 |" in text
    assert "1 of them seen freed" in text


def test_the_document_has_every_number_and_is_valid_by_its_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(replayed(recorded(), tmp_path, capsys, "--json")[1])
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    (way,) = document["samples"]["ways"]
    assert (way["followed"], way["complete"], way["unknown"]) == (5, 3, 1)
    assert way["ended"][0]["reason"] == "NO_TX_TARGET"


def test_redacted_the_numbers_are_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = json.loads(replayed(recorded(), tmp_path / "1", capsys, "--json")[1])
    text = replayed(recorded(), tmp_path / "2", capsys, "--json", "--redact")[1]
    redacted = json.loads(text)
    assert "10.244.1.2" not in text
    for name in ("followed", "complete", "unknown"):
        assert redacted["samples"]["ways"][0][name] == plain["samples"]["ways"][0][name]


def test_a_recording_without_samples_says_nothing_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watched = recorded().watched
    assert watched is not None
    bare = replace(recorded(), watched=replace(watched, sampled=()))
    assert "sampled packets" not in replayed(bare, tmp_path, capsys)[1]


def test_a_pair_is_traced_by_its_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = replayed(recorded(), tmp_path, capsys, "--pods", "pod-a", "default/pod-b")
    assert code == 1
    assert "own traffic, watched for 30 s" in text
    assert "DROPPED  on node-a, at flannel.1: 1 of 5 requests" in text
    assert "fdb-missing" in text


def test_the_report_of_a_pair_is_a_page_with_its_path(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Segments(tmp_path, most_bytes=1 << 20, most_age_s=60, node="several").write(
        recorded(), pinned=True
    )
    page = tmp_path / "page.html"
    words = ["--pods", "pod-a", "pod-b", "--format", "html", "-o", str(page)]
    assert run(["report", str(path), *words]) == 1
    assert "<svg" in page.read_text()
    assert "default/pod-a" in page.read_text()
    capsys.readouterr()


@pytest.mark.parametrize(
    ("bundle", "pair", "code", "said"),
    [
        (recorded(), ("pod-a", "pod-x"), 4, "pod default/pod-x does not exist"),
        (replace(recorded(), watched=None), ("pod-a", "pod-b"), 2, "is for a watch's recording"),
        (
            segment(packets(), span("node-c", points=())),
            ("pod-a", "pod-b"),
            3,
            "no packet between default/pod-a and default/pod-b was seen",
        ),
    ],
)
def test_what_cannot_be_traced_is_said(
    bundle: Bundle,
    pair: tuple[str, str],
    code: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ended, text = replayed(bundle, tmp_path, capsys, "--pods", *pair)
    assert (ended, said in " ".join(text.split())) == (code, True), text
