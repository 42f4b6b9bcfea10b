"""Every claim of every lesson, on what the engines really compute."""

from collections.abc import Callable
from functools import cache

import pytest

from rnnviz.analysis.claims.finding import check_claims
from rnnviz.analysis.gates import QUANTITIES
from rnnviz.analysis.result import RunResult
from rnnviz.files.guided_lessons import LessonStep, guided_lessons
from rnnviz.model.config import Config
from rnnviz.model.location import Location
from tests.warm_runs import Run, run_warm

__all__ = ["run_warm"]

STEPS = {
    f"{lesson.name}-{number}": step for lesson in guided_lessons() for number, step in enumerate(lesson.steps, start=1)
}
every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)

Runs = Callable[[Config], RunResult]


@pytest.fixture(scope="module")
def run_once(run_warm: Run) -> Runs:
    """Runs each config once."""
    return cache(run_warm)


@every_step
def test_every_claim_of_a_step_holds(step: LessonStep, run_once: Runs) -> None:
    findings = check_claims(run_once(step.config), step.claims)
    wrong = [f"{f.claim.says} {f.claim.holds}: {f.reason or f.pairs}" for f in findings if f.holds is not True]
    assert wrong == []


@every_step
def test_the_cursor_goes_to_a_place_that_the_run_has(step: LessonStep, run_once: Runs) -> None:
    where = step.location(Location())
    assert where.within(run_once(step.config).shape) == where


@every_step
def test_the_engine_that_is_drawn_was_run(step: LessonStep) -> None:
    assert step.look.engine is None or step.look.engine in step.config.compare.engines


@every_step
def test_what_the_lanes_are_coloured_by_is_something_that_the_cell_has(step: LessonStep) -> None:
    has = {quantity.name for quantity in QUANTITIES[step.config.network.cell]}
    assert step.look.colours in {None, "value", "violation", "difference", *has}
