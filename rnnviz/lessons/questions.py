"""Questions and tasks of a lesson's steps: a prediction, a quiz about a known bug, and something to try.

They are the tables `predict`, `quiz` and `try` of a step's block.
"""

from collections.abc import Mapping
from dataclasses import field, replace
from math import isfinite
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from rnnviz.core.errors import InputError
from rnnviz.core.schema import display_key, display_value
from rnnviz.engines.registry import find_engine, is_known_bug, unknown_engine
from rnnviz.frozen import dataclass
from rnnviz.lessons.index import HIDEABLE
from rnnviz.lessons.statements import Statement, parse_statement

if TYPE_CHECKING:
    from rnnviz.lessons.evaluate import StatementResult

_TEXTS = ("question", "hint", "reveal")
_PREDICT_KEYS = ("question", "choices", "answer", "tolerance", "hides", "hint", "reveal")
_QUIZ_KEYS = ("question", "engine", "choices", "hint", "reveal")
_TRY_TEXTS = ("task", "check", "hint", "done")
_TRY_KEYS = (*_TRY_TEXTS, "set", "selection")
_WHICH_BUG = "Which known bug does the unknown engine have?"
_MOST_CHOICES = 9


@dataclass(frozen=True)
class Question:
    """A question that is answered before a step goes on; `text`, `hint` and `reveal` are Markdown.

    The answer is within `tolerance` of the value of `expression`, which `statement_of` compares it with. With `choices`
    that value is the index of one; without an expression the index is `answer`. `hides` names the parts of the window
    that are hidden before. A quiz also has `engine`, its known bug.
    """

    text: str
    choices: tuple[str, ...] = ()
    answer: int = 0
    expression: str = ""
    tolerance: float = 0.0
    hides: tuple[str, ...] = ()
    hint: str = ""
    reveal: str = ""
    engine: str = ""

    def answer_of(self, finding: "StatementResult") -> str:
        """The answer as text: the choice, or the value of the expression."""
        value = finding.pairs[0].left.shown
        return self.choices[min(max(int(value), 0), len(self.choices) - 1)] if self.choices else value

    @property
    def unknown_engine(self) -> str:
        """The name of the engine of a quiz before it is answered."""
        return unknown_engine(self.engine)

    def statement_of(self, number: float | None) -> Statement:
        """The statement that an answer is close enough to the value; with None the value equals itself."""
        if number is None:
            return parse_statement(self.text, f"equal({self.expression}, {self.expression})")
        compared = f"close({self.expression}, {number!r}, atol={self.tolerance!r}, rtol=0)"
        return parse_statement(self.text, compared)


