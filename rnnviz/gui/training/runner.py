"""Training runner: trains in a child process, and hands its events to the window."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal

from rnnviz.execution.folders import storage
from rnnviz.gui.kit.tasks import Check, Report, StoppableTask
from rnnviz.training.checkpoints import CheckpointFolder, SavedCheckpoint
from rnnviz.training.history import TrainingStart
from rnnviz.training.loop import Checkpoint, TrainingEvent, TrainingProcess
from rnnviz.training.task import TrainingTask

if TYPE_CHECKING:
    from rnnviz.training.problems import BatchSource

_INTERVAL = 0.1
"""Seconds between two signals with events."""
_STOP_SECONDS = 10.0
"""The longest time for the step in progress, before its process is ended."""


class TrainingRunner(StoppableTask):
    """A stopped training ends after the step in progress, with a checkpoint; a closed one without."""

    started = Signal(object)
    """The `TrainingStart`, unless a training resumes."""
    received = Signal(object)
    """A list of events: `StepDone` or `SavedCheckpoint`."""
    failed = Signal(str, bool)
    """Sentence of an error, and whether the training had a checkpoint. Its checkpoints until then are kept."""

    _prepared, _sent = Signal(object), Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("training", parent)
        self.last: Checkpoint | None = None
        """The checkpoint at which a training can resume."""
        self._begun = False
        self._folder: CheckpointFolder | None = None
        self._prepared.connect(self.started, Qt.ConnectionType.QueuedConnection)
        self._sent.connect(self.received, Qt.ConnectionType.QueuedConnection)

    def train(self, task: TrainingTask) -> None:
        """Train from the first step."""
        self._start(task, None)

    def resume(self, task: TrainingTask) -> None:
        """Train on from the last checkpoint, up to the steps of `task`, which may differ in its table `training`."""
        if self.last is not None:
            self._start(task, self.last)

    def _start(self, task: TrainingTask, resume: Checkpoint | None) -> None:
        if not self.busy:
            self._begun = False
            self._begin(partial(self._train, task, resume), lambda sentence: self.failed.emit(sentence, self._begun))

    # On the thread

    def _train(self, task: TrainingTask, resume: Checkpoint | None, check: Check) -> Report:
        if resume is None:
            # The import of what makes batches is slow; on this thread it blocks no window.
            from rnnviz.training.problems import batches_of

            source = batches_of(task)
            self.last = None
            self._folder = CheckpointFolder(_new_folder(), task.with_input_size(source.input_size), source)
            self._prepared.emit(_start(task, source))
        self._begun = resume is not None
        with TrainingProcess(task, resume) as process:
            while not (process.ended or self._stopped):
                check()
                self._send(process.events(_INTERVAL))
            if not process.ended:
                checkpoint, events = process.checkpoint(check, _STOP_SECONDS)
                self._send(events)
                if self.last is None or self.last.step != checkpoint.step:
                    self._send([checkpoint])
        return self._end()

    def _send(self, events: Sequence[TrainingEvent]) -> None:
        found: list[TrainingEvent | SavedCheckpoint] = []
        for event in events:
            if isinstance(event, Checkpoint):
                assert self._folder is not None
                self.last, self._begun = event, True
                found.append(self._folder.save(event))
            else:
                found.append(event)
        if found:
            self._sent.emit(found)


def _start(task: TrainingTask, source: "BatchSource") -> TrainingStart:
    characters = "".join(source.names) if task.problem.kind == "characters" else ""
    return TrainingStart(task.with_input_size(source.input_size), source.baseline, characters)


def _new_folder() -> Path:
    """A folder with the files of one training, which is kept as long as the program runs."""
    return Path(mkdtemp(prefix="training-", dir=storage().folder))
