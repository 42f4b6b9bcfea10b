"""Persistent settings: read once, cached, and written on a separate thread."""

import weakref

from PySide6.QtCore import QByteArray, QObject, QSettings, Qt, QThread, Signal, Slot

from rnnviz.gui.theme.scaling import TEXT_SIZES


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


_GEOMETRY, _LAYOUT, _THEME = "window/geometry", "window/layout", "appearance/theme"
_FOLDED, _TAB_HEIGHT = "window/folded", "window/tab height"
_RECENT, _TRUSTED, _FOLDER = "files/recent", "files/trusted", "files/folder"
_LESSON, _LESSON_STEP = "lessons/open", "lessons/step"
_PICTURE = "export/picture"
_LAST_LESSON, _FINISHED = "lessons/last", "lessons/finished"
_TEXT_SIZE = "appearance/text size"
_WELCOME, _MOTION, _NAMES = "window/welcome", "appearance/motion", "appearance/names"
THEME_CHOICES = ("desktop", "light", "dark")
MOTION_CHOICES = ("desktop", "reduced", "full")
NAMES_CHOICES = ("gluon", "pytorch")


class Settings:
    """Typed access to the settings file. Invalid values count as not set."""

    def __init__(self, file: QSettings | None = None) -> None:
        self._store = SettingsStore(QSettings("rnnviz", "rnnviz") if file is None else file)

    @property
    def geometry(self) -> QByteArray:
        """Window geometry as saved by Qt; empty if unknown."""
        return self._bytes(_GEOMETRY)

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._store.set_value(_GEOMETRY, value)

    def layout(self, part: str) -> QByteArray:
        """State of a splitter as saved by Qt; empty if unknown."""
        return self._bytes(f"{_LAYOUT}/{part}")

    def set_layout(self, part: str, value: QByteArray) -> None:
        """Save the state of a splitter."""
        self._store.set_value(f"{_LAYOUT}/{part}", value)

    @property
    def folded(self) -> tuple[str, ...]:
        """Names of the folded panes."""
        return self._texts(_FOLDED)

    @folded.setter
    def folded(self, value: tuple[str, ...]) -> None:
        self._store.set_value(_FOLDED, list(value))

    def tab_height(self, title: str) -> int:
        """Height of the bottom pane for a tab in pixels; 0 if unknown."""
        return self._number(f"{_TAB_HEIGHT}/{title}")

    def set_tab_height(self, title: str, height: int) -> None:
        """Save the height of the bottom pane for a tab."""
        self._store.set_value(f"{_TAB_HEIGHT}/{title}", height)

    @property
    def theme(self) -> str:
        """One of THEME_CHOICES."""
        value = self._store.value(_THEME)
        return value if isinstance(value, str) and value in THEME_CHOICES else "desktop"

    @theme.setter
    def theme(self, value: str) -> None:
        self._store.set_value(_THEME, value)

    @property
    def text_size(self) -> int:
        """Text size in percent of the system font, one of TEXT_SIZES."""
        value = self._number(_TEXT_SIZE)
        return value if value in TEXT_SIZES else 100

    @text_size.setter
    def text_size(self, percent: int) -> None:
        self._store.set_value(_TEXT_SIZE, percent)

    @property
    def welcome(self) -> bool:
        """Whether a start without a file shows the welcome page."""
        return str(self._store.value(_WELCOME)).lower() != "false"

    @welcome.setter
    def welcome(self, value: bool) -> None:
        self._store.set_value(_WELCOME, value)

    @property
    def names(self) -> str:
        """One of NAMES_CHOICES."""
        value = self._store.value(_NAMES)
        return value if isinstance(value, str) and value in NAMES_CHOICES else NAMES_CHOICES[0]

    @names.setter
    def names(self, value: str) -> None:
        self._store.set_value(_NAMES, value)

    @property
    def motion(self) -> str:
        """One of MOTION_CHOICES."""
        value = self._store.value(_MOTION)
        return value if isinstance(value, str) and value in MOTION_CHOICES else MOTION_CHOICES[0]

    @motion.setter
    def motion(self, value: str) -> None:
        self._store.set_value(_MOTION, value)

    @property
    def recent(self) -> tuple[str, ...]:
        """The paths of recent files, the latest first."""
        return self._texts(_RECENT)

    @recent.setter
    def recent(self, value: tuple[str, ...]) -> None:
        self._store.set_value(_RECENT, list(value))

    def folder(self, kind: str) -> str:
        """Folder of the file of a kind that was chosen last, or ""."""
        value = self._store.value(f"{_FOLDER}/{kind}")
        return value if isinstance(value, str) else ""

    def set_folder(self, kind: str, folder: str) -> None:
        """Save the folder of the last file of a kind."""
        self._store.set_value(f"{_FOLDER}/{kind}", folder)

    @property
    def trusted(self) -> tuple[str, ...]:
        """Paths of Python files that the user allowed to run."""
        return self._texts(_TRUSTED)

    @trusted.setter
    def trusted(self, value: tuple[str, ...]) -> None:
        self._store.set_value(_TRUSTED, list(value))

    @property
    def open_lesson(self) -> str:
        """The name of the lesson that is open, or ""."""
        value = self._store.value(_LESSON)
        return value if isinstance(value, str) else ""

    @open_lesson.setter
    def open_lesson(self, name: str) -> None:
        self._store.set_value(_LESSON, name)

    @property
    def last_lesson(self) -> str:
        """The name of the lesson that was opened last, or ""."""
        value = self._store.value(_LAST_LESSON)
        return value if isinstance(value, str) else ""

    @last_lesson.setter
    def last_lesson(self, name: str) -> None:
        self._store.set_value(_LAST_LESSON, name)

    @property
    def finished_lessons(self) -> tuple[str, ...]:
        """The names of the lessons whose last step was left by Next."""
        return self._texts(_FINISHED)

    def finish_lesson(self, name: str) -> None:
        """Save that a lesson is finished."""
        self._store.set_value(_FINISHED, sorted({*self.finished_lessons, name}))

    def lesson_step(self, name: str) -> int:
        """The step reached in a lesson, counted from 0."""
        return self._number(f"{_LESSON_STEP}/{name}")

    def set_lesson_step(self, name: str, step: int) -> None:
        """Save the step reached in a lesson."""
        self._store.set_value(f"{_LESSON_STEP}/{name}", step)

    def columns(self, part: str) -> tuple[str, ...]:
        """Columns that the user added to a table."""
        return self._texts(f"{_LAYOUT}/{part}")

    def set_columns(self, part: str, value: tuple[str, ...]) -> None:
        """Save the columns of a table."""
        self._store.set_value(f"{_LAYOUT}/{part}", list(value))

    @property
    def picture(self) -> tuple[str, ...]:
        """The last options of a picture, as `FigureOptions.texts`."""
        return self._texts(_PICTURE)

    @picture.setter
    def picture(self, value: tuple[str, ...]) -> None:
        self._store.set_value(_PICTURE, list(value))

    @property
    def path(self) -> str:
        """Path of the settings file."""
        return self._store.path

    def write_at_once(self) -> None:
        """Write each change soon on another thread, until `save`."""
        self._store.write_at_once()

    def save(self) -> bool:
        """Write all settings now. Returns False on failure; the file is then unchanged."""
        return self._store.save()

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._store.value(key)
        # An INI file stores a list of one text like the text.
        items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        return tuple(item for item in items if isinstance(item, str) and item)

    def _number(self, key: str) -> int:
        value = str(self._store.value(key))
        return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0

    def _bytes(self, key: str) -> QByteArray:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()
