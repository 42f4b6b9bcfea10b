"""Controls of the lanes: color, candidate."""

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QToolBar

from rnnviz.core.engine_spec import display_name
from rnnviz.gui.app_state import Session
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.reading.quantities import GRADIENTS, Quantity, choices_of
from rnnviz.verify.result import RunResult

WHY = (
    "Values of an engine.\n"
    "Error ratio: difference ÷ tolerance. Difference: candidate − reference. Split: both engines, side by side.\n"
    "Gates, cell state, pre-activations, and gradients of the loss.\n"
    "Next: Q. Previous: Shift+Q."
)
_NARROW = 9


class ColorByCombo(ElidedComboBox):
    """Shows and sets the quantity of the application state. Headings group the entries and cannot be selected.

    The data of an entry is (quantity, engine or None, whether the lanes are split between two engines).
    """

    def __init__(self, session: Session) -> None:
        super().__init__("Color by", WHY, _NARROW)
        self._session = session
        self.setMaxVisibleItems(30)
        self.activated.connect(self.choose)
        session.on_change(self._list_quantities, "result")
        session.on_change(self._select, "color_by", "engine", "swipe")
        self._list_quantities()

    def entries(self) -> list[str]:
        return [self.itemText(place) for place in self.places()]

    def step(self, by: int) -> None:
        """Select the next (1) or previous (-1) entry, with wrap-around."""
        places = self.places()
        if self.isEnabled() and places:
            here = places.index(self.currentIndex()) if self.currentIndex() in places else -1
            self.choose(places[(here + by) % len(places)])

    def _list_quantities(self) -> None:
        result = self._session.result
        with QSignalBlocker(self):
            self.clear()
            self.setEnabled(result is not None)
            if result is None:
                self._add("values", "value")
                self._add("error ratio", "error_ratio")
            else:
                self._list(result)
        self._select()

    def _list(self, result: RunResult) -> None:
        self._head("Values of")
        for name in result.traces:
            self._add(display_name(name), "value", engine=name)
        self._head("Comparison")
        self._add("error ratio", "error_ratio")
        self._add("difference", "difference")
        self._add("split at selection", "value", swiping=True)
        group = ""
        for choice in choices_of(result.config.network.kind, self._session.gradients):
            if choice.group != group:
                group = choice.group
                self._head(group)
            how = "given by the shown engine" if group == GRADIENTS else "computed from the shown engine's h"
            self._add(choice.text, choice.name, why=f"{choice.menu_title.capitalize()}, {how}.")

    def _head(self, text: str) -> None:
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        item = QStandardItem(text)
        item.setEnabled(False)
        font = self.font()
        font.setBold(True)
        item.setFont(font)
        model.appendRow(item)

    def _add(
        self, text: str, quantity: Quantity, *, engine: str | None = None, swiping: bool = False, why: str = ""
    ) -> None:
        self.addItem(text, (quantity, engine, swiping))
        if why:
            self.setItemData(self.count() - 1, why, Qt.ItemDataRole.ToolTipRole)

    def places(self) -> list[int]:
        return [place for place in range(self.count()) if self.itemData(place) is not None]

    def _select(self) -> None:
        session = self._session
        engine = None if session.swiping or session.quantity != "value" else session.engine
        wanted = session.quantity, engine, session.swiping
        for place in self.places():
            if self.itemData(place) == wanted:
                self.setCurrentIndex(place)

    def choose(self, place: int) -> None:
        quantity, engine, swiping = self.itemData(place)
        if engine is not None:
            self._session.set_engine(engine)
        self._session.set_color_by(quantity)
        self._session.set_swiping(swiping)


class Controls(QToolBar):
    """The quantity of the lanes, and the candidate."""

    def __init__(self, session: Session) -> None:
        super().__init__("Controls")
        self.setObjectName("controls")
        self._session = session
        self.colors = ColorByCombo(session)
        self.addWidget(self.colors)
        self.candidate = ElidedComboBox("Candidate", "Candidate to compare with the reference.", 9)
        self.candidate.activated.connect(lambda index: session.set_candidate(self.candidate.itemData(index)))
        self._candidate_action = self.addWidget(self.candidate)
        session.on_change(self._list_candidates, "result")
        session.on_change(self._show_candidate, "candidate", "result")
        self._list_candidates()

    def _list_candidates(self) -> None:
        result = self._session.result
        comparisons = () if result is None else result.comparisons
        with QSignalBlocker(self.candidate):
            self.candidate.clear()
            for comparison in comparisons:
                self.candidate.addItem(f"vs {display_name(comparison.candidate)}", comparison.candidate)
        self._candidate_action.setVisible(len(comparisons) > 1)
        self._show_candidate()

    def _show_candidate(self) -> None:
        with QSignalBlocker(self.candidate):
            self.candidate.setCurrentIndex(self.candidate.findData(self._session.candidate))
