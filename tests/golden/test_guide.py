"""Tables and lists of cells and lessons in the guide: `make golden` writes them again after a change of one."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill

import pytest

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.interpreters.symbols import equations
from rnnviz.core.config import CELL_NAMES, Network
from rnnviz.core.words import join_words
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.engines.registry import ENGINES
from rnnviz.lessons.index import chapters, lesson_entries

GUIDE = Path(__file__).parents[2] / "resources" / "guide"
WIDTH = 120
ROWS = r"(?:\|[^\n]*\n)+"


def code(names: Iterable[str]) -> list[str]:
    return [f"`{name}`" for name in names]


def row(*columns: str) -> str:
    return f"| {' | '.join(columns)} |\n"


def key(cell: CellSpec) -> str:
    return f"`{cell.projection_of}` with `projection_size`" if cell.projection_of else f"`{cell.name}`"


def engines_of(cell: CellSpec) -> str:
    size = 2 if cell.projection_of else None
    network = Network(cell.projection_of or cell.name, 2, 3, projection_size=size)
    able = [name for name, entry in ENGINES.items() if entry.unsupported_reason(network) is None]
    return "all" if able == list(ENGINES) else ", ".join(code(able))


def table_of_cells() -> str:
    cells = sorted(CELLS.values(), key=lambda cell: cell.projects)
    return "".join(row(key(c), ", ".join(c.gate_symbols), c.source, engines_of(c)) for c in cells)


def equations_of_cells() -> str:
    blocks = ["\n".join((name, *(f"    {e.text}" for e in equations(cell)))) for name, cell in CELLS.items()]
    return "```text\n" + "\n\n".join(blocks) + "\n```\n"


def names_elsewhere() -> Iterator[str]:
    for cell in CELLS.values():
        if len(cell.gates) > 1 and not cell.projection_of:
            keras, onnx = cell.keras, cell.onnx
            settings = ", ".join(f"{name}={value}" for name, value in keras.settings) if keras else ""
            parts = [f"`{name}={value}`" for name, value in onnx.attributes] if onnx else []
            parts += ["input `P`"] if onnx and onnx.peepholes else []
            yield row(
                key(cell),
                f"`{cell.gluon}`" if cell.gluon else "none",
                f"`{cell.torch}`" if cell.torch else "none",
                f"`{keras.name}{f'({settings})' if settings else ''}`" if keras else "none",
                ", ".join((f"`{onnx.name}`", *parts)) if onnx else "none",
            )


def cells_of(bug: str) -> str:
    names = KNOWN_BUGS[bug].variants
    return fill(f"Cell{'s' * (len(names) > 1)}: {', '.join(code(names))}.", WIDTH) + "\n"


def table_of_lessons() -> str:
    lessons = [(chapter, entry) for chapter, entries in chapters(lesson_entries()).items() for entry in entries]
    rows = [
        row(chapter, f"`{e.short_name}` {e.title}", e.goal, ", ".join(code(e.needs)), str(e.minutes))
        for chapter, e in lessons
    ]
    return "".join([*rows, row("all", "", "", "", str(sum(entry.minutes for _, entry in lessons)))])


SOME_CELLS = [name for name, bug in KNOWN_BUGS.items() if bug.variants.keys() != CELLS.keys()]
FOUND = {
    "cells: table": ("cells", rf"\| engines \|\n\|[-|]+\n(?P<text>{ROWS})", table_of_cells()),
    "cells: equations": ("cells", r"## Equations\n.*?\n(?P<text>```text\n.*?```\n)", equations_of_cells()),
    "naming": ("naming", rf"`RNN` \(default\) \|\n(?P<text>{ROWS}?)(?=\| `lstm` with )", "".join(names_elsewhere())),
    "config": (
        "config-reference",
        r"\| `cell` \| string \| required \| (?P<text>.*?), or a",
        ", ".join(code(CELL_NAMES)),
    ),
    "lessons": ("teaching", rf"\| minutes \|\n\|[-|]+\n(?P<text>{ROWS})", table_of_lessons()),
    "program": (
        "command-line",
        r"\n\n(?P<text>The cells are .*?\.\n)",
        fill(f"The cells are {join_words(code(CELLS), 'and')}.", WIDTH) + "\n",
    ),
    **{
        f"bug: {name}": ("known-bugs", rf"\n## {name}\n\n.*?\n(?P<text>Cells?: .*?\.\n)", cells_of(name))
        for name in SOME_CELLS
    },
}
"""By the name of a part: its page, the pattern that finds it there, and its text."""


@pytest.mark.parametrize("name", FOUND)
def test_the_guide_lists_cells_and_lessons_as_they_are(name, request):
    page, pattern, text = FOUND[name]
    path = GUIDE / f"{page}.md"
    whole = path.read_text(encoding="utf-8")
    found = re.search(pattern, whole, re.DOTALL)
    assert found is not None
    if request.config.getoption("--golden"):
        path.write_text(whole[: found.start("text")] + text + whole[found.end("text") :], encoding="utf-8")
    else:
        assert found["text"] == text, "run `make golden` if the new text is meant"
