"""A report as a strict reader of HTML sees it."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib


def parsed(text: str) -> Element:
    """The document; any error of syntax, which browsers forgive, is raised."""
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    document: Element = parser.parse(text)
    return document


def text_of(element: Element) -> str:
    return "".join(element.itertext())


def section(document: Element, name: str) -> Element:
    (found,) = (element for element in document.iter("section") if element.get("id") == name)
    return found


def table(within: Element, caption: str) -> dict[str, list[Element]]:
    """The cells of each row of the table with that caption, by what the row is called."""
    (found,) = (own for own in within.iter("table") if own.find("caption") is not None and _caption(own) == caption)
    return {text_of(row[0]): list(row)[1:] for row in rows(found)}


def _caption(own: Element) -> str:
    caption = own.find("caption")
    return "" if caption is None else text_of(caption)


def rows(own: Element) -> Iterator[Element]:
    body = own.find("tbody")
    assert body is not None
    return body.iter("tr")


def numbers(cells: list[Element]) -> list[float]:
    """The numbers in full, of those cells that hold one."""
    return [float(data.get("value", "")) for cell in cells for data in cell.iter("data")]
