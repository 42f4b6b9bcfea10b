"""Guided lessons: texts in steps with a config, a selection, a part of the window to look at, statements, questions.

A lesson is a Markdown file with a fenced block of TOML in each step: the guide's page `writing` describes it.
"""

import re
from collections.abc import Mapping
from dataclasses import field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.errors import InputError
from rnnviz.core.masks import Mask
from rnnviz.core.schema import FieldSpec, display_key, display_value, dotted
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import unreadable
from rnnviz.engines.registry import find_engine, is_known_bug, unknown_engine
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import parse_toml, with_paths
from rnnviz.lessons import index
from rnnviz.lessons.asked import asked_masks, read_asked
from rnnviz.lessons.index import LINK_SCHEME, PARTS, TEXT, LessonEntry
from rnnviz.lessons.statements import Statement, StatementResult, parse_statement
from rnnviz.reading.quantities import color_names

_CHOICES = FieldSpec("texts", "")
LETTERS = "ABCDEFGHI"
"""The letters of the choices of a question, of which there are at most as many."""
_ASKED = {"question": TEXT, "choices": _CHOICES, "hint": TEXT, "reveal": TEXT}
_KEYS: Mapping[str, Mapping[str, FieldSpec | None]] = {
    "step": {"config": TEXT, **dict.fromkeys(("set", "selection", "look", "statement", "predict", "quiz", "try"))},
    "selection": {
        **dict.fromkeys(("layer", "timestep", "sample", "unit"), FieldSpec("int", "", minimum=0)),
        "direction": FieldSpec("choice", "", choices=DIRECTIONS),
    },
    "look": {
        "part": FieldSpec("choice", "", choices=tuple(PARTS)),
        "colors": FieldSpec("choice", "", choices=color_names()),
        "engine": TEXT,
        "line": FieldSpec("choice", "", choices=tuple("ifgorznch")),
    },
    "statement": {"text": TEXT, "expression": TEXT},
    "predict": {
        **_ASKED,
        "answer": None,
        "tolerance": FieldSpec("float", "", minimum=0.0),
        "asks": None,
        "remarks": None,
    },
    "quiz": {**_ASKED, "engine": TEXT},
    "try": {"task": TEXT, "check": TEXT, "hint": TEXT, "done": TEXT, "set": None, "selection": None},
}
"""The keys of each table of a step; those without a declaration are tables, or checked where they are read."""
_LINK = re.compile(rf"\]\({LINK_SCHEME}:([^)]*)\)")


@dataclass(frozen=True)
class StepView:
    """The part to look at, and options of the lanes and the arithmetic (`line` is a symbol). None changes nothing."""

    part: str | None = None
    colors: str | None = None
    engine: str | None = None
    line: str | None = None


@dataclass(frozen=True)
class Question:
    """A question that is answered before a step goes on; `text`, `hint` and `reveal` are Markdown.

    The answer is within `tolerance` of the value of `expression`. With `choices` that value is the index of one;
    without an expression the index is `answer`. `masks` are the numbers that it asks for, `remarks` what an incorrect
    answer is. A quiz also has `engine`, its known bug.
    """

    text: str
    choices: tuple[str, ...] = ()
    answer: int = 0
    expression: str = ""
    tolerance: float = 0.0
    masks: tuple[Mask, ...] = ()
    remarks: Mapping[float, str] = field(default_factory=dict)
    hint: str = ""
    reveal: str = ""
    engine: str = ""

    @property
    def statement(self) -> Statement:
        """A statement that has the value of the expression on its left side."""
        return parse_statement(self.text, f"equal({self.expression}, {self.expression})")

    def value_of(self, finding: StatementResult) -> float | None:
        """The value of the expression, or the index of the correct choice, from the result of its statement."""
        value = finding.pairs[0].left.number if finding.pairs else None
        return value if value is None or not self.choices else min(max(value, 0.0), len(self.choices) - 1.0)

    def is_correct(self, answer: float, value: float) -> bool:
        return abs(answer - value) <= (0.0 if self.choices else self.tolerance)

    def remark(self, answer: float) -> str:
        """The remark of the lesson about an incorrect answer; "" without one."""
        said = (text for number, text in self.remarks.items() if self.is_correct(answer, number))
        return next(said, "")


