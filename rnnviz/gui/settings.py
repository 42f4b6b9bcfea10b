"""What comes back at the next start: the window's place and layout, the theme, the recent files."""

from PySide6.QtCore import QByteArray, QSettings

from rnnviz.gui.settings_store import SettingsStore

_GEOMETRY, _LAYOUT, _THEME = "window/geometry", "window/layout", "appearance/theme"
_RECENT, _TRUSTED = "files/recent", "files/trusted"
_LESSON, _LESSON_STEP = "lessons/open", "lessons/step"
_WELCOME, _MOTION = "window/welcome", "appearance/motion"
THEME_CHOICES = ("desktop", "light", "dark")
MOTION_CHOICES = ("desktop", "reduced", "full")


class Settings:
    """A reader that believes nothing: whatever cannot be understood counts as not set."""

    def __init__(self, file: QSettings | None = None) -> None:
        self._store = SettingsStore(QSettings("rnnviz", "rnnviz") if file is None else file)

    @property
    def geometry(self) -> QByteArray:
        """Where the window was, as Qt packs it; empty if unknown."""
        return self._bytes(_GEOMETRY)

    @geometry.setter
    def geometry(self, value: QByteArray) -> None:
        self._store.set_value(_GEOMETRY, value)

    def layout(self, part: str) -> QByteArray:
        """How one part of the window was divided, as Qt packs it; empty if unknown."""
        return self._bytes(f"{_LAYOUT}/{part}")

    def set_layout(self, part: str, value: QByteArray) -> None:
        """Remember how one part of the window is divided."""
        self._store.set_value(f"{_LAYOUT}/{part}", value)

    @property
    def theme(self) -> str:
        """One of THEME_CHOICES."""
        value = self._store.value(_THEME)
        return value if isinstance(value, str) and value in THEME_CHOICES else "desktop"

    @theme.setter
    def theme(self, value: str) -> None:
        self._store.set_value(_THEME, value)

    @property
    def welcome(self) -> bool:
        """Whether a start without a file shows the ways to begin."""
        return str(self._store.value(_WELCOME)).lower() != "false"

    @welcome.setter
    def welcome(self, value: bool) -> None:
        self._store.set_value(_WELCOME, value)

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

    @property
    def trusted(self) -> tuple[str, ...]:
        """The paths of the user's files of code that may run."""
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

    def lesson_step(self, name: str) -> int:
        """The step that the reader of a lesson has reached, counted from 0."""
        value = str(self._store.value(f"{_LESSON_STEP}/{name}"))
        return int(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0

    def set_lesson_step(self, name: str, step: int) -> None:
        """Remember how far a lesson has been read."""
        self._store.set_value(f"{_LESSON_STEP}/{name}", step)

    def columns(self, part: str) -> tuple[str, ...]:
        """Which columns the user has added to a table."""
        return self._texts(f"{_LAYOUT}/{part}")

    def set_columns(self, part: str, value: tuple[str, ...]) -> None:
        """Remember the columns of a table."""
        self._store.set_value(f"{_LAYOUT}/{part}", list(value))

    @property
    def path(self) -> str:
        """Where it is all kept."""
        return self._store.path

    def write_at_once(self) -> None:
        """Have every change written soon, by another thread, until `save`."""
        self._store.write_at_once()

    def save(self) -> bool:
        """Write everything now, and say whether that could be done: if not, what was written before is as it was."""
        return self._store.save()

    def _texts(self, key: str) -> tuple[str, ...]:
        value = self._store.value(key)
        # An INI file does not tell a list of one text from the text.
        items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
        return tuple(item for item in items if isinstance(item, str) and item)

    def _bytes(self, key: str) -> QByteArray:
        value = self._store.value(key)
        return value if isinstance(value, QByteArray) else QByteArray()
