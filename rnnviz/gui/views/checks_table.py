"""View of the consistency checks, and of times and versions of the engines."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLabel, QStackedLayout, QWidget

from rnnviz.core import number_format
from rnnviz.core.trace_index import Location
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.checks_model import ChecksModel, EnginesModel
from rnnviz.gui.views.elided_label import ElidedLabel
from rnnviz.gui.views.number_table import NumberTable
from rnnviz.verify.result import RunResult

_INTRO = "Values that an engine returns in several places must be equal: output, final state and hidden states."


class ChecksTable(ResultView):
    """Checks at the left, times and versions at the right. `title_changed` has the new text of the tab."""

    title = "Checks"

    title_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._empty = QLabel("A run (F5) checks that output, final state and hidden states are consistent.")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._intro = ElidedLabel(_INTRO)
        self.model = ChecksModel()
        self.table = _table(self.model, "Checks")
        self.engines_model = EnginesModel()
        self.engines = _table(self.engines_model, "Times and versions")
        full = QWidget()
        layout = QGridLayout(full)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setVerticalSpacing(4)
        layout.addWidget(self._intro, 0, 0, 1, 2)
        layout.addWidget(self.table, 1, 0)
        layout.addWidget(self.engines, 1, 1)
        layout.setColumnStretch(0, 1)
        layout.setRowStretch(1, 1)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(full)
        self._refresh()

    def badge(self) -> str:
        """Count for the tab: "9 ✔" or "✘ 2 of 9"; empty without a result."""
        if self._result is None:
            return ""
        checks = self._result.checks
        failed = sum(not check.holds for check in checks)
        return (
            f"✘ {number_format.count(failed)} of {number_format.count(len(checks))}" if failed else f"{len(checks)} ✔"
        )

    @property
    def tab_text(self) -> str:
        """The title with the count."""
        return f"{self.title}  {self.badge()}".rstrip()

    def copy_text(self) -> str:
        """Content of the table in use."""
        table = self.engines if self.engines.hasFocus() else self.table
        return table.copy_text() if self._result is not None else ""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is self._result:
            return
        before = self.tab_text
        self._result = result
        self._refresh()
        if self.tab_text != before:
            self.title_changed.emit(self.tab_text)

    def show_location(self, location: Location) -> None:
        """The checks do not depend on the selection."""

    def apply_theme(self, theme: Theme) -> None:
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        for label in (self._empty, self._intro):
            label.setPalette(palette)
        self.model.apply_theme(theme)
        for table in (self.table, self.engines):
            table.apply_theme(theme)

    def _refresh(self) -> None:
        result = self._result
        self._pages.setCurrentIndex(0 if result is None else 1)
        self.model.show_checks(() if result is None else result.checks)
        self.engines_model.show_engines(result)
        self.table.fit_columns(self.model.widest(), growing=(2, 3), shrinking=1)
        needed = self.engines.fit_columns(self.engines_model.widest(), growing=(2,))
        self.engines.setFixedWidth(min(max(needed, 120), 320) + 2 * self.engines.frameWidth() + 2)


def _table(model: ChecksModel | EnginesModel, name: str) -> NumberTable:
    table = NumberTable()
    table.setModel(model)
    table.setAccessibleName(name)
    return table
