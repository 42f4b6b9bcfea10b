"""Top line of the window: the document, its settings in one line, sample, Export, Run and Stop."""

import re
from dataclasses import replace
from functools import partial
from pathlib import PurePath

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QSizePolicy, QSpinBox, QToolBar, QToolButton, QWidget

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import CAPTURE
from rnnviz.core.model_formats import by_ending, format_of_framework
from rnnviz.core.words import plural
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.navigation import SelectionCommands
from rnnviz.gui.commands.playback import of_indices
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.views.base import across
from rnnviz.verify.result import RunResult

_SAMPLE = "Sample of the batch shown in every view, counted from 0 ([ and ])."
_MOST_OF_TITLE = 220
_CHECKPOINT = re.compile(r"weights-(\d{7,})\.npz$")
"""The end of a path to the weights that a training keeps of one of its steps."""


def settings_words(config: Config, result: RunResult | None = None) -> dict[str, str]:
    """The settings that matter most, as short texts by the key of the field that sets them.

    The sizes of a sequence from files are those of the `result`, if it was computed from them.
    """
    network, sequence, parameters = config.network, config.sequence, config.parameters
    size = "?" if sequence.brings_input_size else str(network.input_size)
    layers = plural(network.num_layers, "layer")
    ways = ", 2 directions" if network.bidirectional else ", reversed" if network.reverse else ""
    words = {
        "network.cell": network.kind.title if network.is_known else "custom cell",
        "network.hidden_size": f"{size} → {network.hidden_size}",
        "network.num_layers": layers + ways,
    }
    if sequence.source == "file":
        names = [PurePath(path).name for path in sequence.files]
        words["sequence.path"] = names[0] if len(names) == 1 else plural(len(names), "file")
        ran = None if result is None else result.config.sequence
        # The config of a run has the sizes of the files.
        if ran is not None and replace(ran, timesteps=sequence.timesteps, batch_size=sequence.batch_size) == sequence:
            timesteps, samples = ran.timesteps, ran.batch_size
            words["sequence.path"] += f", T = {timesteps:,}{f', N = {samples:,}' * (samples > 1)}"
    else:
        words["sequence.timesteps"] = f"T = {sequence.timesteps:,}"
        if sequence.batch_size > 1:
            words["sequence.batch_size"] = f"N = {sequence.batch_size:,}"
    if parameters.path is None:
        words["parameters.initializer"] = "random weights"
    else:
        path = parameters.path
        form = by_ending(path.removesuffix(CAPTURE)) or by_ending(path) or format_of_framework(path)
        words["parameters.path"] = f"{form.title or 'own'} weights"
        checkpoint = _CHECKPOINT.search(parameters.path)
        if checkpoint:
            if "sequence.path" in words:
                words["sequence.path"] = "test samples"
            words["parameters.path"] = f"checkpoint of step {int(checkpoint[1]):,}"
    return words


