"""Every number that a lesson prints is checked: stated, given by the config, computed on paper, or declared here."""

import ast
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.trace_index import Location
from rnnviz.lessons.content import LessonStep
from rnnviz.lessons.statements import Namespace, check_statement, parse_expression, parse_statement
from tests.cases import cases
from tests.lessons.test_lesson_content import LESSONS, STEPS, every_lesson
from tests.lessons.test_lesson_statements import run_once
from tests.shared_worker import run_shared

__all__ = ["run_once", "run_shared"]

CASES = cases(__file__)
CONSTANTS: dict[str, dict[str, str]] = CASES["constants"]
"""Numbers that no run computes, by step, each with its meaning."""
ELSEWHERE: list[dict[str, Any]] = CASES["elsewhere"]
"""Numbers of a run with other settings: their step, the step of the run, changes of its config, and a statement."""

_CODE = re.compile(r"`[^`\n]*`|\]\([^)]*\)")
_FENCED = re.compile(r"```.*?```", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])\d(?:[\d,]*\d)?(?:\.\d+)?(?:e-?\d+)?(?!\w|\.\d)(?:%| [mb]illion)?")
_POSITIONS = re.compile(r"\bt = \d+(?:(?:,| to| and|, and)\s(?:t = )?\d+(?![\d.]*[\de]))*")
_LESSON = re.compile(r"[Ll]essons? \d+(?: to \d+)?")
_POWERS = {"": "", "million": "e6", "billion": "e9"}
_TRIVIAL = {"0", "1"}


def elsewhere(name: str) -> set[str]:
    return {each["number"] for each in ELSEWHERE if each["step"] == name}


def printed(text: str) -> Iterator[str]:
    """Numbers of a text as it prints them, without time steps, lessons and code."""
    for pattern in (_CODE, _POSITIONS, _LESSON):
        text = pattern.sub(" ", text)
    for found in _NUMBER.findall(text):
        number, _, word = found.replace(",", "").partition(" ")
        yield f"{number}{_POWERS[word]}"


def checked_texts(step: LessonStep) -> Iterator[str]:
    """The texts that say something about the run: a choice may be an incorrect answer."""
    question, task = step.question, step.task
    yield step.prose
    yield from (statement.text for statement in step.statements)
    if question is not None:
        yield from (question.text, question.hint, question.reveal)
    if task is not None:
        yield from (task.text, task.hint, task.done)


def expressions(step: LessonStep) -> Iterator[ast.expr]:
    yield from (statement.tree for statement in step.statements)
    if step.task is not None:
        yield step.task.check.tree
    if step.question is not None and step.question.expression:
        yield parse_expression(step.question.expression)


def literals(step: LessonStep) -> set[float]:
    return {
        abs(float(node.value))
        for tree in expressions(step)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    }


def settings(step: LessonStep) -> set[float]:
    """Sizes and other numbers of a step's config, and of the solution of its task."""
    solution = {} if step.task is None else {"set": step.task.changes, "selection": step.task.selection}
    found: set[float] = set()

    def collect(value: object) -> None:
        if isinstance(value, dict):
            for key, each in value.items():
                if key != "seed":
                    collect(each)
        elif isinstance(value, list | tuple):
            found.add(float(len(value)))
            for each in value:
                collect(each)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found.add(abs(float(value)))

    for values in (step.config.to_mapping(), step.selection, solution):
        collect(dict(values))
    return found


def rounds_to(value: float, text: str) -> bool:
    """Whether a text prints `value`, rounded to its digits."""
    number, _, exponent = text.rstrip("%").partition("e")
    scale = Fraction(10) ** int(exponent or 0) * (Fraction(1, 100) if text.endswith("%") else 1)
    decimals = len(number.partition(".")[2])
    half = scale * Fraction(1, 2 * 10**decimals) if decimals or exponent or text.endswith("%") else Fraction(0)
    return abs(Fraction(str(value)) - Fraction(number) * scale) <= half


@pytest.mark.slow
@every_lesson
def test_every_number_in_a_text_is_stated_by_then(lesson):
    stated: set[float] = set()
    unknown = []
    for index, step in enumerate(lesson.steps, 1):
        name = f"{lesson.name}-{index}"
        texts = " ".join(checked_texts(step))
        for other in re.findall(r"[Ll]esson (\d+)", texts):
            stated = stated.union(*(literals(each) for each in LESSONS[int(other) - 1].steps))
        stated |= literals(step) | settings(step)
        declared = {*CONSTANTS.get(name, ()), *elsewhere(name), *_TRIVIAL}
        shown = _FENCED.sub(" ", texts)
        unknown += [
            f"{name}: {number}"
            for number in printed(shown)
            if number not in declared and not any(rounds_to(value, number) for value in stated)
        ]
    assert unknown == []


