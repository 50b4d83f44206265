"""The page: one file, well formed, all of it escaped, the answer first."""

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.cases import bundle_of, names
from tests.render.gallery import GALLERY, HOSTILE, all_different, hostile, stale, thousand
from tests.render.markup import drawings, markup, styled, words
from tracer.bundle.archive import read
from tracer.core.diagnose import diagnose
from tracer.model.diagnosis import Diagnosis
from tracer.render.html import html

CSS = Path(__file__).parents[2] / "tracer/render/templates/report.css"
ORDINARY, LARGE = 60_000, 300_000
ELEMENTS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "section", "div"),
    *("h1", "h2", "h3", "p", "b", "br", "span", "dl", "dt", "dd", "ul", "ol", "li", "time"),
    *("table", "thead", "tbody", "tr", "th", "td", "pre", "code", "details", "summary"),
    *("figure", "figcaption", "svg", "desc", "rect", "path", "circle", "g", "text"),
}
"""All that a page is made of: nothing here fetches or runs anything."""
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "scope", "open", "role", "id"),
    *("aria-labelledby", "aria-hidden", "aria-label", "xmlns", "viewbox", "x", "y", "width"),
    *("height", "rx", "r", "d", "transform", "text-anchor", "fill", "stroke", "stroke-width"),
    *("stroke-linecap", "stroke-linejoin"),
}


def recorded(name: str) -> Diagnosis:
    return diagnose(read(bundle_of(name)))


STALE = "vtepmac-annotation-stale"


@pytest.fixture(scope="module", params=[*names(), *GALLERY])
def told(request: pytest.FixtureRequest) -> Diagnosis:
    """Every recorded case, and what no recorded case shows."""
    name: str = request.param
    return GALLERY[name]() if name in GALLERY else recorded(name)


def test_a_page_is_well_formed_and_of_harmless_parts_only(told: Diagnosis) -> None:
    found = markup(html(told))
    assert {one.tag for one in found.elements} <= ELEMENTS
    assert {name for one in found.elements for name in one.attributes} <= ATTRIBUTES
    ids = [one.attributes["id"] for one in found.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))


def test_every_drawing_stands_alone_as_xml_and_says_what_it_shows(told: Diagnosis) -> None:
    shown = drawings(html(told))
    assert bool(shown) is bool(told.paths)
    for drawing in shown:
        title, desc = drawing[0], drawing[1]
        assert drawing.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
        assert title.text
        assert desc.text


@pytest.mark.parametrize("name", names())
def test_an_ordinary_page_is_small(name: str) -> None:
    assert len(html(recorded(name)).encode()) < ORDINARY


def test_the_same_diagnosis_gives_the_same_bytes(told: Diagnosis) -> None:
    assert html(told) == html(told)


def test_the_answer_comes_first(told: Diagnosis) -> None:
    page = html(told)
    text = markup(page).having("body")[0].text
    h1 = markup(page).having("h1")[0]
    assert " ".join(h1.text.split()).startswith(told.verdict.outcome.value.upper())
    assert text.index(h1.text.strip()) < text.index("What happened when")


