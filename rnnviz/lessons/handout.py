"""A lesson as a page to print: goal, time, text, questions with blanks, and the answers on the last page."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from rnnviz import __version__
from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.masks import Mask
from rnnviz.core.schema import display_value
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.frozen import dataclass
from rnnviz.io.export.paper import MM, PaperFigure
from rnnviz.io.export.pictures import LANES_IN_WORDS
from rnnviz.io.export.report import html_environment
from rnnviz.io.outputs import atomic_write
from rnnviz.lessons.content import GuidedLesson, LessonStep, Task
from rnnviz.lessons.index import find_entry, lesson_entries
from rnnviz.lessons.markdown_html import inline_html, to_html
from rnnviz.lessons.statements import check_statement
from rnnviz.verify.result import RunResult

Draw: TypeAlias = Callable[[RunResult, PaperFigure, tuple[Mask, ...]], bytes]
"""Draws a figure of a run as SVG, in which some numbers are masked."""
_WIDTH = 130 * MM
"""Smaller than the page, on which the texts are as large as the others."""


@dataclass(frozen=True)
class StepOnPaper:
    """A step with the figure of its lanes, as the address of a picture; "" if the step before has the same."""

    step: LessonStep
    figure: str
    description: str


def write_handout(
    lesson: GuidedLesson, path: Path, run: Callable[[Config], RunResult], draw: Draw | None = None
) -> int:
    """Write the handout of a lesson, and return the size of the file in bytes.

    `run` computes answers in numbers, and what `draw` draws; with None there are no figures.
    """
    content = handout_html(lesson, run, draw).encode("utf-8")
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


def handout_html(lesson: GuidedLesson, run: Callable[[Config], RunResult], draw: Draw | None = None) -> str:
    """The page as HTML. The lanes of a question are without the numbers that it asks for."""
    needs = [find_entry(name, lesson_entries()).title for name in lesson.needs]
    environment = html_environment("handout")
    environment.filters.update(html=to_html, inline=inline_html)
    run = cache(run)
    steps = [StepOnPaper(step, "", "") for step in lesson.steps] if draw is None else [*_drawn(lesson, run, draw)]
    return environment.get_template("handout.html").render(
        lesson=lesson, steps=steps, needs=needs, answers=[*_answers(lesson, run)], version=__version__
    )


def _drawn(lesson: GuidedLesson, run: Callable[[Config], RunResult], draw: Draw) -> Iterator[StepOnPaper]:
    """The steps with figures: a step has one if it shows something else than the step before."""
    colors, before = None, b""
    for step in lesson.steps:
        # As in the window, the quantity stays until a step names another one.
        colors = step.look.colors or colors
        masks = () if step.question is None else step.question.masks
        figure = PaperFigure(width=_WIDTH, quantity=colors, engine=step.look.engine, where=step.location(Location()))
        try:
            drawn = draw(run(step.config), figure, masks)
        except (InputError, EngineError):
            drawn = b""
        new, before = drawn if drawn != before else b"", drawn
        source = f"data:image/svg+xml;base64,{b64encode(new).decode('ascii')}" if new else ""
        yield StepOnPaper(step, source, LANES_IN_WORDS)


def _answers(lesson: GuidedLesson, run: Callable[[Config], RunResult]) -> Iterator[dict[str, Any]]:
    """The answers to each step: to its question, the reason, and the statements that are true; "" for none."""
    for number, step in enumerate(lesson.steps, 1):
        task = step.task
        reasons = (step.question.reveal if step.question else "", task.done if task else "", _solution(task))
        yield {
            "number": number,
            "title": step.title,
            "text": _answer(step, run),
            "reason": "\n\n".join(filter(None, reasons)),
            "statements": [statement.text for statement in step.statements],
        }


def _answer(step: LessonStep, run: Callable[[Config], RunResult]) -> str:
    question = step.question
    if question is None:
        return ""
    if not question.expression:
        return question.choices[question.answer]
    try:
        result = run(step.config)
    except (InputError, EngineError) as error:
        return f"{question.expression} (not computed here: {error})"
    finding = check_statement(result, question.statement, step.location(Location()))
    if not finding.pairs:
        return f"{question.expression} (not computed here: {finding.reason})"
    value = question.value_of(finding)
    if question.choices and value is not None:
        return question.choices[int(value)]
    return f"{finding.pairs[0].left.shown}, with a tolerance of {question.tolerance:g}"


def _solution(task: Task | None) -> str:
    if task is None or not (task.changes or task.selection):
        return ""
    moves = {key: DIRECTIONS[index] if key == "direction" else index for key, index in task.selection.items()}
    changes = [f"`{key} = {display_value(value)}`" for key, value in (*task.changes.items(), *moves.items())]
    return f"A solution: {', '.join(changes)}."
