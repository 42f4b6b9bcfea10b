"""Commands of trainings: open a task, train, show checkpoints in the lanes of the main window, and export."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config, Network
from rnnviz.core.errors import InputError
from rnnviz.core.words import plural
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import (
    RecentFiles,
    ask_file,
    ask_new_file,
    ask_to_discard,
    show_error_dialog,
    suffix_of,
)
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.document import Document
from rnnviz.gui.export.exporter import weight_files
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.kit.tasks import Progress, TaskQueue
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.tool_window import front_window

if TYPE_CHECKING:
    from rnnviz.gui.training.runner import TrainingRunner
    from rnnviz.gui.training.training_window import TrainingWindow
    from rnnviz.training.checkpoints import SavedCheckpoint
    from rnnviz.training.history import TrainingStart

TASKS = "Training tasks (*.toml)"
_FOLLOW_SECONDS = 2.0
"""The shortest time between two checkpoints that the lanes show by themselves."""
_SLIDE_MS = 60
"""The time after a move of the slider until the lanes follow."""


class TrainingCommands(QObject):
    """Handles one training at a time. Its window is created on first use.

    Each command of the training window is one of its methods.
    """

    message = Signal(str)
    """A text for the status bar."""

    def __init__(
        self,
        window: QWidget,
        session: Session,
        files: FileCommands,
        document: Document,
        control: RunControl,
        runs: Runner,
        jobs: TaskQueue,
        recent: RecentFiles,
        keep_colors: Callable[[bool], None],
        open_model: Callable[[Path], None],
    ) -> None:
        """The parameters are the parts of the main window that it drives.

        `keep_colors` fixes the range of the colors at the current one, or lets it follow the values again.

        `open_model` opens a character model.
        """
        super().__init__(window)
        self._main, self._session, self._files, self._document = window, session, files, document
        self._control, self._runs, self._jobs, self._recent = control, runs, jobs, recent
        self._keep_colors, self._open_model = keep_colors, open_model
        self._theme = LIGHT
        self.window: TrainingWindow | None = None
        self.runner: TrainingRunner | None = None
        self._wanted: SavedCheckpoint | None = None
        self._shown: Config | None = None
        """The checkpoint's config that the document shows, as far as the user has not changed it."""
        self._shown_at = 0.0
        self._agreed: Config | None = None
        """The config that checkpoints may replace without a question."""
        self._next = QTimer(self, singleShot=True)
        self._next.timeout.connect(self._show_wanted)
        runs.busy_changed.connect(self._on_runs)
        session.on_change(self._on_color_by, "color_by")

    def open(self) -> None:
        """Show the window, at first with the first ready task."""
        if self.window is None:
            self.window = self._make_window()
        self.window.bring_to_front()

    def open_task(self, path: Path) -> None:
        """Read a task into the form of the window."""
        from rnnviz.training.task import load_task

        self.open()
        assert self.window is not None
        window = self.window
        try:
            task = load_task(path)
        except InputError as error:
            show_error_dialog(window, "The task cannot be opened", error, "training")
            return
        if self.runner is not None and self.runner.busy:
            window.say("Stop the training (Esc) before you open another task.")
            return

        def show() -> None:
            if not window.is_of(task):
                # A checkpoint that waits for its turn in the lanes is cleared with the others.
                self._wanted = None
            window.show_task(task, path.stem, path)
            if path not in window.ready_tasks:
                self._recent.add(path)

        # Until then, the form shows the task before.
        window.show_ready()
        if window.is_of(task) or not self.ask_about_weights(show):
            show()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        if self.window is not None:
            self.window.apply_theme(theme)

    def close(self) -> None:
        self._next.stop()
        if self.runner is not None:
            self.runner.close()
        if self.window is not None:
            self.window.close()

    def _make_window(self) -> "TrainingWindow":
        from rnnviz.core.resources import resource_path
        from rnnviz.gui.training.runner import TrainingRunner
        from rnnviz.gui.training.training_window import TrainingWindow
        from rnnviz.training.task import TrainingTask

        folder = resource_path("training")
        paths = [path for path in folder.glob("*.toml") if path.stem != "example"]
        ready = sorted(paths, key=lambda path: path.stem)
        window = TrainingWindow(self._main, TrainingTask.from_mapping({}), ready)
        self.runner = runner = TrainingRunner(self)
        window.apply_theme(self._theme)
        window.train_requested.connect(self._ask_train)
        window.continue_requested.connect(self._continue)
        window.stop_requested.connect(runner.stop)
        window.ready_chosen.connect(self.open_task)
        window.open_requested.connect(self._ask_open)
        window.save_requested.connect(self._ask_save)
        window.weights_requested.connect(self._ask_weights)
        window.model_requested.connect(self._ask_model)
        window.generate_requested.connect(self._generate)
        window.table_requested.connect(self._ask_table)
        window.picture_requested.connect(self._ask_picture)
        window.checkpoint_chosen.connect(self._want)
        window.colors_kept.connect(self._keep_colors)
        runner.started.connect(self._on_started)
        runner.received.connect(window.take)
        runner.busy_changed.connect(window.show_running)
        runner.ended.connect(self._on_ended)
        runner.failed.connect(self._on_failed)
        self._jobs.done.connect(self._on_written)
        self.window = window
        if ready:
            self.open_task(ready[0])
        return window

    def ask_about_weights(self, discard: Callable[[], None]) -> bool:
        """Ask about trained weights that are in no file, then call `discard`. Returns False without any."""
        window = self.window
        if window is None or not window.unexported or window.history is None:
            return False
        what = f"The weights of {self._stem} after {plural(window.history.steps, 'training step')}"
        ask_to_discard(
            window, "Trained weights", f"{what} are in no file.", "&Export weights…", self._ask_weights, discard
        )
        return True

    def _ask_train(self) -> None:
        """Train the task of the form, after a question if weights or unsaved changes would be lost."""
        if not self.ask_about_weights(self._train_after_changes):
            self._train_after_changes()

    def _train_after_changes(self) -> None:
        assert self.window is not None
        if self.window.follow.isChecked() and not self._follows:
            self._files.after_changes(self._train)
        else:
            self._train()

    def _train(self) -> None:
        assert self.window is not None
        assert self.runner is not None
        self.message.emit("")
        self._agreed = self._session.config if self.window.follow.isChecked() else None
        if self.window.form.task is not None:
            self.runner.train(self.window.form.task)

    def _continue(self) -> None:
        assert self.window is not None
        assert self.runner is not None
        task = self.window.task_to_resume
        if task is not None:
            # That the training is stopped is over.
            self.message.emit("")
            self.window.go_on(task)
            self.runner.resume(task)

    def _on_started(self, start: "TrainingStart") -> None:
        assert self.window is not None
        if self._follows:
            # The checkpoint of another training.
            self._agreed = self._session.config
        self._shown = self._wanted = None
        self.window.begin(start)

    def _on_ended(self, stopped: bool) -> None:
        if stopped:
            self.message.emit("The training is stopped. Continue trains on from its last checkpoint.")

    def _on_written(self, text: str) -> None:
        if self.window is not None and self.window.isVisible():
            self.window.say(text)

    def _on_failed(self, sentence: str, begun: bool) -> None:
        if begun:
            sentence += " Checkpoints are kept: Continue goes on from the last one."
        title = "The training ended early" if begun else "The training cannot begin"
        show_error_dialog(front_window(self.window, self._main), title, sentence, "training", in_background=True)

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
        assert self.window is not None
        if not by_user and not self._follows and self._session.config != self._agreed:
            # The user has opened another file or lesson.
            self.window.follow.setChecked(False)
            return
        self._wanted = saved
        wait = 0.0 if by_user else max(0.0, self._shown_at + _FOLLOW_SECONDS - monotonic())
        if not self._runs.busy:
            self._next.start(max(_SLIDE_MS, int(1000 * wait)))

    def _on_color_by(self) -> None:
        if self.window is not None:
            # The range was that of another quantity.
            self.window.keep_colors.setChecked(False)

    def _on_runs(self, busy: bool) -> None:
        if not busy and self._wanted is not None and not self._next.isActive():
            self._next.start(_SLIDE_MS)

    def _show_wanted(self) -> None:
        saved = self._wanted
        if saved is None or self._runs.busy:
            return
        self._wanted = None
        if self._follows:
            self._show(saved)
        else:
            self._files.after_changes(lambda: self._show(saved), self._agreed)

    def _show(self, saved: "SavedCheckpoint") -> None:
        assert self.window is not None
        assert self.window.history is not None
        name = self.window.name or self.window.history.start.task.problem.kind
        title = f"{name}, training step {saved.step}"
        if self._follows:
            self._document.follow(self._changed(saved.config), title)
        else:
            self.window.keep_colors.setChecked(False)
            self._document.take(saved.config, title)
        self._shown = saved.config
        self._shown_at = monotonic()
        self._control.run()

    def _changed(self, config: Config) -> Config:
        """The current config with the weights and the loss gradient of another checkpoint."""
        present, shown = self._session.config, self._shown
        backward = shown is not None and present.backward == shown.backward
        return replace(
            present, parameters=config.parameters, backward=config.backward if backward else present.backward
        )

    # Files

    def _ask_open(self) -> None:
        assert self.window is not None
        ask_file(self.window, "Open task", TASKS, self.open_task)

    def _ask_save(self) -> None:
        assert self.window is not None
        window, task = self.window, self.window.form.task

        def save(path: Path) -> None:
            from rnnviz.training.task import save_task

            assert task is not None
            try:
                save_task(task, path)
            except InputError as error:
                show_error_dialog(window, "The task cannot be written", error)
                return
            window.name = path.stem
            window.say(f"Wrote {path}.")

        if task is not None:
            ask_new_file(window, "Save task", TASKS, "toml", f"{self._stem}.toml", save)

    def _ask_weights(self) -> None:
        (saved, network), window = self._chosen, self.window
        assert window is not None

        def write(path: Path, progress: Progress) -> str:
            from rnnviz.training.checkpoints import write_trained

            short = write_trained(path, network, saved.parameters(), progress).short
            window.exported = True
            return short

        filters = weight_files(network)
        self._ask("Export weights", filters, suffix_of(filters), f"{self._stem} step {saved.step}", write)

    def _ask_model(self) -> None:
        model, window = self._chosen_model, self.window
        assert window is not None

        def write(path: Path, _progress: Progress) -> str:
            count = model(path)
            window.exported = True
            return f"{count} characters"

        name = f"{self._stem} step {self._chosen[0].step}"
        self._ask("Export character model", "Character models (*.safetensors)", "safetensors", name, write)

    def _generate(self) -> None:
        """Open the chosen checkpoint in the window that generates text."""
        saved, _ = self._chosen
        path = Path(saved.config.parameters.path or "").with_name(f"{self._stem}-step-{saved.step}.safetensors")
        try:
            self._chosen_model(path)
        except InputError as error:
            show_error_dialog(front_window(self.window, self._main), "The character model cannot be written", error)
            return
        self._open_model(path)

    @property
    def _chosen_model(self) -> Callable[[Path], int]:
        """Writes the chosen checkpoint as a character model, and returns the number of its characters."""
        assert self.window is not None
        assert self.window.history is not None
        (saved, network), characters = self._chosen, self.window.history.start.characters

        def write(path: Path) -> int:
            from rnnviz.training.character_model import save_character_model

            save_character_model(path, network, saved.parameters(), characters)
            return len(characters)

        return write

    def _ask_table(self) -> None:
        assert self.window is not None
        history = self.window.history
        assert history is not None

        def write(path: Path, _progress: Progress) -> str:
            history.write_csv(path)
            return f"{history.steps:,} training steps"

        self._ask("Export losses", "Tables (*.csv)", "csv", f"{self._stem} losses", write)

    def _ask_picture(self) -> None:
        from rnnviz.gui.export.picture import write_picture

        assert self.window is not None
        image = self.window.curves.grab().toImage()

        def write(path: Path, progress: Progress) -> str:
            write_picture(image, path, progress)
            return f"{image.width():,} × {image.height():,} pixels"

        self._ask("Export curves", "Pictures (*.png)", "png", f"{self._stem} curves", write)

    @property
    def _chosen(self) -> tuple["SavedCheckpoint", Network]:
        assert self.window is not None
        saved = self.window.checkpoint
        assert saved is not None
        return saved, saved.config.network

    @property
    def _stem(self) -> str:
        assert self.window is not None
        return self.window.name or "training"

    def _ask(self, title: str, filters: str, ending: str, name: str, write: Callable[[Path, Progress], str]) -> None:
        """Ask for a file and call `write`, which returns a summary of the file, in the background."""
        assert self.window is not None
        ask_new_file(
            self.window, title, filters, ending, f"{name}.{ending}", lambda path: self._jobs.write(path, write)
        )
