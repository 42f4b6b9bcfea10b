"""View of the known bugs: whether this run detects each, and how the errors of one spread."""

from enum import StrEnum

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QLabel,
    QPushButton,
    QSizePolicy,
)

from rnnviz.core import number_format
from rnnviz.core.gradients import gradient
from rnnviz.core.words import capital, plural
from rnnviz.engines.registry import KNOWN_BUGS, KnownBug, gradient_bugs_in, known_bugs_in
from rnnviz.gui.kit.table import Table, TableModel
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import NO_NOTE, Note, ResultView, ViewHost, across, down, pages
from rnnviz.gui.views.labels import LinkLabel, hint, markup
from rnnviz.results.columns import Column, Look
from rnnviz.series.errors import spread, spread_sentence
from rnnviz.text.verdict_text import TextPart, plain
from rnnviz.verify.result import RunResult


class Detection(StrEnum):
    """Whether this run detects a known bug."""

    COMPUTED = "in this run"
    UNDETECTABLE = "undetectable"
    DETECTABLE = "detectable"
    UNKNOWN = "unknown"
    FITS = "fits"


def detection(result: RunResult, entry: KnownBug) -> Detection:
    judged = result.judged("backward" if entry.of_gradients else "forward")
    if any(entry.name in (cause.name, cause.beside) for own in judged.diagnoses for cause in judged.causes_of(own)):
        return Detection.FITS
    if entry.engine in result.traces:
        return Detection.COMPUTED
    if result.judgment is None:
        return Detection.UNKNOWN
    backward = result.judgment.backward
    blind = (*result.judgment.undetectable, *(() if backward is None else backward.undetectable))
    return Detection.UNDETECTABLE if entry.name in blind else Detection.DETECTABLE


_LOOKS = {
    Detection.FITS: Look("wrong", bold=True, icon="target"),
    Detection.COMPUTED: Look("accent", icon="pin"),
    Detection.UNDETECTABLE: Look("doubtful", bold=True, icon="warning"),
    Detection.DETECTABLE: Look("right", icon="check"),
    Detection.UNKNOWN: Look("muted", icon="clock"),
}
_DETECTIONS = {
    Detection.UNDETECTABLE: "Undetectable: it changes no value in this run.",
    Detection.DETECTABLE: "Detectable: this run detects an engine with this bug.",
    Detection.UNKNOWN: "Unknown until the step audit is done.",
    Detection.FITS: "This bug gives the numbers of the wrong engine.",
    Detection.COMPUTED: "This engine is the reference of the run.",
}
_NO_GRADIENTS = "Not compared: the reference has no gradients."


_BUGS = (
    Column("known bug", lambda row: row[0].cause, grows=True, shrinks=True),
    Column("detection", lambda row: row[1].value, look=lambda row: _LOOKS[row[1]]),
)
_LANES = (
    Column("lane", lambda lane: lane.name, grows=True),
    Column(
        "wrong steps",
        lambda lane: f"{int((lane.error_ratio > 1.0).sum()):,} of {len(lane.error_ratio):,}",
        number=True,
        why="Time steps with mismatches.",
    ),
    Column("first at", lambda lane: "never" if lane.first is None else f"t = {lane.first.timestep:,}"),
    Column("mismatches", lambda lane: number_format.count(lane.mismatched), number=True),
    Column(
        "max ratio",
        lambda lane: number_format.error(lane.worst),
        lambda lane: number_format.full(lane.worst),
        number=True,
        optional=True,
        why="Largest error ratio: difference ÷ tolerance.",
    ),
)


