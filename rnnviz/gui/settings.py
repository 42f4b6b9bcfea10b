"""Persistent settings: read once, cached, and written on a separate thread."""

import re
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from PySide6.QtCore import QByteArray, QLockFile, QObject, QSettings, QStandardPaths, Qt, QThread, QTimer, Signal, Slot

from rnnviz.core.naming import NAMES
from rnnviz.gui.theme.scaling import TEXT_SIZES

THEME_CHOICES = ("desktop", "light", "dark")
MOTION_CHOICES = ("desktop", "reduced", "full")
NAMES_CHOICES = ("file", *NAMES)
_LAYOUT = "window/layout"
_LOCK_MS = 500
"""The longest that a lock of another window is waited for; Qt would wait for half a minute."""
_RETRY_MS = 100
_STEP = re.compile(r"\d{1,4}", re.ASCII)
_NUMBER = r"-?\d+(?:\.\d+)?(?:e[-+]\d{1,2})?"
_ANSWER = re.compile(rf"(?P<step>{_STEP.pattern})(?P<tries>(?: {_NUMBER}){{0,9}})(?P<shown> ?)", re.ASCII)

Value = TypeVar("Value")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    # An INI file stores a list of one text like the text.
    items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, str) and item)


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _bytes(value: object) -> QByteArray:
    return value if isinstance(value, QByteArray) else QByteArray()


def _one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    return lambda value: value if isinstance(value, str) and value in choices else choices[0]


class _Setting(Generic[Value]):
    """A property of `Settings` that is stored under a key. `read` turns an invalid value into that of an unset one."""

    def __init__(self, key: str, read: Callable[[object], Value]) -> None:
        self._key, self._read = key, read

    def __get__(self, settings: "Settings", _owner: type) -> Value:
        return self._read(settings.value(self._key))

    def __set__(self, settings: "Settings", value: Value) -> None:
        settings.set_value(self._key, value)


