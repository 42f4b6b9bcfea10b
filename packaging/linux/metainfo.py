"""The AppStream metadata: rnnviz.metainfo.xml with the releases of CHANGELOG.md and the screenshots' addresses."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rnnviz import __version__
from rnnviz.core.model_formats import FORMATS

ROOT = Path(__file__).parents[2]

_SOURCE = Path(__file__).with_name("rnnviz.metainfo.xml")
ID = str(ET.parse(_SOURCE).findtext("id"))

_LINKS = {"homepage": "", "bugtracker": "/issues", "vcs-browser": ""}


@dataclass(frozen=True)
class Release:
    """A version with its date and its news, a sentence each."""

    version: str
    day: date
    news: tuple[str, ...]
    finished: bool = True


def metainfo(day: date, home: str | None = None) -> str:
    """The whole file as of `day`; without a home it has neither links nor screenshots."""
    tree = ET.parse(_SOURCE)
    component = tree.getroot()
    provides = component.find("provides")
    assert provides is not None
    for known in FORMATS:
        if known.media is not None:
            ET.SubElement(provides, "mediatype").text = f"application/{known.media[0]}"
    screenshots = component.find("screenshots")
    assert screenshots is not None
    if home is None:
        component.remove(screenshots)
    else:
        home = home.rstrip("/")
        for image in screenshots.iter("image"):
            image.text = f"{home}/raw/v{__version__}/{image.text}"
        for kind, path in _LINKS.items():
            ET.SubElement(component, "url", type=kind).text = home + path
    found = releases((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), day)
    items = _add_releases(component, found)
    # Indent before there is mixed content, where white space counts.
    ET.indent(component)
    for item, sentence in zip(items, (sentence for release in found for sentence in release.news), strict=True):
        _fill(item, sentence)
    return ET.tostring(component, encoding="unicode", xml_declaration=True) + "\n"


def releases(changelog: str, day: date) -> list[Release]:
    """The releases of a changelog, latest first; unreleased news belongs to the present version, as of `day`."""
    found = []
    parts = re.split(r"^## \[(.+?)\](?: - (\S+))?\s*$", changelog, flags=re.MULTILINE)
    for version, released, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        news = tuple(
            _sentence(item) for item in re.findall(r"^- (.+?)(?=^\S|\Z|^\s*$)", text, re.MULTILINE | re.DOTALL)
        )
        if released:
            found.append(Release(version, date.fromisoformat(released), news))
        elif news:
            found.append(Release(__version__, day, news, finished=False))
    return found


def _sentence(item: str) -> str:
    """The first sentence of an item."""
    return re.split(r"(?<=\.)\s", " ".join(item.split()), maxsplit=1)[0]


def _add_releases(component: ET.Element, found: list[Release]) -> list[ET.Element]:
    """Add the releases, and return the items that their sentences go into, in order."""
    element, items = ET.SubElement(component, "releases"), []
    for release in found:
        kind = "stable" if release.finished else "development"
        entry = ET.SubElement(element, "release", version=release.version, date=str(release.day), type=kind)
        news = ET.SubElement(ET.SubElement(entry, "description"), "ul")
        items += [ET.SubElement(news, "li") for _ in release.news]
    return items


def _fill(element: ET.Element, text: str) -> None:
    """Write a text, with code between backticks as code elements."""
    words, *rest = text.split("`")
    element.text = words
    for code, after in zip(rest[::2], rest[1::2], strict=False):
        child = ET.SubElement(element, "code")
        child.text, child.tail = code, after
