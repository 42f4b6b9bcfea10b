"""Guided lessons: texts in steps with a config, a selection, a highlighted part of the window, and statements.

A lesson is a Markdown file. Its first line is `# Title`; the text up to the first `## Step title` is its summary, with
one fenced block marked `lesson`, which is TOML: the goal, the minutes, the needed lessons, the chapter of the course.
Each step is prose with one fenced block marked `step`, which is TOML, too: the config that the step is about, as the
name of one of the config lessons and changes of its keys, the selection, the highlighted part, the statements, and a
question or a task.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import Any

from rnnviz.cells import CELLS
from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_key, display_value, dotted
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import unreadable
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import with_paths
from rnnviz.lessons.index import LINK_SCHEME, PARTS, CoursePlace, find_lesson, parse_heading, sections, split_blocks
from rnnviz.lessons.questions import Question, Task, check_keys, parse_prediction, parse_quiz, parse_task
from rnnviz.lessons.statements import Statement, parse_statement
from rnnviz.reading.gates import gate_quantities, gradient_quantities

COLORS = (
    "value",
    "error_ratio",
    "difference",
    *dict.fromkeys(
        quantity.name for cell in CELLS.values() for quantity in (*gate_quantities(cell), *gradient_quantities(cell))
    ),
)
"""Quantities that can color the lanes; a gate only where the cell has it."""

_STEP_KEYS, _LOOK_KEYS, _STATEMENT_KEYS = (
    ("config", "set", "selection", "look", "statement", "predict", "quiz", "try"),
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

    `selection` holds the indices that the step moves the selection to, by the names of a `Location`. `question` is a
    prediction or that of a quiz, whose engine has no name in `config` before it is answered.
    """

    title: str
    prose: str
    config: Config
    selection: Mapping[str, int] = field(default_factory=dict)
    look: StepView = StepView()
    statements: tuple[Statement, ...] = ()
    question: Question | None = None
    task: Task | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts of the step in Markdown, in the order in which they are read; "" for none."""
        question, task = self.question or Question(""), self.task
        asked = question.text, question.hint, *question.choices, question.reveal
        return (self.prose, *asked, *(() if task is None else (task.text, task.hint, task.done)))

    @property
    def named_config(self) -> Config:
        """The config, with the name of the engine that the question of a quiz is about."""
        engine = "" if self.question is None else self.question.engine
        return _comparing(self.config, engine) if engine else self.config

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
    course: CoursePlace = CoursePlace()

    @property
    def quizzes(self) -> tuple[int, ...]:
        """The numbers of the steps with a quiz."""
        return tuple(n for n, step in enumerate(self.steps) if step.question is not None and step.question.engine)


def read_lesson(path: Path) -> GuidedLesson:
    """One lesson from its file.

    Raises an InputError if it is not as a lesson must be; the sentence names the lesson, the step and the statement.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a lesson: byte {error.start} is not valid UTF-8.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_lesson(text, path)


def parse_lesson(text: str, path: Path) -> GuidedLesson:
    """One lesson from its text. Raises as `read_lesson` does."""
    name = path.stem
    heading, *bodies = sections(text)
    title, summary, course = parse_heading(name, heading)
    if not bodies:
        raise InputError(f'Lesson {name} has no step: a step begins with "## Title".')
    steps: list[LessonStep] = []
    for body in bodies:
        steps.append(_step(name, body, steps[-1].named_config if steps else None, path.parent.absolute()))
    return GuidedLesson(name, title, summary, tuple(steps), path, course)


def _step(lesson: str, section: str, before: Config | None, folder: Path) -> LessonStep:
    heading, _, body = section.partition("\n")
    title = heading.removeprefix("## ").strip()
    where = f'Lesson {lesson}, step "{title}"'
    if not title:
        raise InputError(f'Lesson {lesson} has a step without a title: it must begin with "## Title".')
    prose, blocks = split_blocks(body, "step")
    if len(blocks) != 1:
        raise InputError(f"{where} has {len(blocks)} blocks marked ```step that end: it must have one.")
    try:
        values = tomllib.loads(blocks[0])
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: the step block is not valid TOML: {error}.") from error
    check_keys(where, values, _STEP_KEYS)
    look = _look(where, values.get("look", {}))
    selection = _selection(where, values.get("selection", {}))
    config = _config(where, values, before, folder)
    question = _question(where, values, prose)
    if question is not None and question.engine:
        config = _comparing(config, question.unknown_engine)
    task = None
    if "try" in values:
        task = parse_task(where, values["try"])
        chosen = {key: values["try"][key] for key in ("set", "selection") if key in values["try"]}
        _config(where, chosen, config, folder)
        changes, moves = dict(dotted(chosen.get("set", {}))), _selection(where, chosen.get("selection", {}))
        task = replace(task, changes=changes, selection=moves)
    _check_links(where, "" if task is None else f"{task.text}{task.hint}{task.done}")
    statements = _statements(where, values.get("statement", []))
    return LessonStep(title, prose, config, selection, look, statements, question, task)


def _question(where: str, values: Mapping[str, Any], prose: str) -> Question | None:
    if "predict" in values and "quiz" in values:
        raise InputError(f"{where} has both predict and quiz: a step asks one question.")
    question = None
    if "predict" in values:
        question = parse_prediction(where, values["predict"])
    elif "quiz" in values:
        question = parse_quiz(where, values["quiz"])
    _check_links(where, prose if question is None else f"{prose}{question.text}{question.hint}{question.reveal}")
    return question


def _check_links(where: str, text: str) -> None:
    for part in _LINK.findall(text):
        if part not in PARTS:
            raise InputError(f"{where}: the link {LINK_SCHEME}:{part} must lead to one of {', '.join(PARTS)}.")


def _comparing(config: Config, candidate: str) -> Config:
    return replace(config, compare=replace(config.compare, candidates=(candidate,)))


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
            if section not in SECTIONS or not name:
                raise InputError(f"{display_key(key)} = {display_value(value)} is not a key of a config.")
            tables.setdefault(section, {})[name] = value
        return with_paths(Config.from_mapping(tables), lambda path: str(folder / path)) if changes else config
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _selection(where: str, values: Any) -> dict[str, int]:
    check_keys(where, values, (*_INDICES, "direction"), "selection")
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
    check_keys(where, values, _LOOK_KEYS, "look")
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
        check_keys(where, entry, _STATEMENT_KEYS, f"statement {number}")
        if not all(isinstance(entry.get(key), str) and entry[key].strip() for key in _STATEMENT_KEYS):
            raise InputError(f"{where}: statement {number} must have two texts, text and expression.")
        try:
            found.append(parse_statement(entry["text"].strip(), entry["expression"].strip()))
        except InputError as error:
            raise InputError(f"{where}, statement {number}: {error}") from error
    return tuple(found)
