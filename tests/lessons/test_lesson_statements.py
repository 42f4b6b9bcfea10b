"""Every statement of every lesson, on the values that the engines compute."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.util import find_spec

import pytest

from rnnviz.core.config import Config
from rnnviz.core.trace_index import Location
from rnnviz.engines import registry
from rnnviz.engines.registry import with_candidates
from rnnviz.explain.lines import format_short
from rnnviz.explain.terms import term_table
from rnnviz.io.inputs import load_inputs
from rnnviz.lessons.content import LessonStep
from rnnviz.lessons.statements import Statement, check_statement
from rnnviz.reading.quantities import gate_quantities, gradient_quantities
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import explain_at
from tests.lessons.test_lesson_content import STEPS, solution
from tests.needs import missing, need
from tests.profiles import nightly_except
from tests.shared_worker import run_shared

__all__ = ["run_shared"]


def worked_text(step: LessonStep) -> str:
    return step.prose if step.question is None else f"{step.prose}\n{step.question.reveal}"


WORKED = {name: step for name, step in STEPS.items() if re.search(r"\d × ", worked_text(step))}
"""The steps whose text computes numbers."""
_BLOCK = re.compile(r"```\n(.*?)```", re.DOTALL)
_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_TERM = re.compile(r"(\S+\[\d\]) +(-?[\d.]+) × +(-?[\d.]+) = +(-?[\d.]+)")

NEEDS_MXNET = "09-real-bug"
"""The lesson about a bug of MXNet."""
NEEDS_FLOAT64 = "22-drift-2"
"""A step with a second engine that computes in float64, which ONNX Runtime does not."""

Runs = Callable[[Config], RunResult]


@pytest.fixture(scope="module")
def run_once(run_shared):
    return cache(run_shared)


def step_of(name: str) -> LessonStep:
    """A step whose engines are installed, or a reason to skip the test."""
    if name.startswith(NEEDS_MXNET):
        need("mxnet")
    elif name == NEEDS_FLOAT64 and missing("mxnet"):
        need("torch")
    return STEPS[name]


def untrue(result: RunResult, statements: Sequence[Statement], where: Location) -> list[str]:
    """The statements that are false, or that this run cannot answer."""
    findings = [check_statement(result, statement, where) for statement in statements]
    return [
        f"{f.statement.text} {f.statement.expression}: {f.reason or f.pairs}" for f in findings if f.holds is not True
    ]


LONG = (
    *("14-vanishing-gradients-2", "14-vanishing-gradients-3", "16-truncation-1", "16-truncation-4"),
    *(f"15-gates-and-gradients-{step}" for step in (1, 2)),
    *(name for name in STEPS if name.startswith(("17-forget-bias", "18-adding-problem"))),
    *("20-teacher-forcing-4", "21-stateful-chunks-4", "24-find-the-bug-5"),
)
"""Steps whose runs take longest."""
QUICK = [name for name in STEPS if name not in LONG]


@pytest.mark.slow
@pytest.mark.parametrize("name", nightly_except(STEPS, *QUICK))
def test_statements_are_true_a_question_has_an_answer_and_the_solution_alone_meets_the_task(name, run_once):
    step = step_of(name)
    question, task, here = step.question, step.task, step.location(Location())
    assert untrue(run_once(step.named_config), step.statements, here) == []
    result = run_once(step.config)
    if question is not None and question.expression:
        finding = check_statement(result, question.statement, here)
        assert finding.holds is True, finding.reason
        assert not question.choices or int(finding.pairs[0].left.shown) in range(len(question.choices))
    if question is not None and question.engine:
        assert result.overall_verdict == "disagree"
    if task is not None:
        assert check_statement(result, task.check, here).holds is False
        config, where = solution(step)
        assert untrue(run_once(config), [task.check], where) == []


@pytest.mark.parametrize("name", nightly_except([n for n in STEPS if not n.startswith(NEEDS_MXNET)], "05-lstm-4"))
def test_every_statement_is_true_where_mxnet_is_missing(name, run_once, monkeypatch):
    step = STEPS[name]
    by_torch = step.config.backward.enabled or step.config.network.dtype == "float64"
    need("torch" if by_torch else "onnxruntime")
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name == "mxnet" else find_spec(name))
    config = with_candidates(step.named_config)
    assert "gluon" not in config.compare.engines
    assert untrue(run_once(config), step.statements, step.location(Location())) == []


def test_selections_engines_and_lane_colors_are_those_of_the_run():
    shapes = {step.config: load_inputs(step.config).hidden_shape for step in STEPS.values()}
    for name, step in STEPS.items():
        where, cell = step.location(Location()), step.config.network.kind
        assert where.within(shapes[step.config]) == where, name
        assert step.look.engine is None or step.look.engine in step.config.compare.engines, name
        has = {quantity.name for quantity in (*gate_quantities(cell), *gradient_quantities(cell))}
        assert step.look.colors in {None, "value", "error_ratio", "difference", *has}, name


@pytest.mark.parametrize("step", WORKED.values(), ids=WORKED)
def test_computed_numbers_in_the_text_are_in_the_arithmetic(step, run_once):
    where = step.location(Location())
    shown, terms = figures_shown(run_once(step.config), where)
    blocks = "".join(_BLOCK.findall(worked_text(step)))
    for term in _TERM.findall(blocks):
        assert term in terms
    for number in map(float, _NUMBER.findall(blocks)):
        # Who adds up what was rounded may be off by one in the last place; and what is negative may be subtracted.
        assert any(abs(abs(number) - abs(value)) < 0.0011 for value in shown), number


def figures_shown(result: RunResult, where: Location) -> tuple[set[float], set[tuple[str, ...]]]:
    """Every number of a value's arithmetic as it is shown, and its terms: what is read, weight, input, product."""
    arithmetic = explain_at(result, where).reference
    shown = {float(text) for line in arithmetic.lines for text in _NUMBER.findall(line.equation.numbers)}
    terms = set()
    for line in arithmetic.lines:
        for row in term_table([line]).rows:
            figures = row.figures[0]
            texts = tuple(format_short(v) for v in (figures.factor, figures.input, figures.product) if v is not None)
            terms.add((row.name, *texts))
            shown |= set(map(float, texts))
    return shown, terms
