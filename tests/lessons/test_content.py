"""The text of a lesson, its questions and tasks: what they say, and the sentences about what is wrong with one."""

from pathlib import Path

import pytest

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.masks import Mask
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.engines.registry import find_engine, unknown_engine
from rnnviz.lessons.asked import asked_masks
from rnnviz.lessons.content import GuidedLesson, Question, StepView, Task, number_of, parse_lesson, read_lesson
from rnnviz.lessons.index import find_lesson, lesson_entries
from rnnviz.lessons.statements import check_statement
from tests.cases import cases
from tests.factories import make_result

PATH = Path("folder/03-two-steps.md")
LESSON = Path(__file__).with_name("two-steps.md").read_text(encoding="utf-8")
CASES = cases(__file__)
CHOICES, NUMBER, QUIZ, TRY = CASES["blocks"].values()


PLACE = """goal = "Read the picture."
minutes = 15
needs = ["vanilla-t1"]
chapter = "Forward"
"""


def text(block: str = "", place: str = "") -> str:
    heading = f"```lesson\n{place}```\n" if place else ""
    return f'# Title\nA summary.\n{heading}\n## Only\nProse.\n```step\nconfig = "vanilla-t2"\n{block}```\n'


def lesson(block: str = "", place: str = "") -> GuidedLesson:
    return parse_lesson(text(block, place), PATH)


def question(block: str) -> Question:
    found = lesson(block).steps[0].question
    assert found is not None
    return found


def task(block: str) -> Task:
    found = lesson(block).steps[0].task
    assert found is not None
    return found


def test_a_lesson_is_read_as_it_is_written():
    lesson = parse_lesson(LESSON, PATH)
    assert (lesson.name, lesson.title) == ("03-two-steps", "Two steps")
    assert lesson.summary == "What is carried from one step to the next."
    first, second = lesson.steps
    assert first.title == "First"
    assert (
        first.prose == "Some *prose*.\n\n```python\n## a comment and no step\n```\n\nMore prose.\n\n\nAfter the block."
    )
    assert first.look == StepView("lanes", "error_ratio", "manual")
    assert first.location(Location(sample=5, unit=3)) == Location(0, 1, 2, 5, 3)
    assert [(statement.text, statement.expression) for statement in first.statements] == [
        ("There are three.", "T == 3"),
        ("The output is the state.", "equal(out[0][-1], state[0][0][0])"),
    ]
    assert (second.prose, second.look, second.statements) == ("", StepView(), ())


def test_a_step_continues_with_the_previous_config():
    first, second = parse_lesson(LESSON, PATH).steps
    base = find_lesson("vanilla-t2").config
    assert (first.config.sequence.timesteps, first.config.network.hidden_size) == (3, 4)
    assert first.config.sequence.batch_size == base.sequence.batch_size
    assert first.config.compare == base.compare
    assert (second.config.sequence.timesteps, second.config.sequence.batch_size) == (3, 2)


def test_a_step_sets_keys_of_a_table_that_its_config_lacks():
    (only,) = lesson('[set]\n"backward.enabled" = true\n').steps
    assert only.config.backward.enabled


def test_a_path_in_a_lesson_is_relative_to_its_folder(tmp_path):
    block = '[set]\n"parameters.path" = "weights.npz"\n"parameters.initializer" = "file"\n'
    (only,) = parse_lesson(text(block), tmp_path / "01-x.md").steps
    assert only.config.parameters.path == str(tmp_path / "weights.npz")


def test_a_lesson_has_a_place_in_the_course():
    placed = lesson(place=PLACE)
    assert (placed.goal, placed.minutes) == ("Read the picture.", 15)
    assert (placed.needs, placed.chapter, placed.summary) == (("vanilla-t1",), "Forward", "A summary.")


def test_a_prediction_has_choices_or_a_number():
    asked = question(CHOICES)
    assert (asked.text, asked.choices, asked.answer) == ("Is *h* larger?", ("Yes.", "No."), 1)
    assert (asked.hint, asked.reveal, asked.masks) == ("Look.", "It is not.", ())
    number = question(NUMBER)
    assert number.masks == (Mask("h", (range(1), range(1), range(1), range(1), range(3, 4))), Mask("verdict"))
    assert [number.is_correct(answer, 0.25) for answer in (0.245, 0.265)] == [True, False]
    assert [number.remark(answer) for answer in (-0.505, 0.5)] == ["-0.5 is the sum.", ""]


def test_the_choice_of_a_run_is_the_answer():
    asked = question(CHOICES.replace("answer = 1", 'answer = "count(T == 2)"'))
    value = asked.value_of(check_statement(make_result(("gluon", "manual"), timesteps=2), asked.statement))
    assert value == 1.0
    assert asked.is_correct(1.0, value)


