"""The line of a custom step's file that gives a line of the cell."""

import pytest

from rnnviz.io.templates import starter
from rnnviz.text.verdict_details import line_number

SOURCE = """\
import numpy as np

def step(x, state, p):
    raise NotImplementedError

def step(x, state, p):
    h, c = state
    if x.any():
        return h, c
    f, o = np.split(x, 2)
    c = f * c
    h += o
    f = 0
    return (
        h,
        c,
        {"f": f,
         "o": np.tanh(o)},
    )
"""


@pytest.mark.parametrize(("name", "line"), [("f", 13), ("o", 18), ("c", 11), ("h", 12), ("step", 6), ("i", None)])
def test_the_line_is_the_last_assignment_or_the_returned_expression(name: str, line: int | None) -> None:
    assert line_number(SOURCE, name, ("h", "c")) == line


def test_lines_of_a_starter_are_those_of_its_equations() -> None:
    text = starter("lstm")
    for name in ("i", "f", "g", "o", "c", "h"):
        number = line_number(text, name, ("h", "c"))
        assert number is not None
        assert text.splitlines()[number - 1].startswith(f"    {name} = ")


@pytest.mark.parametrize(
    "source",
    ["def step(", "\0", "step = len", "(" * 5000, "def step(x, state, p): return f()", "def step(*_): return ()"],
)
def test_a_source_without_the_line_has_no_number(source: str) -> None:
    assert line_number(source, "h", ("h", "c")) is None
