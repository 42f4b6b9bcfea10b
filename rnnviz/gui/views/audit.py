"""The step audit of each engine, and tolerances that pass."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QApplication, QLabel, QPushButton, QWidget

from rnnviz.cells.interpreters.running_error import ALLOWED
from rnnviz.core import number_format
from rnnviz.gui.audit_rows import AuditRow, ToleranceRow, audit_rows, tolerance_remark, tolerance_rows, wrong_lanes
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import AGREES, NO_NOTE, Note, ResultView, across, down, pages
from rnnviz.gui.views.labels import ElidedLabel, hint
from rnnviz.gui.views.table import NumberTable
from rnnviz.gui.views.table_model import TableModel
from rnnviz.results.columns import PLAIN, Column, Look
from rnnviz.text.verdict_text import AUDIT_WORDS
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import AuditVerdict

_INTRO = f"Time steps are recomputed in float64 from each engine's state. Limit: {ALLOWED:g} rounding bounds."

_LOOKS = {
    AuditVerdict.RIGHT: Look("right", icon="check"),
    AuditVerdict.WRONG: Look("wrong", bold=True, icon="cross"),
    AuditVerdict.UNDETERMINED: Look("muted", icon="info"),
    AuditVerdict.NOT_AUDITED: Look("muted", icon="info"),
}
_WRONG, _LINK = Look("wrong"), Look("accent")


def _of_audited(text: Callable[[AuditRow], str]) -> Callable[[AuditRow], str]:
    """Texts of audited rows; the others have no number and no place."""
    return lambda row: text(row) if row.audited else ""


_AUDITS = (
    Column("verdict", lambda row: AUDIT_WORDS[row.verdict], look=lambda row: _LOOKS[row.verdict]),
    Column("engine", lambda row: row.engine, shrinks=True),
    Column(
        f"worst step (limit {ALLOWED:g})",
        _of_audited(lambda row: number_format.error(row.ratio)),
        _of_audited(lambda row: number_format.full(row.ratio)),
        number=True,
        look=lambda row: _WRONG if row.verdict is AuditVerdict.WRONG else PLAIN,
        why=f"Largest error of a step in rounding bounds; a step is wrong above {ALLOWED:g}.",
    ),
    Column(
        "first wrong or worst step",
        _of_audited(lambda row: row.where.short),
        _of_audited(lambda row: str(row.where)),
        look=lambda _: _LINK,
    ),
    Column("audited", lambda row: row.coverage, grows=True),
)
_OF = Column("of", lambda row: row.what)
"""The column that is there with gradients, behind that of the engine."""
_TOLERANCES = (
    Column("tolerance", lambda row: row.name, grows=True),
    Column("rtol", lambda row: number_format.full(row.rtol), number=True),
    Column("atol", lambda row: row.shown_atol, lambda row: number_format.full(row.atol), number=True),
)
_WIDEST_TOLERANCES = 320
"""Maximum of the minimum width in pixels."""


class AuditTable(ResultView):
    """Engines at the left, tolerances at the right."""

    title, group = "Step audit", "Problems"
    help_page = "step-audit"
    figure_width = 1000
    stacked_width = 640

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._candidate: str | None = None
        empty, intro = hint("A run (F5) checks every time step of every engine."), ElidedLabel(_INTRO)
        unaudited = hint(
            "The step audit did not run, so it is unknown which engine is wrong. Run a full audit (Shift+F5)."
        )
        self.model = TableModel(_AUDITS)
        self.table = NumberTable(self.model, "Audit of each engine; a row leads to its first wrong or its worst step")
        self.table.clicked.connect(self._go)
        self.table.activated.connect(self._go)
        self.tolerances_model = TableModel(_TOLERANCES, tip=lambda row: row.pair)
        self.tolerances = NumberTable(self.tolerances_model, "Tolerances")
        self.copy_button = QPushButton("Copy")
        self.copy_button.setAccessibleName("Copy the smallest tolerances that pass")
        self.copy_button.clicked.connect(self._copy_pair)
        self.remark, self.reasons = QLabel(), QLabel()
        for label in (self.remark, self.reasons):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.reasons.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        left = QWidget()
        self._left = pages(left, unaudited, self.table)
        heading = across((ElidedLabel("Tolerances", bold=True), 1), self.copy_button)
        right = down(heading, (self.tolerances, 1), self.remark, None, spacing=4)
        self.panes = across((down(intro, (left, 1), spacing=4), 5), (right, 2), spacing=12)
        self._pages = pages(self, empty, down((self.panes, 1), self.reasons, margins=(8, 4, 8, 4), spacing=4))
        self.muted = empty, intro, unaudited, self.remark
        self.themed = self.table, self.tolerances
        self._refresh()

    @property
    def audits(self) -> Sequence[AuditRow]:
        return self.model.rows

    @classmethod
    def tab_note(cls, result: RunResult, candidate: str | None, array: str) -> Note:
        if result.judgment is None:
            return NO_NOTE
        wrong = sum(wrong_lanes(result, engine) for engine in result.traces)
        return Note(number_format.count(wrong), "wrong") if wrong else AGREES

    def copy_text(self) -> str:
        if self._result is None:
            return ""
        if self.tolerances.hasFocus() or not self.model.rows:
            return self.tolerances.copy_text()
        return self.table.copy_text() + (f"{self.reasons.text()}\n" if self.reasons.text() else "")

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        known = result is self._result
        self._result, self._candidate = result, candidate
        if not known:
            self._show_rows()
        self._refresh()

    def _show_rows(self) -> None:
        rows = [] if self._result is None else audit_rows(self._result)
        several = len({row.what for row in rows}) > 1
        columns = (*_AUDITS[:2], _OF, *_AUDITS[2:]) if several else _AUDITS
        self.model.show_rows(sorted(rows, key=lambda row: row.verdict is not AuditVerdict.WRONG), columns)
        self._left.setCurrentIndex(1 if self.model.rows else 0)
        self.table.fit()
        self.reasons.setText("\n".join(row.reason for row in self.audits if row.reason))
        self.reasons.setVisible(bool(self.reasons.text()))

    def _refresh(self) -> None:
        result, candidate = self._result, self._candidate
        comparison = None if result is None or candidate is None else result.comparison(candidate)
        self._pages.setCurrentIndex(0 if comparison is None else 1)
        self.tolerances_model.show_rows([] if comparison is None else tolerance_rows(comparison))
        if comparison is not None:
            self.remark.setText(tolerance_remark(comparison))
            passing = self._passing
            self.copy_button.setToolTip(wrapped(f"Copies {passing}: the smallest atol that passes with this rtol."))
            self.copy_button.setAccessibleDescription(self.copy_button.toolTip())
        needed = self.tolerances.fit() + self.tolerances.verticalScrollBar().sizeHint().width()
        # Both numbers are whole next to a lesson; the table of the engines has columns to spare.
        self.tolerances.setMinimumWidth(min(needed + 2 * self.tolerances.frameWidth(), _WIDEST_TOLERANCES))
        self.tolerances.limit_height()

    @property
    def _passing(self) -> str:
        loosest: ToleranceRow = self.tolerances_model.rows[-1]
        return loosest.pair

    def _go(self, index: QModelIndex) -> None:
        where = self.audits[index.row()].location
        if where is not None:
            self.location_requested.emit(where)

    def _copy_pair(self) -> None:
        QApplication.clipboard().setText(self._passing)
