"""The lines of a watch: found whole by grep, with what to do where a finding opens."""

import json
from pathlib import Path

from jsonschema import Draft202012Validator
from msgspec.structs import replace

from tests.conftest import Golden
from tests.render.statuses import faulty, finding, healthy, stale, status, turned
from tracer.model.diagnosis import Severity
from tracer.model.watch import Turn
from tracer.render.watch import status_line, turned_json, turned_line, watch_schema

HERE = Path(__file__).parent
PUBLISHED = HERE.parents[1] / "docs" / "reference" / "watch-1.schema.json"
NOON = "2026-07-28T12:00:00+00:00"


def test_the_lines_of_a_day_are_these(golden: Golden) -> None:
    lost = replace(finding("input-drop-8472"), also=("cloud-sg-8472",))
    lines = [
        status_line(healthy(), at=NOON),
        turned_line(turned()),
        turned_line(turned(Turn.CHANGED, finding=replace(stale(), sentence="It got worse."))),
        turned_line(turned(Turn.CLOSED, at="2026-07-28T14:41:02Z", before=())),
        turned_line(turned(finding=lost, before=(), times=3)),
        status_line(faulty(), at=NOON),
    ]
    golden(HERE / "watch.txt", "".join(lines))


def test_each_change_is_one_line_and_only_an_opening_has_more_below() -> None:
    for turn in Turn:
        first, *others = turned_line(turned(turn)).splitlines()
        assert first.startswith(f"2026-07-28T12:34:56Z  {turn.value.upper()}")
        for word in ("neigh-stale-one-node", "node-a flannel.1", stale().sentence):
            assert word in first
        assert bool(others) == (turn is Turn.OPENED)
        assert all(line.startswith("    ") for line in others)


def test_what_comes_and_goes_says_so_from_the_third_time_on() -> None:
    assert "time in ten minutes" not in turned_line(turned(times=2))
    assert "(3rd time in ten minutes)" in turned_line(turned(times=3))
    closed = turned_line(turned(Turn.CLOSED, times=4))
    assert closed.endswith("(it was open for 10 s, 4th time in ten minutes)\n")


def test_other_names_that_the_evidence_allows_stand_beside_the_first() -> None:
    also = replace(stale(), also=("cloud-sg-8472", "nsx-intercepts-8472"))
    line = turned_line(turned(finding=also))
    assert "  neigh-stale-one-node or cloud-sg-8472 or nsx-intercepts-8472  " in line


def test_a_finding_without_evidence_fix_or_device_has_its_line() -> None:
    bare = replace(stale(), evidence=(), fix=(), device=None)
    lines = turned_line(turned(finding=bare, before=())).splitlines()
    assert len(lines) == 2
    assert "neigh-stale-one-node  node-a  node-a's neighbour" in lines[0]


def test_times_of_other_zones_are_told_in_utc_and_what_is_none_as_it_is() -> None:
    assert turned_line(turned(at="2026-07-28T14:34:56+02:00")).startswith("2026-07-28T12:34:56Z")
    odd = turned_line(turned(Turn.CLOSED, at="yesterday"))
    assert odd.startswith("yesterday  CLOSED")
    assert "open for" not in odd


def test_colour_is_a_repetition_and_red_is_for_what_stops_traffic() -> None:
    colored = turned_line(turned(), color=True)
    assert "\x1b[31;1mOPENED \x1b[0m" in colored
    for code in ("31;1", "31", "0"):
        colored = colored.replace(f"\x1b[{code}m", "")
    assert colored == turned_line(turned())
    lesser = replace(stale(), severity=Severity.WARNING)
    assert "\x1b[33;1mOPENED" in turned_line(turned(finding=lesser), color=True)
    assert "\x1b[32;1mCLOSED" in turned_line(turned(Turn.CLOSED), color=True)


def test_no_name_can_break_a_line_or_move_the_cursor() -> None:
    nasty = replace(stale(), node="\x1b[2J", sentence="one\nCLOSED  all is well \u202e")
    text = turned_line(turned(finding=nasty, before=("a\rb",)))
    assert "\x1b" not in text
    assert text.isascii()
    assert all(
        line.startswith(("2026-07-28T12:34:56Z  OPENED", "    ")) for line in text.splitlines()
    )


def test_a_start_without_leases_and_what_was_missed_are_said() -> None:
    unheard = status("node-a", leases=0, leases_age_s=None, one_in=0, lost=7, untold=1)
    assert status_line((unheard,), at=NOON) == (
        "2026-07-28T12:00:00Z  watching node-a: 0 leases, the API server said nothing yet,"
        " no finding open, no samples, 7 records lost, 1 freed packet not told apart\n"
    )


def test_many_nodes_are_counted_and_different_ratios_are_a_span() -> None:
    many = [status(f"node-{number}", one_in=64 << number) for number in range(5)]
    line = status_line(many, at=NOON)
    assert "watching node-0, node-1, node-2 and 2 more: " in line
    assert "1 in 64 to 1 in 1024 sampled" in line


def test_the_published_schema_is_that_of_the_records(golden: Golden) -> None:
    golden(PUBLISHED, watch_schema())


def test_a_document_is_one_line_valid_by_its_schema_and_names_it_first() -> None:
    broken = replace(stale(), sentence="one\ntwo\u2028three")
    text = turned_json(turned(finding=broken))
    assert text.count("\n") == 1
    assert text.endswith("\n")
    document = json.loads(text)
    Draft202012Validator(json.loads(watch_schema())).validate(document)
    assert next(iter(document.items())) == ("schema", "flantrace/watch/1")
