"""Commands that open, save and drop files, and the kinds of files."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Compare, Config, InitialStateSource, ParameterSource
from rnnviz.core.engine_spec import RecordingName, display_name
from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile
from rnnviz.core.resources import resource_path
from rnnviz.core.words import join_words
from rnnviz.engines.registry import ENGINES, engines_of
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import (
    CELLS,
    CONFIGS,
    RECURRENCES,
    RecentFiles,
    ask_file,
    ask_new_file,
    openable_files,
    show_error_dialog,
)
from rnnviz.gui.commands.model_commands import ModelCommands
from rnnviz.gui.document import Document
from rnnviz.gui.kit.questions import CANCEL, Answer, ask
from rnnviz.gui.recovery.session_commands import SessionCommands
from rnnviz.io.templates import write_cell_starter, write_starter
from rnnviz.lessons.index import Lesson

_WEIGHT = re.compile(r"[lr]\d+_\w+")
_CELL_STEP = re.compile(r"^def step\(\s*u\s*,\s*v\s*,", re.MULTILINE)
_MOST_CODE = 1 << 20
_STATE = {"h", "c"}
_RECORDED = {"hidden", "output", "state", "Y", "Y_h"}


def is_config(path: Path) -> bool:
    return path.suffix.lower() == ".toml"


def is_session(path: Path) -> bool:
    from rnnviz.io import ENDING

    return path.suffix.lower() == ENDING


def is_of_sweep(path: Path) -> bool:
    """Whether a file is a sweep or its results, by its first lines."""
    from rnnviz.sweeps.grid import is_sweep, is_sweep_results

    ending = path.suffix.lower()
    if ending == ".toml":
        return is_sweep(path)
    return ending in (".csv", ".json") and is_sweep_results(path)


def is_task(path: Path) -> bool:
    from rnnviz.training import task

    return task.is_task(path)


def is_model(path: Path) -> bool:
    """Whether a file or folder is a model, which defines its network."""
    from rnnviz.io.model_formats.formats import is_model_file
    from rnnviz.io.model_formats.named_arrays import is_weight

    if path.suffix.lower() != ".npz":
        return path.is_dir() or is_model_file(path)
    try:
        names = set(NpzFile(path).headers)
    except InputError:
        return False  # `config_with` raises the error
    return any(is_weight(name) for name in names) and not _is_for_the_network(names) and not _is_state(names)


def _is_state(names: set[str]) -> bool:
    return "h" in names and names <= _STATE


def _is_for_the_network(names: set[str]) -> bool:
    """Whether these are weights by Gluon's names, for the current network."""
    return any(name.startswith("parameters.") for name in names) or all(_WEIGHT.fullmatch(name) for name in names)


def config_with(config: Config, path: Path) -> Config:
    """The config with a file added: a sequence, weights, an initial state, recorded outputs, or a custom step or cell.

    Raises InputError if the file is not supported.
    """
    # Formats are imported with the first file, to shorten the start.
    from rnnviz.core.model_formats import ENDINGS
    from rnnviz.io import ENDING
    from rnnviz.io.readers import ENDINGS as SEQUENCES
    from rnnviz.io.readers import LENGTHS

    ending = path.suffix.lower()
    if ending == ".py":
        return of_cell(config, path) if _declares_cell(path) else comparing_own(config, path)
    if ending in SEQUENCES and ending != ".npz":
        return replace(config, sequence=config.sequence.of_file(str(path)))
    if ending == ".npz":
        names = set(NpzFile(path).headers)
        if _is_state(names):
            return replace(config, initial_state=replace(config.initial_state, source="file", path=str(path)))
        if names and _is_for_the_network(names):
            return replace(config, parameters=replace(config.parameters, initializer="file", path=str(path)))
        if names & _RECORDED:
            return comparing(config, str(RecordingName(str(path))))
        if len(names - {LENGTHS}) == 1:
            return replace(config, sequence=config.sequence.of_file(str(path)))
        held = join_words(sorted(names), most=4) or "no array"
        raise InputError(
            f"{path} has unexpected arrays (got {held}): an .npz file needs weights by Gluon's names, such as "
            "l0_i2h_weight; the initial state h, and c for an LSTM; recorded outputs hidden, output or state; or "
            "one array as the sequence, optionally with lengths."
        )
    raise InputError(
        f'{path} is not supported (got ending "{path.suffix}"): drop a config or sweep (.toml), a session ({ENDING}), '
        f"a custom step or cell (.py), a sequence ({', '.join(SEQUENCES)}), weights, an initial state or recorded "
        f"outputs (.npz), or a model ({', '.join(ENDINGS)})."
    )


