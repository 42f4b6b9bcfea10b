"""Table model of a vector: a row for each component, a column for each engine, and the differences."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt

from rnnviz.core import number_format
from rnnviz.core.axis_labels import shortened, visible
from rnnviz.core.engine_spec import display_name
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.cell_painter import TableCell
from rnnviz.gui.views.number_table import FULL_ROLE, AnyIndex
from rnnviz.quantities.gate_lanes import GateVector
from rnnviz.quantities.gates import Choice, Quantity
from rnnviz.quantities.vectors import Difference, Vector

_Roles = Qt.ItemDataRole
_ROOT = QModelIndex()
_NUMBER = "-0.000"
_SHORT_NAME = 12
"""Characters of a component's name that fit into its column."""


class VectorModel(QAbstractTableModel):
    """Formats only visible cells. A vector of the same length replaces another without a model reset."""

    def __init__(self) -> None:
        super().__init__()
        self._vector: Vector | None = None
        self._unit = "unit"
        self._compared = ("", "")
        self._names: Sequence[str] = ()
        self._longest_name = ""
        self._longest_number = _NUMBER
        self._gates: GateVector | None = None
        self._added: tuple[Choice, ...] = ()
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._wrong = theme.color("wrong")
        self._muted = theme.color("muted")
        self._strange = {number_format.NAN: theme.color("nan"), number_format.INFINITY: theme.color("infinite")}
        self._mark = Icons(theme).colored("cross", "wrong")
        self._tell_all()

    def show_vector(
        self, vector: Vector | None, unit: str, compared: tuple[str, str], names: Sequence[str] = ()
    ) -> None:
        """Show another vector.

        `unit` names the components, and `names` optionally each of them. `compared` is the reference and the
        candidate.
        """
        same = (
            vector is not None
            and self._vector is not None
            and (unit, compared, _shape(vector)) == (self._unit, self._compared, _shape(self._vector))
            and names is self._names
        )
        if same:
            self._vector = vector
            # It only grows, so that no column moves with the selection.
            self._longest_number = max(self._longest_number, _longest_number(vector), key=len)
            self._tell_all()
            return
        self.beginResetModel()
        self._vector, self._unit, self._compared, self._names = vector, unit, compared, names
        # The longest has the room of its first letters.
        self._longest_number = _longest_number(vector)
        self._longest_name = "0" * min(max(map(len, names), default=0), _SHORT_NAME)
        self.endResetModel()

    def show_gates(self, gates: GateVector | None, added: tuple[Choice, ...]) -> None:
        """Show gates and states of the reference in additional columns."""
        if added != self._added:
            self.beginResetModel()
            self._gates, self._added = gates, added
            self.endResetModel()
        else:
            self._gates = gates
            if added:
                self._tell_all()

    def mismatched(self, row: int) -> bool:
        """Whether a row is a mismatch."""
        difference = self._difference
        return difference is not None and bool(difference.mismatched[row])

    def quantity_of(self, column: int) -> Quantity:
        """Quantity of a column: a gate's name, or "value"."""
        place = column - self._compared_columns
        return self._added[place].name if place >= 0 else "value"

    @property
    def _difference(self) -> Difference | None:
        return None if self._vector is None else self._vector.difference

    def _tell_all(self) -> None:
        if self.rowCount():
            self.dataChanged.emit(self.index(0, 0), self.index(self.rowCount() - 1, self.columnCount() - 1))

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() or self._vector is None else len(self._vector)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        if parent.isValid() or self._vector is None:
            return 0
        return self._compared_columns + len(self._added)

    @property
    def _compared_columns(self) -> int:
        """Number of columns before those of gates."""
        assert self._vector is not None, "an empty model has no columns"
        return 1 + len(self._vector.columns) + (2 if self._vector.difference is not None else 0)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if self._vector is None or orientation != Qt.Orientation.Horizontal:
            return None
        if section >= self._compared_columns:
            added = self._added[section - self._compared_columns]
            if role == _Roles.ToolTipRole:
                return f"{added.title.capitalize()}, computed from {self._compared[0]}'s values."
            return added.name if role in (_Roles.DisplayRole, FULL_ROLE, _Roles.AccessibleTextRole) else None
        engines = [label for label, _ in self._vector.columns]
        reference, candidate = self._compared
        if role == _Roles.DisplayRole:
            return [self._unit, *map(display_name, engines), "Δ", "ulp"][section]
        if role in (FULL_ROLE, _Roles.AccessibleTextRole):
            return [self._unit, *engines, "difference", "ulp"][section]
        if role == _Roles.ToolTipRole:
            why = [f"Values of {engine}." for engine in engines]
            apart = f"{candidate} - {reference}", f"Number of floats between {reference} and {candidate}."
            return [f"Index of the {self._unit}, from 0.", *why, *apart][section]
        return None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        row, column = index.row(), index.column()
        if role == _Roles.DisplayRole:
            return self._text(row, column, full=False)
        if role == FULL_ROLE:
            return self._text(row, column, full=True)
        if role == _Roles.ToolTipRole:
            return self._explanation(row)
        if role == _Roles.AccessibleTextRole:
            heading = self.headerData(column, Qt.Orientation.Horizontal, role)
            words = f"{heading} {self._text(row, column, full=False)}"
            return f"{words}, mismatch" if column == 0 and self.mismatched(row) else words
        return None

    def cell(self, row: int, column: int) -> TableCell:
        """Format of a cell: a mismatch is bold, colored and marked."""
        text = self._text(row, column, full=False)
        if self._is_marked(row, column):
            return TableCell(text, self._wrong, bold=True, mark=self._mark if column == 0 else None)
        if column == 0:
            return TableCell(text, self._muted)
        return TableCell(text, self._strange.get(text.removeprefix("-")))

    def widest(self) -> list[str]:
        """The widest possible text of each column."""
        if self._vector is None:
            return []
        # The mark takes the room of two digits and a half.
        rows = f"000{len(self._vector) - 1}"
        unit = max(self._unit, f"{rows} {self._longest_name}" if self._longest_name else rows, key=len)
        # A long name is cut short where it must be, never a number.
        values = [self._longest_number] * len(self._vector.columns)
        compared = [unit, *values, "-0.0e-00", "0.0e+0"][: self._compared_columns]
        return compared + [max(_NUMBER, added.name, key=len) for added in self._added]

    def _is_marked(self, row: int, column: int) -> bool:
        if column >= self._compared_columns:
            return False
        return self.mismatched(row) and (column == 0 or column >= self._candidate_column) and not self._is_other(column)

    @property
    def _candidate_column(self) -> int:
        return 2

    def _is_other(self, column: int) -> bool:
        """Whether a column belongs to an engine that is not compared."""
        return self._vector is not None and self._candidate_column < column <= len(self._vector.columns)

    def _text(self, row: int, column: int, *, full: bool) -> str:
        vector = self._vector
        assert vector is not None, "an empty model has no cells"
        if column == 0:
            name = visible(self._names[row]) if row < len(self._names) else ""
            return f"{row} {name if full else shortened(name, _SHORT_NAME)}" if name else str(row)
        if column <= len(vector.columns):
            value = vector.columns[column - 1][1][row]
            return number_format.full(value) if full else number_format.short(value)
        if column >= self._compared_columns:
            assert self._gates is not None, "there are columns for them"
            gate = self._gates.value(self._added[column - self._compared_columns].name, row)
            return number_format.full(gate) if full else number_format.short(gate)
        difference = vector.difference
        assert difference is not None, "the columns beyond the engines' are there for a difference only"
        if column == len(vector.columns) + 1:
            signed = difference.signed[row]
            return number_format.full(signed) if full else number_format.error(signed)
        distance = int(difference.ulp[row])
        return str(distance) if full and distance != number_format.UNDEFINED_ULP else number_format.ulp(distance)

    def _explanation(self, row: int) -> str:
        """Tooltip of a row with all numbers in full precision."""
        vector = self._vector
        assert vector is not None, "an empty model has no cells"
        lines = [f"{self._unit} {self._text(row, 0, full=True)}"]
        lines += [f"{label}: {number_format.full(values[row])}" for label, values in vector.columns]
        difference = vector.difference
        if difference is not None:
            reference, candidate = self._compared
            lines.append(f"{candidate} - {reference}: {number_format.full(difference.signed[row])}")
            lines.append(f"ulp: {self._text(row, self._compared_columns - 1, full=True)}")
            state = "mismatch" if difference.mismatched[row] else "within the tolerance"
            lines.append(f"error ratio: {number_format.error(difference.error_ratio[row])} ({state})")
        for column, added in enumerate(self._added, self._compared_columns):
            lines.append(f"{added.name}: {self._text(row, column, full=True)}")
        return "\n".join(lines)


def _longest_number(vector: Vector | None) -> str:
    """A text as wide as the longest number of a vector, or as a typical number if that is wider."""
    texts = [_NUMBER]
    for _, values in vector.columns if vector is not None else ():
        finite = np.isfinite(values)
        if finite.any():
            texts += [number_format.short(values[finite].min()), number_format.short(values[finite].max())]
        texts += [number_format.short(value) for value in np.unique(values[~finite])]
    return max(texts, key=len)


def _shape(vector: Vector) -> tuple[int, tuple[str, ...], bool]:
    return len(vector), tuple(label for label, _ in vector.columns), vector.difference is None
