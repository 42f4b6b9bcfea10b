"""Questions and tasks of steps, and the place of a lesson in the course: as written, and refused by name."""

from pathlib import Path

import pytest

from rnnviz.core.errors import InputError
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.engines.registry import find_engine, unknown_engine
from rnnviz.lessons.content import GuidedLesson, parse_lesson
from rnnviz.lessons.evaluate import check_statement
from rnnviz.lessons.index import HIDEABLE, CoursePlace
from rnnviz.lessons.questions import number_of
from tests.factories import make_result

PATH = Path("folder/03-two-steps.md")
PLACE = """goal = "Read the picture."
minutes = 15
needs = ["vanilla-t1"]
chapter = "Forward"
"""
CHOICES = """[predict]
question = "Is *h* larger?"
choices = ["Yes.", "No."]
answer = 1
hint = "Look."
reveal = "It is not."
"""
NUMBER = """[predict]
question = "How large is `h`?"
answer = "h(0)[0][0][3]"
tolerance = 0.01
hides = ["vector", "tabs"]
"""
QUIZ = """[quiz]
engine = "bug:no-h2h-bias"
choices = ["bug:state-not-carried", "bug:no-h2h-bias"]
reveal = "The bias is missing."
"""
TRY = """[try]
task = "Make the sequence longer than 2."
check = "T > 2"
hint = "See [the sequence](part:panel.sequence)."
done = "Well done."
"""


def lesson(block: str = "", place: str = "") -> GuidedLesson:
    heading = f"```lesson\n{place}```\n" if place else ""
    text = f'# Title\nA summary.\n{heading}\n## Only\nProse.\n```step\nconfig = "vanilla-t2"\n{block}```\n'
    return parse_lesson(text, PATH)


def test_a_lesson_has_a_place_in_the_course() -> None:
    placed = lesson(place=PLACE)
    assert placed.course == CoursePlace("Read the picture.", 15, ("vanilla-t1",), "Forward")
    assert placed.summary == "A summary."
    assert lesson().course == CoursePlace()


def test_a_prediction_has_choices_or_a_number() -> None:
    asked = lesson(CHOICES).steps[0].question
    assert asked is not None
    assert (asked.text, asked.choices, asked.answer) == ("Is *h* larger?", ("Yes.", "No."), 1)
    assert (asked.hint, asked.reveal, asked.hides) == ("Look.", "It is not.", tuple(HIDEABLE))
    number = lesson(NUMBER).steps[0].question
    assert number is not None
    assert number.hides == ("vector", "tabs")
    assert number.statement_of(0.25).expression == "close(h(0)[0][0][3], 0.25, atol=0.01, rtol=0)"
    assert number.statement_of(None).expression == "equal(h(0)[0][0][3], h(0)[0][0][3])"


def test_the_choice_of_a_run_is_the_answer() -> None:
    asked = lesson(CHOICES.replace("answer = 1", 'answer = "count(T == 2)"')).steps[0].question
    assert asked is not None
    assert asked.statement_of(1).expression == "close(count(T == 2), 1, atol=0.0, rtol=0)"
    finding = check_statement(make_result(("gluon", "manual"), timesteps=2), asked.statement_of(1))
    assert (finding.holds, asked.answer_of(finding)) == (True, "No.")


def test_a_text_with_a_block_of_code_is_indented() -> None:
    asked = lesson(CHOICES.replace('"It is not."', '"""\n  ```\n  a\n  ```\n\n  b"""')).steps[0].question
    assert asked is not None
    assert asked.reveal == "```\na\n```\n\nb"


def test_the_engine_of_a_quiz_has_no_name_before_the_answer() -> None:
    found = lesson(QUIZ)
    step = found.steps[0]
    assert step.question is not None
    assert (step.question.answer, len(step.question.choices)) == (1, 2)
    assert step.config.compare.candidates == (unknown_engine("bug:no-h2h-bias"),)
    assert step.named_config.compare.candidates == ("bug:no-h2h-bias",)
    assert found.quizzes == (0,)


def test_a_step_after_a_quiz_continues_with_the_named_engine() -> None:
    text = f'# T\n## A\n```step\nconfig = "vanilla-t2"\n{QUIZ}```\n## B\n```step\n```\n'
    assert parse_lesson(text, PATH).steps[1].config.compare.candidates == ("bug:no-h2h-bias",)


def test_unknown_engines_have_distinct_names_and_no_texts() -> None:
    names = {unknown_engine(bug.engine) for bug in KNOWN_BUGS.values()}
    assert len(names) == len(KNOWN_BUGS)
    for name in names:
        entry = find_engine(name)
        assert entry.bug is not None
        assert (entry.bug.name, entry.bug.engine, entry.bug.cause, entry.bug.origin) == (name, name, "", "")


