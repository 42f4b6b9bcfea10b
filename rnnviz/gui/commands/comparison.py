"""Comparisons of files: a model with the recorded output of other code, and two files with each other."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.config import Backward, Compare, Config, Network
from rnnviz.core.engine_spec import RecordingName
from rnnviz.core.errors import InputError
from rnnviz.core.words import join_words
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.dialogs import RECORDINGS, ask_file, openable_files
from rnnviz.gui.commands.file_commands import FileCommands, comparing, is_config, is_model, is_session
from rnnviz.gui.document import Document
from rnnviz.gui.kit.tasks import BackgroundTask, Progress, TaskQueue
from rnnviz.gui.recovery.session_commands import SessionCommands

_PORT, _TWO = "Check a port", "Compare two files"
_COMPARED = (
    "Compared with {name}: the manual engine computed its network from the input and the initial state of {first}. "
    "Each engine was checked with the weights of {first}."
)


class ComparisonCommands(QObject):
    """Asks for two files, opens the first one and adds the second one as a candidate."""

    message = Signal(str)
    """A text for the status bar."""

    _recorded = Signal(object, str)

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
        self._recorded.connect(self._add, Qt.ConnectionType.QueuedConnection)

    def ask_port(self) -> None:
        """Ask for a model, then for the outputs that a port of it recorded."""
        self._ask(f"{_PORT}: its model or config", f"{_PORT}: the output of your code", RECORDINGS, self.check_port)

    def ask_two(self) -> None:
        """Ask for two files that define the same network, or for one and the recorded outputs of a run."""
        kinds = f"{openable_files()};;{RECORDINGS}"
        self._ask(f"{_TWO}: the first one", f"{_TWO}: the second one", kinds, self.compare)

    def check_port(self, model: Path, recording: Path) -> None:
        """Open a model or a config, and compare recorded outputs with it."""
        self._files.open(model, partial(self._add, recording, f"Compared with {recording.name}."))

    def compare(self, first: Path, second: Path) -> None:
        """Open the first file, and compare the second one with it."""
        if is_config(second) or is_session(second) or is_model(second):
            self._files.open(first, partial(self._compute, second))
        else:
            self.check_port(first, second)

    def _ask(self, first: str, second: str, kinds: str, use: Callable[[Path, Path], None]) -> None:
        def ask_second(path: Path) -> None:
            ask_file(self._window, second, kinds, partial(use, path), path.parent)

        ask_file(self._window, first, openable_files(), ask_second)

    def _add(self, recording: Path, message: str) -> None:
        name = str(RecordingName(str(recording.absolute())))
        config = comparing(self._session.config, name)
        self._session.set_candidate(name)
        if config != self._session.config:
            self._document.amend(config)
        self.message.emit(message)

    def _compute(self, second: Path) -> None:
        """Compute the second network from the input of the first one, and compare what it gives."""
        first, folder = self._session.config, self._sessions.unpacks_to()
        opened = self._document.origin

        def work(progress: Progress) -> str:
            from rnnviz.execution.child_process import call_in_subprocess
            from rnnviz.gui.commands.manual_run import record_states

            config, path = _with_input_of(first, second, self._sessions), folder / f"{second.stem}.npz"
            folder.mkdir(parents=True, exist_ok=True)
            call_in_subprocess(record_states, config, path, what=f"{second} could not be run", notify=progress)
            if self._document.origin == opened:
                self._recorded.emit(path, _COMPARED.format(name=second.name, first=opened.title))
            return ""

        self._jobs.start(BackgroundTask(f"computing {second.name}", work))


def _with_input_of(first: Config, path: Path, sessions: SessionCommands) -> Config:
    """The config of a file with the input and the initial state of another one.

    Raises an InputError if the file has no network of the same kind and sizes.
    """
    others = list(_configs(path, sessions))
    same = [config for config in others if _sizes(config.network) == _sizes(first.network)]
    if not same:
        found = join_words((_in_words(config.network) for config in others), most=4) or "none"
        raise InputError(f"{path} has no network to compare with {_in_words(first.network)} (got {found}).")
    network = replace(same[0].network, dtype=first.network.dtype, layout=first.network.layout)
    config = replace(same[0], network=network, sequence=first.sequence, initial_state=first.initial_state)
    return replace(config, compare=Compare(candidates=()), backward=Backward()).checked()


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
