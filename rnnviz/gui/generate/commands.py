"""Commands of the Generate window: open it and a model, and show its text in the lanes."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

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
from rnnviz.gui.tool_window import front_window

if TYPE_CHECKING:
    from rnnviz.gui.generate.generate_window import GenerateWindow
    from rnnviz.training.character_model import CharacterModel

MODELS = "Character models (*.safetensors)"
_STEP_MS, _TEXT_MS = 100, 1000
"""Delay of the run of a text after a step, and while further characters are generated."""


class GenerateCommands(QObject):
    """The window is created on first use. The lanes follow its text until another config is opened."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(
        self,
        window: QWidget,
        session: Session,
        files: FileCommands,
        document: Document,
        control: RunControl,
        runner: Runner,
    ) -> None:
        super().__init__(window)
        self._main, self._session, self._files = window, session, files
        self._document, self._control, self._runner = document, control, runner
        self._theme = LIGHT
        self.window: GenerateWindow | None = None
        self._shown: Config | None = None
        """The config of the text that the main window shows; None if it shows another config."""
        self._later = QTimer(self, singleShot=True, interval=_STEP_MS)
        self._later.timeout.connect(self._run)
        session.on_change(self._on_config, "config")
        session.on_change(self._on_result, "result")
        session.on_change(self._on_location, "location")

    def show(self) -> None:
        """Show the window, at first with the model of the guide, and its text in the lanes if nothing is unsaved."""
        if self.window is None:
            self._open_sample()
        else:
            self.window.bring_to_front()

    def _open_sample(self) -> None:
        from rnnviz.training.character_model import shipped_model

        self.open(shipped_model())

    def open(self, path: Path) -> None:
        """Show a character model; a file that has none opens a dialog."""
        from rnnviz.training.character_model import load_character_model

        try:
            model = load_character_model(path.absolute())
        except InputError as error:
            show_error_dialog(
                front_window(self.window, self._main), "Cannot open the character model", error, "generate"
            )
            return
        if self.window is None:
            self.window = self._make_window(model)
        else:
            self.window.show_model(model)
        self.window.bring_to_front()
        if not self._document.modified and self.window.text_so_far:
            self._link(True)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.window is not None:
            self.window.apply_theme(theme)

    def close(self) -> None:
        self._later.stop()
        if self.window is not None:
            self.window.close()

    def _make_window(self, model: "CharacterModel") -> "GenerateWindow":
        from rnnviz.gui.generate.generate_window import GenerateWindow

        window = GenerateWindow(self._main, model)
        window.apply_theme(self._theme)
        window.text_changed.connect(self._on_text)
        window.place_chosen.connect(self._select)
        window.model_wanted.connect(lambda: ask_file(window, "Open character model", MODELS, self.open))
        window.sample_wanted.connect(self._open_sample)
        window.lanes_wanted.connect(self._link)
        return window

    def _link(self, linked: bool) -> None:
        """Show the text in the lanes, after a question about unsaved changes, or leave them as they are."""
        window = self.window
        assert window is not None
        self._shown = None
        window.show_in_lanes(False)

        def take() -> None:
            model = window.generator.model
            self._shown = config = model.config(window.text_so_far)
            self._document.take(config, f"Text of {model.path.name}")
            self._control.run()
            window.show_in_lanes(True)

        if linked and not window.text_so_far:
            window.show_error("There is no text to run: type a prefix or press Step.")
        elif linked:
            self._files.after_changes(take)

    def _on_text(self) -> None:
        if self._shown is not None and self.window is not None and not self._later.isActive():
            self._later.start(_TEXT_MS if self.window.busy else _STEP_MS)

    def _run(self) -> None:
        """Run the present text, or wait for the run of an earlier one."""
        window, shown = self.window, self._shown
        if window is None or shown is None or not window.text_so_far:
            return
        if self._runner.busy:
            self._later.start(_STEP_MS)
            return
        model, text = window.generator.model, window.text_so_far
        config = model.config(text)
        config = replace(config, compare=shown.compare).checked()
        if config != shown:
            self._shown = config
            self._document.take_again(config)
            self._control.run()

    def _on_config(self) -> None:
        if self._shown is not None and self._session.config != self._shown:
            self._shown = None
            self._later.stop()
            if self.window is not None:
                self.window.show_in_lanes(False)

    def _on_result(self) -> None:
        if self._is_shown and self.window is not None:
            self._select(self._session.length if self.window.count is None else self.window.count)

    def _on_location(self) -> None:
        # While characters are generated, the lanes are some behind.
        if self._is_shown and self.window is not None and not self.window.busy:
            count = self._session.location.timestep + 1
            self.window.show_place(None if count == len(self.window.generator.text) else count)

    @property
    def _is_shown(self) -> bool:
        """Whether the result is of the text."""
        return self._shown is not None and self._session.state.ran == self._shown

    def _select(self, count: int) -> None:
        """Select the time step of the last of the first `count` characters."""
        if self._is_shown and 0 < count <= self._session.length:
            self._session.set_location(self._session.location.moved(timestep=count - 1))