class Settings:
    """Cached values of a settings file. Invalid values count as not set.

    The file is read once. Changes by other programs stay in it unless the same key is changed here.
    """

    geometry = _Setting("window/geometry", _bytes)
    """Window geometry as saved by Qt; empty if unknown."""
    panes = _Setting("window/panes", _texts)
    """Names of the open panes."""
    theme = _Setting("appearance/theme", _one_of(THEME_CHOICES))
    motion = _Setting("appearance/motion", _one_of(MOTION_CHOICES))
    names = _Setting("appearance/names", _one_of(NAMES_CHOICES))
    text_size = _Setting("appearance/text size", lambda value: size if (size := _number(value)) in TEXT_SIZES else 100)
    """Text size in percent of the system font, one of TEXT_SIZES."""
    recent = _Setting("files/recent", _texts)
    """The paths of recent files, the latest first."""
    trusted = _Setting("files/trusted", _texts)
    """Paths of Python files that the user allowed to run."""
    open_lesson = _Setting("lessons/open", _text)
    """The name of the lesson that is open, or ""."""
    last_lesson = _Setting("lessons/last", _text)
    """The name of the lesson that was opened last, or ""."""
    finished_lessons = _Setting("lessons/finished", _texts)
    """The names of the lessons whose last step was left by Next."""
    recent_commands = _Setting("commands/recent", _texts)
    """Keys of the entries of the command palette that were used last, the latest first."""
    picture = _Setting("export/picture", _texts)
    """The last options of a picture, as `FigureOptions.texts`."""
    animation = _Setting("export/animation", _texts)
    """The last options of an animation, as `AnimationOptions.texts`."""

    def __init__(self, file: QSettings | None = None) -> None:
        self._values: dict[str, object] = {}
        refused = None if file is not None else _refused_file()
        if refused is not None:
            self.path, self._format = refused, QSettings.Format.NativeFormat
        else:
            file = QSettings("rnnviz", "rnnviz") if file is None else file
            self.path, self._format = file.fileName(), file.format()
            self._values = {key: value for key in file.allKeys() if (value := _read(file, key)) is not None}
        self._unsaved: dict[str, object] = {}
        self._writer: _SettingsWriter | None = None
        self._end_of_thread: weakref.finalize[..., Settings] | None = None

    def layout(self, part: str) -> QByteArray:
        """State of a splitter as saved by Qt; empty if unknown."""
        return _bytes(self.value(f"{_LAYOUT}/{part}"))

    def set_layout(self, part: str, value: QByteArray) -> None:
        self.set_value(f"{_LAYOUT}/{part}", value)

    def columns(self, part: str) -> tuple[str, ...]:
        """Columns that the user added to a table."""
        return _texts(self.value(f"{_LAYOUT}/{part}"))

    def set_columns(self, part: str, value: tuple[str, ...]) -> None:
        self.set_value(f"{_LAYOUT}/{part}", value)

    def folder(self, kind: str) -> str:
        """Folder of the file of a kind that was chosen last, or ""."""
        return _text(self.value(f"files/folder/{kind}"))

    def set_folder(self, kind: str, folder: str) -> None:
        self.set_value(f"files/folder/{kind}", folder)

    def lesson_step(self, name: str) -> int:
        """The step reached in a lesson, counted from 0."""
        return _number(self.value(f"lessons/step/{name}"))

    def set_lesson_step(self, name: str, step: int) -> None:
        self.set_value(f"lessons/step/{name}", step)

    def lesson_answers(self, name: str) -> dict[int, tuple[float | None, ...]]:
        """The answers to the questions of a lesson, by step: choices or numbers, at last None for a shown answer."""
        found: dict[int, tuple[float | None, ...]] = {}
        for text in _texts(self.value(f"lessons/answers/{name}")):
            if (answer := _ANSWER.fullmatch(text)) is not None:
                tries = tuple(map(float, answer["tries"].split()))
                found[int(answer["step"])] = (*tries, None) if answer["shown"] or not tries else tries
        return found

    def set_lesson_answers(self, name: str, answers: dict[int, tuple[float | None, ...]]) -> None:
        texts = []
        for step, tries in answers.items():
            texts.append(" ".join((str(step), *("" if answer is None else repr(answer) for answer in tries))))
        self.set_value(f"lessons/answers/{name}", tuple(texts))

    def tasks_done(self, name: str) -> tuple[int, ...]:
        """The steps of a lesson whose tasks a run has met."""
        return tuple(int(text) for text in _texts(self.value(f"lessons/tasks/{name}")) if _STEP.fullmatch(text))

    def finish_task(self, name: str, step: int) -> None:
        done = {*self.tasks_done(name), step}
        self.set_value(f"lessons/tasks/{name}", tuple(map(str, sorted(done))))

    def finish_lesson(self, name: str) -> None:
        self.finished_lessons = tuple(sorted({*self.finished_lessons, name}))

    def value(self, key: str) -> object:
        return self._values.get(key)

    def set_value(self, key: str, value: object) -> None:
        """Set a value. It is written soon after `write_at_once`, else by `save`."""
        value = list(value) if isinstance(value, tuple) else value
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
        if not _can_write(self.path):
            return False
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
        self._pending: dict[str, object] = {}
        self._retry: QTimer | None = None
        # Explicitly queued: Qt assigns a Python method to the thread that connects it.
        self.wanted.connect(self._write, Qt.ConnectionType.QueuedConnection)
        self.finished.connect(self._finish, Qt.ConnectionType.QueuedConnection)

    @Slot(str, object)
    def _write(self, key: str, value: object) -> None:
        self._pending[key] = value
        if self._retry is None:
            # Made here, so that it belongs to this thread.
            self._retry = QTimer(self, singleShot=True, interval=_RETRY_MS)
            self._retry.timeout.connect(self._flush)
        if not self._retry.isActive():
            self._flush()

    def _flush(self) -> None:
        """Write what is pending, or try again later; `save` tries it at the end."""
        if not _can_write(self._path, 0):
            assert self._retry is not None
            self._retry.start()
            return
        if self._file is None:
            self._file = QSettings(self._path, self._format)
        for key, value in self._pending.items():
            self._file.setValue(key, value)
        self._pending.clear()

    @Slot()
    def _finish(self) -> None:
        # Deleting the object writes pending changes.
        self._file = None
        if self._retry is not None:
            self._retry.stop()
        QThread.currentThread().quit()


def _end(writer: _SettingsWriter, thread: QThread) -> None:
    # Queued behind the pending writes, which `quit` would drop.
    writer.finished.emit()
    thread.wait()


def _refused_file() -> str | None:
    """The settings file that Qt would wait for or replace, such as a pipe or a device; None if there is none."""
    if sys.platform in ("win32", "darwin"):
        return None
    folder = Path(QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation))
    # Qt also reads the organization's file.
    files = folder / "rnnviz" / "rnnviz.conf", folder / "rnnviz.conf"
    return next((str(file) for file in files if file.exists() and not file.is_file()), None)


def _can_write(path: str, wait_ms: int = _LOCK_MS) -> bool:
    """Whether Qt can write the file at once: no pipe or device is in its place, and no lock that it would wait for."""
    lock = Path(f"{path}.lock")
    if any(file.exists() and not file.is_file() for file in (Path(path), lock)):
        return False
    if not lock.exists():
        return True
    held = QLockFile(str(lock))
    free = held.tryLock(wait_ms)
    held.unlock()
    return free


def _read(file: QSettings, key: str) -> object:
    try:
        return file.value(key)
    except (RuntimeError, ValueError, TypeError, OverflowError):  # a Qt type without a Python equivalent
        return None
