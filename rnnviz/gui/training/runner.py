"""Training runner: trains in a child process, and hands its events to the window."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from PySide6.QtCore import QObject, Qt, Signal

from rnnviz.execution.folders import storage
from rnnviz.gui.kit.tasks import Check, Report, StoppableTask
from rnnviz.training.checkpoints import CheckpointFolder, SavedCheckpoint
from rnnviz.training.history import TrainingStart
from rnnviz.training.loop import Checkpoint, TrainingEvent, TrainingProcess
from rnnviz.training.problems import BatchSource, batches_of
from rnnviz.training.task import TrainingTask
from rnnviz.training.training_file import TrainingRecord, load_training

_INTERVAL = 0.1
"""Seconds between two signals with events."""
_STOP_SECONDS = 10.0
"""The longest time for the step in progress, before its process is ended."""


class TrainingRunner(StoppableTask):
    """A stopped training ends after the step in progress, with a checkpoint; a closed one without."""

    started = Signal(object)
    """The `TrainingStart`, unless a training resumes."""
    restored = Signal(object)
    """The `TrainingHistory` of a file."""
    received = Signal(object)
    """A list of events: `StepDone` or `SavedCheckpoint`."""
    failed = Signal(str, bool)
    """Sentence of an error, and whether the training had a checkpoint. Its checkpoints until then are kept."""
    refused = Signal(str)
    """Sentence of an error of a file."""
    checkpointed = Signal()
    """The training can resume at another checkpoint."""

    _prepared, _sent = Signal(object, object), Signal(object, object)

    def __init__(self, parent: QObject | None = None, folder: Callable[[], Path] = lambda: storage().folder) -> None:
        """`folder` is that of the folders with checkpoints, which are kept as long as the program runs."""
        super().__init__("training", parent)
        self._parent_folder = folder
        self.last: Checkpoint | None = None
        """The last checkpoint that was received, at which the training can resume."""
        self.source: BatchSource | None = None
        self._reached: Checkpoint | None = None
        """The last one on the thread."""
        self._begun = False
        self._folder: CheckpointFolder | None = None
        self._prepared.connect(self._on_prepared, Qt.ConnectionType.QueuedConnection)
        self._sent.connect(self._on_sent, Qt.ConnectionType.QueuedConnection)

    def train(self, task: TrainingTask) -> None:
        """Train from the first step."""
        self._start(task, None)

    def resume(self, task: TrainingTask) -> None:
        """Train on from the last checkpoint, up to the steps of `task`, which may differ in its table `training`."""
        if self.last is not None:
            self._start(task, self.last)

    def restore(self, path: Path) -> None:
        """Read the file of a training, at whose last checkpoint it can resume."""
        if not self.busy:
            self._begin(partial(self._restore, path), self.refused.emit)

    def _start(self, task: TrainingTask, resume: Checkpoint | None) -> None:
        if not self.busy:
            self._begun = False
            self._begin(partial(self._train, task, resume), lambda sentence: self.failed.emit(sentence, self._begun))

    def _on_prepared(self, start: TrainingStart, source: BatchSource) -> None:
        self.last, self.source = None, source
        self.started.emit(start)

    def _on_sent(self, found: list[TrainingEvent | SavedCheckpoint], last: Checkpoint | None) -> None:
        reached, self.last = last is not self.last, last
        self.received.emit(found)
        if reached:
            self.checkpointed.emit()

    def _on_restored(self, record: TrainingRecord) -> None:
        self.last, self.source = record.last, record.source
        self.restored.emit(record.history)
        self.checkpointed.emit()
        self.ended.emit(False)

    # On the thread

    def _train(self, task: TrainingTask, resume: Checkpoint | None, check: Check) -> Report:
        self._reached = resume
        if resume is None:
            source = batches_of(task)
            self._folder = CheckpointFolder(self._new_folder(), task.with_input_size(source.input_size), source)
            self._prepared.emit(TrainingStart.of(task, source), source)
        self._begun = resume is not None
        with TrainingProcess(task, resume) as process:
            while not (process.ended or self._stopped):
                check()
                self._send(process.events(_INTERVAL))
            if not process.ended:
                checkpoint, events = process.checkpoint(check, _STOP_SECONDS)
                self._send(events)
                if self._reached is None or self._reached.step != checkpoint.step:
                    self._send([checkpoint])
        return self._end()

    def _send(self, events: Sequence[TrainingEvent]) -> None:
        found: list[TrainingEvent | SavedCheckpoint] = []
        for event in events:
            if isinstance(event, Checkpoint):
                assert self._folder is not None
                self._reached, self._begun = event, True
                found.append(self._folder.save(event))
            else:
                found.append(event)
        if found:
            self._sent.emit(found, self._reached)

    def _restore(self, path: Path, check: Check) -> Report:
        record = load_training(path)
        folder = CheckpointFolder(self._new_folder(), record.history.start.task, record.source)
        checkpoints = []
        for checkpoint in record.history.checkpoints:
            check()
            checkpoints.append(folder.save(checkpoint))
        record.history.checkpoints, self._folder = checkpoints, folder
        return partial(self._on_restored, record)

    def _new_folder(self) -> Path:
        return Path(mkdtemp(prefix="training-", dir=self._parent_folder()))
