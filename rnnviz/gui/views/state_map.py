"""Which slice of `out` is which lane, and which part of `state` is which lane's last vector, as a map to click."""

from PySide6.QtCore import QModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QComboBox, QFrame, QHBoxLayout, QLabel, QListView, QSizePolicy, QVBoxLayout, QWidget

from rnnviz.analysis.places import in_out, last_timestep, out_text, state_text
from rnnviz.analysis.result import RunResult
from rnnviz.gui.look.theme import Theme
from rnnviz.gui.views.base import View
from rnnviz.gui.views.labels import SteadyLabel
from rnnviz.gui.views.state_painter import StatePainter
from rnnviz.gui.views.state_rows import LaneRow, StateRows
from rnnviz.model.location import Location

_MARGIN = 6


class StateMap(View):
    """What the cursor's vector is in `out` and `state`, and beneath it every lane's final state."""

    title = "Final state and output"

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._result: RunResult | None = None
        self._location = Location()
        self._heading = SteadyLabel("In out and state", bold=True)
        self._empty = QLabel("Press F5 to run: which part of out and state each hidden vector is appears here.")
        self._empty.setWordWrap(True)
        self._in_out, self._in_state = SteadyLabel(selectable=True), SteadyLabel(selectable=True)
        self._engine = QComboBox()
        self._engine.setAccessibleName("Final states by")
        # A long name is cut short in the box, and whole in its list: the heading must not be.
        self._engine.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._engine.setMinimumContentsLength(12)
        self._engine.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._engine.setToolTip("Whose final states are shown below, each held against the same engine's output.")
        self._engine.currentTextChanged.connect(self._refresh)

        self.rows = StateRows()
        self.list = _ClickedList()
        self.painter = StatePainter(self.rows, self.list)
        self.list.setModel(self.rows)
        self.list.setItemDelegate(self.painter)
        self.list.setAccessibleName(self.title)
        self.list.chosen.connect(self._on_chosen)
        self.rows.mark_changed.connect(lambda row: self.list.update(self.rows.index(row)))

        top = QHBoxLayout()
        self._heading.setMinimumWidth(self._heading.natural_width() + 2)
        top.addWidget(self._heading, 1)
        top.addWidget(self._engine)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        layout.setSpacing(2)
        layout.addLayout(top)
        layout.addWidget(self._empty)
        layout.addWidget(self._in_out)
        layout.addWidget(self._in_state)
        layout.addSpacing(4)
        layout.addWidget(self.list, 1)
        layout.addStretch()
        self._show_parts()

    @property
    def told(self) -> tuple[str, str]:
        """What the cursor's vector is in out, and in state."""
        return (self._empty if self._result is None else self._in_out).text(), self._in_state.text()

    @property
    def engine(self) -> str:
        """Whose final states are shown."""
        return self._engine.currentText()

    def choose_engine(self, engine: str) -> None:
        """Show another engine's final states."""
        self._engine.setCurrentText(engine)

    def copy_text(self) -> str:
        """Every place with all its numbers, in full precision."""
        return self.rows.text()

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        if result is self._result:
            return
        self._result = result
        names = [] if result is None else list(result.traces)
        if names != [self._engine.itemText(i) for i in range(self._engine.count())]:
            with QSignalBlocker(self._engine):
                self._engine.clear()
                self._engine.addItems(names)
            widest = max((self._engine.fontMetrics().horizontalAdvance(name) for name in names), default=0)
            self._engine.view().setMinimumWidth(widest + 40)
        if result is not None:
            self._location = self._location.within(result.shape)
        self._show_parts()
        self._refresh()

    def show_location(self, location: Location) -> None:
        self._location = location
        self._refresh()

    def apply_theme(self, theme: Theme) -> None:
        palette = theme.palette()
        palette.setColor(palette.ColorRole.WindowText, theme.color("muted"))
        self._empty.setPalette(palette)
        self.painter.apply_theme(theme)
        self.list.setPalette(theme.palette())
        self.list.viewport().update()

    def _show_parts(self) -> None:
        """Show what there is to show of a result, or say that there is none."""
        for widget in (self._engine, self._in_out, self._in_state, self.list):
            widget.setVisible(self._result is not None)
        self._empty.setVisible(self._result is None)

    def _refresh(self) -> None:
        result, where = self._result, self._location
        self.rows.show_rows(result, self.engine, where)
        if result is None:
            return
        network, last = result.inputs.network, last_timestep(where.direction, result.shape[2])
        top = in_out(network, where)
        out = f"{out_text(network, where)} = these values" if top else "not in out, which is the top layer"
        final = "these values" if where.timestep == last else f"this lane at t\u00a0=\u00a0{last}"
        self._in_out.setText(out)
        self._in_state.setText(f"{state_text(network, where)} = {final}")

    def _on_chosen(self, index: QModelIndex, x: int | None) -> None:
        """Go to a place, or to the timestep under the pointer on a lane's axis."""
        row = self.rows.rows[index.row()]
        if isinstance(row, LaneRow):
            where, timestep = row.last, self._location.timestep
            if x is not None:
                timestep = self.painter.timestep_at(self.list.visualRect(index), x)
        else:
            where, timestep = row.place.where, row.place.where.timestep
        self.location_requested.emit(
            self._location.moved(layer=where.layer, direction=where.direction, timestep=timestep)
        )


class _ClickedList(QListView):
    """A list that tells where on a row it was clicked; by the keyboard, nowhere."""

    chosen = Signal(QModelIndex, object)

    def __init__(self) -> None:
        super().__init__()
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.viewport().setCursor(Qt.CursorShape.PointingHandCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        point = event.position().toPoint()
        index = self.indexAt(point)
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(index, point.x())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.chosen.emit(self.currentIndex(), None)
        else:
            super().keyPressEvent(event)
