"""Guided lessons: texts in steps with a config, a selection, a highlighted part of the window, and statements.

A lesson is a Markdown file. Its first line is `# Title`; the text up to the first `## Step title` is its summary.
Each step is prose with one fenced block marked `step`, which is TOML: the config that the step is about, as the name of
one of the config lessons and changes of its keys, the selection, the highlighted part, and the statements.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from rnnviz.cells import CELLS
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_key, display_value, dotted
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import with_paths
from rnnviz.lessons.index import LINK_SCHEME, PARTS, find_lesson
from rnnviz.lessons.statements import Statement, parse_statement
from rnnviz.quantities.gates import gate_quantities, gradient_quantities

COLORS = (
    "value",
    "error_ratio",
    "difference",
    *dict.fromkeys(
        quantity.name for cell in CELLS.values() for quantity in (*gate_quantities(cell), *gradient_quantities(cell))
    ),
)
"""Quantities that can color the lanes; a gate only where the cell has it."""

_FENCE, _MARK = "```", "```step"
_STEP_KEYS, _LOOK_KEYS, _STATEMENT_KEYS = (
    ("config", "set", "selection", "look", "statement"),
    ("part", "colors", "engine", "line"),
    ("text", "expression"),
)
_LINK = re.compile(rf"\]\({LINK_SCHEME}:([^)]*)\)")
_INDICES = ("layer", "timestep", "sample", "unit")


@dataclass(frozen=True)
class StepView:
    """The highlighted part of the window and the display options of the lanes. None changes nothing.

    `line` is the symbol of the line of the arithmetic that is shown term by term.
    """

    part: str | None = None
    colors: str | None = None
    engine: str | None = None
    line: str | None = None


@dataclass(frozen=True)
class LessonStep:
    """One step; `prose` is Markdown, `config` the config of the run.

    `selection` holds the indices that the step moves the selection to, by the names of a `Location`.
    """

    title: str
    prose: str
    config: Config
    selection: Mapping[str, int] = field(default_factory=dict)
    look: StepView = StepView()
    statements: tuple[Statement, ...] = ()

    def location(self, present: Location) -> Location:
        return present.moved(**self.selection)


@dataclass(frozen=True)
class GuidedLesson:
    """One lesson; `name` is that of its file and stays the same, so that progress can be remembered by it."""

    name: str
    title: str
    summary: str
    steps: tuple[LessonStep, ...]
    path: Path


def read_lesson(path: Path) -> GuidedLesson:
    """One lesson from its file.

    Raises an InputError if it is not as a lesson must be; the sentence names the lesson, the step and the statement.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a lesson: byte {error.start} is not valid UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    return parse_lesson(text, path)


def parse_lesson(text: str, path: Path) -> GuidedLesson:
    """One lesson from its text. Raises as `read_lesson` does."""
    name = path.stem
    heading, *sections = _sections(text)
    first, _, summary = heading.partition("\n")
    title = first.removeprefix("# ").strip()
    if not first.startswith("# ") or not title:
        raise InputError(f'Lesson {name} begins with "{first}": it must begin with "# Title".')
    if not sections:
        raise InputError(f'Lesson {name} has no step: a step begins with "## Title".')
    steps: list[LessonStep] = []
    for section in sections:
        steps.append(_step(name, section, steps[-1].config if steps else None, path.parent.absolute()))
    return GuidedLesson(name, title, " ".join(summary.split()), tuple(steps), path)


def _sections(text: str) -> Iterator[str]:
    """The text before the first step, then each step from its heading on. A heading within a fence does not count."""
    lines: list[str] = []
    fenced = False
    for line in text.splitlines():
        if line.startswith(_FENCE):
            fenced = not fenced
        if line.startswith("## ") and not fenced:
            yield "\n".join(lines).strip()
            lines = []
        lines.append(line)
    yield "\n".join(lines).strip()


def _step(lesson: str, section: str, before: Config | None, folder: Path) -> LessonStep:
    heading, _, body = section.partition("\n")
    title = heading.removeprefix("## ").strip()
    where = f'Lesson {lesson}, step "{title}"'
    if not title:
        raise InputError(f'Lesson {lesson} has a step without a title: it must begin with "## Title".')
    prose, settings = _settings(where, body)
    for part in _LINK.findall(prose):
        if part not in PARTS:
            raise InputError(f"{where}: the link {LINK_SCHEME}:{part} must lead to one of {', '.join(PARTS)}.")
    try:
        values = tomllib.loads(settings)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: the step block is not valid TOML: {error}.") from error
    _check_keys(where, values, _STEP_KEYS)
    look = _look(where, values.get("look", {}))
    selection = _selection(where, values.get("selection", {}))
    config = _config(where, values, before, folder)
    return LessonStep(title, prose, config, selection, look, _statements(where, values.get("statement", [])))


