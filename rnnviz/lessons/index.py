"""The lessons: configs made to show one thing, with title and summary in comments, and entries of guided lessons."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import Any, TypeVar

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.resources import resource_path
from rnnviz.core.schema import FieldSpec, display_key, display_value
from rnnviz.core.words import suggest
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import parse_config, parse_toml

_TITLE = re.compile(r"# Lesson (?P<number>\d+): (?P<title>.+)")


@dataclass(frozen=True)
class LessonEntry:
    """A lesson in a list, with its number there and its place in the course: the minutes are those of a first reading.

    `name` is the name of its file and stays the same, so that progress can be remembered by it.
    """

    name: str
    title: str
    summary: str
    path: Path
    number: int = 0
    goal: str = ""
    minutes: int = 0
    needs: tuple[str, ...] = ()
    chapter: str = ""

    @property
    def heading(self) -> str:
        """Title of the window while the lesson is open."""
        return f"Lesson: {self.title}"

    @property
    def short_name(self) -> str:
        number, _, rest = self.name.partition("-")
        return rest if number.isdigit() and rest else self.name


@dataclass(frozen=True)
class Lesson(LessonEntry):
    """The config of one lesson; `text` is the file with comments, `name` its name on the command line."""

    text: str = ""

    @property
    def config(self) -> Config:
        return parse_config(self.text, self.path.parent, str(self.path))


@cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons in the order of their numbers. Raises an InputError if a file does not begin as a lesson does."""
    found = [_read(path) for path in resource_path("lessons").glob("*.toml")]
    return tuple(sorted(found, key=lambda lesson: lesson.number))


def find_lesson(name: str) -> Lesson:
    """The lesson of that name. Raises an InputError if there is none; the sentence lists the names."""
    return find_entry(name, lessons())


def _read(path: Path) -> Lesson:
    text = path.read_text(encoding="utf-8")
    first, *others = text.splitlines() or [""]
    title = _TITLE.fullmatch(first)
    if title is None:
        raise InputError(f'{path} begins with "{first}": a lesson must begin with "# Lesson NUMBER: TITLE".')
    summary = []
    for line in others:
        if not line.startswith("# "):
            break
        summary.append(line.removeprefix("# "))
    return Lesson(path.stem, title["title"], " ".join(summary), path, int(title["number"]), text=text)


@cache
def lesson_entries() -> tuple[LessonEntry, ...]:
    """All guided lessons in the order of their files' names, numbered from 1."""
    paths = sorted(resource_path("lessons").glob("*.md"))
    return tuple(_entry(number, path) for number, path in enumerate(paths, start=1))


