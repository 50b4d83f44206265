"""Mermaid: drawn by the real thing in a real browser, whatever was recorded."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases import bundle_of, names
from tests.chromium import Chromium, Page
from tests.core.rules.asking import case
from tests.paths import UPLINK_OUT, all_well, lost
from tests.render.hostile import NASTY, hostile
from tests.render.test_text import stale
from tracer.bundle.archive import read
from tracer.core.diagnose import diagnose, judge
from tracer.render.mermaid import mermaid


def library() -> Path:
    """mermaid.js itself (11.16.0), as the package mermaidx carries it."""
    spec = importlib.util.find_spec("mermaidx")
    assert spec is not None, "mermaidx is missing: make setup installs it"
    assert spec.origin is not None
    return Path(spec.origin).parent / "assets" / "mermaid.js"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page with Mermaid as GitHub sets it up: labels may hold no script."""
    file = tmp_path_factory.mktemp("mermaid") / "page.html"
    file.write_text(
        f'<!doctype html><meta charset="utf-8"><script src="{library().as_uri()}"></script>'
        "<script>var mermaid = globalThis.mermaid || __esbuild_esm_mermaid_nm.mermaid;"
        "mermaid = mermaid.default || mermaid;"
        "mermaid.initialize({startOnLoad: false, securityLevel: 'strict'});</script><body></body>"
    )
    browser = Chromium()
    opened = Page(browser)
    opened.open(file, (1280, 800))
    yield opened
    browser.close()


def drawn(page: Page, text: str) -> str:
    """The words of the drawing, as a reader sees them; fails where Mermaid does not take it."""
    script = f"""
        mermaid.render('drawing', {json.dumps(text)}).then(({{svg}}) => {{
            document.body.innerHTML = svg;
            return document.body.innerText + '\\n' +
                [...document.body.querySelectorAll('script, a, img, iframe')].length + ' active';
        }})
    """
    return str(page.value(script))


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("name", names())
def test_every_recorded_case_is_drawn(page: Page, name: str) -> None:
    diagnosis = diagnose(read(bundle_of(name)))
    said = words(drawn(page, mermaid(diagnosis)))
    assert f"node-a {diagnosis.overlay.source_underlay}" in said
    assert said.endswith("0 active")


def test_what_is_wrong_shows_in_form_and_in_words(page: Page) -> None:
    said = words(drawn(page, mermaid(judge(stale()))))
    assert "dropped: OTHERHOST in ip_rcv_core+0x22c" in said
    assert "not reached: cni0 out" in said
    assert page.value("document.querySelectorAll('.ended polygon').length") == 1
    assert page.value("document.querySelectorAll('.unreached').length") == 2


def test_what_is_lost_ends_at_a_cross_under_the_last_hop(page: Page) -> None:
    text = mermaid(judge(case(paths=(lost(UPLINK_OUT),))))
    assert '-. "lost" .-x m0' in text
    assert "not reached: eth0 in" in words(drawn(page, text))


def test_a_healthy_trace_is_the_requests_path() -> None:
    text = mermaid(judge(case(paths=all_well())))
    assert text.splitlines()[1] == "flowchart TD"
    assert text.count("h7[") == 1
    assert "BAD" not in text


def test_no_packet_at_all_is_drawn_too(page: Page) -> None:
    assert "no packet was seen" in drawn(page, mermaid(judge(case(paths=()))))


@pytest.mark.parametrize("nasty", NASTY, ids=lambda text: ascii(text)[:24])
def test_nothing_recorded_becomes_mermaids_own_words(page: Page, nasty: str) -> None:
    text = mermaid(hostile(judge(stale()), nasty))
    calm = mermaid(hostile(judge(stale()), "calm"))
    assert [line.split("[")[0].split("{")[0] for line in text.splitlines()] == [
        line.split("[")[0].split("{")[0] for line in calm.splitlines()
    ]
    said = words(drawn(page, text))
    assert said.endswith("0 active")
