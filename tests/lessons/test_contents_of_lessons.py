"""What the lessons that come with the program have in common."""

import re

import pytest

from rnnviz.files.guided_lessons import GuidedLesson, LessonStep, guided_lessons
from rnnviz.files.lessons import lessons

LESSONS = guided_lessons()
STEPS = {f"{lesson.name}-{number}": step for lesson in LESSONS for number, step in enumerate(lesson.steps, start=1)}

every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
every_step = pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)

PRINTED = (
    *("shape(l0_h2h_weight)", "shape(l0_h2h_bias)", "shape(l0_i2h_weight)", "shape(l0_i2h_bias)"),
    *("out[0][0]", "out[0][1]", "state[0][0][0]", "state[0][1][0]"),
    "concat(h(0, 'forward')[0][0], h(0, 'backward')[0][0])",
    "concat(h(0, 'forward')[1][0], h(0, 'backward')[1][0])",
    "concat(h(0, 'forward')[1][0], h(0, 'backward')[0][0])",
    "concat(state[0][0][0], state[0][1][0])",
    *(
        f"relu(dot({x}, {name}_i2h_weight, transpose_b=True) + {name}_i2h_bias"
        f" + dot({name}_h2h_weight, {before}) + {name}_h2h_bias)"
        for name, x, before in (
            ("l0", "dat[0][0]", "initial_state[0][0][0]"),
            ("l0", "dat[0][1]", "out[0][0]"),
            ("l0", "dat[0][1]", "h(0, 'forward')[0][0]"),
            ("r0", "dat[0][1]", "initial_state[0][1][0]"),
            ("r0", "dat[0][0]", "h(0, 'backward')[1][0]"),
            ("l0", "dat[0][1]", "h(0)[0][0]"),
            ("l1", "h(0)[0][0]", "initial_state[0][1][0]"),
            ("l1", "h(0)[1][0]", "h(1)[0][0]"),
        )
    ),
)
"""What somebody prints who recomputes the four networks by hand; `h` stands for the vectors computed on the way."""

_CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
_DECIMALS = re.compile(r"\d+\.\d{3}(?!\d)")


def test_each_lesson_begins_with_the_config_of_its_name() -> None:
    assert [(lesson.name, lesson.title) for lesson in LESSONS] == [
        (f"{config.number:02}-{config.name}", config.title) for config in lessons()
    ]


@every_lesson
def test_a_lesson_is_short_and_says_what_it_is_about(lesson: GuidedLesson) -> None:
    assert 4 <= len(lesson.steps) <= 8
    assert lesson.summary.endswith((".", "?"))


@every_step
def test_a_step_points_at_something_and_claims_something(step: LessonStep) -> None:
    assert step.look.part is not None
    assert step.claims
    assert all(claim.says.endswith(".") for claim in step.claims)


@every_step
def test_a_step_says_where_the_cursor_goes_whatever_the_reader_did_before(step: LessonStep) -> None:
    assert {"layer", "timestep", "sample", "unit"} <= set(step.cursor)
    assert step.config.network.directions == 1 or "direction" in step.cursor


@every_lesson
def test_every_value_that_the_text_names_has_been_claimed_by_then(lesson: GuidedLesson) -> None:
    claimed: set[float] = set()
    for step in lesson.steps:
        claimed |= {abs(float(number)) for claim in step.claims for number in re.findall(r"\d+\.?\d*", claim.holds)}
        named = {abs(float(number)) for number in _DECIMALS.findall(_CODE.sub("", step.prose))}
        assert named - claimed == set(), step.title


def test_what_a_notebook_prints_is_found_in_the_claims_under_its_names() -> None:
    claims = " ".join(
        " ".join(claim.holds.split()) for lesson in LESSONS[:4] for step in lesson.steps for claim in step.claims
    )
    assert [printed for printed in PRINTED if printed not in claims] == []
