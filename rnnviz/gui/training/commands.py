"""One training at a time: its panel, its checkpoints in the lanes of the window, and its files."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config, ParameterSource
from rnnviz.core.errors import InputError
from rnnviz.core.resources import resource_path
from rnnviz.core.words import plural
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import (
    RecentFiles,
    ask_file,
    ask_new_file,
    show_error_dialog,
    suffix_of,
)
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.document import Document
from rnnviz.gui.export.exporter import weight_files
from rnnviz.gui.export.picture import write_picture
from rnnviz.gui.generate.commands import GenerateCommands
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.kit.questions import CANCEL, Answer, ask
from rnnviz.gui.kit.tasks import Progress, TaskQueue
from rnnviz.gui.recovery.session_commands import SessionCommands
from rnnviz.gui.theme.palettes import LIGHT, Theme

if TYPE_CHECKING:
    # Imported with the panel, or when a file is written.
    from rnnviz.gui.training.output_strip import OutputStrip
    from rnnviz.gui.training.panel import TrainingPanel
    from rnnviz.gui.training.runner import TrainingRunner
    from rnnviz.training.checkpoints import SavedCheckpoint, TestPrediction
    from rnnviz.training.history import TrainingStart

TASKS, TRAININGS = "Training tasks (*.toml)", "Trainings (*.npz)"
_OPENED = "Training tasks and trainings (*.toml *.npz)"
_FOLLOW_SECONDS = 2.0
"""The shortest time between two checkpoints that the lanes show by themselves."""
_SLIDE_MS = 60
"""The time after a move of the slider until the lanes follow."""


class TrainingHost(Protocol):
    """The window as a training sees it."""

    session: Session
    files: FileCommands
    document: Document
    control: RunControl
    runner: Runner
    jobs: TaskQueue
    recent: RecentFiles
    generating: GenerateCommands
    sessions: SessionCommands


class TrainingCommands(QObject):
    """Connects the panel with the process that trains, and its checkpoints with the document of the window.

    Most of its methods answer one request of the panel or one event of the training each.
    """

    message = Signal(str)
    """A text for the status bar."""
    panel_wanted = Signal(object)
    """A `Panel` that the window has to show in front."""
    checkpointed = Signal()
    """The training can resume at another checkpoint."""
    view_made = Signal(object)
    """A `ResultView` that has to be connected."""

    panel: "TrainingPanel"
    runner: "TrainingRunner"
    strip: "OutputStrip"

    def __init__(self, window: TrainingHost, parent: QWidget) -> None:
        super().__init__(parent)
        self._window, self._main = window, parent
        self._session, self._document = window.session, window.document
        self._theme = LIGHT
        self.made = False
        """Whether there are a panel, a runner and a strip: they are created on first use."""
        self._wanted: SavedCheckpoint | None = None
        self._shown: Config | None = None
        """The checkpoint's config that the document shows, as far as the user has not changed it."""
        self._shown_at = 0.0
        self._restored = ""
        """The name of the training that is read from a file."""
        self._agreed: Config | None = None
        """The config that checkpoints may replace without a question."""
        self._next = QTimer(self, singleShot=True)
        self._next.timeout.connect(self._show_wanted)

    def open(self) -> None:
        """Show the panel, at first with the first ready task."""
        if not self.made:
            self._make()
        self.panel_wanted.emit(self.panel)

    def open_task(self, path: Path) -> None:
        """Read a task into the form of the panel, or a training, after a question if weights would be lost."""
        self.open()
        self._read(path)

    def restore(self, path: Path, name: str) -> None:
        """Show a training of a file in place of the current one, after a question if its weights would be lost."""
        self.open()
        if self.runner.busy:
            self.panel.say("Stop the training (Esc) before you open another one.")
            return

        def read() -> None:
            self._wanted, self._restored = None, name
            self.runner.restore(path)

        if not self.ask_about_weights(read):
            read()

    def writer(self) -> Callable[[Path], None] | None:
        """A function that writes the training as it is now, for any thread; None without one."""
        if not self.made:
            return None
        from rnnviz.training.training_file import save_training

        history, last, source = self.panel.history, self.runner.last, self.runner.source
        if history is None or last is None or source is None or not history.checkpoints:
            return None
        return partial(save_training, history=history.snapshot(), last=last, source=source)

    @property
    def unsaved(self) -> bool:
        """Whether trained weights are in no file."""
        return self.made and self.panel.unsaved

    def show_saved(self, name: str) -> None:
        """Show that a file of this name holds the training."""
        if self.made:
            self.panel.show_saved(name)

    def ask_about_weights(self, discard: Callable[[], None]) -> bool:
        """Ask about trained weights that are in no file, then call `discard`. Returns False without any."""
        if not self.unsaved or self.panel.history is None:
            return False
        what = f"The weights of {self._stem} after {plural(self.panel.history.steps, 'training step')}"
        answers = Answer("Save &weights…", self._ask_weights), Answer("&Discard", discard), CANCEL
        ask(self._front, "Trained weights", f"{what} are in no file.", *answers)
        return True

    def prediction_of(self, parameters: ParameterSource) -> "TestPrediction | None":
        """The prediction of the checkpoint with these parameters, if it is one of this training."""
        checkpoints = [] if self.panel.history is None else self.panel.history.checkpoints
        found = [saved.prediction for saved in checkpoints if saved.config.parameters == parameters]
        return found[0] if found else None

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.made:
            self.panel.apply_theme(theme)

    def close(self) -> None:
        self._next.stop()
        if self.made:
            self.runner.close()

    def _make(self) -> None:
        from rnnviz.gui.training.output_strip import OutputStrip
        from rnnviz.gui.training.panel import TrainingPanel
        from rnnviz.gui.training.runner import TrainingRunner
        from rnnviz.training.task import TrainingTask

        paths = [path for path in resource_path("training").glob("*.toml") if path.stem != "example"]
        ready = sorted(paths, key=lambda path: path.stem)
        # With the unsaved session, so that a crash leaves the checkpoint that it shows.
        self.runner = runner = TrainingRunner(self, lambda: self._window.sessions.unpacks_to())
        self.panel = panel = TrainingPanel(TrainingTask.from_mapping({}), ready)
        self.strip = OutputStrip(self.prediction_of)
        self.made = True
        panel.apply_theme(self._theme)
        panel.train_requested.connect(self._ask_train)
        panel.continue_requested.connect(self._continue)
        panel.stop_requested.connect(runner.stop)
        panel.ready_chosen.connect(self._read)
        panel.checkpoint_chosen.connect(self._want)
        panel.open_action.triggered.connect(lambda: ask_file(self._front, "Open task", _OPENED, self._read))
        panel.save_action.triggered.connect(self._ask_save)
        panel.weights_action.triggered.connect(self._ask_weights)
        panel.model_action.triggered.connect(self._ask_model)
        panel.generate_action.triggered.connect(self._generate)
        panel.training_action.triggered.connect(self._ask_training)
        panel.table_action.triggered.connect(self._ask_table)
        panel.picture_action.triggered.connect(self._ask_picture)
        runner.started.connect(self._on_started)
        runner.restored.connect(lambda history: panel.show_history(history, self._restored))
        runner.refused.connect(
            lambda sentence: show_error_dialog(self._front, "The training cannot be opened", sentence)
        )
        runner.received.connect(panel.take)
        runner.busy_changed.connect(panel.show_running)
        runner.failed.connect(self._on_failed)
        self._window.runner.busy_changed.connect(self._on_runs)
        self._window.jobs.done.connect(panel.say)
        runner.checkpointed.connect(self.checkpointed)
        self._read(ready[0])
        self.view_made.emit(self.strip)

    def _read(self, path: Path) -> None:
        from rnnviz.training.task import load_task

        panel = self.panel
        if path.suffix.lower() == ".npz":
            self.restore(path, path.stem)
            return
        try:
            task = load_task(path)
        except InputError as error:
            show_error_dialog(self._front, "The task cannot be opened", error, "training")
            return
        if self.runner.busy:
            panel.say("Stop the training (Esc) before you open another task.")
            return

        def show() -> None:
            if not panel.is_of(task):
                # A checkpoint that waits for its turn in the lanes is cleared with the others.
                self._wanted = None
            panel.show_task(task, path.stem, path)
            if path not in panel.ready_tasks:
                self._window.recent.add(path)

        # Until then, the form shows the previous task.
        panel.show_ready()
        if panel.is_of(task) or not self.ask_about_weights(show):
            show()

    @property
    def _front(self) -> QWidget:
        """The window with the panel, the parent of a dialog; the main window if the panel is closed."""
        return self.panel.window() if self.panel.isVisible() else self._main

    def _ask_train(self) -> None:
        """Train the task of the form, after a question if weights or unsaved changes would be lost."""
        if not self.ask_about_weights(self._train_after_changes):
            self._train_after_changes()

    def _train_after_changes(self) -> None:
        if self.panel.follow.isChecked() and not self._follows:
            self._window.files.after_changes(self._train)
        else:
            self._train()

    def _train(self) -> None:
        self._agreed = self._session.config if self.panel.follow.isChecked() else None
        if self.panel.form.task is not None:
            self.runner.train(self.panel.form.task)

    def _continue(self) -> None:
        task = self.panel.task_to_resume
        if task is not None:
            self.panel.go_on(task)
            self.runner.resume(task)

    def _on_started(self, start: "TrainingStart") -> None:
        if self._follows:
            # The checkpoint of another training.
            self._agreed = self._session.config
        self._shown = self._wanted = None
        self.panel.begin(start)

    def _on_failed(self, sentence: str, begun: bool) -> None:
        if begun:
            sentence += " Checkpoints are kept: Continue goes on from the last one."
        title = "The training ended early" if begun else "The training cannot begin"
        show_error_dialog(self._front, title, sentence, "training", in_background=True)

    # Checkpoints in the lanes

    @property
    def _follows(self) -> bool:
        """Whether the document shows a checkpoint, perhaps with other engines, samples or gradients."""
        shown, present = self._shown, self._session.config
        return (
            shown is not None
            and (shown.network, shown.parameters) == (present.network, present.parameters)
            and self._document.path is None
        )

    def _want(self, saved: "SavedCheckpoint", by_user: bool) -> None:
        """Show a checkpoint as soon as the run in progress has ended."""
        if not by_user and not self._follows and self._session.config != self._agreed:
            # The user has opened another file or lesson.
            self.panel.follow.setChecked(False)
            return
        self._wanted = saved
        wait = 0.0 if by_user else max(0.0, self._shown_at + _FOLLOW_SECONDS - monotonic())
        if not self._window.runner.busy:
            self._next.start(max(_SLIDE_MS, int(1000 * wait)))

    def _on_runs(self, busy: bool) -> None:
        if not busy and self._wanted is not None and not self._next.isActive():
            self._next.start(_SLIDE_MS)

    def _show_wanted(self) -> None:
        saved = self._wanted
        if saved is None or self._window.runner.busy:
            return
        self._wanted = None
        if self._follows:
            self._show(saved)
        else:
            self._window.files.after_changes(lambda: self._show(saved), self._agreed)

    def _show(self, saved: "SavedCheckpoint") -> None:
        title = f"{self._stem}, training step {saved.step}"
        if self._follows:
            self._document.follow(self._changed(saved.config), title)
        else:
            self._document.take(saved.config, title)
        self._shown = saved.config
        self._shown_at = monotonic()
        self._window.control.run()

    def _changed(self, config: Config) -> Config:
        """The current config with the weights and the loss gradient of another checkpoint."""
        present, shown = self._session.config, self._shown
        backward = shown is not None and present.backward == shown.backward
        return replace(
            present, parameters=config.parameters, backward=config.backward if backward else present.backward
        )

    # Files

    @property
    def _stem(self) -> str:
        history = self.panel.history
        return self.panel.name or ("training" if history is None else history.start.task.problem.kind)

    def _ask_save(self) -> None:
        from rnnviz.training.task import save_task

        panel, task = self.panel, self.panel.form.task

        def save(path: Path) -> None:
            assert task is not None
            try:
                save_task(task, path)
            except InputError as error:
                show_error_dialog(self._front, "The task cannot be written", error)
                return
            panel.name = path.stem
            panel.say(f"Saved {path}.")

        ask_new_file(self._front, "Save task", TASKS, "toml", f"{self._stem}.toml", save)

    def _ask_weights(self) -> None:
        from rnnviz.training.checkpoints import write_trained

        saved = self._chosen
        network = saved.config.network

        def write(path: Path, progress: Progress) -> str:
            short = write_trained(path, network, saved.parameters(), progress).short
            self.panel.saved_as = path.name
            return short

        filters = weight_files(network)
        self._ask("Save weights", filters, suffix_of(filters), f"{self._stem} step {saved.step}", write)

    def _ask_model(self) -> None:
        saved = self._chosen

        def write(path: Path, _progress: Progress) -> str:
            count = self._write_model(saved, path)
            self.panel.saved_as = path.name
            return plural(count, "character")

        name = f"{self._stem} step {saved.step}"
        self._ask("Save character model", "Character models (*.safetensors)", "safetensors", name, write)

    def _ask_training(self) -> None:
        save = self.writer()
        if save is None:
            return

        def write(path: Path, _progress: Progress) -> str:
            save(path)
            self.panel.saved_as = path.name
            return "with its checkpoints"

        self._ask("Save training", TRAININGS, "npz", self._stem, write)

    def _generate(self) -> None:
        """Open the chosen checkpoint in the panel that generates text."""
        saved = self._chosen
        path = Path(saved.config.parameters.path or "").with_name(f"{self._stem}-step-{saved.step}.safetensors")
        try:
            self._write_model(saved, path)
        except InputError as error:
            show_error_dialog(self._front, "The character model cannot be written", error)
        else:
            self._window.generating.open(path)

    def _write_model(self, saved: "SavedCheckpoint", path: Path) -> int:
        """Write a checkpoint as a character model, and return the number of its characters."""
        from rnnviz.training.character_model import save_character_model

        assert self.panel.history is not None
        characters = self.panel.history.start.characters
        save_character_model(path, saved.config.network, saved.parameters(), characters)
        return len(characters)

    def _ask_table(self) -> None:
        history = self.panel.history
        assert history is not None

        def write(path: Path, _progress: Progress) -> str:
            history.write_csv(path)
            return plural(history.steps, "training step")

        self._ask("Save losses", "Tables (*.csv)", "csv", f"{self._stem} losses", write)

    def _ask_picture(self) -> None:
        image = self.panel.curves.grab().toImage()

        def write(path: Path, progress: Progress) -> str:
            write_picture(image, path, progress)
            return f"{image.width():,} × {image.height():,} pixels"

        self._ask("Save curves", "Pictures (*.png)", "png", f"{self._stem} curves", write)

    @property
    def _chosen(self) -> "SavedCheckpoint":
        saved = self.panel.checkpoint
        assert saved is not None
        return saved

    def _ask(self, title: str, filters: str, ending: str, name: str, write: Callable[[Path, Progress], str]) -> None:
        """Ask for a file and call `write`, which returns a summary of the file, in the background."""
        jobs = self._window.jobs
        ask_new_file(self._front, title, filters, ending, f"{name}.{ending}", lambda path: jobs.write(path, write))
