"""Sessions: opening and saving as background tasks, and the view state, restored after the session's run."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol, cast

from PySide6.QtCore import QObject, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config
from rnnviz.core.memory_budget import readable
from rnnviz.gui.app_state import Field, Session
from rnnviz.gui.commands.dialogs import RecentFiles, ask_new_file
from rnnviz.gui.commands.playback import Player
from rnnviz.gui.document import Document, EditOrigin
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.kit.tasks import BackgroundTask, Progress, TaskQueue
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.unrolled.geometry import Camera
from rnnviz.reading.quantities import color_names
from rnnviz.reading.units import OrderName

if TYPE_CHECKING:
    # Imported after the first paint.
    from rnnviz.gui.views.unrolled.view import UnrolledView
    from rnnviz.io.session import NamedFile, SavedSession, SavedViewState


class TrainingKeeper(Protocol):
    """The training of the window, as sessions see it."""

    def writer(self) -> Callable[[Path], None] | None:
        """A function that writes the training as it is now, for any thread; None without one."""

    def restore(self, path: Path, name: str) -> None:
        """Show the training of a file."""

    def show_saved(self, name: str) -> None:
        """Show that a file of this name holds the training."""


class SessionHost(Protocol):
    """The window as sessions see it. `lanes` exist once it is usable."""

    session: Session
    document: Document
    main_layout: MainLayout
    jobs: TaskQueue
    control: RunControl
    player: Player
    trainings: TrainingKeeper
    lanes: "UnrolledView"
    views: list[ResultView]


def view_state_of(window: SessionHost) -> "SavedViewState":
    from rnnviz.io.session import SavedViewState

    session, main_layout = window.session, window.main_layout
    place, whole = session.location, main_layout.window
    shown = SavedViewState(
        place.layer,
        place.direction,
        place.timestep,
        place.sample,
        place.unit,
        # The choice of a gate outlives the cell that has it.
        session.color_by if session.color_by in color_names(session.config.network.custom) else "value",
        session.order,
        session.engine,
        session.candidate,
        session.swiping,
        tab=main_layout.tabs.title_in_front,
        width=whole.width(),
        height=whole.height(),
    )
    camera = window.lanes.chosen_camera()
    if camera is not None:
        shown = replace(shown, start=camera.start, span=camera.span, zoom=camera.zoom, scroll=camera.scroll)
    shares = main_layout.shares().get
    return replace(shown, upper=shares("upper"), middle=shares("middle"))


_PLAYBACK, _PANES = "playback", "open panes"


def view_choices_of(window: SessionHost) -> dict[str, tuple[str, ...]]:
    """Saved states of the views that have one, by title, of playback, and the folded panes."""
    views = {view.title: view.save_state() for view in window.views}
    saved = {title: choices for title, choices in views.items() if choices is not None}
    return {**saved, _PLAYBACK: window.player.save_state(), _PANES: window.main_layout.open_panes}


DECISIONS: tuple[Field, ...] = ("candidate", "engine", "color_by", "order", "swipe", "limit", "selected_range")
"""Fields that a session stores, except config and selection."""


def decisions_of(window: SessionHost) -> dict[str, set[str]]:
    """Choices that a closed session would lose, as words by the title of their view; those of the state under "".

    Looking at a session changes none of them: neither its selection, the part in view, its layout and playback, nor the
    end of a selected range.
    """
    fields = "color_by", "order", "engine", "candidate", "swiping"
    state = {f"{name} {getattr(window.session, name)}" for name in fields}
    views = {view.title: view.save_state() or () for view in window.views}
    return {"": state} | {title: {w for w in words if not w.startswith("tab ")} for title, words in views.items()}


def _differ(decisions: Mapping[str, set[str]], stored: Mapping[str, set[str]]) -> bool:
    """Whether a choice differs, of the views that `stored` knows."""
    ranges = {title: {word for word in words if word.startswith("range ")} for title, words in stored.items()}
    return any(decisions.get(title, words) | ranges[title] != words for title, words in stored.items())


class ViewStateRestorer(QObject):
    """Restores a view state: the layout at once, the rest with the next result of the same document."""

    restored = Signal()
    """All is restored, or what a view that was made later has of it."""

    def __init__(self, window: SessionHost, parent: QObject) -> None:
        super().__init__(parent)
        self._window = window
        self._state: SavedViewState | None = None
        self._choices: dict[str, tuple[str, ...]] = {}
        self._origin = window.document.origin
        window.session.on_change(self.restore_now, "result")
        window.document.changed.connect(self._cancel)
        window.main_layout.tabs.view_added.connect(self._on_view)

    def begin(self, state: "SavedViewState", choices: Mapping[str, tuple[str, ...]]) -> None:
        """Start to restore a view state and states of single views. Call it after setting the session's config."""
        self._state, self._choices, self._origin = state, dict(choices), self._window.document.origin
        window = self._window.main_layout.window
        if state.width is not None and state.height is not None and not window.isMaximized():
            # Never larger than now or than the screen.
            room = window.screen().availableSize().expandedTo(window.size())
            window.resize(QSize(state.width, state.height).boundedTo(room))
        if (panes := self._choices.pop(_PANES, None)) is not None:
            self._window.main_layout.open_only(panes)
        self._window.main_layout.restore_shares(state)
        if state.tab is not None:
            self._window.main_layout.tabs.select_later(state.tab)

    def _cancel(self) -> None:
        # An edit, such as of the path of a missing file, leaves the same document open.
        if self._window.document.origin != self._origin:
            self._state, self._choices = None, {}

    def _choose(self, view: ResultView) -> None:
        choices = self._choices.pop(view.title, None)
        if choices is not None:
            view.restore_state(choices)

    def _on_view(self, view: ResultView) -> None:
        self._choose(view)
        if self._state is None and self._window.document.origin == self._origin:
            self.restored.emit()

    def restore_now(self) -> None:
        state, session = self._state, self._window.session
        if state is None or session.result is None:
            return
        self._state = None
        if state.candidate in [comparison.candidate for comparison in session.result.comparisons]:
            session.set_candidate(str(state.candidate))
        session.set_swiping(state.swiping)
        if state.engine in session.result.traces:
            session.set_engine(str(state.engine))
        session.set_color_by(state.colors)
        session.set_order(cast(OrderName, state.order))
        session.set_location(state.location)
        QTimer.singleShot(0, self, lambda: self._set_sizes(state))

    def _set_sizes(self, state: "SavedViewState") -> None:
        # The verdict has taken its lines from the lanes; these get their size before their viewport.
        self._window.main_layout.restore_shares(state)
        QTimer.singleShot(0, self, lambda: self._set_viewport(state))

    def _set_viewport(self, state: "SavedViewState") -> None:
        start, span, zoom, scroll = state.start, state.span, state.zoom, state.scroll
        if start is not None and span is not None and zoom is not None and scroll is not None:
            self._window.lanes.set_camera(Camera(start, span, zoom, scroll))
        # The states of the views depend on selection and engine.
        for view in self._window.views:
            self._choose(view)
        self._window.player.restore_state(self._choices.pop(_PLAYBACK, ()))
        self.restored.emit()