def _is_addable(path: Path) -> bool:
    """Whether opening a file adds it to the config, as dropping it does."""
    from rnnviz.io.readers import ENDINGS as SEQUENCES

    # A text may be a config.
    return path.is_file() and path.suffix.lower() in {".py", *SEQUENCES} - {".txt"}


def comparing_own(config: Config, path: Path) -> Config:
    """The config with a custom step as a further candidate."""
    return comparing(config, str(path))


def _declares_cell(path: Path) -> bool:
    """Whether the text of a Python file has the step of a custom cell; nothing of it runs."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return _CELL_STEP.search(file.read(_MOST_CODE)) is not None
    except OSError:
        return False  # the run reports the unreadable file


def of_cell(config: Config, path: Path) -> Config:
    return replace(config, network=replace(config.network, cell=str(path), custom=None))


def of_new_cell(config: Config, path: Path) -> Config:
    """The config with a new custom cell, by engines that compute it, and without files for another cell."""
    network = replace(config.network, cell=str(path), custom=None, projection_size=None, clip=None, activations=None)
    named = [name for name in config.compare.engines if name in ENGINES]
    able = [n for n in named if ENGINES[n].unavailable is None and ENGINES[n].unsupported_reason(network) is None]
    reference, *candidates = able or [Compare().reference]
    parameters, state = config.parameters, config.initial_state
    config = replace(
        config,
        network=network,
        parameters=ParameterSource() if parameters.initializer == "file" else parameters,
        initial_state=InitialStateSource() if state.source == "file" else state,
    )
    # Where no named candidate fits, the default one is compared; a config without candidates stays without them.
    kept = config.compare.candidates and (tuple(candidates) or None)
    compare = replace(config.compare, reference=reference, candidates=kept)
    return replace(config, compare=compare).checked()


def left_out(before: Config, after: Config) -> str:
    """The sentences on engines and files of a config that its change to a new custom cell left out."""
    names = [name for name in before.compare.engines if name not in after.compare.engines]
    missing = {name: ENGINES[name].unavailable for name in names if name in ENGINES and ENGINES[name].unavailable}
    unable = [display_name(name) for name in names if name not in missing]
    files = [
        Path(old.path).name
        for old, new in ((before.parameters, after.parameters), (before.initial_state, after.initial_state))
        if old.path is not None and new.path is None
    ]
    others = [*dict.fromkeys((*unable, *files))]
    said = [f"Left out, because they do not fit the new cell: {join_words(others)}."] if others else []
    return " ".join((*said, *map(str, missing.values())))


def comparing(config: Config, name: str) -> Config:
    """The config with an engine as a further candidate."""
    engines = engines_of(config)
    return config if name in engines else config.with_engines((*engines, name))


class FileStamps:
    """Modification time, size and inode of known files. File contents are not read."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int, int]] = {}

    def remember(self, path: Path) -> None:
        """Record the state of a file that this window has just read or written."""
        stamp = _stamp(path)
        if stamp is not None:
            self._known[path.absolute()] = stamp

    def changed(self, path: Path) -> bool:
        known, stamp = self._known.get(path.absolute()), _stamp(path)
        return None not in (known, stamp) and known != stamp


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


_CHANGED = (
    "Another window or program wrote {path} after it was opened or saved here. Saving now overwrites those changes."
)
_CREATED = "Created {path}. Each time you save it, rnnviz runs it again."


