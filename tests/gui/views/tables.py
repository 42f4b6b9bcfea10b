"""Texts of a table."""

from rnnviz.gui.views.table_model import TableModel


def texts(model: TableModel) -> list[tuple[str, ...]]:
    """The shown texts of each row."""
    columns = range(model.columnCount())
    return [tuple(model.cell(row, column).text for column in columns) for row in range(model.rowCount())]
