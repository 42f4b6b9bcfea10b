"""The lessons that come with the program."""

from dataclasses import replace
from pathlib import Path

import pytest

from rnnviz.core.engine_spec import is_recording
from rnnviz.core.errors import InputError
from rnnviz.io.inputs import load_inputs
from rnnviz.io.resources import resource_path
from rnnviz.lessons.index import Lesson, find_entry, find_lesson, lesson_entries, lessons
from rnnviz.verify.undetectable_bugs import undetectable
from tests.needs import need
from tests.shared_worker import Run, run_shared

__all__ = ["run_shared"]

NAMES = [
    *("vanilla-t1", "vanilla-t2", "bidirectional", "stacking", "lstm", "gru"),
    *("final-state", "green-verdict", "real-bug", "porting", "padding", "captured"),
    *("backpropagation", "vanishing-gradients", "gates-and-gradients", "truncation", "forget-bias", "adding-problem"),
    *("character-model", "teacher-forcing", "stateful-chunks", "drift", "batch-first", "find-the-bug"),
]
UNDETECTABLE = {"forget-bias": ("no-i2h-bias", "no-h2h-bias"), "stateful-chunks": ("sorted-order-not-restored",)}
"""Known bugs that cannot change the runs of these lessons: their biases are 0, or their lengths fall."""

SAMPLE = 13
"""The last lesson that is run here by default; the statements of all lessons are tested on their runs."""

every_lesson = pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.name)
every_basic_lesson = pytest.mark.parametrize("lesson", lessons()[:16], ids=lambda lesson: lesson.name)


def test_the_lessons_are_in_the_order_of_their_numbers() -> None:
    assert [lesson.name for lesson in lessons()] == NAMES
    assert [lesson.number for lesson in lessons()] == list(range(1, len(NAMES) + 1))


@every_lesson
def test_a_lesson_has_a_title_a_summary_and_its_file_verbatim(lesson: Lesson) -> None:
    assert lesson.title
    assert "#" not in lesson.summary
    assert lesson.summary.endswith(".")
    assert lesson.text == lesson.path.read_text(encoding="utf-8")


@every_basic_lesson
def test_a_lesson_uses_random_parameters_and_two_engines(lesson: Lesson) -> None:
    config = lesson.config
    captured = lesson.name == "captured"
    assert config.parameters.initializer == ("file" if captured else "xavier")
    assert config.parameters.bias == "uniform"
    named = captured or lesson.name == "real-bug"
    assert config.compare.candidates == (("manual",) if named else None)
    assert is_recording(config.compare.reference) == captured
    assert named or config.compare.reference == "manual"


def test_the_lessons_cover_the_four_networks_of_the_introduction_and_both_gated_cells() -> None:
    configs = {lesson.name: lesson.config for lesson in lessons()}
    shown = {
        name: (c.network.cell, c.network.num_layers, c.network.directions, c.sequence.timesteps)
        for name, c in configs.items()
    }
    assert shown["vanilla-t1"] == ("rnn_relu", 1, 1, 1)
    assert shown["vanilla-t2"] == ("rnn_relu", 1, 1, 2)
    assert shown["bidirectional"] == ("rnn_relu", 1, 2, 2)
    assert shown["stacking"] == ("rnn_relu", 2, 1, 2)
    assert shown["lstm"][0] == "lstm"
    assert shown["gru"][0] == "gru"
    assert all(
        (c.network.input_size, c.network.hidden_size) == (5, 10)
        for n, c in list(configs.items())[:16]
        if n not in ("padding", "captured", "backpropagation")
    )


def test_a_lesson_is_found_by_its_name() -> None:
    assert find_lesson("stacking") is lessons()[3]


def test_an_unknown_name_is_answered_with_the_names_that_there_are() -> None:
    with pytest.raises(InputError) as caught:
        find_lesson("stackign")
    assert str(caught.value) == f'Unknown lesson "stackign". Did you mean "stacking"? Lessons: {", ".join(NAMES)}.'


def test_a_file_without_the_header_of_a_lesson_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stray.toml").write_text("[network]\n", encoding="utf-8")
    monkeypatch.setattr("rnnviz.lessons.index.resource_path", lambda *parts: tmp_path)
    with pytest.raises(InputError, match=r"stray\.toml begins with"):
        lessons.__wrapped__()


def test_a_missing_resource_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"resources/lessons/none\.toml is missing from the installation"):
        resource_path("lessons", "none.toml")


def test_resources_inside_the_package_are_preferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "rnnviz"
    for folder in (package, tmp_path):
        (folder / "resources").mkdir(parents=True)
        (folder / "resources" / "mark.txt").write_text(folder.name, encoding="utf-8")
    monkeypatch.setattr("rnnviz.io.resources._PACKAGE", tmp_path / "rnnviz")
    assert resource_path("mark.txt") == package / "resources" / "mark.txt"
    (package / "resources" / "mark.txt").unlink()
    assert resource_path("mark.txt") == tmp_path / "resources" / "mark.txt"


@pytest.mark.parametrize(
    "lesson",
    [
        pytest.param(lesson, id=lesson.name, marks=[pytest.mark.slow] if lesson.number > SAMPLE else [])
        for lesson in lessons()
    ],
)
def test_the_engines_agree_on_every_lesson_except_those_about_a_bug_and_drift(lesson: Lesson, run_shared: Run) -> None:
    if "gluon" in lesson.config.compare.engines:
        need("mxnet")
    result = run_shared(lesson.config)
    (comparison,) = result.comparisons
    assert result.judgment is not None
    verdict = {"real-bug": "disagree", "drift": "drift"}.get(lesson.name, "agree")
    assert comparison.verdict == ("disagree" if lesson.name == "drift" else "agree")
    assert comparison.elements > 0
    assert all(check.holds or check.known_issue for check in result.checks)
    assert result.judgment.audits["manual"].verdict == "right"
    assert result.judgment.audits[lesson.config.compare.reference].verdict == (
        "wrong" if lesson.name == "real-bug" else "right"
    )
    assert result.verdict == verdict


@every_lesson
def test_every_known_bug_of_a_lessons_network_is_detectable_but_few(lesson: Lesson) -> None:
    assert undetectable(load_inputs(lesson.config)) == UNDETECTABLE.get(lesson.name, ())


def test_every_need_of_a_lesson_is_an_earlier_lesson() -> None:
    for lesson in lesson_entries():
        assert lesson.course.goal.endswith(".")
        assert lesson.course.minutes > 0
        assert lesson.course.chapter
        for name in lesson.course.needs:
            assert find_entry(name, lesson_entries()).number < lesson.number


def test_a_lesson_is_found_by_both_of_its_names() -> None:
    named = replace(lesson_entries()[0], name="07-long-name")
    assert find_entry("07-long-name", [named]) is find_entry("long-name", [named]) is named
