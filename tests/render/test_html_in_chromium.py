"""The page as a reader sees it: laid out by a real browser, at a desk's width and at a phone's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cases import bundle_of, names, spares
from tests.chromium import Chromium, Page, size_of
from tests.render.gallery import GALLERY, HOSTILE, hostile
from tracer.bundle.archive import read
from tracer.core.diagnose import diagnose
from tracer.model.diagnosis import Diagnosis
from tracer.render.html import html

MEASURE = Path(__file__).with_name("measure.js").read_text()
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
STALE = "vtepmac-annotation-stale"
DESK, PHONE = (1280, 800), (390, 844)
LARGEST = 250_000
"""Bytes of a picture in the documentation."""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One browser with one tab for all."""
    browser = Chromium()
    yield Page(browser)
    browser.close()


def show(page: Page, folder: Path, diagnosis: Diagnosis, window: tuple[int, int]) -> None:
    file = folder / "report.html"
    file.write_text(html(diagnosis))
    page.open(file, window)


def recorded(name: str) -> Diagnosis:
    return diagnose(read(bundle_of(name)))


def bottom(page: Page, selector: str) -> float:
    """Where the last element that fits the selector ends."""
    found = page.value(
        f"[...document.querySelectorAll({selector!r})].at(-1)?.getBoundingClientRect().bottom"
    )
    assert found is not None, f"no {selector} on the page"
    return float(found)


@pytest.mark.parametrize("name", [*names(), *GALLERY])
def test_nothing_overlaps_or_leaves_its_place_on_a_desk_or_a_phone(
    page: Page, tmp_path: Path, name: str
) -> None:
    diagnosis = GALLERY[name]() if name in GALLERY else recorded(name)
    show(page, tmp_path, diagnosis, DESK)
    assert page.value(MEASURE) == []
    page.resize(PHONE)
    assert page.value(MEASURE) == []
    assert page.requests() == [(tmp_path / "report.html").as_uri()]


@pytest.mark.parametrize("number", range(len(HOSTILE) - 1))
def test_text_from_elsewhere_breaks_no_layout_and_runs_nothing(
    page: Page, tmp_path: Path, number: int
) -> None:
    show(page, tmp_path, hostile(HOSTILE[number]), PHONE)
    assert page.value(MEASURE) == []
    assert page.value("document.scripts.length + document.images.length") == 0
    assert page.requests() == [(tmp_path / "report.html").as_uri()]


@pytest.mark.parametrize("name", [name for name in names() if not spares(name)])
def test_the_first_screen_has_cause_proof_and_fix(page: Page, tmp_path: Path, name: str) -> None:
    show(page, tmp_path, recorded(name), DESK)
    for part in (".who", ".verdict", ".cause", ".answer .proof", ".answer .fix"):
        assert bottom(page, part) <= DESK[1], f"{part} is not on the first screen"
    seen = page.value(
        "document.querySelector('.lanes .stop, .lanes .cross').getBoundingClientRect().bottom"
    )
    assert seen <= DESK[1]


def test_a_phone_shows_cause_and_proof_before_it_is_moved(page: Page, tmp_path: Path) -> None:
    show(page, tmp_path, recorded(STALE), PHONE)
    for part in (".who", ".verdict", ".cause", ".answer .proof"):
        assert bottom(page, part) <= PHONE[1], f"{part} is not on the first screen"
    assert float(page.value("document.querySelector('.lanes').getBoundingClientRect().width")) > 350


def test_dark_mode_is_dark_and_paper_is_white(page: Page, tmp_path: Path) -> None:
    show(page, tmp_path, recorded(STALE), DESK)
    ground = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.lanes .name')).fill"
    assert (page.value(ground), page.value(ink)) == ("rgb(255, 255, 255)", "rgb(27, 32, 38)")
    page.show(dark=True)
    assert (page.value(ground), page.value(ink)) == ("rgb(20, 23, 27)", "rgb(231, 234, 238)")
    page.show(dark=True, media="print")
    assert page.value(ground) == "rgb(255, 255, 255)"


def test_paper_shows_what_the_screen_folds(page: Page, tmp_path: Path) -> None:
    show(page, tmp_path, recorded("healthy"), (718, 1000))
    visible = "[...document.querySelectorAll('details .hops')].map(one => one.checkVisibility())"
    assert page.value(visible) == [False, False]
    page.show(media="print")
    assert page.value(visible) == [True, True]


@pytest.mark.parametrize(
    ("file", "window"),
    [(f"report-{STALE}.png", DESK), (f"report-{STALE}-phone.png", PHONE)],
)
def test_the_documentation_shows_it(
    page: Page,
    tmp_path: Path,
    file: str,
    window: tuple[int, int],
    request: pytest.FixtureRequest,
) -> None:
    show(page, tmp_path, recorded(STALE), window)
    picture = page.picture()
    assert size_of(picture) == window
    kept = PICTURES / file
    if request.config.getoption("--update-golden"):
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(picture)
    assert size_of(kept.read_bytes()) == window
    assert kept.stat().st_size < LARGEST
