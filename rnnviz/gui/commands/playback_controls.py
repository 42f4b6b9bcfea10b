"""Playback buttons, speed menu and time slider."""

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSlider, QToolButton, QWidget

from rnnviz.core.axis_labels import UNNAMED, timestep_in_words
from rnnviz.core.words import wrapped
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.player import FACTORS, Player
from rnnviz.gui.commands.selection import SelectionCommands
from rnnviz.quantities.steps import Order

_SHORT_NAME = 10
"""Characters of a time step's label that fit into the toolbar."""
_USUAL_LABEL = "t = 99 of 100"
"""Minimum width of the label, as a text."""
_BUTTONS = ("timestep_first", "timestep_previous", "play", "timestep_next", "timestep_last")
_ORDERS: dict[Order, tuple[str, str]] = {
    "lane": ("&Selected lane", "Play the selected lane. A backward lane plays from t = T - 1."),
    "layers": ("&All lanes", "Play all lanes, layer by layer, in the order of computation."),
}


class SpeedMenu(QToolButton):
    """Menu of playback speed, order, loop and hidden future. The button shows the speed."""

    def __init__(self, player: Player, actions: Actions, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._player = player
        self._loop, self._reveal = actions["loop"], actions["reveal"]
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setAutoRaise(True)
        self.setAccessibleName("Playback speed and order")
        self.setToolTip(
            wrapped(
                "Playback speed and order.\n"
                "At 2× or slower, each step is shown in three stages: read, compute, pass on.\n"
                "Slower: <. Faster: >."
            )
        )
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        self._speeds, self._orders = QActionGroup(self), QActionGroup(self)
        for factor in FACTORS:
            action = self._add(menu, self._speeds, factor_text(factor), factor)
            action.triggered.connect(lambda _on=False, factor=factor: player.set_factor(factor))
        menu.addSeparator()
        for order, (text, why) in _ORDERS.items():
            action = self._add(menu, self._orders, text, order)
            action.setToolTip(wrapped(why))
            action.triggered.connect(lambda _on=False, order=order: player.set_order(order))
        menu.addSeparator()
        for action in (self._loop, self._reveal):
            action.setCheckable(True)
            menu.addAction(action)
        self.setMenu(menu)
        self.setFixedWidth(max(map(self.fontMetrics().horizontalAdvance, map(factor_text, FACTORS))) + 10)
        player.pace_changed.connect(self._show)
        self._show()

    def _add(self, menu: QMenu, group: QActionGroup, text: str, value: object) -> QAction:
        action = menu.addAction(text)
        action.setCheckable(True)
        action.setData(value)
        group.addAction(action)
        return action

    def _show(self) -> None:
        player = self._player
        self._loop.setChecked(player.looping)
        self._reveal.setChecked(player.revealing)
        self.setText(factor_text(player.factor))
        self.setAccessibleDescription(f"{factor_text(player.factor)}, {_ORDERS[player.order][0].replace('&', '')}")
        for group, value in ((self._speeds, player.factor), (self._orders, player.order)):
            for action in group.actions():
                action.setChecked(action.data() == value)


def factor_text(factor: float) -> str:
    """Text of a speed: "0.5×", or "max" for the highest."""
    return "max" if factor == FACTORS[-1] else f"{factor:g}×"


class PlaybackControls(QWidget):
    """Buttons first, previous, play, next, last; speed menu; slider; label of the time step."""

    def __init__(
        self,
        session: Session,
        selection: SelectionCommands,
        player: Player,
        actions: Actions,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setAccessibleName("Time step")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        self._ends: list[QToolButton] = []
        for name in _BUTTONS:
            button = QToolButton()
            button.setDefaultAction(actions[name])
            button.setAccessibleName(actions[name].text().replace("&", ""))
            button.setAutoRaise(True)
            layout.addWidget(button)
            if name in ("timestep_first", "timestep_last"):
                self._ends.append(button)
        self.pace = SpeedMenu(player, actions)
        layout.addWidget(self.pace)
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setMinimumWidth(48)
        self.slider.setMaximumWidth(320)
        self.slider.setAccessibleName("Time step")
        self.slider.setToolTip("Time step shown in every view.")
        self.slider.valueChanged.connect(selection.go_to)
        layout.addSpacing(4)
        layout.addWidget(self.slider, 100)
        layout.addSpacing(4)
        self.label = QLabel()
        self.label.setToolTip("Selected time step, counted from 0.")
        layout.addWidget(self.label)
        # In a wide window the spare width goes behind the slider, not between the controls.
        layout.addStretch(1)
        self._session = session
        session.on_change(self._on_result, "result")
        session.on_change(self._on_location, "location", "result")
        self._on_result()

    def show_ends(self, *, shown: bool) -> None:
        """Show or hide the buttons of the first and the last time step."""
        for button in self._ends:
            button.setVisible(shown)

    def _on_result(self) -> None:
        result = self._session.result
        self._timesteps = 0 if result is None else result.shape[2]
        self._names = UNNAMED if result is None else result.inputs.names
        # Width for the longest text, so that nothing moves during playback.
        widest = _USUAL_LABEL
        if self._timesteps > 100:
            widest = self._words(self._timesteps - 1)
        if self._names.timesteps:
            longest = min(max(map(len, self._names.timesteps)), _SHORT_NAME)
            widest = f"t = {max(self._timesteps - 1, 0)} '{'m' * longest}' of {self._timesteps}"
        # Fixed size, or every text would trigger a layout of the whole toolbar.
        self.label.setFixedSize(self.fontMetrics().horizontalAdvance(widest) + 4, self.fontMetrics().height() + 2)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(self._timesteps - 1, 0))
            self.slider.setPageStep(max(1, self._timesteps // 10))
        self.slider.setEnabled(self._timesteps > 1)
        self.label.setText("" if result is None else self._words(self.slider.value()))

    def _on_location(self) -> None:
        location = self._session.location
        with QSignalBlocker(self.slider):
            self.slider.setValue(location.timestep)
        self.label.setText(self._words(location.timestep))

    def _words(self, timestep: int) -> str:
        return f"{timestep_in_words(self._names, timestep, _SHORT_NAME)} of {self._timesteps}"
