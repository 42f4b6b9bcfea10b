"""The lessons: configs that come with the program, each made to show one thing.

A lesson is an ordinary config file. Its first comment line is `# Lesson 3: title`, and the comment lines up to
the first empty one are its summary.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_value
from rnnviz.core.words import suggest
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
        """The config that the lesson's text says."""
        return parse_config(self.text, self.path.parent, str(self.path))


@cache
def lessons() -> tuple[Lesson, ...]:
    """All lessons in the order of their numbers.

    Raises
    ------
    FileNotFoundError
        If the installation lacks them.
    InputError
        If a file among them does not begin as a lesson does.
    """
    found = [_read(path) for path in resource_path("lessons").glob("*.toml")]
    return tuple(sorted(found, key=lambda lesson: lesson.number))


def find_lesson(name: str) -> Lesson:
    """The lesson of that name.

    Raises
    ------
    InputError
        If there is none; the sentence lists the names.
    """
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
