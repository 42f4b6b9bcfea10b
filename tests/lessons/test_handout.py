"""A lesson as a page to print: valid HTML, questions without answers, answers on the last page."""

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

import html5lib
import pytest

from rnnviz.cli import main
from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError
from rnnviz.core.masks import Mask
from rnnviz.io.export.paper import PaperFigure
from rnnviz.lessons.content import GuidedLesson, parse_lesson, read_lesson
from rnnviz.lessons.handout import handout_html
from rnnviz.lessons.index import lesson_entries
from rnnviz.lessons.markdown_html import to_html
from rnnviz.verify.result import RunResult
from tests.cases import cases
from tests.factories import make_result
from tests.shared_worker import shared_worker

__all__ = ["shared_worker"]

LESSON = Path(__file__).with_name("handout.md").read_text(encoding="utf-8")


def no_run(_config: Config) -> RunResult:
    raise EngineError("No engine runs.")


def parsed(lesson: GuidedLesson, run: Callable[[Config], RunResult]) -> Element:
    return html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(handout_html(lesson, run))


def text_of(element: Element | None) -> str:
    assert element is not None
    return " ".join("".join(element.itertext()).split())


def test_a_handout_asks_first_and_answers_on_the_last_page():
    page = parsed(parse_lesson(LESSON, Path("01-x.md")), lambda _: make_result(("gluon", "manual"), timesteps=2))
    assert text_of(page.find("head/title")) == "Two <b> steps"
    header, main_part = text_of(page.find("body/header")), text_of(page.find("body/main"))
    assert [text_of(fact) for fact in page.iter("dd")][:2] == ["Read h.", "15 minutes"]
    assert all(entry.title in header for entry in lesson_entries()[:2])
    assert "1. A choice & more" in main_part
    assert "☐ Left. ☐ Right." in " ".join(main_part.split())
    assert "Make it long." in main_part
    answers = text_of(page.find("body/section"))
    solved, number = "A solution: sequence.timesteps = 6, unit = 2.", "0.500, with a tolerance of 0.1"
    for hidden in ("It is on the right side.", number, "It is long.", solved, "There are two."):
        assert hidden in answers
        assert hidden not in main_part


def test_a_handout_has_the_lanes_of_each_new_picture_without_the_asked_numbers():
    lesson = read_lesson(lesson_entries()[1].path)
    asked = []

    def draw(_result: RunResult, figure: PaperFigure, masks: tuple[Mask, ...]) -> bytes:
        asked.append(masks)
        return f"<svg>{figure.where}</svg>".encode() if len(asked) != 3 else b"<svg/>"

    html = handout_html(lesson, lambda _: make_result(("gluon", "manual"), timesteps=2), draw)
    page = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False).parse(html)
    steps = page.findall("body/main/section")
    assert asked == [() if step.question is None else step.question.masks for step in lesson.steps]
    assert [len(step.findall("figure/img")) for step in steps] == [1, 1, 1, 1]
    same = handout_html(lesson, lambda _: make_result(("gluon", "manual"), timesteps=2), lambda *_: b"<svg/>")
    assert same.count("<img") == 1


def test_a_handout_is_written_where_no_engine_runs():
    page = parsed(parse_lesson(LESSON, Path("01-x.md")), no_run)
    assert "T / 4 (not computed here: No engine runs.)" in text_of(page.find("body/section"))


@pytest.mark.slow
def test_the_handout_of_every_lesson_is_valid_html():
    for lesson in (read_lesson(entry.path) for entry in lesson_entries()):
        page = parsed(lesson, no_run)
        assert len(page.findall("body/main/section")) == len(lesson.steps)
        assert "break-before: page" in text_of(page.find("head/style"))


@pytest.mark.parametrize(("markdown", "html"), cases(__file__)["markdown"].items())
def test_markdown_becomes_html(markdown, html):
    assert to_html(markdown) == html


def test_the_command_lists_lessons_and_describes_one(capsys):
    assert main(["lesson"]) == 0
    listed = capsys.readouterr().out
    assert all(f" {entry.short_name} " in listed and entry.title in listed for entry in lesson_entries())
    assert main(["lesson", "05-lstm"]) == 0
    described = capsys.readouterr().out
    assert described.startswith("How does an LSTM keep a value?\n")
    assert "minutes: " in described
    for words in (["lesson", "lstn"], ["lesson", "--handout", "x.html"]):
        assert main(words) == 2


@pytest.mark.slow
def test_the_command_writes_a_handout(tmp_path, capsys, shared_worker):
    path = tmp_path / "batch-first.html"
    assert main(["lesson", "batch-first", "--handout", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size:,} bytes\n"
    page = path.read_text(encoding="utf-8")
    assert "<h1>batch_first</h1>" in page
    # An answer needs the audit: that of the diagnosis.
    assert "not computed here" not in page