class SettingsLine(QWidget):
    """The settings in one line. A click on one opens its field; the last texts leave where there is no room."""

    field_requested = Signal(str)
    """The key of a setting, or "" for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("settings_line")
        self.setAccessibleName("Settings")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(0)
        self._chips: dict[str, QToolButton] = {}
        self._words: dict[str, str] = {}
        self._open_key = ""
        self.unfold = QToolButton()
        self.unfold.setArrowType(Qt.ArrowType.DownArrow)
        self.unfold.setAccessibleName("All settings")
        self.unfold.setToolTip(wrapped("Open all settings, or close them (F9)."))
        self.unfold.clicked.connect(lambda: self.field_requested.emit(""))
        self._row.addWidget(self.unfold)
        self._row.addStretch()

    def show_config(self, config: Config, result: RunResult | None = None) -> None:
        words = settings_words(config, result)
        if words == self._words:
            return
        if list(words) != list(self._words):
            self._make_chips(words)
        self._words = words
        for key, text in words.items():
            chip = self._chips[key]
            short = chip.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, scaled(_MOST_OF_TITLE))
            chip.setText(short.replace("&", "&&"))
            chip.setAccessibleName(f"Setting: {text}")
        self._fit()

    def mark(self, key: str) -> None:
        """Mark the setting whose field is open; "" marks none."""
        self._open_key = key
        for own, chip in self._chips.items():
            chip.setChecked(own == key)

    def minimumSizeHint(self) -> QSize:
        return QSize(self.unfold.sizeHint().width(), self.unfold.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _make_chips(self, words: dict[str, str]) -> None:
        for chip in self._chips.values():
            self._row.removeWidget(chip)
            chip.deleteLater()
        self._chips = {}
        for place, key in enumerate(words):
            chip = self._chips[key] = QToolButton()
            chip.setObjectName("setting")
            chip.setCheckable(True)
            chip.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            chip.setToolTip("Open this setting, or close the settings.")
            chip.clicked.connect(partial(self._ask, key))
            self._row.insertWidget(place, chip)
        self.mark(self._open_key)

    def _ask(self, key: str) -> None:
        self._chips[key].setChecked(key == self._open_key)
        self.field_requested.emit(key)

    def _fit(self) -> None:
        room = self.width() - self.unfold.sizeHint().width()
        for chip in self._chips.values():
            room -= chip.sizeHint().width()
            chip.setVisible(room >= 0)


class SampleBox(QWidget):
    """The selected sample, where there are several."""

    def __init__(self, session: Session, commands: SelectionCommands) -> None:
        super().__init__()
        self._session = session
        self.box = QSpinBox()
        self.box.setKeyboardTracking(False)
        self.box.setAccessibleName("Sample")
        self.box.valueChanged.connect(commands.go_to_sample)
        label = QLabel("Sample")
        label.setProperty("muted", True)
        label.setBuddy(self.box)
        self.setLayout(across(label, self.box, margins=(0, 0, 8, 0), spacing=6))
        session.on_change(self._show, "result", "location")

    @property
    def samples(self) -> int:
        return 1 if self._session.result is None else self._session.result.shape[3]

    def _show(self) -> None:
        result, sample = self._session.result, self._session.location.sample
        with QSignalBlocker(self.box):
            if self.box.maximum() != self.samples - 1 or not self.box.suffix():
                self.box.setRange(0, self.samples - 1)
                self.box.setSuffix(of_indices(self.samples))
            self.box.setValue(sample)
        words = ""
        if result is not None and result.inputs.lengths:
            steps = plural(result.inputs.length(sample), "time step")
            words = f"Sample {sample} has {steps} of {result.shape[2]:,}. The rest are padding."
        self.box.setToolTip(wrapped(f"{_SAMPLE}\n{words}".strip()))
        self.box.setAccessibleDescription(words)


class TopLine(QToolBar):
    """Follows the application state."""

    help_page = "window#top-line"

    def __init__(
        self, session: Session, selection: SelectionCommands, actions: Actions, document_menu: QMenu, export: QMenu
    ) -> None:
        super().__init__("Document")
        self.setObjectName("top_line")
        self.setMovable(False)
        self.toggleViewAction().setVisible(False)
        self._icons: Icons | None = None
        self._title = ""
        self.document = self._menu_button("Document", "Open another file.", document_menu)
        self.document.setObjectName("document")
        self.document.setProperty("framed", True)
        self.settings = SettingsLine()
        self.addWidget(self.settings)
        self._sample = SampleBox(session, selection)
        self.sample = self._sample.box
        self._sample_action = self.addWidget(self._sample)
        self.export = self._menu_button("Export", "Save a picture, a report or the numbers.", export)
        self.run_button, _ = self._button(actions["run"], "Run")
        self._stop_button, self._stop_action = self._button(actions["stop"], "Stop")
        stop = actions["stop"]
        stop.changed.connect(lambda: self._stop_action.setVisible(stop.isEnabled()))
        session.on_change(lambda: self.settings.show_config(session.config, session.result), "config", "result")
        session.on_change(lambda: self._sample_action.setVisible(self._sample.samples > 1), "result")
        self._sample_action.setVisible(False)
        self._stop_action.setVisible(False)
        self.settings.show_config(session.config)
        self.rescale()

    def show_document(self, title: str, *, modified: bool) -> None:
        self._title = f"{title}{' *' * modified}"
        self._elide()

    def mark_stale(self, stale: bool) -> None:
        """Make *Run* the main button while settings changed since the last run."""
        self.run_button.setProperty("stale", stale)
        self.run_button.setAccessibleDescription("Settings changed since the last run." if stale else "")
        self.run_button.style().unpolish(self.run_button)
        self.run_button.style().polish(self.run_button)
        self._draw()

    def apply_icons(self, icons: Icons) -> None:
        self._icons = icons
        self._draw()

    def rescale(self) -> None:
        self.setIconSize(QSize(scaled(16), scaled(16)))
        self._elide()

    def _elide(self) -> None:
        metrics = self.document.fontMetrics()
        text = metrics.elidedText(self._title, Qt.TextElideMode.ElideMiddle, scaled(_MOST_OF_TITLE))
        self.document.setText(text.replace("&", "&&"))
        self.document.setToolTip(wrapped(f"{self._title}\nOpen another file."))
        self.document.setAccessibleName(f"Document: {self._title}")

    def _draw(self) -> None:
        if self._icons is not None:
            stale = bool(self.run_button.property("stale"))
            self.run_button.setIcon(self._icons.colored("run", "on_accent" if stale else "text"))
            self.export.setIcon(self._icons["export"])
            self.document.setIcon(self._icons["open"])

    def _button(self, action: QAction, name: str) -> tuple[QToolButton, QAction]:
        button = QToolButton()
        button.setDefaultAction(action)
        button.setText(name)
        button.setAccessibleName(name)
        button.setObjectName(f"{name.lower()}_button")
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        return button, self.addWidget(button)

    def _menu_button(self, name: str, why: str, menu: QMenu) -> QToolButton:
        button = QToolButton()
        button.setText(name)
        button.setAccessibleName(name)
        button.setToolTip(wrapped(why))
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(menu)
        self.addWidget(button)
        return button
