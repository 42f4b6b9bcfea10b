"""Automatic runs of small networks after an edit."""

import zipfile
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.core.config import Config
from rnnviz.core.npz import ZIP_DAMAGE
from rnnviz.gui.app_state import Session

AUTOMATIC_VALUES = 50_000
"""Largest number of hidden values, parameters and inputs for an automatic run."""
DELAY_MS = 150


class AutoRun(QObject):
    """Schedules a run shortly after an edit of a small network, and tracks whether the result is out of date."""

    changed = Signal()
    """`stale` or `due` may have changed."""
    run_due = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._shown: Config | None = None
        self._delay = QTimer(self, singleShot=True, interval=DELAY_MS)
        self._delay.timeout.connect(self.run_due)
        session.on_change(self.schedule, "config")

    @property
    def stale(self) -> bool:
        """Whether the result is out of date."""
        return self._shown is not None and self._shown != self._session.config

    @property
    def due(self) -> bool:
        """Whether a run is scheduled."""
        return self._delay.isActive()

    def show(self, config: Config) -> None:
        """Record that the result of `config` is shown."""
        self._shown = config
        self.changed.emit()

    def cancel(self) -> None:
        """Cancel the scheduled run."""
        self._delay.stop()
        self.changed.emit()

    def schedule(self) -> None:
        """Schedule a run if the config differs from the shown result and is small."""
        config = self._session.config
        if config != self._shown and run_size(config) <= AUTOMATIC_VALUES:
            self._delay.start()
        else:
            self._delay.stop()
        self.changed.emit()


def run_size(config: Config) -> float:
    """Upper bound of the values in a run: parameters, inputs, hidden values of every engine."""
    network, sequence = config.network, config.sequence
    steps: float = sequence.timesteps * sequence.batch_size
    if sequence.source == "file" and sequence.path is not None:
        steps = _values_in(Path(sequence.path)) / network.input_size
    hidden = network.num_layers * network.directions * steps * network.output_size
    # A custom cell has parameters only once a run has read its file.
    parameters = network.parameter_count if network.is_known else 0
    return parameters + steps * network.input_size + len(config.compare.engines) * hidden


def _values_in(file: Path) -> float:
    """Upper bound of the values in a file: one per byte, of an archive's largest array unpacked."""
    try:
        if file.suffix.lower() != ".npz":
            return file.stat().st_size
        with zipfile.ZipFile(file) as archive:
            return max((member.file_size for member in archive.infolist()), default=0)
    except (OSError, *ZIP_DAMAGE):
        # The run reports the unreadable file.
        return 0.0
