"""A lesson as a page to print: goal, time, text, questions with blanks, and the answers on the last page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rnnviz import __version__
from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.schema import display_value
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.io.export.report import html_environment
from rnnviz.io.outputs import atomic_write
from rnnviz.lessons.content import GuidedLesson, LessonStep, Task
from rnnviz.lessons.index import find_entry, lesson_entries
from rnnviz.lessons.markdown_html import inline_html, to_html
from rnnviz.lessons.statements import check_statement
from rnnviz.verify.result import RunResult


def write_handout(lesson: GuidedLesson, path: Path, run: Callable[[Config], RunResult]) -> int:
    """Write the handout of a lesson, and return the size of the file in bytes; `run` computes answers in numbers."""
    content = handout_html(lesson, run).encode("utf-8")
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
    return len(content)


def handout_html(lesson: GuidedLesson, run: Callable[[Config], RunResult]) -> str:
    needs = [find_entry(name, lesson_entries()).title for name in lesson.needs]
    environment = html_environment("handout")
    environment.filters.update(html=to_html, inline=inline_html)
    return environment.get_template("handout.html").render(
        lesson=lesson, needs=needs, answers=[*_answers(lesson, run)], version=__version__
    )


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
