"""Settings by their keys: read once, kept in memory, and written where nobody waits for the disk."""

import weakref

from PySide6.QtCore import QObject, QSettings, Qt, QThread, Signal, Slot


class SettingsStore:
    """The values of a file of Qt's, as they were at the start and as they were changed since.

    Parameters
    ----------
    file
        Whose values these are. It is read at once and never again: whatever somebody else writes to it meanwhile stays
        there, unless the same key is changed here.
    """

    def __init__(self, file: QSettings) -> None:
        self.path = file.fileName()
        self._format = file.format()
        self._values = {key: value for key in file.allKeys() if (value := _read(file, key)) is not None}
        self._unsaved: dict[str, object] = {}
        self._pen: _SettingsWriter | None = None
        self._end_of_thread: weakref.finalize[..., SettingsStore] | None = None

    def value(self, key: str) -> object:
        """What was last set, or what the file said; None if neither."""
        return self._values.get(key)

    def set_value(self, key: str, value: object) -> None:
        """Change it from now on; the file follows if `write_at_once` was called, or else with `save`."""
        self._values[key] = self._unsaved[key] = value
        if self._pen is not None:
            self._pen.wanted.emit(key, value)

    def write_at_once(self) -> None:
        """Have every change written soon, until `save`: a program that is killed loses none."""
        if self._pen is not None:
            return
        thread = QThread()
        self._pen = _SettingsWriter(self.path, self._format)
        self._pen.moveToThread(thread)
        thread.start()
        # A thread of Qt's that still runs where Python ends would bring the program down.
        self._end_of_thread = weakref.finalize(self, _end, self._pen, thread)
        for key, value in self._unsaved.items():
            self._pen.wanted.emit(key, value)

    def save(self) -> bool:
        """Write everything now, and say whether that could be done: if not, what was written before is as it was."""
        if self._end_of_thread is not None:
            self._end_of_thread()
        self._pen = None
        # A file that once could not be written says so for ever; another one of the same name tries again.
        file = QSettings(self.path, self._format)
        for key, value in self._unsaved.items():
            file.setValue(key, value)
        file.sync()
        saved = file.status() != QSettings.Status.AccessError
        if saved:
            self._unsaved.clear()
        return saved


class _SettingsWriter(QObject):
    """Writes on a thread of Qt's own.

    Qt puts a changed file on the disk in the events of the thread that changed it, and waits until it lies there: for
    half a second where the disk is busy. These events need no lock of Python's, so that nothing else waits with them.
    """

    wanted = Signal(str, object)
    finished = Signal()

    def __init__(self, path: str, file_format: QSettings.Format) -> None:
        super().__init__()
        self._path, self._format = path, file_format
        self._file: QSettings | None = None
        # Said to be queued: Qt takes a method of Python's for one of the thread that connects it.
        self.wanted.connect(self._write, Qt.ConnectionType.QueuedConnection)
        self.finished.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    @Slot(str, object)
    def _write(self, key: str, value: object) -> None:
        if self._file is None:
            self._file = QSettings(self._path, self._format)
        self._file.setValue(key, value)

    @Slot()
    def _finish(self) -> None:
        # Whatever is not written yet is, as the file is let go.
        self._file = None
        QThread.currentThread().quit()


def _end(pen: _SettingsWriter, thread: QThread) -> None:
    # Queued behind what is to be written: a thread that is told to quit leaves that undone.
    pen.finished.emit()
    thread.wait()


def _read(file: QSettings, key: str) -> object:
    try:
        return file.value(key)
    except (RuntimeError, ValueError, TypeError, OverflowError):  # a value of Qt's for which Python has none
        return None
