"""Whether the picture is of the config in the panel, and whether a run would bring that about by itself."""

import zipfile
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.core.config import Config
from rnnviz.core.zip_errors import ZIP_DAMAGE
from rnnviz.gui.app_state import Session

AUTOMATIC_VALUES = 50_000
"""Up to so many hidden values, parameters and inputs a run is done before one notices."""
DELAY_MS = 150


class AutoRun(QObject):
    """Follows the session's config and what is shown: small networks are due for a run shortly after an edit."""

    changed = Signal()
    """`stale` or `due` may have changed."""
    run_due = Signal()

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._shown: Config | None = None
        self._delay = QTimer(self, singleShot=True, interval=DELAY_MS)
        self._delay.timeout.connect(self.run_due)
        session.config_changed.connect(self.schedule)

    @property
    def stale(self) -> bool:
        """Whether the shown result is of an older config."""
        return self._shown is not None and self._shown != self._session.config

    @property
    def due(self) -> bool:
        """Whether a run begins by itself in a moment."""
        return self._delay.isActive()

    def show(self, config: Config) -> None:
        """The result of `config` is shown from now on."""
        self._shown = config
        self.changed.emit()

    def cancel(self) -> None:
        """A run was started, or the fields hold no config at present: none is due."""
        self._delay.stop()
        self.changed.emit()

    def schedule(self) -> None:
        """Let a run be due if the present config is not the one that is shown, and small."""
        config = self._session.config
        if config != self._shown and run_size(config) <= AUTOMATIC_VALUES:
            self._delay.start()
        else:
            self._delay.stop()
        self.changed.emit()


def run_size(config: Config) -> float:
    """How many numbers a run reads and computes at most: parameters, inputs, hidden values of every engine."""
    network, sequence = config.network, config.sequence
    steps: float = sequence.timesteps * sequence.batch_size
    if sequence.source == "file" and sequence.path is not None:
        steps = _values_in(Path(sequence.path)) / network.input_size
    hidden = network.num_layers * network.directions * steps * network.hidden_size
    return network.parameter_count + steps * network.input_size + len(config.compare.engines) * hidden


def _values_in(file: Path) -> float:
    """How many numbers a file holds at most: one a byte, and those of an archive's largest array once unpacked."""
    try:
        if file.suffix.lower() != ".npz":
            return file.stat().st_size
        with zipfile.ZipFile(file) as archive:
            return max((member.file_size for member in archive.infolist()), default=0)
    except (OSError, *ZIP_DAMAGE):
        # The run says at once that it cannot be read.
        return 0.0
