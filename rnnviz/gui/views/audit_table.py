"""The step audit of each engine, and tolerances that pass."""

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import QApplication, QGridLayout, QHBoxLayout, QLabel, QPushButton, QStackedLayout, QWidget

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core.trace_index import Location
from rnnviz.core.words import wrapped
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.audit_model import AuditModel, TolerancesModel
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.elided_label import ElidedLabel
from rnnviz.gui.views.number_table import NumberTable
from rnnviz.text.tables import audit_rows, tolerance_remark, tolerance_rows
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import AuditVerdict

_INTRO = (
    f"Each time step is recomputed in float64 from the engine's previous state. Limit: {ALLOWED:g} rounding bounds."
)
_UNAUDITED = "The step audit did not run, so it is unknown which engine is wrong."


class AuditTable(ResultView):
    """Engines at the left, tolerances at the right. `title_changed` has the new text of the tab."""

    title = "Audit"

    title_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._candidate: str | None = None
        self._empty = QLabel("A run (F5) checks every time step of every engine.")
        self._intro = ElidedLabel(_INTRO)
        self._unaudited = QLabel(_UNAUDITED)
        for label in (self._empty, self._unaudited):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
            label.setWordWrap(True)
        self.model = AuditModel()
        self.table = NumberTable()
        self.table.setModel(self.model)
        self.table.setAccessibleName("Audit of each engine; a row leads to its first wrong or its worst step")
        self.table.clicked.connect(self._go)
        self.table.activated.connect(self._go)
        self.tolerances_model = TolerancesModel()
        self.tolerances = NumberTable()
        self.tolerances.setModel(self.tolerances_model)
        self.tolerances.setAccessibleName("Tolerances")
        self._heading = ElidedLabel("Tolerances", bold=True)
        self.copy_button = QPushButton("Copy")
        self.copy_button.setAccessibleName("Copy the smallest tolerances that pass")
        self.copy_button.clicked.connect(self._copy_pair)
        self._remark, self._reasons = QLabel(), QLabel()
        for label in (self._remark, self._reasons):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._reasons.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        over = QHBoxLayout()
        over.addWidget(self._heading, 1)
        over.addWidget(self.copy_button)
        left = QWidget()
        self._left = QStackedLayout(left)
        self._left.addWidget(self._unaudited)
        self._left.addWidget(self.table)
        full = QWidget()
        layout = QGridLayout(full)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setHorizontalSpacing(12)
        layout.setVerticalSpacing(4)
        layout.addWidget(self._intro, 0, 0)
        layout.addLayout(over, 0, 1)
        layout.addWidget(left, 1, 0, 2, 1)
        layout.addWidget(self.tolerances, 1, 1)
        layout.addWidget(self._remark, 2, 1)
        layout.addWidget(self._reasons, 3, 0, 1, 2)
        layout.setColumnStretch(0, 1)
        layout.setRowStretch(2, 1)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(full)
        self._refresh()

    @property
    def tab_text(self) -> str:
        """The title with a count of engines: "Audit  2 ✔", "Audit  ✘ 1 of 2" or "Audit  1 of 2 ✔"."""
        wrong, right = map(self.model.count, (AuditVerdict.WRONG, AuditVerdict.RIGHT))
        count = len(self.model.rows)
        if not count:
            return self.title
        if wrong:
            return f"{self.title}  ✘ {wrong} of {count}"
        return f"{self.title}  {count} ✔" if right == count else f"{self.title}  {right} of {count} ✔"

    @property
    def reasons(self) -> str:
        """Reasons of the engines that fail the audit."""
        return self._reasons.text()

    @property
    def remark(self) -> str:
        """Remark on the tolerances."""
        return self._remark.text()

    def copy_text(self) -> str:
        """Content of the table in use."""
        if self._result is None:
            return ""
        if self.tolerances.hasFocus() or not self.model.rows:
            return self.tolerances.copy_text()
        return self.table.copy_text() + "".join(f"{reason}\n" for reason in self.model.reasons)

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        before = self.tab_text
        self._result, self._candidate = result, candidate
        self._refresh()
        if self.tab_text != before:
            self.title_changed.emit(self.tab_text)

    def show_location(self, location: Location) -> None:
        """The audit does not depend on the selection."""

    def apply_theme(self, theme: Theme) -> None:
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        for label in (self._empty, self._intro, self._unaudited, self._remark):
            label.setPalette(palette)
        self.model.apply_theme(theme)
        for table in (self.table, self.tolerances):
            table.apply_theme(theme)

    def _refresh(self) -> None:
        result, candidate = self._result, self._candidate
        comparison = None if result is None or candidate is None else result.comparison(candidate)
        self._pages.setCurrentIndex(0 if comparison is None else 1)
        self.model.show_audits([] if result is None else audit_rows(result))
        self._left.setCurrentIndex(1 if self.model.rows else 0)
        self.table.fit_columns(self.model.widest(), growing=(4,), shrinking=3)
        self._reasons.setText("\n".join(self.model.reasons))
        self._reasons.setVisible(bool(self.model.reasons))
        self.tolerances_model.show_pairs([] if comparison is None else tolerance_rows(comparison))
        if comparison is not None:
            self._remark.setText(tolerance_remark(comparison))
            passing = self.tolerances_model.pairs[-1].pair
            self.copy_button.setToolTip(wrapped(f"Copies {passing}: the smallest atol that passes with this rtol."))
            self.copy_button.setAccessibleDescription(self.copy_button.toolTip())
        needed = self.tolerances.fit_columns(self.tolerances_model.widest(), growing=(0,))
        self.tolerances.setFixedWidth(max(needed, 200) + 2 * self.tolerances.frameWidth() + 2)
        rows = len(self.tolerances_model.pairs)
        height = self.tolerances.horizontalHeader().sizeHint().height()
        row = self.tolerances.verticalHeader().defaultSectionSize()
        self.tolerances.setFixedHeight(height + rows * row + 2 * self.tolerances.frameWidth() + 1)

    def _go(self, index: QModelIndex) -> None:
        self.location_requested.emit(self.model.location(index.row()))

    def _copy_pair(self) -> None:
        if self.tolerances_model.pairs:
            QApplication.clipboard().setText(self.tolerances_model.pairs[-1].pair)
