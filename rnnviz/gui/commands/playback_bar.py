"""The bar of playback at the time axis: stages, direction, speed, loop and hidden future."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QFrame, QSizePolicy, QToolButton, QWidget

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.playback import FACTORS, ORDERS, Player, factor_text
from rnnviz.gui.kit.segments import Segments
from rnnviz.gui.regions import STAGE_NAMES, STAGES
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.icons import IconButton
from rnnviz.gui.views.base import across

if TYPE_CHECKING:
    # Imported after the first paint.
    from rnnviz.gui.views.unrolled.canvas import LanesCanvas

_WHOLE = "whole step"
_ACTIONS = "play_backward", "loop", "reveal"


class PlaybackBar(QFrame):
    """Appears with the first playback or stage, and stays until it is closed."""

    shown = Signal()
    """The bar appeared or disappeared."""

    def __init__(self, session: Session, player: Player) -> None:
        super().__init__()
        self.setObjectName("playback")
        self.setAccessibleName("Playback")
        self._player = player
        self._canvas: LanesCanvas | None = None
        self.play_button = QToolButton()
        self.play_button.setProperty("framed", True)
        self.play_button.setAccessibleName("Play")
        self._checkable: dict[str, QAction] = {}
        self.stages = Segments("Stage of the step")
        self.stages.add(_WHOLE, "Show the time step as a whole.")
        for stage in STAGES:
            self.stages.add(STAGE_NAMES[stage], f"Show the {STAGE_NAMES[stage]} of the step (, and .).")
        why = "Show a stage of the step, or the whole step (, and .)."
        self.stage_list = ComboBox(None, "Stage of the step", why)
        self.stage_list.addItems([_WHOLE, *STAGE_NAMES.values()])
        self.stage_list.hide()
        why = "Speed of playback. At 2× or slower, each step of a short sequence is shown in stages."
        self.speed = ComboBox(None, "Speed", f"{why}\nSlower: <. Faster: >.")
        for factor in FACTORS:
            self.speed.addItem(factor_text(factor), factor)
        self.order = ComboBox(None, "Played lanes", "Play the selected lane, or all lanes in the order of computation.")
        for order, (text, why) in ORDERS.items():
            self.order.addItem(text.replace("&", ""), order)
            self.order.setItemData(self.order.count() - 1, why, Qt.ItemDataRole.ToolTipRole)
        self.buttons = [QToolButton() for _ in _ACTIONS]
        close = IconButton("close", "Close playback", "Stop playback and close this bar (Esc).")
        close.clicked.connect(self.dismiss)
        parts = self.stages, self.stage_list, None, *self.buttons, self.speed, self.order, close
        self.setLayout(across(*parts, margins=(8, 1, 8, 1)))
        # It never widens the lanes.
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        named = {STAGE_NAMES[stage]: stage for stage in STAGES}
        for chosen in (self.stages.chosen, self.stage_list.textActivated):
            chosen.connect(lambda name: player.show(named.get(name)))
        self.speed.activated.connect(lambda place: player.set_factor(FACTORS[place]))
        self.order.activated.connect(lambda place: player.set_order(self.order.itemData(place)))
        player.pace_changed.connect(self._show_pace)
        player.playing_changed.connect(self._on_playing)
        player.stepper.status_changed.connect(self._show_stage)
        session.on_change(self._on_result, "result")
        self._show_pace()
        self._show_stage()
        self.hide()

    def bind(self, actions: Actions) -> None:
        """Give the buttons their commands."""
        self.play_button.setDefaultAction(actions["play"])
        for name, button in zip(_ACTIONS, self.buttons, strict=True):
            action = actions[name]
            button.setDefaultAction(action)
            button.setAccessibleName(action.text().replace("&", ""))
            button.setAutoRaise(True)
        self._checkable = {name: actions[name] for name in ("loop", "reveal")}
        for action in self._checkable.values():
            action.setCheckable(True)
        self._show_pace()

    def dismiss(self) -> None:
        """Stop playback, show the whole step, and hide the bar."""
        self._player.show(None)
        self._set_open(False)

    def place_in(self, lanes: QWidget, canvas: "LanesCanvas") -> None:
        """Put the bar below the time axis of the lanes, and the button at the left of the axis."""
        layout = lanes.layout()
        assert layout is not None
        layout.addWidget(self)
        self._canvas = canvas
        self.play_button.setParent(lanes)
        self._on_result()
        canvas.moved.connect(self._place_button)
        self._place_button()

    def _place_button(self) -> None:
        lanes = self.play_button.parentWidget()
        if self._canvas is not None and lanes is not None:
            self.play_button.adjustSize()
            place = self._canvas.mapTo(lanes, self._canvas.left_of_axis(self.play_button.size()))
            if place != self.play_button.pos():
                self.play_button.move(place)
                self.play_button.raise_()

    def _set_open(self, shown: bool) -> None:
        if shown == self.isHidden():
            self.setVisible(shown)
            self.shown.emit()

    def _on_playing(self, playing: bool) -> None:
        if playing:
            self._set_open(True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        shown = self.stages if self.stage_list.isHidden() else self.stage_list
        needed = self.sizeHint().width() - shown.sizeHint().width() + self.stages.sizeHint().width()
        self.stages.setVisible(needed <= self.width())
        self.stage_list.setVisible(needed > self.width())

    def _on_result(self) -> None:
        present = self._player.stepper.walk is not None
        self.play_button.setVisible(present and self._canvas is not None)
        if not present:
            self._set_open(False)

    def _show_stage(self, text: str = "") -> None:
        if text:
            self._set_open(True)
        stage = self._player.stepper.stage
        name = _WHOLE if stage is None else STAGE_NAMES[stage]
        self.stages.choose(name)
        self.stage_list.setCurrentText(name)

    def _show_pace(self) -> None:
        player = self._player
        states = {"loop": player.looping, "reveal": player.revealing}
        for name, action in self._checkable.items():
            action.setChecked(states[name])
        self.speed.setCurrentIndex(FACTORS.index(player.factor))
        self.order.setCurrentIndex(self.order.findData(player.order))
