"""View of the known bugs: whether this run detects each, and how the errors of one spread."""

from PySide6.QtCore import QModelIndex, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from rnnviz.core.trace_index import Location
from rnnviz.core.words import wrapped
from rnnviz.engines.registry import KnownBug, known_bugs_of
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.known_bugs_model import Detection, KnownBugsModel, SpreadModel, SpreadStrip, detection
from rnnviz.gui.views.linked_text import LinkedText
from rnnviz.gui.views.number_table import NumberTable
from rnnviz.quantities.error_series import spread, spread_sentence
from rnnviz.verify.result import RunResult

_DETECTIONS = {
    Detection.UNDETECTABLE: "Undetectable: this bug would go undetected with these settings.",
    Detection.DETECTABLE: "Detectable: this run detects an engine with this bug.",
    Detection.UNKNOWN: "Unknown until the step audit is done.",
    Detection.COMPUTED: "This engine is the reference of the run.",
}


class KnownBugsView(ResultView):
    """A list of known bugs, with a description of the selected one and its errors by lane, if computed."""

    title = "Known bugs"

    bug_requested = Signal(str)
    """Request for a run with the engine of a known bug."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._name: str | None = None
        self._refreshing = False
        self._empty = QLabel("A run (F5) shows which known bugs this run detects, and how their errors spread.")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self.model = KnownBugsModel()
        self.table = NumberTable()
        self.table.setModel(self.model)
        self.table.setAccessibleName("Known bugs; Enter computes the selected one")
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.table.activated.connect(self._ask)
        self._phrase, self._origin, self._detection = QLabel(), QLabel(), QLabel()
        font = self._phrase.font()
        font.setBold(True)
        self._phrase.setFont(font)
        for label in (self._phrase, self._origin, self._detection):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.button = QPushButton("Compute known bug")
        self.button.setToolTip("Computes the network with this bug and compares it with the reference.")
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._ask)
        self._sentence = LinkedText()
        self._sentence.location_requested.connect(self.location_requested)
        self.spread_model = SpreadModel()
        self.lanes = NumberTable()
        self.lanes.setModel(self.spread_model)
        self._strip = SpreadStrip(self.spread_model, self.lanes)
        self.lanes.setItemDelegateForColumn(1, self._strip)
        self.lanes.show_pictures(1)
        self.lanes.setAccessibleName("Errors by lane; a row selects the first mismatch of its lane")
        self.lanes.clicked.connect(self._go)
        self.lanes.activated.connect(self._go)
        full = QWidget()
        layout = QHBoxLayout(full)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(12)
        layout.addWidget(self.table, 5)
        layout.addLayout(self._make_detail(), 6)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(full)
        self._refresh()

    def _make_detail(self) -> QVBoxLayout:
        offer, shown = QWidget(), QWidget()
        offering = QVBoxLayout(offer)
        offering.setContentsMargins(0, 4, 0, 0)
        offering.addWidget(self._detection)
        offering.addWidget(self.button)
        offering.addStretch(1)
        showing = QVBoxLayout(shown)
        showing.setContentsMargins(0, 0, 0, 0)
        showing.setSpacing(2)
        showing.addWidget(self._sentence)
        showing.addWidget(self.lanes, 1)
        self._detail = QStackedLayout()
        self._detail.addWidget(offer)
        self._detail.addWidget(shown)
        detail = QVBoxLayout()
        detail.setSpacing(3)
        detail.addWidget(self._phrase)
        detail.addWidget(self._origin)
        detail.addLayout(self._detail, 1)
        return detail

    @property
    def chosen(self) -> KnownBug | None:
        """The selected known bug."""
        return next((entry for entry in self.model.entries if entry.name == self._name), None)

    @property
    def description(self) -> str:
        """Description of the selected known bug."""
        return self._sentence.text if self._detail.currentIndex() == 1 else self._detection.text()

    def choose(self, name: str) -> None:
        for row, entry in enumerate(self.model.entries):
            if entry.name == name:
                self.table.selectRow(row)

    def copy_text(self) -> str:
        """Content of the table in use."""
        if self._result is None:
            return ""
        return (self.lanes if self.lanes.hasFocus() else self.table).copy_text()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._result = result
        self._refresh()

    def show_location(self, location: Location) -> None:
        """Known bugs do not depend on the selection."""

    def apply_theme(self, theme: Theme) -> None:
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        for label in (self._empty, self._origin):
            label.setPalette(palette)
        self.model.apply_theme(theme)
        self._strip.apply_theme(theme)
        self._sentence.apply_theme(theme)
        for table in (self.table, self.lanes):
            table.apply_theme(theme)

    def _refresh(self) -> None:
        result = self._result
        entries: list[KnownBug] = []
        if result is not None:
            # Undetectable bugs first: the banner leads here.
            entries = sorted(
                known_bugs_of(result.inputs.network),
                key=lambda entry: detection(result, entry) is not Detection.UNDETECTABLE,
            )
        self._pages.setCurrentIndex(1 if entries else 0)
        self._refreshing = True
        self.model.show_bugs(result, entries)
        self.table.fit_columns(self.model.widest(), growing=(0,), shrinking=0)
        names = [entry.name for entry in entries]
        if entries and self._name not in names:
            # The bug that the user asked for, else the first undetectable one.
            computed = [entry.name for entry in entries if result is not None and entry.engine in result.traces]
            hidden = [
                entry.name
                for entry in entries
                if result is not None and detection(result, entry) is Detection.UNDETECTABLE
            ]
            self._name = (*computed, *hidden, *names)[0]
        if self._name in names:
            self.table.selectRow(names.index(self._name))
        self._refreshing = False
        self._tell()

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and not self._refreshing:
            self._name = self.model.entries[current.row()].name
            self._tell()

    def _tell(self) -> None:
        result, entry = self._result, self.chosen
        if result is None or entry is None:
            return
        self._phrase.setText(f"{entry.cause[:1].upper()}{entry.cause[1:]}")
        self._origin.setText(entry.origin)
        found = detection(result, entry)
        computed = found is Detection.COMPUTED and any(c.candidate == entry.engine for c in result.comparisons)
        self._detail.setCurrentIndex(1 if computed else 0)
        if computed:
            lanes = spread(result, entry.engine)
            sentence = spread_sentence(result, entry.engine, lanes)
            self._sentence.show_text(sentence, sentence, "")
            self.spread_model.show_lanes(lanes)
            self.lanes.fit_columns(self.spread_model.widest(), growing=(1,))
            return
        self._detection.setText(_DETECTIONS[found])
        self.button.setEnabled(found is not Detection.COMPUTED)
        why = f"Adds {entry.engine} as a candidate and runs: the table then shows where its errors start and spread."
        self.button.setToolTip(wrapped(why))
        self.button.setAccessibleDescription(why)

    def _ask(self) -> None:
        entry, result = self.chosen, self._result
        if entry is not None and result is not None and entry.engine not in result.traces:
            self.bug_requested.emit(entry.engine)

    def _go(self, index: QModelIndex) -> None:
        first = self.spread_model.lanes[index.row()].first
        if first is not None:
            self.location_requested.emit(first)