@dataclass(frozen=True)
class Task:
    """Something to try, which is done where `check` is true; `changes` of the config and `selection` are a solution."""

    check: Statement
    hint: str = ""
    done: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.check.text


@dataclass(frozen=True)
class LessonStep:
    """One step with its text in Markdown; `selection` has the indices that it moves to, by the names of a `Location`.

    `question` is a prediction or that of a quiz, whose engine has no name in `config` before it is answered.
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
class GuidedLesson(LessonEntry):
    steps: tuple[LessonStep, ...] = ()

    @property
    def quizzes(self) -> tuple[int, ...]:
        """The numbers of the steps with a quiz."""
        return tuple(n for n, step in enumerate(self.steps) if step.question is not None and step.question.engine)


def read_lesson(path: Path) -> GuidedLesson:
    """One lesson from its file. Raises an InputError that names the lesson, the step and the key."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a lesson: byte {error.start} is not valid UTF-8.") from error
    except OSError as error:
        raise unreadable(path, error) from error
    return parse_lesson(text, path)


def parse_lesson(text: str, path: Path) -> GuidedLesson:
    heading, *bodies = index.sections(text)
    entry = index.parse_heading(path, heading)
    if not bodies:
        raise InputError(f'Lesson {entry.name} has no step: a step begins with "## Title".')
    steps: list[LessonStep] = []
    for section in bodies:
        first, _, body = section.partition("\n")
        named = first.removeprefix("## ").strip()
        if not named:
            raise InputError(f'Lesson {entry.name} has a step without a title: it must begin with "## Title".')
        try:
            before = steps[-1].named_config if steps else None
            steps.append(_step(named, body, before, path.parent.absolute()))
        except InputError as error:
            raise InputError(f'Lesson {entry.name}, step "{named}": {error}') from error
    return GuidedLesson(**vars(entry), steps=tuple(steps))


def _step(title: str, body: str, before: Config | None, folder: Path) -> LessonStep:
    prose, blocks = index.split_blocks(body, "step")
    if len(blocks) != 1:
        raise InputError(f"it has {len(blocks)} blocks marked ```step that end: it must have one.")
    values = _table("step", parse_toml(blocks[0], "the step block"))
    if "predict" in values and "quiz" in values:
        raise InputError("it has both predict and quiz: a step asks one question.")
    config = _config(values, before, folder)
    question, task = None, None
    if "predict" in values:
        question = _prediction(values["predict"], config, _selection(values.get("selection", {})))
    elif "quiz" in values:
        question = _quiz(values["quiz"])
        config = _comparing(config, unknown_engine(question.engine))
    if "try" in values:
        task = _task(values["try"])
        _config({"set": values["try"].get("set", {})}, config, folder)
    listed = values.get("statement", [])
    if not isinstance(listed, list):
        raise InputError("statements must be written [[statement]].")
    step = LessonStep(
        title,
        prose,
        config,
        _selection(values.get("selection", {})),
        StepView(**_table("look", values.get("look", {}))),
        tuple(_statement(number, entry) for number, entry in enumerate(listed, 1)),
        question,
        task,
    )
    for part in links_in("".join(step.texts)):
        if part not in PARTS:
            raise InputError(f"the link {LINK_SCHEME}:{part} must lead to one of {', '.join(PARTS)}.")
    return step


def links_in(markdown: str) -> list[str]:
    """The parts of the window that a text links to."""
    found: list[str] = _LINK.findall(markdown)
    return found


def _table(name: str, values: Any, *needed: str) -> dict[str, Any]:
    return index.read_table(name, values, _KEYS[name], needed)


def _comparing(config: Config, candidate: str) -> Config:
    return replace(config, compare=replace(config.compare, candidates=(candidate,)))


def _config(values: Mapping[str, Any], before: Config | None, folder: Path) -> Config:
    """The named config, else that of the step before, with the step's changes; paths are relative to `folder`."""
    config, changes = before, values.get("set", {})
    if "config" in values:
        config = index.find_lesson(values["config"]).config
    if config is None:
        raise InputError("it names no config: the first step must name one.")
    if not isinstance(changes, Mapping):
        raise InputError(f"set = {display_value(changes)} must be a table, written [set].")
    tables = config.to_mapping()
    for key, value in dotted(changes):
        section, _, name = key.partition(".")
        if section not in SECTIONS or not name:
            raise InputError(f"{display_key(key)} = {display_value(value)} is not a key of a config.")
        tables.setdefault(section, {})[name] = value
    return with_paths(Config.from_mapping(tables), lambda path: str(folder / path)) if changes else config


