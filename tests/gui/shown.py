"""Texts that parts of the window show."""

from PySide6.QtWidgets import QLabel, QWidget

from rnnviz.gui.kit.table import TableModel
from rnnviz.gui.views.verdict_bar import VerdictBar


def labels(widget: QWidget) -> str:
    """Every visible text."""
    return "\n".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def texts(model: TableModel) -> list[tuple[str, ...]]:
    columns = range(model.columnCount())
    return [tuple(model.cell(row, column).text for column in columns) for row in range(model.rowCount())]


def details(bar: VerdictBar) -> str:
    """The text below the banner, "" while it is folded."""
    return "" if bar.details.isHidden() else bar.facts.plain
