"""Table models of the consistency checks, and of times and versions."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.words import wrapped
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.cell_painter import TableCell
from rnnviz.gui.views.number_table import FULL_ROLE, AnyIndex
from rnnviz.verify.invariants import Check
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import CheckOutcome

_Roles = Qt.ItemDataRole
_ROOT = QModelIndex()


class TextTableModel(QAbstractTableModel):
    """Rows of texts under headings. A subclass formats the cells."""

    headings: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, ...]] = []

    def show_rows(self, rows: Sequence[tuple[str, ...]]) -> None:
        """Set the rows, each with one text per heading."""
        self.beginResetModel()
        self.rows = list(rows)
        self.endResetModel()

    def cell(self, row: int, column: int) -> TableCell:
        """Format of a cell."""
        return TableCell(self.rows[row][column], left=True)

    def widest(self) -> list[str]:
        """The longest text of each column."""
        return [max((h, *(row[c] for row in self.rows)), key=len) for c, h in enumerate(self.headings)]

    def rowCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: AnyIndex = _ROOT) -> int:
        return 0 if parent.isValid() else len(self.headings)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role in (_Roles.DisplayRole, FULL_ROLE):
            return self.headings[section]
        if orientation == Qt.Orientation.Horizontal and role == _Roles.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        if role in (_Roles.DisplayRole, FULL_ROLE):
            return self.rows[index.row()][index.column()]
        if role == _Roles.ToolTipRole:
            cells = zip(self.headings, self.rows[index.row()], strict=True)
            return wrapped("\n".join(f"{heading}: {value}" for heading, value in cells if value))
        return None


class ChecksModel(TextTableModel):
    """One consistency check in each row, failed ones first."""

    headings = ("result", "engine", "check", "detail")

    def __init__(self) -> None:
        super().__init__()
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        icons = Icons(theme)
        self._muted = theme.color("muted")
        self._looks = {
            CheckOutcome.PASSED: (icons.colored("check", "right"), theme.color("right")),
            CheckOutcome.FAILED: (icons.colored("cross", "wrong"), theme.color("wrong")),
        }
        if self.rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, len(self.headings) - 1))

    def show_checks(self, checks: Sequence[Check]) -> None:
        ordered = sorted(checks, key=lambda check: check.holds)
        self.show_rows([(c.outcome.value, display_name(c.engine), c.name, c.detail) for c in ordered])

    def cell(self, row: int, column: int) -> TableCell:
        words = self.rows[row]
        outcome = CheckOutcome(words[0])
        mark, color = self._looks[outcome]
        fails = outcome is CheckOutcome.FAILED
        if column == 0:
            return TableCell(words[0], color, bold=fails, mark=mark, left=True)
        if column == 3:
            return TableCell(words[3], color if fails else self._muted, left=True)
        return TableCell(words[column], left=True)

    def widest(self) -> list[str]:
        found = super().widest()
        # The mark takes the room of three digits.
        return [f"{CheckOutcome.FAILED}00000", *(f"{text}0" for text in found[1:])]


class EnginesModel(TextTableModel):
    """Time and version of each engine, with a row for each timed part."""

    headings = ("engine", "time", "version")

    def show_engines(self, result: RunResult | None) -> None:
        """Show the engines of a run."""
        if result is None:
            self.show_rows([])
            return
        self.show_rows(
            [
                (display_name(name), number_format.duration(seconds), result.versions.get(name, ""))
                for name, seconds in sorted(result.seconds.items(), key=lambda item: _order(result, item[0]))
            ]
        )


def _order(result: RunResult, name: str) -> tuple[int, str]:
    """Engines in the order of the run, each followed by its parts, such as gluon.fused."""
    engines = list(result.traces)
    owner = name if name in engines else next((e for e in engines if name.startswith(f"{e}.")), None)
    return len(engines) if owner is None else engines.index(owner), name
