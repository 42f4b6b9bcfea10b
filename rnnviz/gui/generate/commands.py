"""Commands of the Generate panel: open it and a model, and show its text in the lanes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import ask_file, show_error_dialog
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.document import Document
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.theme.palettes import LIGHT, Theme

if TYPE_CHECKING:
    from rnnviz.gui.generate.panel import GeneratePanel
    from rnnviz.training.character_model import CharacterModel

MODELS = "Character models (*.safetensors)"
_STEP_MS, _TEXT_MS = 100, 1000
"""Delay of the run of a text after a step, and while further characters are generated."""


class GenerateHost(Protocol):
    """The window as a generated text sees it."""

    session: Session
    files: FileCommands
    document: Document
    control: RunControl
    runner: Runner


class GenerateCommands(QObject):
    """The panel is created on first use. The lanes follow its text until another config is opened."""

    message = Signal(str)
    """A text for the status bar."""
    panel_wanted = Signal(object)
    """A `Panel` that the window has to show in front."""

    def __init__(self, window: GenerateHost, parent: QWidget) -> None:
        super().__init__(parent)
        self._window, self._parent = window, parent
        self._session, self._document = window.session, window.document
        self._theme = LIGHT
        self.panel: GeneratePanel | None = None
        self._shown: Config | None = None
        """The config of the text that the lanes show; None if they show another config."""
        self._later = QTimer(self, singleShot=True, interval=_STEP_MS)
        self._later.timeout.connect(self._run)
        self._session.on_change(self._on_config, "config")
        self._session.on_change(self._on_result, "result")
        self._session.on_change(self._on_location, "location")

    def show(self) -> None:
        """Show the panel, at first with the model of the guide, and its text in the lanes if nothing is unsaved."""
        if self.panel is None:
            self._open_sample()
        else:
            self.panel_wanted.emit(self.panel)

    def _open_sample(self) -> None:
        from rnnviz.training.character_model import shipped_model

        self.open(shipped_model())

    def open(self, path: Path) -> None:
        """Show a character model; a file that has none opens a dialog."""
        from rnnviz.training.character_model import load_character_model

        try:
            model = load_character_model(path.absolute())
        except InputError as error:
            front = self.panel.window() if self.panel is not None and self.panel.isVisible() else self._parent
            show_error_dialog(front, "Cannot open the character model", error, "generate")
            return
        if self.panel is None:
            self.panel = self._make_panel(model)
        else:
            self.panel.show_model(model)
        self.panel_wanted.emit(self.panel)
        if not self._document.modified and self.panel.text_so_far:
            self._link(True)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.panel is not None:
            self.panel.apply_theme(theme)

    def close(self) -> None:
        self._later.stop()
        if self.panel is not None:
            self.panel.stop()

    def _make_panel(self, model: "CharacterModel") -> "GeneratePanel":
        from rnnviz.gui.generate.panel import GeneratePanel

        panel = GeneratePanel(model)
        panel.apply_theme(self._theme)
        panel.text_changed.connect(self._on_text)
        panel.place_chosen.connect(self._select)
        panel.model_wanted.connect(lambda: ask_file(panel.window(), "Open character model", MODELS, self.open))
        panel.sample_wanted.connect(self._open_sample)
        panel.lanes_wanted.connect(self._link)
        return panel

    def _link(self, linked: bool) -> None:
        """Show the text in the lanes, after a question about unsaved changes, or leave them as they are."""
        panel = self.panel
        assert panel is not None
        self._shown = None
        panel.show_in_lanes(False)

        def take() -> None:
            model = panel.generator.model
            self._shown = config = model.config(panel.text_so_far)
            self._document.take(config, f"Text of {model.path.name}")
            self._window.control.run()
            panel.show_in_lanes(True)

        if linked and not panel.text_so_far:
            panel.show_error("There is no text to run: type a prefix or press Step.")
        elif linked:
            self._window.files.after_changes(take)

    def _on_text(self) -> None:
        if self._shown is not None and self.panel is not None and not self._later.isActive():
            self._later.start(_TEXT_MS if self.panel.busy else _STEP_MS)

    def _run(self) -> None:
        """Run the present text, or wait for the run of an earlier one."""
        panel, shown = self.panel, self._shown
        if panel is None or shown is None or not panel.text_so_far:
            return
        if self._window.runner.busy:
            self._later.start(_STEP_MS)
            return
        model, text = panel.generator.model, panel.text_so_far
        config = model.config(text)
        config = replace(config, compare=shown.compare).checked()
        if config != shown:
            self._shown = config
            self._document.take_again(config)
            self._window.control.run()

    def _on_config(self) -> None:
        if self._shown is not None and self._session.config != self._shown:
            self._shown = None
            self._later.stop()
            if self.panel is not None:
                self.panel.show_in_lanes(False)

    def _on_result(self) -> None:
        if self._is_shown and self.panel is not None:
            self._select(self._session.length if self.panel.count is None else self.panel.count)

    def _on_location(self) -> None:
        # While characters are generated, the lanes are some behind.
        if self._is_shown and self.panel is not None and not self.panel.busy:
            count = self._session.location.timestep + 1
            self.panel.show_place(None if count == len(self.panel.generator.text) else count)

    @property
    def _is_shown(self) -> bool:
        """Whether the result is of the text."""
        return self._shown is not None and self._session.state.ran == self._shown

    def _select(self, count: int) -> None:
        """Select the time step of the last of the first `count` characters."""
        if self._is_shown and 0 < count <= self._session.length:
            self._session.set_location(self._session.location.moved(timestep=count - 1))