def test_no_declared_number_is_left_over():
    for name in {*CONSTANTS, *(each["step"] for each in ELSEWHERE)}:
        shown = set(printed(_FENCED.sub(" ", " ".join(checked_texts(STEPS[name])))))
        assert elsewhere(name) <= shown, name
        assert name.startswith("19-") or set(CONSTANTS.get(name, ())) <= shown, name


@pytest.mark.slow
@pytest.mark.parametrize("number", [pytest.param(each, id=each["number"]) for each in ELSEWHERE if each["statement"]])
def test_a_number_of_another_run_is_computed_by_it(number, run_once):
    result = run_once(changed(STEPS[number["of"]].config, number["changes"]))
    finding = check_statement(result, parse_statement(number["number"], number["statement"]), Location())
    assert finding.holds is True, finding.pairs


def changed(config: Config, changes: dict[str, Any]) -> Config:
    tables = config.to_mapping()
    for key, value in changes.items():
        section, _, name = key.partition(".")
        tables.setdefault(section, {})[name] = value
    return Config.from_mapping(tables)


@pytest.mark.slow
def test_truncation_hardly_turns_the_gradient(run_once):
    config = STEPS["16-truncation-2"].config
    cosines = []
    for seed in range(20):
        cut = changed(config, {"parameters.seed": seed, "compare.reference": "manual", "compare.candidates": ["onnx"]})
        a, b = (
            Namespace(run_once(each)).gradient("l0_h2h_weight")
            for each in (cut, changed(cut, {"backward.truncate": 60}))
        )
        cosines.append(float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)))
    assert cosines[config.parameters.seed] == pytest.approx(0.97, abs=0.005)
    assert sum(cosine > 0.9 for cosine in cosines) >= 18


def close_calls(step: LessonStep) -> Iterator[ast.Call]:
    for tree in expressions(step):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "close":
                yield node


def test_a_stated_value_is_stated_to_its_last_digit():
    """`close(x, 0.62, atol=0.05)` would be true of 0.66, too."""
    coarse = []
    for name, step in STEPS.items():
        for call in close_calls(step):
            atol = next(
                (k.value.value for k in call.keywords if k.arg == "atol" and isinstance(k.value, ast.Constant)), 0
            )
            for side in call.args:
                parts = side.elts if isinstance(side, ast.Tuple) else [side]
                written = [ast.unparse(part).lstrip("-(").rstrip(")") for part in parts]
                for text in filter(re.compile(r"[\d.]+(?:e-?\d+)?$").match, written):
                    number, _, exponent = text.partition("e")
                    last = Fraction(10) ** (int(exponent or 0) - len(number.partition(".")[2]))
                    if 2 * Fraction(str(atol)) > last:
                        coarse.append(f"{name}: {ast.unparse(call)}")
    assert coarse == []


_FACTOR = r"-?\(?\d[\d.]*(?: - \d[\d.]*\*\*2\))?"
_SUM = rf"{_FACTOR}(?: [*+-] {_FACTOR})+"
_PAPER = re.compile(rf"({_SUM}(?: = {_SUM})*)(?: is|, which is| =) (-?\d[\d.]*\d)(?! [*+-] )")
_AS_PYTHON = {"×": "*", "·": "*", "²": "**2", " times ": " * ", "\u2212": "-"}


def paper_results() -> Iterator[tuple[str, str, str]]:
    """Each step, with an arithmetic that its texts print in full and the result that they print."""
    for name, step in STEPS.items():
        text = "\n".join(checked_texts(step))
        for sign, python in _AS_PYTHON.items():
            text = text.replace(sign, python)
        for chain, result in _PAPER.findall(re.sub(r"[ \n]+", " ", text)):
            yield from ((name, expression, result) for expression in chain.split(" = "))


@pytest.mark.parametrize(("name", "expression", "result"), tuple(paper_results()))
def test_arithmetic_in_a_text_works_on_paper(name, expression, result):
    value = eval_numbers(ast.parse(expression, mode="eval").body)
    decimals = len(result.partition(".")[2])
    assert abs(value - Fraction(result)) <= Fraction(1, 2 * 10**decimals), (name, float(value))


def eval_numbers(node: ast.expr) -> Fraction:
    """The exact value of an arithmetic of decimal numbers."""
    match node:
        case ast.Constant():
            return Fraction(str(node.value))
        case ast.UnaryOp(op=ast.USub()):
            return -eval_numbers(node.operand)
        case ast.BinOp():
            left, right = eval_numbers(node.left), eval_numbers(node.right)
            operations = {ast.Add: left.__add__, ast.Sub: left.__sub__, ast.Mult: left.__mul__, ast.Pow: left.__pow__}
            return Fraction(operations[type(node.op)](right))
    raise AssertionError(ast.unparse(node))


def test_the_texts_print_arithmetic():
    assert len({name for name, *_ in paper_results()}) >= 7