@pytest.mark.parametrize(
    ("expression", "array", "axes"),
    [
        ("h(0)[2][1][3]", "h", (0, 0, 2, 1, 3)),
        ("c(L - 1, 'backward')[T - 1]", "c", (1, 1, 2)),
        ("candidate.h(0)[1:, 0]", "h", (0, 0, (1, None), 0)),
        ("gate('z', 0)[timestep][sample][unit]", "z", (0, 0, 1, 0, 4)),
        ("out[1][2]", "h", (1, None, 2, 1, None)),
        ("out[1][2][H:H + 2]", "h", (1, 1, 2, 1, (0, 2))),
        ("gradient('h', 0)[2]", "grad.h", (0, 0, 2)),
        ("gradient('input')[2, 0, 1]", "grad.input", (2, 0, 1)),
        ("gradient('l0_i2h_weight')[0][1]", "grad.parameters.l0_i2h_weight", (0, 1)),
        ("dat[1][2]", "input", (2, 1)),
        ("l0_h2h_bias[3]", "parameters.l0_h2h_bias", (3,)),
        ("count(first_mismatch[2] == 1)", "verdict", ()),
        ("shape(l0_i2h_weight)[1]", "shape", ()),
        ("difference", "difference", ()),
    ],
)
def test_a_question_masks_the_numbers_that_its_expression_reads(expression, array, axes):
    network = {"cell": "gru", "input_size": 3, "hidden_size": 5, "num_layers": 2, "bidirectional": True}
    config = Config.from_mapping({"network": network, "sequence": {"timesteps": 3, "batch_size": 2}})
    (mask,) = asked_masks(expression, config, {"timestep": 1, "unit": 4})
    assert mask.array == array
    whole = [axis if isinstance(axis, tuple) else None if axis is None else (axis, axis + 1) for axis in axes]
    assert len(mask.axes) == len(whole)
    for found, expected in zip(mask.axes, whole, strict=True):
        if expected is None or found is None:
            assert found is expected
        else:
            assert (found.start, found.stop if expected[1] is not None else None) == expected


def test_a_text_with_a_block_of_code_is_indented():
    asked = question(CHOICES.replace('"It is not."', '"""\n  ```\n  a\n  ```\n\n  b"""'))
    assert asked.reveal == "```\na\n```\n\nb"


def test_the_engine_of_a_quiz_has_no_name_before_the_answer():
    found = lesson(QUIZ)
    step = found.steps[0]
    assert step.question is not None
    assert (step.question.answer, len(step.question.choices)) == (1, 2)
    assert step.config.compare.candidates == (unknown_engine("bug:no-h2h-bias"),)
    assert step.named_config.compare.candidates == ("bug:no-h2h-bias",)
    assert found.quizzes == (0,)


def test_a_step_after_a_quiz_continues_with_the_named_engine():
    text = f'# T\n## A\n```step\nconfig = "vanilla-t2"\n{QUIZ}```\n## B\n```step\n```\n'
    assert parse_lesson(text, PATH).steps[1].config.compare.candidates == ("bug:no-h2h-bias",)


def test_unknown_engines_have_distinct_names_and_no_texts():
    names = {unknown_engine(bug.engine) for bug in KNOWN_BUGS.values()}
    assert len(names) == len(KNOWN_BUGS)
    for name in names:
        entry = find_engine(name)
        assert entry.bug is not None
        assert (entry.bug.name, entry.bug.engine, entry.bug.cause, entry.bug.origin) == (name, name, "", "")


def test_a_step_has_something_to_try():
    tried = task(TRY)
    assert (tried.text, tried.check.expression) == ("Make the sequence longer than 2.", "T > 2")
    assert tried.done == "Well done."
    solved = task(TRY + 'set = { "sequence.timesteps" = 3 }\nselection = { unit = 2 }\n')
    assert (solved.changes, solved.selection) == ({"sequence.timesteps": 3}, {"unit": 2})


@pytest.mark.parametrize(
    ("text", "number"),
    {
        "0.25": 0.25,
        " 1e-3 ": 0.001,
        "\N{MINUS SIGN}0,5": -0.5,
        "": None,
        "much": None,
        "nan": None,
        "inf": None,
    }.items(),
)
def test_a_typed_number_is_read(text, number):
    assert number_of(text) == number


def changed(new: str, old: str = "", **case: str) -> str:
    """A valid block with a change, or the block that is given."""
    block: str = CASES["blocks"].get(case.get("in"), "")
    return block.replace(old, new) if old else block + new


@pytest.mark.parametrize(
    ("wrong", "start"),
    [
        (CASES["wrong-texts"], "Lesson 03-two-steps"),
        (
            {text(changed(**case)): case["says"] for case in CASES["wrong"]["blocks"]},
            'Lesson 03-two-steps, step "Only": ',
        ),
        ({text(place=place): says for place, says in CASES["wrong-places"].items()}, "Lesson 03-two-steps: "),
    ],
    ids=["text", "block", "place"],
)
def test_an_error_in_a_lesson_is_one_sentence_that_names_it(wrong, start):
    for written, sentence in wrong.items():
        with pytest.raises(InputError) as caught:
            parse_lesson(written, PATH)
        assert sentence in str(caught.value), written
        assert str(caught.value).startswith(start), written


def test_a_binary_file_is_named(tmp_path):
    path = tmp_path / "x.md"
    path.write_bytes(b"# T\xff")
    with pytest.raises(InputError, match=r"x\.md is not a lesson: byte 3 is not valid UTF-8"):
        read_lesson(path)
    with pytest.raises(InputError, match=r"missing\.md does not exist"):
        read_lesson(tmp_path / "missing.md")


def test_the_list_of_lessons_has_their_titles_and_summaries():
    lessons = [read_lesson(entry.path) for entry in lesson_entries()]
    listed = [(entry.name, entry.title, entry.summary) for entry in lesson_entries()]
    assert listed == [(lesson.name, lesson.title, lesson.summary) for lesson in lessons]
    assert [entry.number for entry in lesson_entries()] == list(range(1, len(listed) + 1))
    assert len({entry.heading for entry in lesson_entries()}) == len(listed)
