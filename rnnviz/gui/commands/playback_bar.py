"""The bar of playback at the time axis: stages, direction, speed, loop and hidden future."""

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.playback import FACTORS, ORDERS, Player, factor_text
from rnnviz.gui.regions import STAGE_NAMES, STAGES
from rnnviz.gui.tabs import Segments
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped

_HEIGHT = 32
_WHOLE = "whole step"
_ACTIONS = "play_backward", "loop", "reveal"


class PlaybackBar(QFrame):
    """Appears with the first playback or stage, and stays until it is closed."""

    closed = Signal()

    def __init__(self, session: Session, player: Player, actions: Actions) -> None:
        super().__init__()
        self.setObjectName("playback")
        self.setAccessibleName("Playback")
        self._player = player
        self.stages = Segments("Stage of the step")
        self.stages.add(_WHOLE, "Show the time step as a whole.")
        for stage in STAGES:
            self.stages.add(STAGE_NAMES[stage], f"Show the {STAGE_NAMES[stage]} of the step (, and .).")
        self.speed = ComboBox()
        self.speed.setAccessibleName("Speed")
        why = "Speed of playback. At 2× or slower, each step of a short sequence is shown in stages."
        self.speed.setToolTip(wrapped(f"{why}\nSlower: <. Faster: >."))
        for factor in FACTORS:
            self.speed.addItem(factor_text(factor), factor)
        self.order = ComboBox()
        self.order.setAccessibleName("Played lanes")
        for order, (text, why) in ORDERS.items():
            self.order.addItem(text.replace("&", ""), order)
            self.order.setItemData(self.order.count() - 1, why, Qt.ItemDataRole.ToolTipRole)
        self.order.setToolTip(wrapped("Play the selected lane, or all lanes in the order of computation."))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(scaled(8), 0, scaled(8), 0)
        layout.setSpacing(scaled(8))
        layout.addWidget(self.stages)
        layout.addStretch()
        for name in _ACTIONS:
            button = QToolButton()
            button.setDefaultAction(actions[name])
            button.setAccessibleName(actions[name].text().replace("&", ""))
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            layout.addWidget(button)
        for name in ("loop", "reveal"):
            actions[name].setCheckable(True)
        self._loop, self._reveal = actions["loop"], actions["reveal"]
        layout.addWidget(self.speed)
        layout.addWidget(self.order)
        close = QToolButton()
        close.setText("×")
        close.setAccessibleName("Close playback")
        close.setToolTip("Stop playback and close this bar (Esc).")
        close.clicked.connect(self.dismiss)
        layout.addWidget(close)
        self.setFixedHeight(scaled(_HEIGHT))
        self.stages.chosen.connect(lambda place: player.show(STAGES[place - 1] if place else None))
        self.speed.activated.connect(lambda place: player.set_factor(FACTORS[place]))
        self.order.activated.connect(lambda place: player.set_order(self.order.itemData(place)))
        player.pace_changed.connect(self._show_pace)
        player.playing_changed.connect(self._open)
        player.stepper.status_changed.connect(self._show_stage)
        session.on_change(self._on_result, "result")
        self._show_pace()
        self._show_stage()
        self.hide()

    def dismiss(self) -> None:
        """Stop playback, show the whole step, and hide the bar."""
        self._player.show(None)
        self.hide()
        self.closed.emit()

    def _open(self, playing: bool = True) -> None:
        if playing:
            self.show()

    def _on_result(self) -> None:
        if self._player.stepper.walk is None:
            self.hide()

    def _show_stage(self, text: str = "") -> None:
        if text:
            self.show()
        stage = self._player.stepper.stage
        with QSignalBlocker(self.stages):
            self.stages.choose(0 if stage is None else STAGES.index(stage) + 1)

    def _show_pace(self) -> None:
        player = self._player
        self._loop.setChecked(player.looping)
        self._reveal.setChecked(player.revealing)
        self.speed.setCurrentIndex(FACTORS.index(player.factor))
        self.order.setCurrentIndex(self.order.findData(player.order))