@dataclass(frozen=True)
class Task:
    """Something to try, which is done in a run where `check` is true; its text, `hint` and `done` are Markdown.

    `changes` of keys of the step's config and `selection` are a solution.
    """

    check: Statement
    hint: str = ""
    done: str = ""
    changes: Mapping[str, Any] = field(default_factory=dict)
    selection: Mapping[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.check.text


def parse_prediction(where: str, values: Any) -> Question:
    """The table `predict`. Raises an InputError that begins with `where` and names the key."""
    check_keys(where, values, _PREDICT_KEYS, "predict")
    texts = _texts(where, "predict", values, _TEXTS, "question")
    hides = values.get("hides", list(HIDEABLE))
    if not isinstance(hides, list) or any(part not in HIDEABLE for part in hides):
        raise InputError(
            f"{where}: predict.hides = {display_value(hides)} must be a list of some of {', '.join(HIDEABLE)}."
        )
    asked = Question(texts["question"], hides=tuple(hides), hint=texts["hint"], reveal=texts["reveal"])
    answer, tolerance = values.get("answer"), values.get("tolerance")
    if "choices" in values:
        choices = _choices(where, "predict", values["choices"])
        if tolerance is not None:
            raise InputError(f"{where}: predict.tolerance is of an answer in numbers: leave it out besides choices.")
        asked = replace(asked, choices=choices)
        if not isinstance(answer, str):
            if isinstance(answer, bool) or not isinstance(answer, int) or not 0 <= answer < len(choices):
                raise InputError(
                    f"{where}: predict.answer = {display_value(answer)} must be the index of a choice, from 0 to "
                    f"{len(choices) - 1}, or an expression of it."
                )
            return replace(asked, answer=answer)
        tolerance = 0
    if not isinstance(answer, str) or not answer.strip():
        raise InputError(
            f"{where}: predict.answer = {display_value(answer)} must be an expression, or the index of one of choices."
        )
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not (0 <= tolerance < float("inf")):
        raise InputError(f"{where}: predict.tolerance = {display_value(tolerance)} must be a number of at least 0.")
    question = replace(asked, expression=answer.strip(), tolerance=float(tolerance))
    try:
        question.statement_of(0.0)
    except InputError as error:
        raise InputError(f"{where}: predict.answer: {error}") from error
    return question


def parse_quiz(where: str, values: Any) -> Question:
    """The table `quiz`. Raises as `parse_prediction` does."""
    check_keys(where, values, _QUIZ_KEYS, "quiz")
    texts = _texts(where, "quiz", {"question": _WHICH_BUG, **values}, _TEXTS, "question")
    engines = _choices(where, "quiz", values.get("choices"))
    engine = values.get("engine")
    causes = []
    for key, name in (("engine", engine), *(("choices", name) for name in engines)):
        if not isinstance(name, str) or not is_known_bug(name):
            raise InputError(f"{where}: quiz.{key}: {display_value(name)} must be a known bug, as bug:NAME.")
        try:
            bug = find_engine(name, f"quiz.{key}").bug
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        assert bug is not None, "it is the engine of a known bug"
        causes.append(f"{bug.cause} ({bug.name})")
    if engine not in engines:
        raise InputError(f"{where}: quiz.engine = {display_value(engine)} must be one of quiz.choices.")
    return Question(
        text=texts["question"],
        choices=tuple(causes[1:]),
        answer=engines.index(engine),
        hint=texts["hint"],
        reveal=texts["reveal"],
        engine=engine,
    )


def parse_task(where: str, values: Any) -> Task:
    """The table `try`. Raises as `parse_prediction` does."""
    check_keys(where, values, _TRY_KEYS, "try")
    texts = _texts(where, "try", values, _TRY_TEXTS, "task", "check")
    try:
        check = parse_statement(texts["task"], texts["check"])
    except InputError as error:
        raise InputError(f"{where}: try.check: {error}") from error
    return Task(check, texts["hint"], texts["done"])


def number_of(text: str) -> float | None:
    """The number that a reader typed, None if it is none. A comma is a decimal point."""
    try:
        number = float(text.strip().replace("\N{MINUS SIGN}", "-").replace(",", "."))
    except ValueError:
        return None
    return number if isfinite(number) else None


def check_keys(where: str, values: Any, allowed: tuple[str, ...], table: str = "") -> None:
    """Refuse another value than a table, and a key that it does not have."""
    if not isinstance(values, Mapping):
        raise InputError(f"{where}: {table} = {display_value(values)} must be a table, written [{table}].")
    for key in values:
        if key not in allowed:
            dotted = f"{table}.{key}" if table else key
            raise InputError(
                f"{where}: {display_key(dotted)} is not a known key: it must be one of {', '.join(allowed)}."
            )


def _texts(where: str, table: str, values: Mapping[str, Any], keys: tuple[str, ...], *needed: str) -> dict[str, str]:
    found = {}
    for key in keys:
        text = values.get(key, "")
        if not isinstance(text, str) or (key in needed and not text.strip()):
            given = f"{table}.{key} = {display_value(text)}" if key in values else f"{table}.{key} is missing: it"
            raise InputError(f"{where}: {given} must be a text.")
        # A fence within an indented text does not end the step's block.
        found[key] = dedent(text).strip()
    return found


def _choices(where: str, table: str, values: Any) -> tuple[str, ...]:
    listed = values if isinstance(values, list) else []
    texts = tuple(text.strip() for text in listed if isinstance(text, str) and text.strip())
    if not 2 <= len(listed) <= _MOST_CHOICES or len(set(texts)) < len(listed):
        raise InputError(
            f"{where}: {table}.choices = {display_value(values)} must list 2 to {_MOST_CHOICES} different texts."
        )
    return texts
