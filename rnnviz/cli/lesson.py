"""rnnviz lesson: list the lessons of the course, and write one as a page to print."""

from argparse import Namespace
from importlib.util import find_spec
from pathlib import Path

from rnnviz.cli.terminal import AGREE, Answer, Parser, option, progress_bar
from rnnviz.core.errors import InputError


def add_options(parser: Parser) -> None:
    option(parser, "name", "name of a lesson; without it, list the lessons", nargs="?")
    option(parser, "--handout PATH", "write a page to print, with the answers on the last page (HTML)")


def lesson(options: Namespace) -> Answer:
    from rnnviz.lessons.index import find_entry, lesson_entries

    if options.name is None:
        if options.handout is not None:
            raise InputError("--handout needs the name of a lesson, as rnnviz lesson lists them.")
        return AGREE, _listed()
    entry = find_entry(options.name, lesson_entries())
    if options.handout is not None:
        return _write(entry.path, options.handout)
    needs = ", ".join(entry.needs)
    facts = {"goal": entry.goal, "minutes": entry.minutes, "needs": needs, "chapter": entry.chapter}
    lines = [entry.title, entry.summary, *(f"{key}: {value}" for key, value in facts.items() if value)]
    return AGREE, "\n".join(lines) + "\n"


def _listed() -> str:
    from rnnviz.lessons.index import chapters, lesson_entries

    entries = lesson_entries()
    width = max(len(entry.short_name) for entry in entries)
    lines = []
    for chapter, group in chapters(entries).items():
        lines += [chapter]
        lines += [f"  {e.short_name:{width}}  {e.minutes or '?':>3} min  {e.title}" for e in group]
    return "\n".join([*lines, "", "To print one: rnnviz lesson NAME --handout NAME.html", ""])


def _write(lesson: Path, path: Path) -> Answer:
    from rnnviz.execution.supervisor import run
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.outputs import check_outputs
    from rnnviz.lessons.content import read_lesson
    from rnnviz.lessons.handout import Draw, write_handout

    check_outputs({"--handout": path}, {"the lesson": lesson})
    draw: Draw | None = None
    if find_spec("PySide6") is not None:
        from rnnviz.gui.export.paper import lanes_svg as draw
    with progress_bar(quiet=False) as notify:
        size = write_handout(read_lesson(lesson), path, lambda config: run(config, load_inputs, notify, "auto"), draw)
    return AGREE, f"{path}: {size:,} bytes\n"
