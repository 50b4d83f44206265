"""What a strict reader finds in a page: well-nested elements, their attributes, their text."""

import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "br"}
SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Element:
    """One element with all the text below it."""

    tag: str
    attributes: dict[str, str]
    text: str = ""


@dataclass
class Markup(HTMLParser):
    """Every element in the order of its beginning. An AssertionError: badly nested."""

    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        one = Element(tag, {name: value or "" for name, value in attrs})
        assert len(one.attributes) == len(attrs), f"an attribute twice in <{tag}>"
        self.elements.append(one)
        if tag not in VOID:
            self._open.append(one)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes what is not open"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for one in self._open:
            one.text += data

    def having(self, tag: str, style: str = "") -> list[Element]:
        """Elements of a tag that carry a class."""
        return [
            one
            for one in self.elements
            if one.tag == tag and style in ("", *one.attributes.get("class", "").split())
        ]


def markup(page: str) -> Markup:
    """The page, read to its end."""
    found = Markup()
    found.feed(page)
    found.close()
    assert not found._open, f"never closed: {found._open}"
    return found


def drawings(page: str) -> list[ET.Element]:
    """Each drawing, read as strict XML: it can be cut out of the page and stands alone."""
    parts = page.split('<svg class="lanes"')[1:]
    return [
        ET.fromstring('<svg class="lanes"' + part.partition("</svg>")[0] + "</svg>")
        for part in parts
    ]


def words(drawing: ET.Element) -> list[str]:
    """The texts of a drawing from the top down, without their hints."""
    return [one.text or "" for one in drawing.iter(f"{SVG}text")]


def styled(drawing: ET.Element, *styles: str) -> list[ET.Element]:
    """Elements of a drawing that carry all these classes."""
    return [one for one in drawing.iter() if set(styles) <= set(one.get("class", "").split())]