def _settings(where: str, body: str) -> tuple[str, str]:
    """The prose, and the content of the one block marked `step`."""
    prose: list[str] = []
    blocks: list[list[str]] = []
    inside, other = False, False
    for line in body.splitlines():
        if not inside and not other and line.rstrip() == _MARK:
            inside = True
            blocks.append([])
        elif inside and line.startswith(_FENCE):
            inside = False
        elif inside:
            blocks[-1].append(line)
        else:
            other ^= line.startswith(_FENCE)
            prose.append(line)
    if len(blocks) != 1 or inside:
        raise InputError(f"{where} has {len(blocks)} blocks marked {_MARK} that end: it must have one.")
    return "\n".join(prose).strip(), "\n".join(blocks[0])


def _config(where: str, values: Mapping[str, Any], before: Config | None, folder: Path) -> Config:
    """The named config, else that of the step before, with the step's changes; paths are relative to `folder`."""
    asked, changes = values.get("config"), values.get("set", {})
    if asked is not None and not isinstance(asked, str):
        raise InputError(f"{where}: config = {display_value(asked)} must be the name of a config.")
    if asked is None and before is None:
        raise InputError(f"{where} names no config: the first step must name one.")
    try:
        config = before if asked is None else find_lesson(asked).config
        assert config is not None
        if not isinstance(changes, Mapping):
            raise InputError(f"set = {display_value(changes)} must be a table, written [set].")
        tables = config.to_mapping()
        for key, value in dotted(changes):
            section, _, name = key.partition(".")
            if section not in tables or not name:
                raise InputError(f"{display_key(key)} = {display_value(value)} is not a key of a config.")
            tables[section][name] = value
        return with_paths(Config.from_mapping(tables), lambda path: str(folder / path)) if changes else config
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _selection(where: str, values: Any) -> dict[str, int]:
    _check_keys(where, values, (*_INDICES, "direction"), "selection")
    found = {}
    for key, value in values.items():
        if key == "direction":
            if value not in DIRECTIONS:
                raise InputError(
                    f"{where}: selection.direction = {display_value(value)} must be {' or '.join(DIRECTIONS)}."
                )
            found[key] = DIRECTIONS.index(value)
        elif isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{where}: selection.{key} = {display_value(value)} must be a whole number of at least 0.")
        else:
            found[key] = value
    return found


def _look(where: str, values: Any) -> StepView:
    _check_keys(where, values, _LOOK_KEYS, "look")
    for key, allowed in (("part", tuple(PARTS)), ("colors", COLORS), ("line", tuple("ifgorznch"))):
        if key in values and values[key] not in allowed:
            raise InputError(f"{where}: look.{key} = {display_value(values[key])} must be one of {', '.join(allowed)}.")
    if not isinstance(values.get("engine", ""), str):
        raise InputError(f"{where}: look.engine = {display_value(values['engine'])} must be the name of an engine.")
    return StepView(**values)


def _statements(where: str, values: Any) -> tuple[Statement, ...]:
    if not isinstance(values, list):
        raise InputError(f"{where}: statements must be written [[statement]].")
    found = []
    for number, entry in enumerate(values, 1):
        _check_keys(where, entry, _STATEMENT_KEYS, f"statement {number}")
        if not all(isinstance(entry.get(key), str) and entry[key].strip() for key in _STATEMENT_KEYS):
            raise InputError(f"{where}: statement {number} must have two texts, text and expression.")
        try:
            found.append(parse_statement(entry["text"].strip(), entry["expression"].strip()))
        except InputError as error:
            raise InputError(f"{where}, statement {number}: {error}") from error
    return tuple(found)


def _check_keys(where: str, values: Any, allowed: tuple[str, ...], table: str = "") -> None:
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: {table} = {display_value(values)} must be a table, written [{table}].")
    for key in values:
        if key not in allowed:
            dotted = f"{table}.{key}" if table else key
            raise InputError(
                f"{where}: {display_key(dotted)} is not a known key: it must be one of {', '.join(allowed)}."
            )
