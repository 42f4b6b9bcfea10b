"""Key-value settings: read once, cached, and written on a separate thread."""

import weakref

from PySide6.QtCore import QObject, QSettings, Qt, QThread, Signal, Slot


class SettingsStore:
    """Cached values of a QSettings file.

    Parameters
    ----------
    file
        The file, read once. Changes by other programs stay in it unless the same key is changed here.
    """

    def __init__(self, file: QSettings) -> None:
        self.path = file.fileName()
        self._format = file.format()
        self._values = {key: value for key in file.allKeys() if (value := _read(file, key)) is not None}
        self._unsaved: dict[str, object] = {}
        self._writer: _SettingsWriter | None = None
        self._end_of_thread: weakref.finalize[..., SettingsStore] | None = None

    def value(self, key: str) -> object:
        """The value of a key, or None."""
        return self._values.get(key)

    def set_value(self, key: str, value: object) -> None:
        """Set a value. It is written soon after `write_at_once`, else by `save`."""
        self._values[key] = self._unsaved[key] = value
        if self._writer is not None:
            self._writer.wanted.emit(key, value)

    def write_at_once(self) -> None:
        """Write each change soon, until `save`: a killed program loses none."""
        if self._writer is not None:
            return
        thread = QThread()
        self._writer = _SettingsWriter(self.path, self._format)
        self._writer.moveToThread(thread)
        thread.start()
        # A QThread that still runs at interpreter exit crashes the program.
        self._end_of_thread = weakref.finalize(self, _end, self._writer, thread)
        for key, value in self._unsaved.items():
            self._writer.wanted.emit(key, value)

    def save(self) -> bool:
        """Write all values now. Returns False on failure; the file is then unchanged."""
        if self._end_of_thread is not None:
            self._end_of_thread()
        self._writer = None
        # QSettings reports a failed write forever, so write through a new object.
        file = QSettings(self.path, self._format)
        for key, value in self._unsaved.items():
            file.setValue(key, value)
        file.sync()
        saved = file.status() != QSettings.Status.AccessError
        if saved:
            self._unsaved.clear()
        return saved


class _SettingsWriter(QObject):
    """Writes settings on a QThread.

    Qt writes a changed file in the event loop of the thread that changed it and blocks until the write is done: up to
    half a second on a busy disk. The write holds no Python lock, so no other thread waits.
    """

    wanted = Signal(str, object)
    finished = Signal()

    def __init__(self, path: str, file_format: QSettings.Format) -> None:
        super().__init__()
        self._path, self._format = path, file_format
        self._file: QSettings | None = None
        # Explicitly queued: Qt assigns a Python method to the thread that connects it.
        self.wanted.connect(self._write, Qt.ConnectionType.QueuedConnection)
        self.finished.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    @Slot(str, object)
    def _write(self, key: str, value: object) -> None:
        if self._file is None:
            self._file = QSettings(self._path, self._format)
        self._file.setValue(key, value)

    @Slot()
    def _finish(self) -> None:
        # Deleting the object writes pending changes.
        self._file = None
        QThread.currentThread().quit()


def _end(writer: _SettingsWriter, thread: QThread) -> None:
    # Queued behind the pending writes, which `quit` would drop.
    writer.finished.emit()
    thread.wait()


def _read(file: QSettings, key: str) -> object:
    try:
        return file.value(key)
    except (RuntimeError, ValueError, TypeError, OverflowError):  # a Qt type without a Python equivalent
        return None
