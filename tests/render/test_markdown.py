"""Markdown: five lines first, and nothing recorded can become markup, a link or a mention."""

import re
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec.structs import replace

from tests.builders import state
from tests.core.rules.asking import case
from tests.paths import all_well, unseen
from tests.render.hostile import NASTY, hostile
from tests.render.test_text import stale
from tracer.core.diagnose import judge
from tracer.model.diagnosis import Diagnosis
from tracer.render.markdown import markdown
from tracer.render.prose import block, code, prose
from tracer.render.summary import summary

FOLDED = {"<details><summary>the packets</summary>", "</details>"}
"""The only HTML that a summary has."""


def tokens(text: str) -> list[Token]:
    """As GitHub reads it: tables, strikethrough, autolinks, raw HTML."""
    found: list[Token] = []
    for token in MarkdownIt("gfm-like").parse(text):
        found += [token, *(token.children or ())]
    return found


def headings(text: str) -> list[str]:
    found = tokens(text)
    return [after.content for token, after in pairwise(found) if token.type == "heading_open"]


def fault() -> Diagnosis:
    return judge(stale())


def test_the_heading_is_the_answer_and_five_lines_follow() -> None:
    lines = markdown(fault()).splitlines()
    assert lines[0] == "# DROPPED on node-b, at flannel.1: 5 of 5 requests"
    labels = [re.match(r"- \*\*(\w+)\*\*: ", line) for line in lines[2:7]]
    assert [label and label[1] for label in labels] == ["Who", "Why", "Hits", "Fix", "When"]
    assert lines[7] == ""


def test_the_sections_come_in_the_order_in_which_they_are_asked_for() -> None:
    assert headings(markdown(fault()))[1:] == [
        "Path", "Evidence", "Fix", "How to confirm", "What does not help", "MACs", "Timeline",
        "Not checked", "Packets",
    ]  # fmt: skip


def test_what_differs_says_so_in_words() -> None:
    rows = [line for line in markdown(fault()).splitlines() if line.endswith("| **differs** |")]
    assert len(rows) == 1
    assert rows[0].startswith("| actual |")


def test_commands_stand_in_blocks_that_can_be_pasted() -> None:
    fences = [token for token in tokens(markdown(fault())) if token.type == "fence"]
    shell = "".join(token.content for token in fences if token.info == "sh")
    assert "kubectl -n kube-flannel delete pod kube-flannel-ds-bbbbb\n" in shell
    assert shell.endswith("flantrace default/pod-a default/pod-b\n")


def test_where_no_mermaid_is_drawn_the_path_is_text() -> None:
    drawn, plain = markdown(fault()), markdown(fault(), drawn=False)
    assert "```mermaid" in drawn
    assert "mermaid" not in plain
    assert plain.count("OTHERHOST in ip_rcv_core+0x22c") > 0
    assert "Packets" not in headings(plain)


def test_a_healthy_trace_says_that_nothing_is_to_be_done() -> None:
    lines = markdown(judge(case())).splitlines()
    assert lines[3:6] == [
        "- **Why**: no fault was found",
        "- **Hits**: nobody",
        "- **Fix**: nothing to do",
    ]


def test_what_was_not_checked_is_named() -> None:
    blind = judge(case(state("node-a"), nodes={}, paths=all_well()))
    after = markdown(blind).partition("## Not checked\n\n")[2]
    assert after.startswith("not checked:")
    assert "vtepmac-annotation-stale" in after


def test_a_trace_without_a_single_packet_is_a_report_too() -> None:
    none = judge(case(paths=()))
    assert "no packet was seen" in markdown(none)
    assert headings(markdown(judge(case(paths=(unseen(),)))))


def test_a_summary_is_short_and_its_packets_are_folded() -> None:
    text = summary(fault())
    unfolded = text.partition("<details>")[0]
    assert len(unfolded.splitlines()) < 30
    assert text.startswith("### DROPPED on node-b")
    assert "<details><summary>the packets</summary>" in text


@pytest.mark.parametrize("nasty", NASTY, ids=lambda text: ascii(text)[:24])
@pytest.mark.parametrize("form", [markdown, summary])
def test_nothing_recorded_becomes_markup(form: type, nasty: str) -> None:
    text = form(hostile(fault(), nasty))
    found = tokens(text)
    kinds = {token.type for token in found}
    assert not kinds & {"link_open", "image", "html_inline", "s_open", "em_open", "hr"}
    html = {token.content.strip() for token in found if token.type == "html_block"}
    assert html <= FOLDED
    prose_words = " ".join(token.content for token in found if token.type == "text").split()
    assert not [word for word in prose_words if re.search(r"@|#\d|://|www\.|^:\w+:$", word)]
    calm = form(hostile(fault(), "calm"))
    assert kinds <= {token.type for token in tokens(calm)} | {"code_inline"}
    assert len(headings(text)) == len(headings(calm))


@pytest.mark.parametrize("nasty", NASTY, ids=lambda text: ascii(text)[:24])
def test_every_row_of_a_table_keeps_its_cells(nasty: str) -> None:
    def rows(text: str) -> list[int]:
        counts: list[int] = []
        for token in tokens(text):
            if token.type == "tr_open":
                counts.append(0)
            elif token.type in ("td_open", "th_open"):
                counts[-1] += 1
        return counts

    assert rows(markdown(hostile(fault(), nasty))) == rows(markdown(hostile(fault(), "calm")))


@pytest.mark.parametrize("nasty", NASTY, ids=lambda text: ascii(text)[:24])
def test_a_block_holds_whatever_it_is_given(nasty: str) -> None:
    (fence,) = tokens("\n".join(block(nasty.encode("utf-8", "replace").decode())))
    assert fence.type == "fence"


def test_a_sentence_stays_a_sentence() -> None:
    said = "node-b's lease advertises 10.244.2.0/24 (vni 1): 3 of 5, +2 more, 50% lost!"
    assert prose(said) == said
    assert prose("in ip_rcv_core+0x22c") == "in `ip_rcv_core+0x22c`"


def test_code_takes_backticks_too() -> None:
    assert code("a`b") == "``a`b``"
    assert code("`") == "`` ` ``"
    assert code("") == "`-`"


def test_a_report_of_many_different_paths_stays_small_enough_to_paste() -> None:
    fold = all_well()[0]
    many = tuple(
        replace(fold, seq=number, hops=fold.hops[: number % 7 + 1], doubt=f"doubt {number}")
        for number in range(1, 1001)
    )
    text = markdown(judge(case(paths=many)))
    assert len(text) < 65_536
    assert "further paths" in text
