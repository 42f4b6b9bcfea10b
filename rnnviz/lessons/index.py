"""Index of the guided lessons: titles and summaries."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rnnviz.io.resources import resource_path


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

    Raises
    ------
    FileNotFoundError
        If the installation lacks them.
    """
    paths = sorted(resource_path("lessons").glob("*.md"))
    return tuple(_entry(number, path) for number, path in enumerate(paths, start=1))


def _entry(number: int, path: Path) -> LessonEntry:
    """Title and summary of a lesson. `read_lesson` checks the rest of the file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    first, _, rest = text.partition("\n")
    summary = " ".join(rest.partition("\n## ")[0].split())
    return LessonEntry(path.stem, number, first.removeprefix("#").strip() or path.stem, summary, path)
