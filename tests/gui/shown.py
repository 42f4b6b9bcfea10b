"""Texts that parts of the window show."""

from PySide6.QtGui import QTextDocument

from rnnviz.gui.views.output_map import OutputMapChart
from rnnviz.gui.views.vector_table import VectorTable
from rnnviz.gui.views.verdict_bar import VerdictBar


def details(bar: VerdictBar) -> str:
    """The text below the banner, "" while it is folded."""
    if bar.details.isHidden():
        return ""
    document = QTextDocument()
    document.setHtml(bar.facts.text())
    return document.toPlainText()


def passage(table: VectorTable) -> str:
    """The sentence on the inputs and readers of the vector, or how to get a result."""
    return (table.empty if table._result is None else table.passage).text()


def highlighted_parts(chart: OutputMapChart) -> list[str]:
    return [part.text for row in chart.rows for part in row.parts if chart.is_highlighted(part)]