class KnownBugsView(ResultView):
    """A list of known bugs, with a description of the selected one and its errors by lane, if computed."""

    title, group = "Known bugs", "Problems"
    help_page = "known-bugs"
    bug_requested = Signal(str)
    """Request for a run with the engine of a known bug."""

    def __init__(self) -> None:
        super().__init__()
        self._result: RunResult | None = None
        self._name: str | None = None
        self._refreshing = False
        empty = hint("A run (F5) shows which known bugs this run detects, and how their errors spread.")
        self.model = TableModel(_BUGS)
        self.table = Table(self.model, "Known bugs; Enter computes the selected one")
        self.table.selectionModel().currentRowChanged.connect(self._on_row)
        self.table.activated.connect(self._ask)
        self._phrase, self._origin, self._detection = QLabel(), QLabel(), QLabel()
        font = self._phrase.font()
        font.setBold(True)
        self._phrase.setFont(font)
        for label in (self._phrase, self._origin, self._detection):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
        self.button = QPushButton("Run known bug")
        self.button.setToolTip("Computes the network with this bug and compares it with the reference.")
        self.button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.button.clicked.connect(self._ask)
        self._sentence = LinkLabel()
        self._sentence.setWordWrap(True)
        self._sentence.linkActivated.connect(self._follow)
        self._theme = LIGHT
        self._said: tuple[TextPart, ...] = ()
        self.spread_model = TableModel(_LANES)
        self.lanes = Table(self.spread_model, "Errors by lane; a row selects the first mismatch of its lane")
        self.lanes.clicked.connect(self._go)
        self.lanes.activated.connect(self._go)
        offer = down(self._detection, self.button, None, margins=(0, 4, 0, 0))
        self._detail = pages(None, offer, down(self._sentence, (self.lanes, 1), spacing=2))
        detail = down(self._phrase, self._origin, (self._detail, 1), margins=(12, 8, 12, 4), spacing=4)
        panes = across((self.table, 5), (detail, 6), spacing=0)
        self._pages = pages(self, empty, panes)
        self.muted = empty, self._origin
        self.themed = self.table, self.lanes
        self._refresh()

    @classmethod
    def tab_note(cls, result: RunResult, candidate: str | None, array: str) -> Note:
        """How many known bugs fit the numbers of a wrong engine, else how many this run cannot detect."""
        judgments = [result.judged("forward"), result.judged("backward")]
        named = {cause.name for judged in judgments for own in judged.diagnoses for cause in judged.causes_of(own)}
        fitting = len(named & KNOWN_BUGS.keys()) + sum(sum(judged.ambiguous.values()) for judged in judgments)
        if fitting:
            return Note(plural(fitting, "fits", "fit"))
        unseen = sum(len(judged.undetectable) for judged in judgments)
        return Note(f"{unseen} undetectable", "doubtful") if unseen else NO_NOTE

    def bind(self, window: ViewHost) -> None:
        self.bug_requested.connect(window.results.compute_bug)

    @property
    def entries(self) -> list[KnownBug]:
        return [entry for entry, _ in self.model.rows]

    @property
    def chosen(self) -> KnownBug | None:
        return next((entry for entry in self.entries if entry.name == self._name), None)

    @property
    def description(self) -> str:
        return plain(self._said) if self._detail.currentIndex() == 1 else self._detection.text()

    def choose(self, name: str) -> None:
        for row, entry in enumerate(self.entries):
            if entry.name == name:
                self.table.choose(row)

    def copy_text(self) -> str:
        if self._result is None:
            return ""
        return (self.lanes if self.lanes.hasFocus() else self.table).copy_text()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        self._result = result
        self._refresh()

    def _refresh(self) -> None:
        result = self._result
        entries = [] if result is None else [*known_bugs_in(result.inputs), *gradient_bugs_in(result.inputs)]
        found = [] if result is None else [(e, detection(result, e)) for e in entries]
        # A bug that fits first, then undetectable ones: the verdict leads here.
        found.sort(key=lambda row: (row[1] is not Detection.FITS, row[1] is not Detection.UNDETECTABLE))
        self._pages.setCurrentIndex(1 if found else 0)
        self._refreshing = True
        self.model.show_rows(found)
        self.table.fit()
        names = [entry.name for entry, _ in found]
        if found and self._name not in names:
            # The bug that the user asked for, else the first, which is undetectable if any is.
            self._name = next((entry.name for entry, how in found if how is Detection.COMPUTED), names[0])
        if self._name in names:
            self.table.choose(names.index(self._name))
            # Again once the table, which may be hidden yet, has its height.
            QTimer.singleShot(0, self.table, lambda: self.table.scrollTo(self.table.currentIndex()))
        self._refreshing = False
        self._tell()

    def _on_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and not self._refreshing:
            self._name = self.entries[current.row()].name
            self._tell()

    def _tell(self) -> None:
        result, entry = self._result, self.chosen
        if result is None or entry is None:
            return
        self._phrase.setText(capital(entry.cause))
        self._origin.setText(entry.origin)
        found = detection(result, entry)
        name = gradient("h") if entry.of_gradients else "h"
        compared = next((c for c in result.comparisons if c.candidate == entry.engine), None)
        computed = compared is not None and compared.of(name).name == name
        self._detail.setCurrentIndex(1 if computed else 0)
        if computed:
            lanes = spread(result, entry.engine, name)
            sentence = spread_sentence(result, entry.engine, lanes, name)
            self._said = sentence
            self._show_sentence()
            self.spread_model.show_rows(lanes[::-1])
            self.lanes.fit()
            return
        self._detection.setText(_DETECTIONS[found] if compared is None else _NO_GRADIENTS)
        self.button.setEnabled(found is not Detection.COMPUTED)
        why = f"Adds {entry.engine} as a candidate and runs: the table then shows where its errors start and spread."
        self.button.setToolTip(wrapped(why))
        self.button.setAccessibleDescription(why)

    def _show_sentence(self) -> None:
        self._sentence.setText(markup(self._said, self._theme))
        self._sentence.setAccessibleName(plain(self._said))
        self._sentence.offer_links(any(part.where is not None for part in self._said))

    def _follow(self, link: str) -> None:
        linked = [part for part in self._said if part.where is not None or part.act]
        self.location_requested.emit(linked[int(link)].where)

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._theme = theme
        self._show_sentence()

    def _ask(self) -> None:
        entry, result = self.chosen, self._result
        if entry is not None and result is not None and entry.engine not in result.traces:
            self.bug_requested.emit(entry.engine)

    def _go(self, index: QModelIndex) -> None:
        first = self.spread_model.rows[index.row()].first
        if first is not None:
            self.location_requested.emit(first)