def test_nothing_is_fetched_and_nothing_runs() -> None:
    page = html(stale())
    (policy,) = (
        one.attributes["content"]
        for one in markup(page).having("meta")
        if one.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    css = CSS.read_text()
    assert "url(" not in css
    assert "@import" not in css
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">\n')
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page


def test_who_verdict_cause_proof_and_fix_stand_in_this_order() -> None:
    text = markup(html(recorded(STALE))).having("body")[0].text
    order = (
        "default/pod-a",
        "DROPPED",
        "node-b's lease advertises a MAC that flannel.1 on node-b does not have.",
        "36:fa:77:28:4d:8b",
        "every node that sends to 10.244.2.0/24",
        "kubectl -n kube-flannel delete pod kube-flannel-ds-84d8b",
        "removing /var/lib/cni/flannel",
    )
    at = [text.index(part) for part in order]
    assert at == sorted(at)


def test_the_odd_evidence_is_marked_by_a_word_and_a_frame() -> None:
    found = markup(html(recorded(STALE)))
    marked = found.having("tr", "differs")
    assert [" ".join(row.text.split()) for row in marked] == [
        "actual36:fa:77:28:4d:8bdiffers node-b link flannel.1",
        "actual36:fa:77:28:4d:8bdiffers node-b link",
    ]


def test_a_command_is_one_element_and_its_place_a_comment() -> None:
    commands = [one.text for one in markup(html(recorded(STALE))).having("code")]
    assert commands[:2] == [
        "kubectl -n kube-flannel delete pod kube-flannel-ds-84d8b",
        "kubectl annotate node node-b --overwrite flannel.alpha.coreos.com/backend-data="
        '\'{"VNI":1,"VtepMAC":"36:fa:77:28:4d:8b"}\'',
    ]
    assert "ip neigh show dev flannel.1   # on node-a" in commands
    assert commands[-1] == "flantrace default/pod-a default/pod-b"


def test_the_drawing_of_a_drop_tells_it_by_form_and_in_words() -> None:
    (drawing,) = drawings(html(recorded(STALE)))
    assert len(styled(drawing, "sign", "stop")) == 1
    assert len(styled(drawing, "sign", "bad")) == 1
    assert len(styled(drawing, "frame")) == 2
    assert len(styled(drawing, "rail", "missed")) == 3
    shown = words(drawing)
    assert shown[-8:] == [
        "dropped at flannel.1",
        "OTHERHOST in ip_rcv_core+0x22c",
        "cni0 out",
        "not reached",
        "veth4702fc2a out",
        "not reached",
        "default/pod-b",
        "not reached",
    ]
    assert "BAD" in shown


def test_a_healthy_page_is_calm() -> None:
    page = html(recorded("healthy"))
    found = markup(page)
    for drawing in drawings(page):
        for style in ("frame", "bad", "stop", "missed"):
            assert styled(drawing, style) == []
    assert found.having("tr", "differs") == []
    assert not [one for one in found.elements if "wrong" in one.attributes.get("class", "")]
    assert found.having("details")
    assert all("open" not in one.attributes for one in found.having("details"))


def test_what_is_unknown_says_what_is_missing_and_what_to_do_next() -> None:
    text = markup(html(GALLERY["silent-receiver"]())).having("div", "answer")[0].text
    assert "What is missing" in text
    assert "The agent on node-b stopped answering." in text
    assert "for want of the state of node-b" in text
    assert "once what is missing can be seen" in text


def test_a_fault_beside_the_way_is_no_calm_page() -> None:
    found = markup(html(GALLERY["fault-beside-the-way"]()))
    assert found.having("b", "fault")[0].text == "DELIVERED"
    (further,) = found.having("div", "further")
    assert "Warning on node-a, flannel.1: neigh-missing" in further.text


def test_the_way_that_failed_is_drawn_first() -> None:
    replies = drawings(html(recorded("node-ip-changed-vxlan-local-stale")))
    assert (replies[0][0].text or "").startswith("Reply 1 of 5")
    large = drawings(html(recorded("underlay-mtu-blackhole")))
    assert large[0][0].text == "Requests of 1351 to 1450 B"
    assert "lost" in words(large[0])
    assert len(large) == 3


def test_a_loop_is_drawn_back_to_its_beginning() -> None:
    (drawing,) = drawings(html(recorded("public-ip-duplicate")))
    assert words(drawing).count("passed here 63 times") == 2
    arcs = [one for one in styled(drawing, "rail") if "C" in one.get("d", "")]
    assert len(arcs) == 1


def test_moments_stand_by_clock_and_clocks_are_not_compared() -> None:
    found = markup(html(recorded(STALE)))
    clocks = [" ".join(one.text.split()) for one in found.having("h3")][-3:]
    assert clocks == ["Kubernetes API 2026-11-24", "node-a 2026-11-24", "node-b 2026-11-24"]
    assert "two nodes' clocks are never compared" in found.having("body")[0].text


def test_when_it_was_recorded_is_said_to_the_second() -> None:
    stamp = markup(html(recorded(STALE))).having("p", "stamp")[0].text
    assert stamp == "recorded 2026-11-24 02:29:09 UTCby flantrace 0.1.0"
    odd = markup(html(replace(stale(), recorded_at="yesterday"))).having("p", "stamp")[0].text
    assert odd.startswith("recorded yesterday")


def test_a_thousand_probes_fold() -> None:
    page = html(thousand())
    assert len(page.encode()) < LARGE
    assert len(drawings(page)) == 4
    assert "Request 1 of 1000 (858 of 1000 took this path)" in page


def test_what_does_not_fold_is_counted() -> None:
    page = html(all_different())
    assert len(page.encode()) < LARGE
    assert len(drawings(page)) == 6
    assert "994 more paths, each different from these, left out here" in page


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:12]) for text in HOSTILE])
def test_text_from_elsewhere_stays_text(text: str) -> None:
    page = html(hostile(text))
    found = markup(page)
    assert {one.tag for one in found.elements} <= ELEMENTS
    assert {name for one in found.elements for name in one.attributes} <= ATTRIBUTES
    assert drawings(page)
    assert only_harmless_characters(page)
    shown = text.encode("unicode_escape").decode() if not text.isprintable() else text
    assert Counter(one.text for one in found.having("code"))[shown] >= 2


@settings(max_examples=40, deadline=None)
@given(st.text(st.characters(codec=None, categories=None), max_size=40))
def test_no_text_breaks_the_page(text: str) -> None:
    page = html(hostile(text))
    assert {one.tag for one in markup(page).elements} <= ELEMENTS
    assert only_harmless_characters(page)
    drawings(page)


def only_harmless_characters(page: str) -> bool:
    """No control character, nothing invisible, nothing that turns the direction of text."""
    return all(one.isascii() or one == "\u2026" for one in page) and all(
        one.isprintable() or one == "\n" for one in page
    )


def palette() -> list[dict[str, str]]:
    """The colours of the light page, and of the dark one."""
    blocks = re.findall(r":root \{(.*?)\}", CSS.read_text(), re.S)
    light, dark = (dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block)) for block in blocks)
    assert light.keys() == dark.keys()
    return [light, dark]


def luminance(color: str) -> float:
    """Relative luminance, as WCAG 2.2 defines it."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


TEXTS = {
    "paper": ("ink", "dim", "wrong", "right", "unsure"),
    "panel": ("ink", "dim"),
    "tint": ("ink", "wrong", "dim"),
}
SHAPES = {
    "paper": ("rail", "tunnel", "wrong", "unsure", "dim"),
    "panel": ("rail", "tunnel", "wrong", "dim", "right"),
    "tint": ("wrong",),
    "wrong": ("paper",),
}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_contrast_is_that_of_wcag_aa(scheme: int) -> None:
    colors = palette()[scheme]
    for least, pairs in ((4.5, TEXTS), (3.0, SHAPES)):
        for ground, inks in pairs.items():
            for ink in inks:
                found = contrast(colors[ink], colors[ground])
                assert found >= least, f"--{ink} on --{ground}: {found:.2f}"


def test_the_style_sheet_takes_its_colours_from_the_palette() -> None:
    css = CSS.read_text()
    rules = css[css.rindex(":root") :].partition("}")[2]
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b|rgba?\(|hsla?\(", rules) == []