class SessionCommands(QObject):
    """Opens and saves sessions."""

    restored = Signal()
    """A session has been opened."""

    read = Signal(object, object)
    """A function that shows the session that was read, and the config that may be lost without a question."""

    _written = Signal(object, object, object, object)
    _collected = Signal(object, object)

    def __init__(self, window: SessionHost, parent: QWidget, recent: RecentFiles) -> None:
        super().__init__(parent)
        self._window, self._parent, self._recent = window, parent, recent
        self._restorer: ViewStateRestorer | None = None
        self._with_copies: set[Path] = set()
        self._stored: dict[EditOrigin, dict[str, set[str]]] = {}
        window.document.view_changed = self._view_changed
        window.session.on_change(window.document.check_view, *DECISIONS)
        self.unpacks_to: Callable[[], Path] = temporary_folder
        """Folder for the input files unpacked from a session."""
        queued = Qt.ConnectionType.QueuedConnection
        self._written.connect(self._on_written, queued)
        self._collected.connect(self._ask_where, queued)

    def open(self, path: Path, asked: Config, then: Callable[[], None]) -> None:
        """Read a session and emit `read`, and call `then` when it is shown. An invalid one changes nothing."""

        def work(progress: Progress) -> str:
            from rnnviz.io.session import read_session

            self.read.emit(partial(self._take, path, read_session(path, self.unpacks_to, progress), then), asked)
            return f"Read {path}."

        self._window.jobs.start(BackgroundTask(f"opening {path.name}", work))

    def ask_save(self) -> None:
        """Ask where to save a session that references its input files."""
        self._ask("Save session", None)

    def ask_save_with_files(self) -> None:
        """Ask where to save a session with copies of its input files. The dialog's title gives their size."""
        config = self._window.session.config

        def work(_progress: Progress) -> str:
            files, size = _collect(config)
            self._collected.emit(files, size)
            return ""

        self._window.jobs.start(BackgroundTask("collecting files", work))

    def save(self, path: Path, *, copies: bool | None = None, then: Callable[[], None] = lambda: None) -> None:
        """Save a session, then call `then`. `copies` None: as saved before.

        Files that exist only inside a session are always copied.
        """
        session = self.present()
        with_copies = path in self._with_copies if copies is None else copies
        with_copies = with_copies or bool(self.files_of_its_own(session.config))
        decisions, write_training = decisions_of(self._window), self._window.trainings.writer()

        def work(progress: Progress) -> str:
            from rnnviz.io.session import write_session

            files = _collect(session.config)[0] if with_copies else None
            with TemporaryDirectory(dir=temporary_folder()) as folder:
                training = None if write_training is None else Path(folder) / "training.npz"
                if training is not None and write_training is not None:
                    write_training(training)
                written = write_session(replace(session, training=training), path, files, progress)
            self._written.emit(path, session.config, decisions, then)
            held = "" if not files else f", with {len(files)} file{'' if len(files) == 1 else 's'}"
            return f"Saved {path}: {readable(written)}{held}."

        if with_copies:
            self._with_copies.add(path)
        else:
            self._with_copies.discard(path)
        self._window.jobs.start(BackgroundTask(f"saving {path.name}", work, writes=True))

    def files_of_its_own(self, config: Config) -> list[str]:
        """Input files that are deleted with the window, as they were unpacked from a session, or are checkpoints."""
        from rnnviz.io.session import paths_in

        folders = self.unpacks_to(), temporary_folder()
        return [path for path in paths_in(config) if any(map(Path(path).is_relative_to, folders))]

    def present(self) -> "SavedSession":
        """The session of the window. It does not contain the path of the config."""
        from rnnviz.io.session import SavedDocument, SavedSession

        window = self._window
        return SavedSession(
            window.session.config,
            SavedDocument(window.document.origin.title),
            view_state_of(window),
            view_choices_of(window),
        )

    def show(self, session: "SavedSession", take: Callable[[Config], None]) -> None:
        if self._restorer is None:
            self._restorer = ViewStateRestorer(self._window, self)
            self._restorer.restored.connect(self._on_restored)
        take(session.config)
        self._stored.pop(self._window.document.origin, None)
        self._restorer.begin(session.look, session.choices)
        self._window.control.run()
        self.restored.emit()

    def _take(self, path: Path, session: "SavedSession", then: Callable[[], None]) -> None:
        if session.holds_inputs:
            self._with_copies.add(path)
        layer = session.document.title if session.captured else ""
        self.show(session, lambda config: self._window.document.take_file(config, path, layer))
        self._recent.add(path)
        then()
        if session.training is not None:
            self._window.trainings.restore(session.training, path.stem)

    def _ask_where(self, files: "list[NamedFile]", size: str) -> None:
        count = f"{len(files)} file{'' if len(files) == 1 else 's'}"
        self._ask(f"Save session with {count}, {size}" if files else "Save session (no input files)", True)

    def _ask(self, title: str, copies: bool | None) -> None:
        from rnnviz.io import ENDING

        name = f"{self._window.document.origin.stem}{ENDING}"
        save = partial(self.save, copies=bool(copies))
        ask_new_file(self._parent, title, f"Sessions (*{ENDING})", ENDING.removeprefix("."), name, save)

    def _view_changed(self) -> bool:
        stored = self._stored.get(self._window.document.origin)
        present = self._window.session.result is not None
        return stored is not None and present and _differ(decisions_of(self._window), stored)

    def _on_restored(self) -> None:
        from rnnviz.io import ENDING

        document = self._window.document
        # A crashed window may have shown a file that stores no view.
        if document.path is not None and document.path.suffix.lower() == ENDING:
            self._stored[document.origin] = decisions_of(self._window)
            document.check_view()

    def _on_written(self, path: Path, config: Config, decisions: dict[str, set[str]], then: Callable[[], None]) -> None:
        self._stored[EditOrigin.of_file(path)] = decisions
        self._window.document.saved_as(path, config)
        self._recent.add(path)
        self._window.trainings.show_saved(path.name)
        then()


def _collect(config: Config) -> "tuple[list[NamedFile], str]":
    """Files to copy and their size. Models are inspected in a subprocess."""
    from rnnviz.io.session import files_to_copy, paths_in, size_of

    if any(path.lower().endswith(".onnx") for path in paths_in(config)):
        from rnnviz.execution.child_process import call_in_subprocess

        files = call_in_subprocess(files_to_copy, config, what="The files could not be read")
    else:
        files = files_to_copy(config)
    return files, readable(size_of(files))


def temporary_folder() -> Path:
    """The folder of the program's files that vanish with it."""
    from rnnviz.execution.folders import storage

    return storage().folder
