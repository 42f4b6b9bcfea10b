"""The lessons that come with the program."""

from dataclasses import replace

import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.resources import resource_path
from rnnviz.io.inputs import load_inputs
from rnnviz.lessons.index import find_entry, find_lesson, lesson_entries, lessons
from rnnviz.verify.undetectable_bugs import undetectable
from tests.shared_worker import run_shared

__all__ = ["run_shared"]

NAMES = [
    *("vanilla-t1", "vanilla-t2", "bidirectional", "stacking", "lstm", "gru"),
    *("final-state", "green-verdict", "real-bug", "porting", "padding", "captured"),
    *("backpropagation", "vanishing-gradients", "gates-and-gradients", "truncation", "forget-bias", "adding-problem"),
    *("character-model", "teacher-forcing", "stateful-chunks", "drift", "batch-first", "find-the-bug"),
]
UNDETECTABLE = {"forget-bias": ("no-i2h-bias", "no-h2h-bias"), "stateful-chunks": ("sorted-order-not-restored",)}
"""Known bugs that cannot change the runs of these lessons: their biases are 0, or their lengths fall."""


every_lesson = pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.name)


def test_the_lessons_are_in_the_order_of_their_numbers_with_a_summary_and_their_file_verbatim():
    assert [(lesson.number, lesson.name) for lesson in lessons()] == list(enumerate(NAMES, 1))
    for lesson in lessons():
        assert lesson.title
        assert "#" not in lesson.summary
        assert lesson.summary.endswith(".")
        assert lesson.text == lesson.path.read_text(encoding="utf-8")


def test_a_lesson_is_found_by_its_name_and_an_unknown_name_answered_with_those_that_there_are():
    assert find_lesson("stacking") is lessons()[3]
    with pytest.raises(InputError) as caught:
        find_lesson("stackign")
    assert str(caught.value) == f'Unknown lesson "stackign". Did you mean "stacking"? Lessons: {", ".join(NAMES)}.'


def test_a_file_without_the_header_of_a_lesson_is_named(tmp_path, monkeypatch):
    (tmp_path / "stray.toml").write_text("[network]\n", encoding="utf-8")
    monkeypatch.setattr("rnnviz.lessons.index.resource_path", lambda *parts: tmp_path)
    with pytest.raises(InputError, match=r"stray\.toml begins with"):
        lessons.__wrapped__()


def test_a_missing_resource_is_named():
    with pytest.raises(FileNotFoundError, match=r"resources/lessons/none\.toml is missing from the installation"):
        resource_path("lessons", "none.toml")


def test_resources_inside_the_package_are_preferred(tmp_path, monkeypatch):
    package = tmp_path / "rnnviz"
    for folder in (package, tmp_path):
        (folder / "resources").mkdir(parents=True)
        (folder / "resources" / "mark.txt").write_text(folder.name, encoding="utf-8")
    monkeypatch.setattr("rnnviz.core.resources._PACKAGE", tmp_path / "rnnviz")
    assert resource_path("mark.txt") == package / "resources" / "mark.txt"
    (package / "resources" / "mark.txt").unlink()
    assert resource_path("mark.txt") == tmp_path / "resources" / "mark.txt"


@pytest.mark.slow
@every_lesson
def test_every_known_bug_of_a_lessons_network_is_detectable_but_few(lesson):
    assert undetectable(load_inputs(lesson.config)) == UNDETECTABLE.get(lesson.name, ())


def test_a_guided_lesson_is_found_by_both_of_its_names():
    named = replace(lesson_entries()[0], name="07-long-name")
    assert find_entry("07-long-name", [named]) is find_entry("long-name", [named]) is named
