"""The pages of the guide as its index groups them."""

import re
from functools import cache
from typing import NamedTuple

from rnnviz.core.resources import resource_path
from rnnviz.frozen import dataclass

INDEX = "index"
_GROUP = re.compile(r"^## +(.+?) *$", re.MULTILINE)
_HEADING = re.compile(r"^(#{1,4}) +(.+?) *$")
_FENCED = re.compile(r"^(`{3,}).*?^\1", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_IMAGE = re.compile(r"!\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"`{3,}")
_MARKS = re.compile(r"[*`|]|!?\[|\]\([^)]*\)")
_AROUND = 40
"""Characters shown before the first match."""
_LONGEST_LINE = 110


class GuideSection(NamedTuple):
    """The text below one heading; `anchor` is the heading as links write it."""

    heading: str
    anchor: str
    text: str


@dataclass(frozen=True)
class GuidePage:
    """One page; `name` is that of its file without the ending."""

    name: str
    title: str
    text: str
    sections: tuple[GuideSection, ...]

    @property
    def links(self) -> tuple[str, ...]:
        return tuple(_LINK.findall(_FENCED.sub("", self.text)))

    @property
    def images(self) -> tuple[str, ...]:
        return tuple(_IMAGE.findall(self.text))


class Hit(NamedTuple):
    """A section that contains all words of a search, and the line around the first match."""

    page: GuidePage
    section: GuideSection
    line: str


@cache
def guide_groups() -> dict[str, tuple[str, ...]]:
    """The names of pages below each heading of the index; a page belongs to the first group that links to it."""
    _, *parts = _GROUP.split(_read(INDEX).text)
    groups, seen = {}, {INDEX}
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        targets = (target.partition("#")[0] for target in _LINK.findall(text))
        names = [target.removesuffix(".md") for target in targets if target.endswith(".md")]
        groups[title] = tuple(name for name in dict.fromkeys(names) if name not in seen)
        seen |= set(groups[title])
    return groups


@cache
def guide_pages() -> dict[str, GuidePage]:
    """Every page by its name, the index first."""
    return {INDEX: _read(INDEX)} | {name: _read(name) for names in guide_groups().values() for name in names}


def find_in_guide(query: str) -> tuple[Hit, ...]:
    """The sections that contain every word of `query`, also as part of a word; the most alike headings come first."""
    words = query.casefold().split()
    if not words:
        return ()
    found: list[tuple[tuple[int, int, int], Hit]] = []
    for page in guide_pages().values():
        if page.name == INDEX:
            continue
        for section in page.sections:
            heading, text = section.heading.casefold(), section.text.casefold()
            if all(word in text or word in heading or word in page.title.casefold() for word in words):
                # Of headings with the same words, the one with the fewest others is closest to the query.
                named = sum(word in heading for word in words)
                rank = (-named, len(heading) if named else 0, -sum(word in text for word in words))
                found.append((rank, Hit(page, section, _line_around(section.text, words))))
    # Equal ranks stay in the order of the pages.
    return tuple(hit for _, hit in sorted(found, key=lambda item: item[0]))


def anchor_of(heading: str) -> str:
    """A heading as links write it: small letters, hyphens for spaces, nothing else but letters and digits."""
    return re.sub(r"[^\w\- ]", "", _MARKS.sub("", heading).casefold()).strip().replace(" ", "-")


def _read(name: str) -> GuidePage:
    text = resource_path("guide", f"{name}.md").read_text(encoding="utf-8")
    found: list[tuple[str, list[str]]] = []
    fence = ""
    for line in text.splitlines():
        mark = _FENCE.match(line)
        # A longer fence may contain shorter ones.
        if mark is not None and fence in ("", line.rstrip()):
            fence = "" if fence else mark[0]
            continue
        heading = None if fence else _HEADING.match(line)
        if heading is not None:
            found.append((_MARKS.sub("", heading[2]), []))
        elif found:
            found[-1][1].append(line if fence else _MARKS.sub("", line))
    sections = tuple(GuideSection(heading, anchor_of(heading), "\n".join(body)) for heading, body in found)
    return GuidePage(name, found[0][0] if found else name, text, sections)


def _line_around(text: str, words: list[str]) -> str:
    flat = " ".join(text.split())
    places = [place for word in words if (place := flat.casefold().find(word)) >= 0]
    begin = max(0, min(places, default=0) - _AROUND)
    if begin:
        begin = flat.find(" ", begin) + 1
    return f"{'… ' if begin else ''}{flat[begin : begin + _LONGEST_LINE]}"
