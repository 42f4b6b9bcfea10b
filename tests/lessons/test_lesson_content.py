"""Rules that every lesson keeps: its length, its questions, its words."""

import re

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.parameters import draw_parameters
from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location
from rnnviz.lessons.content import GuidedLesson, LessonStep, read_lesson
from rnnviz.lessons.index import CHAPTERS, chapter_picture, chapters, find_lesson, lesson_entries, lessons
from rnnviz.training.character_model import Generator, load_character_model, shipped_model

LESSONS = tuple(read_lesson(entry.path) for entry in lesson_entries())
STEPS = {f"{lesson.name}-{number}": step for lesson in LESSONS for number, step in enumerate(lesson.steps, start=1)}

every_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)


_FENCED = re.compile(r"```.*?```", re.DOTALL)
_CODE_OR_LINK = re.compile(r"`[^`]*`|\]\([^)]*\)")
_CODE = re.compile(r"```.*?```|`[^`]*`|\]\(part:[^)]*\)", re.DOTALL)


def test_each_lesson_has_the_name_and_title_of_its_config():
    assert [(lesson.name, lesson.title) for lesson in LESSONS] == [
        (f"{config.number:02}-{config.name}", config.title) for config in lessons()
    ]


def own_texts(step: LessonStep) -> list[str]:
    """The texts of a step without the choices of a quiz, which are the causes of the known bugs."""
    causes = step.question.choices if step.question is not None and step.question.engine else ()
    return [text for text in step.texts if text not in causes]


def read_texts(lesson: GuidedLesson) -> list[str]:
    """Every text that a reader of the lesson sees, in order, without blocks of numbers."""
    texts = [lesson.title, lesson.goal, lesson.summary]
    for step in lesson.steps:
        texts += [step.title, *own_texts(step), *(statement.text for statement in step.statements)]
    return [_FENCED.sub("", text) for text in texts]


def word_count(lesson: GuidedLesson) -> int:
    """Words of a lesson: those of its text, questions, answers, statements and task."""
    return sum(len(re.findall(r"\w\S*", _CODE_OR_LINK.sub("x", text))) for text in read_texts(lesson))


def solution(step: LessonStep) -> tuple[Config, Location]:
    """The config and the selection that meet the task of a step, as its solution says."""
    assert step.task is not None
    tables = step.config.to_mapping()
    for key, value in step.task.changes.items():
        section, _, name = key.partition(".")
        tables[section][name] = value
    return Config.from_mapping(tables), step.location(Location()).moved(**step.task.selection)


@every_lesson
def test_a_lesson_has_one_idea_and_its_place(lesson):
    assert 3 <= len(lesson.steps) <= 6
    assert 300 <= word_count(lesson) <= 600
    assert lesson.summary.endswith((".", "?"))
    assert lesson.goal.endswith(".")
    assert lesson.minutes
    before = {entry.short_name for entry in lesson_entries() if entry.name < lesson.name}
    assert set(lesson.needs) <= before


def test_the_chapters_follow_the_course_and_have_a_line_and_a_picture_each():
    assert list(chapters(lesson_entries())) == list(CHAPTERS)
    for chapter, line in CHAPTERS.items():
        assert line
        assert chapter_picture(chapter).is_file()


@every_lesson
def test_a_lesson_asks_for_predictions_that_the_run_answers_and_has_one_task(lesson):
    asked = [step.question for step in lesson.steps if step.question is not None]
    assert asked
    for question in asked:
        assert question.engine or question.expression
        assert question.text.endswith("?")
        assert question.reveal
    (task,) = (step.task for step in lesson.steps if step.task is not None)
    assert task.done
    assert task.changes or task.selection


def test_no_paragraph_continues_as_a_list():
    """A line that begins with "1." or "-" would begin a list."""
    continued = re.compile(r"^(?!\s*(?:\d+\.|[-*+])\s)\S[^\n]*\n(?:\d+\.|[-*+])\s", re.M)
    assert [name for name, step in STEPS.items() if continued.search(_CODE.sub("", step.prose))] == []


def test_a_step_points_at_something_states_something_and_sets_the_whole_selection():
    for name, step in STEPS.items():
        assert step.look.part is not None, name
        assert step.statements, name
        assert all(statement.text.endswith(".") for statement in step.statements), name
        assert {"layer", "timestep", "sample", "unit"} <= set(step.selection), name
        assert step.config.network.directions == 1 or "direction" in step.selection, name


@pytest.mark.parametrize(
    ("config", "changed", "bias", "file"),
    [
        (find_lesson("lstm").config, "l0_h2h_bias", 5, "lstm-forget-bias-5"),
        (find_lesson("forget-bias").config, "l0_i2h_bias", 1, "lstm-forget-bias-1"),
        (STEPS["05-lstm-3"].config, "l0_i2h_bias", 5, "lstm-open-gates"),
    ],
    ids=["forget-bias-5", "forget-bias-1", "open-gates"],
)
def test_weights_with_a_forget_bias_differ_from_the_random_ones_by_it_alone(config, changed, bias, file):
    drawn = draw_parameters(config.network, config.parameters)
    size = config.network.hidden_size
    with np.load(resource_path("lessons", f"{file}.npz")) as stored:
        assert set(stored) == set(drawn)
        for name, values in drawn.items():
            difference = np.zeros_like(values)
            if name == changed:
                difference[size : 2 * size] = bias
            assert np.allclose(stored[name], values + difference, rtol=0, atol=1e-6)


def test_probabilities_named_in_a_lesson_are_those_of_the_character_model():
    model = load_character_model(shipped_model())
    text = " ".join(STEPS["19-character-model-1"].texts + STEPS["19-character-model-2"].texts)
    for prefix, expected in {
        "The hidden stat": {"e": 0.995},
        "The q": {"u": 0.998},
        "The verdict i": {"s": 0.62, "n": 0.28, "f": 0.06},
    }.items():
        assert prefix in text
        found = dict(zip(model.characters, Generator(model, prefix).probabilities(), strict=True))
        for character, probability in expected.items():
            assert f"{100 * probability:g}%" in text
            assert found[character] == pytest.approx(probability, abs=0.0005 if probability > 0.9 else 0.005)


def test_a_generated_text_of_a_lesson_is_what_the_character_model_generates():
    config = find_lesson("teacher-forcing").config
    true, generated, wrong = config.sequence.texts or ()
    generator = Generator(load_character_model(shipped_model()), true[:20], temperature=0)
    generator.generate(len(true) - 20)
    assert generator.text == generated
    assert [place for place, pair in enumerate(zip(true, wrong, strict=True)) if len(set(pair)) == 2] == [17]
