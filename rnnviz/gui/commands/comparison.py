"""Comparisons of files: a model with the recorded output of other code, and two files with each other."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import which

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Config, InitialStateSource, Network
from rnnviz.core.engine_spec import EXEC, ModelName, RecordingName, recording_name
from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile, open_npy
from rnnviz.core.words import join_words
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import RECORDINGS, AskedFile, FilesDialog, openable_files, sequences, show_error_dialog
from rnnviz.gui.commands.file_commands import FileCommands, comparing, config_with, is_config, is_model, is_session
from rnnviz.gui.document import Document
from rnnviz.gui.kit.tasks import BackgroundTask, Progress, TaskQueue
from rnnviz.gui.recovery.session_commands import SessionCommands

_PORT, _TWO = "Check a port", "Compare two files"
_COMPARED = (
    "Compared with {name}: the manual engine computes with its weights from the input and the initial state of "
    "{first}. Parameters shows which weights differ, and units by difference which units."
)


class ComparisonCommands(QObject):
    """Asks for two files, opens the first one and adds the second one as a candidate."""

    message = Signal(str)
    """A text for the status bar."""

    _found = Signal(str, str)

    def __init__(
        self,
        window: QWidget,
        session: Session,
        document: Document,
        files: FileCommands,
        sessions: SessionCommands,
        jobs: TaskQueue,
    ) -> None:
        super().__init__(window)
        self._window, self._session, self._document = window, session, document
        self._files, self._sessions, self._jobs = files, sessions, jobs
        self._found.connect(self._add, Qt.ConnectionType.QueuedConnection)

    def ask_port(self) -> None:
        """Ask for a model, the outputs that a port of it recorded, and the input that the port read."""

        def without_input(paths: Sequence[Path | None]) -> bool:
            # A model file has no input; a config and a session name theirs, and a program reads any.
            model, output, _ = paths
            program = model is not None and output is not None and _command(output, model.absolute().parent)
            return model is not None and is_model(model) and not program

        rows = (
            AskedFile("&Model or config", openable_files(), "a model file, a config or a session"),
            AskedFile(
                "&Output, or program", RECORDINGS, "its hidden values, output or state; or ./port, which computes them"
            ),
            AskedFile(
                "&Input of your code",
                sequences(),
                "time steps × samples × features; a config has its own",
                without_input,
            ),
        )
        FilesDialog(self._window, _PORT, rows, self.check_port).open()

    def ask_two(self) -> None:
        """Ask for two files that hold the same kind of network, or for one and the recorded outputs of a run."""
        rows = (
            AskedFile("&First file", openable_files(), "a checkpoint, model, config or session"),
            AskedFile("&Second file", f"{openable_files()};;{RECORDINGS}", "the same kind of network, or its outputs"),
        )
        FilesDialog(self._window, _TWO, rows, self.compare).open()

    def check_port(self, model: Path, recording: Path, given: Path | None = None) -> None:
        """Open a model or a config, and compare recorded outputs or a program with it, for an input where one is
        given."""
        command = _command(recording, model.absolute().parent)
        if command:
            self._files.open(model, partial(self._add, f"{EXEC}{command}", f"Compared with {command}."))
            return
        message = f"Compared with {recording.name}."
        if is_model(model):
            message = f"Compared with {recording.name}, from an initial state of zeros (Settings has others)."
        name = str(RecordingName(str(recording.absolute())))
        self._files.open(model, partial(self._add, name, message, given, zeros=is_model(model)))

    def compare(self, first: Path, second: Path) -> None:
        """Open the first file, and compare the second one with it."""
        if is_config(second) or is_session(second) or is_model(second):
            self._files.open(first, partial(self._add_weights, second))
        else:
            self.check_port(first, second)

    def _add(self, name: str, message: str, given: Path | None = None, *, zeros: bool = False) -> None:
        config = comparing(self._session.config, name)
        opened = self._document.path
        config = config.with_program_folder(str(Path.cwd() if opened is None else opened.parent.absolute()))
        try:
            if given is not None:
                config = _reading(config_with(config, given.absolute()), given, name).checked()
        except InputError as error:
            show_error_dialog(self._window, "Cannot use the input", error)
            return
        if zeros and config.initial_state.source in ("uniform", "normal"):
            config = replace(config, initial_state=InitialStateSource(source="zeros"))
        self._session.set_candidate(name)
        # The user has not selected anything in the run with the new engine.
        self._session.replace(replace(self._session.state, fresh=True))
        if config != self._session.config:
            self._document.amend(config)
        self.message.emit(message)

    def _add_weights(self, second: Path) -> None:
        """Compare with the weights of the second file, on the input of the first one."""
        first, opened = self._session.config, self._document.origin

        def work(progress: Progress) -> str:
            other = _of_same_sizes(first.network, second, self._sessions)
            entry = other.parameters.entry if is_model(second) else None
            words = _inputs_in_words(first, other), _COMPARED.format(name=second.name, first=opened.title)
            if self._document.origin == opened:
                self._found.emit(str(ModelName(str(second.absolute()), entry or "")), " ".join(filter(None, words)))
            return ""

        self._jobs.start(BackgroundTask(f"reading {second.name}", work))


def _command(path: Path, folder: Path) -> str:
    """The command that can be run in a folder, "" if the text is the path of recorded outputs instead."""
    text = str(path)
    program = next(iter(text.split()), "")
    if not program or path.is_dir():
        return ""
    # A path has lost the dot before a program of the folder.
    return f"./{text}" if which(folder / program) and not path.is_absolute() else text if which(program) else ""


def _reading(config: Config, given: Path, engine: str) -> Config:
    """The config with the axes of its input in the order in which a recording has them, where the sizes show it."""
    recording = Path(recording_name(engine).path)
    hidden = NpzFile(recording).headers.get("hidden") if recording.suffix.lower() == ".npz" else None
    if given.suffix.lower() != ".npy" or hidden is None or len(hidden.shape) != 5:
        return config
    sizes, found = hidden.shape[2:4], open_npy(given).shape[:2]
    time_first = tuple(sizes) == found != found[::-1]
    return replace(config, sequence=replace(config.sequence, axes="TNI")) if time_first else config


def _inputs_in_words(one: Config, other: Config) -> str:
    """Where the inputs of two files differ, which decides how their values are read; "" unless both bring one."""
    if {one.sequence.source, other.sequence.source} != {"file"}:
        return ""
    from rnnviz.execution.child_process import call_in_subprocess
    from rnnviz.execution.file_comparison import input_differences
    from rnnviz.io.inputs import load_inputs

    what = "The inputs could not be compared"
    try:
        found = call_in_subprocess(input_differences, load_inputs, one, other, what=what)
    except InputError:  # the run says it
        return ""
    sequence = next((own for own in found if own.name == "sequence"), None)
    if sequence is None:
        return ""
    return f"Their inputs differ, first at t = {sequence.first[0]:,}." if sequence.first else "Their inputs differ."


def _of_same_sizes(first: Network, path: Path, sessions: SessionCommands) -> Config:
    """A config of a network in a file. Raises an InputError if it has none of the same kind and sizes."""
    others = list(_configs(path, sessions))
    same = next((config for config in others if _sizes(config.network) == _sizes(first)), None)
    if same is None:
        found = join_words((_in_words(config.network) for config in others), most=4) or "none"
        raise InputError(f"{path} has no network to compare with {_in_words(first)} (got {found}).")
    return same


def _configs(path: Path, sessions: SessionCommands) -> Iterator[Config]:
    """Configs of the networks in a file that run without a choice."""
    from rnnviz.io.model_formats.load import config_of, entries_of
    from rnnviz.io.session import read_config, read_session

    if is_session(path):
        yield read_session(path, sessions.unpacks_to).config
    elif is_config(path):
        yield read_config(path, sessions.unpacks_to)
    else:
        from rnnviz.execution.child_process import call_in_subprocess

        for entry in call_in_subprocess(entries_of, path, what=f"{path} could not be read"):
            if entry.supported and entry.cell is not None:
                yield config_of(path, entry, None, "zeros" if entry.leaves_initial_state_open else None)


def _sizes(network: Network) -> Network:
    """The network without what may differ between files of one network."""
    return replace(network, dtype="float32", layout="NTC")


def _in_words(network: Network) -> str:
    directions = ", both directions" if network.bidirectional else ""
    layers = f", {network.num_layers} layers" if network.num_layers > 1 else ""
    return f"{network.cell} {network.input_size} → {network.hidden_size}{layers}{directions}"