def test_a_step_has_something_to_try() -> None:
    task = lesson(TRY).steps[0].task
    assert task is not None
    assert (task.text, task.check.expression) == ("Make the sequence longer than 2.", "T > 2")
    assert task.done == "Well done."
    solved = lesson(TRY + 'set = { "sequence.timesteps" = 3 }\nselection = { unit = 2 }\n').steps[0].task
    assert solved is not None
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
def test_a_typed_number_is_read(text: str, number: float | None) -> None:
    assert number_of(text) == number


STEP = 'Lesson 03-two-steps, step "Only"'
WRONG_STEPS = {
    CHOICES + QUIZ: "has both predict and quiz",
    CHOICES + "answers = 1\n": "predict.answers is not a known key",
    CHOICES.replace('"Is *h* larger?"', '" "'): 'predict.question = " " must be a text',
    CHOICES.replace("question", "hint_"): "predict.hint_ is not a known key",
    CHOICES.replace('question = "Is *h* larger?"\n', ""): "predict.question is missing: it must be a text",
    CHOICES.replace("answer = 1", "answer = 2"): "predict.answer = 2 must be the index of a choice, from 0 to 1",
    CHOICES.replace("answer = 1", 'answer = "No."'): "predict.answer: close(No., 0.0, atol=0.0, rtol=0) is not an expr",
    CHOICES.replace("answer = 1", 'answer = " "'): 'predict.answer = " " must be an expression, or the index',
    TRY + 'set = { "sequence.steps" = 1 }\n': "sequence.steps",
    TRY + "selection = { unit = -1 }\n": "selection.unit = -1 must be a whole number",
    CHOICES.replace("answer = 1", "answer = 1\ntolerance = 1"): "predict.tolerance is of an answer in numbers",
    CHOICES.replace('["Yes.", "No."]', '["Yes."]'): "predict.choices = ",
    CHOICES.replace('["Yes.", "No."]', '["Yes.", "Yes."]'): "must list 2 to 9 different texts",
    CHOICES.replace("Look.", "Look [here](part:cellar)."): "the link part:cellar must lead to one of",
    NUMBER.replace('"h(0)[0][0][3]"', "3"): "predict.answer = 3 must be an expression",
    NUMBER.replace("h(0)", "hidden(0)"): "predict.answer: hidden is not a known function",
    NUMBER.replace("0.01", "-1"): "predict.tolerance = -1 must be a number of at least 0",
    NUMBER.replace("tolerance = 0.01\n", ""): "predict.tolerance = ",
    NUMBER.replace('"tabs"', '"audit"'): "must be a list of some of lanes, vector, state-map, tabs, verdict",
    QUIZ.replace('engine = "bug:no-h2h-bias"\n', ""): "quiz.engine: ",
    QUIZ.replace('engine = "bug:no-h2h-bias"', 'engine = "gluon"'): 'quiz.engine: "gluon" must be a known bug',
    QUIZ.replace('engine = "bug:no-h2h-bias"', 'engine = "bug:no-i2h-bias"'): "must be one of quiz.choices",
    QUIZ.replace("bug:state-not-carried", "bug:nothing"): 'quiz.choices names "bug:nothing", which is not a known bug',
    QUIZ.replace('choices = ["bug:state-not-carried", "bug:no-h2h-bias"]\n', ""): "quiz.choices = ",
    TRY.replace("T > 2", " "): 'try.check = " " must be a text',
    TRY.replace("T > 2", "open(T)"): "try.check: open is not a known function",
    TRY.replace("hint", "help"): "try.help is not a known key",
    TRY.replace("part:panel.sequence", "part:cellar"): "the link part:cellar must lead to one of",
    "try = 1\n": "try = 1 must be a table",
}


@pytest.mark.parametrize(("block", "sentence"), WRONG_STEPS.items(), ids=lambda value: value[-40:])
def test_an_error_in_a_question_names_lesson_step_and_key(block: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        lesson(block)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith(STEP)


WRONG_PLACES = {
    PLACE + "color = 1\n": "color is not a known key: it must be one of goal, minutes, needs, chapter",
    PLACE.replace("15", "0"): "minutes = 0 must be a whole number from 1 to 600",
    PLACE.replace("15", "true"): "minutes = true must be",
    PLACE.replace('"Forward"', '" "'): 'chapter = " " must be a text',
    PLACE.replace('["vanilla-t1"]', '"vanilla-t1"'): "must be a list of names of lessons",
    "goal = \n": "the lesson block is not valid TOML",
    "```\n```lesson\n": "has 2 blocks marked ```lesson",
}


@pytest.mark.parametrize(("place", "sentence"), WRONG_PLACES.items(), ids=lambda value: value[-40:])
def test_an_error_in_the_place_names_lesson_and_key(place: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        lesson(place=place)
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("Lesson 03-two-steps")
