"""Table models of known bugs, and of the errors of one of them by lane."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem, QWidget

from rnnviz.core import number_format
from rnnviz.core.words import plural
from rnnviz.engines.registry import KnownBug
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.cell_painter import TableCell
from rnnviz.gui.views.checks_model import TextTableModel
from rnnviz.gui.views.number_table import FULL_ROLE, AnyIndex
from rnnviz.quantities.error_series import LaneSpread
from rnnviz.quantities.plot_series import pixel_maxima
from rnnviz.verify.result import RunResult

_Roles = Qt.ItemDataRole


class Detection(StrEnum):
    """Whether this run detects a known bug."""

    COMPUTED = "in this run"
    UNDETECTABLE = "undetectable"
    DETECTABLE = "detectable"
    UNKNOWN = "unknown"


def detection(result: RunResult, entry: KnownBug) -> Detection:
    """Whether the run detects a known bug."""
    if entry.engine in result.traces:
        return Detection.COMPUTED
    if result.judgment is None:
        return Detection.UNKNOWN
    return Detection.UNDETECTABLE if entry.name in result.judgment.undetectable else Detection.DETECTABLE


class KnownBugsModel(TextTableModel):
    """One known bug in each row, in the order of the catalog."""

    headings = ("known bug", "detection")

    def __init__(self) -> None:
        super().__init__()
        self.entries: Sequence[KnownBug] = ()
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        icons = Icons(theme)
        self._looks = {
            Detection.COMPUTED: (icons.colored("pin", "accent"), theme.color("accent")),
            Detection.UNDETECTABLE: (icons.colored("warning", "doubtful"), theme.color("doubtful")),
            Detection.DETECTABLE: (icons.colored("check", "right"), theme.color("right")),
            Detection.UNKNOWN: (icons.colored("clock", "muted"), theme.color("muted")),
        }
        if self.rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self.rows) - 1, len(self.headings) - 1))

    def show_bugs(self, result: RunResult | None, entries: Sequence[KnownBug]) -> None:
        self.entries = entries
        self.show_rows([] if result is None else [(entry.cause, detection(result, entry).value) for entry in entries])

    def cell(self, row: int, column: int) -> TableCell:
        text = self.rows[row][column]
        if column == 0:
            return TableCell(text, left=True)
        mark, color = self._looks[Detection(text)]
        return TableCell(text, color, bold=text == Detection.UNDETECTABLE, mark=mark, left=True)

    def widest(self) -> list[str]:
        found = super().widest()
        # The mark takes the room of three digits.
        return [f"{found[0]}0", f"{Detection.UNDETECTABLE}0000"]


class SpreadModel(TextTableModel):
    """One lane in each row; the second column is a chart of the error ratio over time."""

    headings = ("lane", "error ratio over time", "first at", "mismatches", "max ratio")

    def __init__(self) -> None:
        super().__init__()
        self.lanes: list[LaneSpread] = []

    def show_lanes(self, lanes: Sequence[LaneSpread]) -> None:
        """Set the lanes, with the top layer first."""
        self.lanes = list(reversed(lanes))
        self.show_rows([self._words(lane, number_format.error(lane.worst)) for lane in self.lanes])

    def cell(self, row: int, column: int) -> TableCell:
        return TableCell(self.rows[row][column], left=column < 2)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _Roles.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == _Roles.TextAlignmentRole and section > 1:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if orientation == Qt.Orientation.Horizontal and role == _Roles.ToolTipRole and section == 4:
            return "Largest error ratio: difference ÷ tolerance."
        return super().headerData(section, orientation, role)

    def data(self, index: AnyIndex, role: int = _Roles.DisplayRole) -> Any:
        lane = self.lanes[index.row()]
        if role == FULL_ROLE:
            return self._words(lane, number_format.full(lane.worst))[index.column()]
        if role == _Roles.AccessibleTextRole and index.column() == 1:
            reached = int((lane.error_ratio > 1.0).sum())
            return f"mismatches at {reached:,} of {plural(len(lane.error_ratio), 'time step')}"

        return super().data(index, role)

    def widest(self) -> list[str]:
        found = super().widest()
        return [f"{found[0]}0", "error ratio over time", *(f"{text}00" for text in found[2:])]

    def _words(self, lane: LaneSpread, worst: str) -> tuple[str, ...]:
        first = "never" if lane.first is None else f"t = {lane.first.timestep}"
        return lane.name, "", first, number_format.count(lane.mismatched), worst


class SpreadStrip(QStyledItemDelegate):
    """Draws the error ratio of a lane at each time step, on a logarithmic scale shared by all lanes."""

    def __init__(self, model: SpreadModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model
        self.apply_theme(LIGHT)

    def apply_theme(self, theme: Theme) -> None:
        self._colors = np.array([theme.color("raised").rgb(), theme.color("wrong").rgb()], np.uint32)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: AnyIndex) -> None:
        drawn: Any = option
        room = drawn.rect.adjusted(3, 2, -3, -2)
        if room.width() >= 2 and room.height() >= 2:
            painter.drawImage(room, self.strip(index.row(), room.width(), room.height()))

    def strip(self, row: int, width: int, height: int) -> QImage:
        """Pixel columns of a lane. Time steps that share a column show their maximum."""
        lanes = self._model.lanes
        most = max((lane.worst for lane in lanes if np.isfinite(lane.worst)), default=1.0)
        part = pixel_maxima(lanes[row].heights(most), width)
        filled = np.arange(height)[::-1, np.newaxis] < np.ceil(part * height)
        pixels = np.ascontiguousarray(self._colors[filled.astype(np.intp)])
        # A copy, as the picture must outlive the array that it is read from.
        return QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy()