class FileCommands(QObject):
    """Functions of the File menu and of dropped files. An error opens a dialog and changes nothing."""

    message = Signal(str)
    """A text for the status bar."""
    written = Signal(str)
    """The path of a Python file that rnnviz has just created."""
    sweep_requested = Signal(object)
    """The `Path` of a sweep or its results."""
    task_requested = Signal(object)
    """The `Path` of a training task."""

    def __init__(
        self, window: QWidget, session: Session, document: Document, recent: RecentFiles, sessions: SessionCommands
    ) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._document = document
        self.recent = recent
        self._sessions = sessions
        self._models = ModelCommands(window, document, recent, self.after_changes)
        sessions.read.connect(self.after_changes, Qt.ConnectionType.QueuedConnection)
        self._known = FileStamps()
        recent.used.connect(self._known.remember)

    def ask_open(self) -> None:
        ask_file(self._window, "Open", openable_files(), self.open)

    def open(self, path: Path, then: Callable[[], None] = lambda: None) -> None:
        """Open a file. If it replaces unsaved changes, ask first. Call `then` once its network is there."""
        if is_of_sweep(path):
            self.sweep_requested.emit(path)
        elif is_task(path):
            self.task_requested.emit(path)
        else:
            self.after_changes(partial(self._open, path, then))

    def _open(self, path: Path, then: Callable[[], None] = lambda: None) -> None:
        if is_session(path):
            self._sessions.open(path, self._session.config, then)
            return
        if is_model(path):
            self._models.open(path, self._session.config, then)
            return
        if not is_config(path) and _is_addable(path):
            self._add([path])
            return
        try:
            self._document.open(path)
        except InputError as error:
            show_error_dialog(self._window, "Cannot open the config", error, "configs")
            return
        self.recent.add(path)
        then()

    def close(self) -> None:
        self._models.close()

    def new_network(self) -> None:
        """Open a small LSTM whose settings can be changed."""
        from rnnviz.io.config_toml import load_config

        config = load_config(resource_path("examples", "small-lstm.toml"))
        self.after_changes(partial(self._document.take, config, "Small LSTM"))

    def ask_open_recurrence(self) -> None:
        """Ask for a custom step and compare it."""
        ask_file(self._window, "Open custom step", RECURRENCES, self.open_recurrence)

    def open_recurrence(self, path: Path) -> None:
        """Compare a custom step with the reference."""
        config = comparing_own(self._session.config, path.absolute())
        self._select_added(config)
        self._document.edit(config, f"comparing with {path.name}")

    def ask_new_recurrence(self) -> None:
        """Ask where to create a custom step for the current cell, and compare it."""
        config = self._session.config
        write = partial(write_starter, config.network.kind, backward=config.backward.enabled)
        name = f"my_{Path(config.network.cell).stem}.py"
        self._ask_new("custom step", RECURRENCES, name, write, self.open_recurrence)

    def ask_new_cell(self) -> None:
        """Ask where to create a custom cell, and make it the network's cell."""

        def use(path: Path) -> str:
            before, after = self._session.config, of_new_cell(self._session.config, path.absolute())
            self._document.edit(after, f"using the cell {path.name}")
            return left_out(before, after)

        self._ask_new("custom cell", CELLS, "my_cell.py", write_cell_starter, use)

    def _ask_new(
        self, kind: str, filters: str, name: str, write: Callable[[Path], object], use: Callable[[Path], str | None]
    ) -> None:
        def create(path: Path) -> None:
            try:
                write(path)
            except InputError as error:
                show_error_dialog(self._window, f"Cannot write the {kind}", error)
                return
            self.written.emit(str(path.absolute()))
            note = use(path) or ""
            self.message.emit(f"{note} {_CREATED.format(path=path)}".lstrip())

        ask_new_file(self._window, f"New {kind}", filters, "py", name, create)

    def open_lesson(self, lesson: Lesson) -> None:
        """Open the config of a lesson."""

        def take() -> None:
            self._document.take(lesson.config, lesson.title)
            self.message.emit(lesson.summary)

        self.after_changes(take)

    def save(self, then: Callable[[], None] = lambda: None) -> None:
        """Write the config or session to its file, or ask for a file; then call `then`."""
        if self._document.path is None:
            self.ask_save_as(then)
        else:
            self._save_and(self._document.path, then)

    def ask_save_as(self, then: Callable[[], None] = lambda: None) -> None:
        suggestion = self._document.path
        name = f"{self._document.origin.stem}.toml" if suggestion is None else str(suggestion.with_suffix(".toml"))

        def write(path: Path) -> None:
            if self._save(path):
                then()

        ask_new_file(self._window, "Save config", CONFIGS, "toml", name, write)

    def ask_about_changes(self, leave: Callable[[], None]) -> bool:
        """Ask whether to save a changed config, then call `leave`. Returns False without changes."""
        if not self._document.modified:
            return False
        text = f"{self._document.origin.title} has unsaved changes."
        answers = Answer("&Save", lambda: self.save(leave)), Answer("&Discard", leave), CANCEL
        ask(self._window, "Unsaved changes", text, *answers)
        return True

    def after_changes(self, replace_config: Callable[[], None], asked: Config | None = None) -> None:
        """Replace the config, after a question if it has unsaved changes and is not `asked`.

        `asked` is the config of an earlier question, before a file was read in the background.
        """
        if self._session.config == asked or not self.ask_about_changes(replace_config):
            replace_config()

    def drop(self, paths: Sequence[Path]) -> None:
        """Open dropped configs, models, sweeps and training tasks; then add dropped arrays to the config.

        All of it is one undo entry. If one file is not supported, no file changes anything.
        """
        sweeps = [path for path in paths if is_of_sweep(path)]
        tasks = [path for path in paths if is_task(path)]
        others = [path for path in paths if path not in (*sweeps, *tasks)]
        opened = [path for path in others if is_config(path) or is_session(path) or is_model(path)]
        read = [path for path in others if path not in opened]
        for path in sweeps:
            self.sweep_requested.emit(path)
        for path in tasks:
            self.task_requested.emit(path)
        if opened:
            self.after_changes(partial(self._open_and_add, opened, read))
        elif read:
            self._add(read)

    def _open_and_add(self, opened: Sequence[Path], read: Sequence[Path]) -> None:
        *others, last = sorted(opened, key=is_config, reverse=True)
        for path in others:
            self._open(path)
        self._open(last, partial(self._add, read, amend=True))

    def _add(self, read: Sequence[Path], *, amend: bool = False) -> None:
        """Add files to the config as one undo entry, or with `amend` as part of what was opened."""
        config = before = self._session.config
        try:
            for path in read:
                config = config_with(config, path.absolute()).checked()
        except InputError as error:
            show_error_dialog(self._window, "Cannot use the file", error)
            return
        self._select_added(config)
        if config != before and amend:
            self._document.amend(config)
        elif config != before:
            self._document.edit(config, f"dropping {', '.join(path.name for path in read)}")

    def _select_added(self, config: Config) -> None:
        present = self._session.config.compare.engines
        for name in config.compare.engines:
            if name not in present:
                self._session.set_candidate(name)

    def _save_and(self, path: Path, then: Callable[[], None]) -> None:
        """Write the config or session, after a question if another program changed the file; then call `then`."""
        if self._known.changed(path):
            elsewhere = self._sessions.ask_save if is_session(path) else partial(self.ask_save_as, then)
            answers = Answer("Save &as…", elsewhere), Answer("&Overwrite", partial(self._write_and, path, then)), CANCEL
            ask(self._window, "File changed on disk", _CHANGED.format(path=path), *answers)
        else:
            self._write_and(path, then)

    def _write_and(self, path: Path, then: Callable[[], None]) -> None:
        if is_session(path):
            self._sessions.save(path, then=then)
        elif self._save(path):
            then()

    def _save(self, path: Path) -> bool:
        own = [Path(file).name for file in self._sessions.files_of_its_own(self._session.config)]
        if own:
            sentence = (
                f"{path} would refer to {', '.join(own)}, which is deleted with this window. "
                "Save the session with files, or unzip the session and open its config.toml."
            )
            show_error_dialog(self._window, "Cannot save the config", sentence)
            return False
        try:
            self._document.save(path)
        except InputError as error:
            show_error_dialog(self._window, "Cannot save the config", error)
            return False
        self.recent.add(path)
        self.message.emit(f"Saved {path}.")
        return True
