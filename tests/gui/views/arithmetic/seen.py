"""Lookups in the arithmetic of a value."""

from PySide6.QtCore import Qt

from rnnviz.core.trace_index import Location
from rnnviz.gui.views.arithmetic.cards import Card
from rnnviz.gui.views.arithmetic.view import ArithmeticView
from rnnviz.gui.views.table import FULL_ROLE

WHERE = Location(layer=1, direction=1, timestep=2, sample=1, unit=1)


def text(view: ArithmeticView, row: int, column: int) -> str:
    """Text of a cell with hyphens, as `float` reads them."""
    return str(view.table.term_model.index(row, column).data()).replace("−", "-")


def column(view: ArithmeticView, name: str) -> int:
    model = view.table.term_model
    headings = [model.headerData(c, Qt.Orientation.Horizontal, FULL_ROLE) for c in range(model.columnCount())]
    return next(c for c, heading in enumerate(headings) if heading.endswith(name))


def card(view: ArithmeticView, symbol: str) -> Card:
    return next(own for own in view.cards.cards if own.content.lines[0].result.text == symbol)


def row(view: ArithmeticView, name: str) -> int:
    return next(r for r, line in enumerate(view.table.term_model.rows) if line.row.name == name and not line.engine)
