"""Equations of a cell as rich text."""

import re
from html import escape

from rnnviz.cells import CellSpec
from rnnviz.cells.activations import ACTIVATIONS
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.gui.naming import named

_PREVIOUS = "[t-1]"
_TOKEN = re.compile(r"[A-Za-z]\w*(?:\[t-1\])?|[^A-Za-z]+")
_FUNCTIONS = {*ACTIVATIONS, "clip"}
_WHERE = ("u = W_i2h x_t + b_i2h", "v = W_h2h h[t-1] + b_h2h")


def equation_rows(cell: CellSpec) -> list[tuple[str, str]]:
    """Left and right side of each equation as rich text, with the definitions of the two parts last."""
    rows = [line.partition(" = ") for line in (*equations_of_all_units(cell), *map(named, _WHERE))]
    states = cell.state_symbols
    return [(_typeset(left, states), _typeset(right, states)) for left, _, right in rows]


def equation_table(cell: CellSpec) -> str:
    """Equations as a rich-text table, aligned at the equals signs."""
    rows = "".join(
        f'<tr><td align="right" style="white-space:nowrap">{left}</td><td>&nbsp;=&nbsp;</td><td>{right}</td></tr>'
        for left, right in equation_rows(cell)
    )
    return f'<table cellspacing="0" cellpadding="0">{rows}</table>'


def equation_words(cell: CellSpec) -> str:
    """Equations in one line, for screen readers."""
    return "; ".join((*equations_of_all_units(cell), *map(named, _WHERE)))


def _typeset(side: str, states: tuple[str, ...]) -> str:
    return "".join(_typeset_token(token, states) for token in _TOKEN.findall(side))


def _typeset_token(token: str, states: tuple[str, ...]) -> str:
    if not token[0].isalpha():
        return escape(token).replace("-", "−")
    if token in _FUNCTIONS:
        return token
    name, _, subscript = token.removesuffix(_PREVIOUS).partition("_")
    if token.endswith(_PREVIOUS):
        subscript = "t−1"
    elif name in states and not subscript:
        subscript = "t"
    return f"<i>{name}</i>" + (f"<sub>{subscript}</sub>" if subscript else "")