def _entry(number: int, path: Path) -> LessonEntry:
    """Title, summary and place of a lesson. `read_lesson` checks the rest of the file, and reports errors."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return replace(parse_heading(path, text.partition("\n## ")[0].strip()), number=number)
    except InputError:
        return LessonEntry(path.stem, path.stem, "", path, number=number)


Entry = TypeVar("Entry", bound=LessonEntry)


def find_entry(name: str, entries: Sequence[Entry]) -> Entry:
    """The lesson of that name, which may lack its number: "05-lstm" or "lstm". Raises as `find_lesson` does."""
    for entry in entries:
        if name in (entry.name, entry.short_name):
            return entry
    names = [entry.short_name for entry in entries]
    raise InputError(f"Unknown lesson {display_value(name)}.{suggest(name, names)} Lessons: {', '.join(names)}.")


def chapters(entries: Sequence[LessonEntry]) -> dict[str, list[LessonEntry]]:
    """The lessons of each chapter that has any, in the order of the course; the others are further lessons."""
    found: dict[str, list[LessonEntry]] = {chapter: [] for chapter in CHAPTERS}
    for entry in entries:
        found.setdefault(entry.chapter or "Further lessons", []).append(entry)
    return {chapter: lessons for chapter, lessons in found.items() if lessons}


def chapter_picture(chapter: str) -> Path:
    """A drawing of 72 by 68 pixels, with roles of colors such as $blue."""
    return resource_path("chapters", f"{chapter.lower().replace(' ', '-')}.svg")


def sections(text: str) -> list[str]:
    """The text before the first step, then each step from its heading on. A heading within a fence does not count."""
    found = re.finditer(r"^```.*?(?:^```|\Z)|^## ", text, re.MULTILINE | re.DOTALL)
    starts = [match.start() for match in found if match[0] == "## "]
    return [text[start:stop].strip() for start, stop in pairwise((0, *starts, len(text)))]


_FENCED = re.compile(r"^```(\w*)[ \t]*\n(.*?)^```[^\n]*\n?", re.MULTILINE | re.DOTALL)


def split_blocks(text: str, mark: str) -> tuple[str, list[str]]:
    """The prose, and the contents of the fenced blocks with that mark; a block that does not end is prose."""
    blocks = [match[2] for match in _FENCED.finditer(text) if match[1] == mark]
    return _FENCED.sub(lambda match: "" if match[1] == mark else match[0], text).strip(), blocks


def parse_heading(path: Path, heading: str) -> LessonEntry:
    """A lesson from the text before its first step. Raises an InputError that names the lesson and the key."""
    lesson = path.stem
    first, _, rest = heading.partition("\n")
    title = first.removeprefix("# ").strip()
    if not first.startswith("# ") or not title:
        raise InputError(f'Lesson {lesson} begins with "{first}": it must begin with "# Title".')
    summary, blocks = split_blocks(rest, "lesson")
    if len(blocks) > 1:
        raise InputError(f"Lesson {lesson} has {len(blocks)} blocks marked ```lesson: it must have one.")
    try:
        given = read_table("lesson", parse_toml("\n".join(blocks), "the lesson block"), _PLACE)
        needs = given.pop("needs", [])
        if not isinstance(needs, list) or not all(isinstance(need, str) for need in needs):
            raise InputError(f"lesson.needs = {display_value(needs)} must be a list of names of lessons.")
    except InputError as error:
        raise InputError(f"Lesson {lesson}: {error}") from error
    return LessonEntry(lesson, title, " ".join(summary.split()), path, needs=tuple(needs), **given)


TEXT = FieldSpec("text", "")
_PLACE: Mapping[str, FieldSpec | None] = {
    "goal": TEXT,
    "minutes": FieldSpec("int", "", minimum=1, maximum=600),
    "needs": None,
    "chapter": TEXT,
}


def read_table(
    name: str, values: Any, keys: Mapping[str, FieldSpec | None], needed: Sequence[str] = ()
) -> dict[str, Any]:
    """The checked values of a table of a lesson; texts are dedented, and keys without a declaration not checked."""
    if not isinstance(values, Mapping):
        raise InputError(f"{name} = {display_value(values)} must be a table, written [{name}].")
    found = {}
    for key, value in values.items():
        if key not in keys:
            raise InputError(f"{name}.{display_key(key)} is not a known key: it must be one of {', '.join(keys)}.")
        spec = keys[key]
        if spec is TEXT and isinstance(value, str):
            # A fence within an indented text does not end the step's block.
            value = dedent(value).strip()
        found[key] = value if spec is None else spec.check(f"{name}.{key}", value)
    for key in needed:
        if key not in found:
            raise InputError(f"{name}.{key} is missing: it must be a text.")
    return found


CHAPTERS: Mapping[str, str] = parse_toml(resource_path("chapters.toml").read_text(encoding="utf-8"), "chapters")
"""The chapters of the course in their order, each with a line about it."""

PARTS: Mapping[str, str] = parse_toml(resource_path("lesson-parts.toml").read_text(encoding="utf-8"), "lesson-parts")
"""The parts of the window that a lesson may point at, each with a noun phrase."""

LINK_SCHEME = "part"
"""Scheme of a link in a lesson's text: [the seed](part:panel.parameters)."""