def _selection(values: Any) -> dict[str, int]:
    found = _table("selection", values)
    return {key: DIRECTIONS.index(value) if key == "direction" else value for key, value in found.items()}


def _statement(number: int, values: Any) -> Statement:
    try:
        entry = _table("statement", values, "text", "expression")
        return parse_statement(entry["text"], entry["expression"])
    except InputError as error:
        raise InputError(f"statement {number}: {error}") from error


def _check_choices(table: str, choices: tuple[str, ...]) -> None:
    if not 2 <= len(choices) <= len(LETTERS) or len(set(choices)) < len(choices):
        raise InputError(f"{table}.choices must list 2 to {len(LETTERS)} different texts.")


def _prediction(values: Any, config: Config, selection: Mapping[str, int]) -> Question:
    given = _table("predict", values, "question")
    asks, answer, remarks = (given.pop(key, None) for key in ("asks", "answer", "remarks"))
    question = Question(given.pop("question"), **given)
    question = replace(question, remarks=_remarks(remarks or {}, question.choices))
    if asks is not None:
        try:
            question = replace(question, masks=read_asked(asks, config, selection))
        except InputError as error:
            raise InputError(f"predict.asks: {error}") from error
    if question.choices:
        _check_choices("predict", question.choices)
        if type(answer) is int and answer in range(len(question.choices)):
            return replace(question, answer=answer)
    if not isinstance(answer, str) or bool(question.choices) == ("tolerance" in given):
        raise InputError(
            f"predict.answer = {display_value(answer)} must be the index of one of predict.choices or an expression of "
            "it, or without choices an expression of a number with predict.tolerance."
        )
    question = replace(question, expression=answer.strip())
    try:
        question.statement  # noqa: B018 - it is checked when it is read
        masks = asked_masks(question.expression, config, selection) if asks is None else question.masks
    except InputError as error:
        raise InputError(f"predict.answer: {error}") from error
    return replace(question, masks=masks)


def _remarks(values: Any, choices: tuple[str, ...]) -> dict[float, str]:
    """The remarks about incorrect answers, by the number, or by the index of the choice with the letter."""
    if not isinstance(values, Mapping):
        raise InputError('predict.remarks must be a table of texts by answers, such as { A = "It is larger." }.')
    found = {}
    for key, text in values.items():
        answer = LETTERS.find(key) if choices and len(key) == 1 else None if choices else number_of(key)
        if answer is None or (choices and answer not in range(len(choices))) or not isinstance(text, str):
            allowed = "the letter of a choice" if choices else "a number"
            raise InputError(f"predict.remarks.{display_key(key)} must be a text for {allowed}.")
        found[float(answer)] = text
    return found


def _quiz(values: Any) -> Question:
    given = _table("quiz", values, "engine", "choices")
    engine, engines = given["engine"], given.pop("choices")
    _check_choices("quiz", engines)
    if engine not in engines:
        raise InputError(f"quiz.engine = {display_value(engine)} must be one of quiz.choices.")
    causes = []
    for name in engines:
        bug = find_engine(name, "quiz.choices").bug if is_known_bug(name) else None
        if bug is None:
            raise InputError(f"quiz.choices: {display_value(name)} must be a known bug, as bug:NAME.")
        causes.append(f"{bug.cause} ({bug.name})")
    text = given.pop("question", "Which known bug does the unknown engine have?")
    return Question(text, tuple(causes), engines.index(engine), **given)


def _task(values: Any) -> Task:
    given = _table("try", values, "task", "check")
    try:
        check = parse_statement(given["task"], given["check"])
    except InputError as error:
        raise InputError(f"try.check: {error}") from error
    changes = dict(dotted(given.get("set", {}))) if isinstance(given.get("set"), Mapping) else {}
    return Task(check, given.get("hint", ""), given.get("done", ""), changes, _selection(given.get("selection", {})))


def number_of(text: str) -> float | None:
    """The number that a reader typed, None if it is none. A comma is a decimal point."""
    try:
        number = float(text.strip().replace("\N{MINUS SIGN}", "-").replace(",", "."))
    except ValueError:
        return None
    return number if isfinite(number) else None
