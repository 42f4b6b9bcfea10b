"""Tables of the step audit and of tolerances."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Qt

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.core.trace_index import Location
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.cell_painter import TableCell
from rnnviz.gui.views.checks_model import TextTableModel
from rnnviz.gui.views.number_table import FULL_ROLE, AnyIndex
from rnnviz.text.tables import AUDIT_WORDS, AuditRow, ToleranceRow
from rnnviz.verify.verdict import AuditVerdict

_Roles = Qt.ItemDataRole


class AuditModel(TextTableModel):
    """One row for each engine."""

    headings = ("verdict", "engine", f"worst step (limit {ALLOWED:g})", "first wrong or worst step", "audited")

    def __init__(self) -> None:
        super().__init__()
        self._audits: list[AuditRow] = []
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        icons = Icons(theme)
        self._looks = {
            AuditVerdict.RIGHT: (icons.colored("check", "right"), theme.color("right")),
            AuditVerdict.WRONG: (icons.colored("cross", "wrong"), theme.color("wrong")),
            AuditVerdict.UNDETERMINED: (icons.colored("info", "muted"), theme.color("muted")),
            AuditVerdict.NOT_AUDITED: (icons.colored("info", "muted"), theme.color("muted")),
        }
        self._link = theme.color("accent")
        if self.rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, len(self.headings) - 1))

    def show_audits(self, audits: Sequence[AuditRow]) -> None:
        self._audits = list(audits)
        self.show_rows(
            [
                (
                    AUDIT_WORDS[a.verdict],
                    a.engine,
                    number_format.error(a.ratio) if a.audited else "",
                    a.where.short if a.audited else "",
                    a.coverage,
                )
                for a in audits
            ]
        )

    def count(self, verdict: AuditVerdict) -> int:
        """Number of engines with a verdict."""
        return sum(audit.verdict is verdict for audit in self._audits)

    @property
    def reasons(self) -> list[str]:
        """Reasons of the engines that fail the audit."""
        return [audit.reason for audit in self._audits if audit.reason]

    def location(self, row: int) -> Location:
        """Location of the largest step error in a row."""
        return self._audits[row].where

    def cell(self, row: int, column: int) -> TableCell:
        verdict, text = self._audits[row].verdict, self.rows[row][column]
        mark, color = self._looks[verdict]
        if column == 0:
            return TableCell(text, color, bold=verdict is AuditVerdict.WRONG, mark=mark, left=True)
        if column == 2:
            return TableCell(text, color if verdict is AuditVerdict.WRONG else None)
        return TableCell(text, self._link if column == 3 else None, left=True)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == _Roles.TextAlignmentRole and section == 2:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return super().headerData(section, orientation, role)

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        if role == FULL_ROLE and index.column() == 2:
            return number_format.full(self._audits[index.row()].ratio)
        if role in (_Roles.ToolTipRole, FULL_ROLE) and index.column() == 3 and self._audits[index.row()].audited:
            return str(self._audits[index.row()].where)
        if role == _Roles.ToolTipRole and index.column() == 2:
            return (
                f"{number_format.full(self._audits[index.row()].ratio)} rounding bounds; a step is wrong above "
                f"{ALLOWED:g}"
            )
        return super().data(index, role)

    def widest(self) -> list[str]:
        found = super().widest()
        # The mark takes the room of three digits.
        return [f"{found[0]}000", *(f"{text}0" for text in found[1:])]


class TolerancesModel(TextTableModel):
    """One pair of tolerances in each row."""

    headings = ("tolerance", "rtol", "atol")

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[ToleranceRow] = []

    def show_pairs(self, pairs: Sequence[ToleranceRow]) -> None:
        self.pairs = list(pairs)
        self.show_rows([(pair.name, number_format.full(pair.rtol), pair.shown_atol) for pair in pairs])

    def cell(self, row: int, column: int) -> TableCell:
        return TableCell(self.rows[row][column], left=column == 0)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == _Roles.TextAlignmentRole and section > 0:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return super().headerData(section, orientation, role)

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        pair = self.pairs[index.row()]
        if role == FULL_ROLE and index.column() > 0:
            return number_format.full(pair.rtol if index.column() == 1 else pair.atol)
        if role == _Roles.ToolTipRole:
            return pair.pair
        return super().data(index, role)

    def widest(self) -> list[str]:
        return [f"{text}00" for text in super().widest()]
