"""The lessons that come with the program: configs made to show one thing, and titles of the guided lessons.

A lesson's config is an ordinary file. Its first comment line is `# Lesson 3: title`, and the comment lines up to
the first empty one are its summary.
"""

import re
from functools import cache
from pathlib import Path

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_value
from rnnviz.core.words import suggest
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import parse_config
from rnnviz.io.resources import resource_path

_TITLE = re.compile(r"# Lesson (?P<number>\d+): (?P<title>.+)")


@dataclass(frozen=True)
class Lesson:
    """One lesson; `text` is the file with comments, `name` its name on the command line."""

    name: str
    number: int
    title: str
    summary: str
    path: Path
    text: str

    @property
    def config(self) -> Config:
        return parse_config(self.text, self.path.parent, str(self.path))


@cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons in the order of their numbers.

    Raises a FileNotFoundError if the installation lacks them, and an InputError if a file among them does not begin as
    a lesson does.
    """
    found = [_read(path) for path in resource_path("lessons").glob("*.toml")]
    return tuple(sorted(found, key=lambda lesson: lesson.number))


def find_lesson(name: str) -> Lesson:
    """The lesson of that name. Raises an InputError if there is none; the sentence lists the names."""
    for lesson in lessons():
        if lesson.name == name:
            return lesson
    names = [lesson.name for lesson in lessons()]
    raise InputError(f"Unknown lesson {display_value(name)}.{suggest(name, names)} Lessons: {', '.join(names)}.")


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
    return Lesson(path.stem, int(title["number"]), title["title"], " ".join(summary), path, text)


@dataclass(frozen=True)
class LessonEntry:
    """A guided lesson in a list; `name` is that of its file, `number` its place in the list, from 1."""

    name: str
    number: int
    title: str
    summary: str
    path: Path

    @property
    def heading(self) -> str:
        """Title of the window while the lesson is open."""
        return f"Lesson: {self.title}"


@cache
def lesson_entries() -> tuple[LessonEntry, ...]:
    """All guided lessons in the order of their files' names.

    Raises a FileNotFoundError if the installation lacks them.
    """
    paths = sorted(resource_path("lessons").glob("*.md"))
    return tuple(_entry(number, path) for number, path in enumerate(paths, start=1))


def _entry(number: int, path: Path) -> LessonEntry:
    """Title and summary of a lesson. `read_lesson` checks the rest of the file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    first, _, rest = text.partition("\n")
    summary = " ".join(rest.partition("\n## ")[0].split())
    return LessonEntry(path.stem, number, first.removeprefix("#").strip() or path.stem, summary, path)


PARTS = {
    "lanes": "the lanes",
    "lane": "the selected lane",
    "vector": "the selected vector",
    "state-map": "the map of output and state",
    "verdict": "the banner",
    "arithmetic": "the arithmetic of the selected value",
    "gradient": "the terms of the selected value's gradient",
    "units": "the units over time",
    "errors": "the error over time",
    "checks": "the consistency checks",
    "mismatches": "the list of mismatches",
    "audit": "the step audit",
    "gradient-flow": "the gradient flow",
    "error-histogram": "the error histogram",
    "known-bugs": "the known bugs",
    "panel": "the settings panel",
    "panel.network": "the network settings",
    "panel.shapes": "the shapes of the parameters",
    "panel.sequence": "the sequence settings",
    "panel.parameters": "the parameter settings",
    "panel.initial-state": "the initial state settings",
    "panel.comparison": "the comparison settings",
    "run": "the Run button",
    "transport": "the playback controls",
    "sample": "the sample box",
    "colors": "the color box",
    "lesson-box": "the lesson box",
    "export": "the Export button",
}
"""Each name with a noun phrase that completes "look at ..."."""

LINK_SCHEME = "part"
"""Scheme of a link in a lesson's text: [the seed](part:panel.parameters)."""
