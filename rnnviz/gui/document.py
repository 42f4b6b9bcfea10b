"""The config that the window works on: opened, edited, undone, saved."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from rnnviz.core.config import Config
from rnnviz.gui.app_state import Session
from rnnviz.gui.undo import EditOrigin, History, Step
from rnnviz.io.config_toml import load_config, save_config
from rnnviz.text.config_diff import change_in_words


class Document(QObject):
    """The session's config with its file and its past.

    `changed` is sent whenever the file, the name, or what undo and redo can do may differ.
    """

    changed = Signal()

    def __init__(self, session: Session, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        first = Step(session.config, EditOrigin(title))
        self._history = History(first)
        self._stored: dict[EditOrigin, Config] = {first.origin: first.config}

    @property
    def origin(self) -> EditOrigin:
        """Where the present config came from."""
        return self._history.present.origin

    @property
    def path(self) -> Path | None:
        """The user's file, or None."""
        return self.origin.path

    @property
    def modified(self) -> bool:
        """Whether the config differs from what its file or lesson holds."""
        return self._session.config != self._stored.get(self.origin)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` does anything."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether `redo` does anything."""
        return self._history.can_redo

    @property
    def undone(self) -> str:
        """What `undo` takes back, in words; "" if nothing."""
        return self._history.undone

    @property
    def redone(self) -> str:
        """What `redo` makes again, in words; "" if nothing."""
        return self._history.redone

    def edit(self, config: Config, name: str = "") -> None:
        """Take what the user changed the config to; a change with a `name` is a step of its own."""
        self._go(Step(config, self.origin, name))

    def remedy(self, config: Config) -> None:
        """Take the change that the verdict offers."""
        self.edit(config, f'"{change_in_words(self._session.config, config)}"')

    def amend(self, config: Config) -> None:
        """Take a change that belongs to the last step and is undone with it."""
        self._history.amend(config)
        self._show(self._history.present)

    def open(self, path: Path) -> str:
        """Read the user's file; raises an InputError and changes nothing if it is wrong.

        Returns the sentence about a reference that stands in for the usual one, "" if none does.
        """
        from rnnviz.engines.registry import with_fallback_reference

        told: list[str] = []

        def complete(config: Config) -> Config:
            config, sentence = with_fallback_reference(config)
            told.append(sentence)
            return config

        path = path.absolute()
        self._take(load_config(path, complete), EditOrigin(path.name, path))
        return "".join(told)

    def take(self, config: Config, title: str) -> None:
        """Work on a config that has no file of the user's, such as a lesson."""
        self._take(config, EditOrigin(title))

    def take_file(self, config: Config, path: Path) -> None:
        """Work on what a file of the user's holds, such as a session."""
        path = path.absolute()
        self._take(config, EditOrigin(path.name, path))

    def restore(self, config: Config, title: str, path: Path | None, *, modified: bool) -> None:
        """Work on what was not saved when the program ended; `path` and `modified` as they were then."""
        origin = EditOrigin(title, path)
        if modified:
            self._stored.pop(origin, None)
        else:
            self._stored[origin] = config
        self._go(Step(config, origin, f"restoring {title}"))

    def save(self, path: Path) -> None:
        """Write the config; raises an InputError if the file cannot be written."""
        save_config(self._session.config, path.absolute())
        self.saved_as(path, self._session.config)

    def saved_as(self, path: Path, config: Config) -> None:
        """A file of the user's holds `config` from now on, and is what the window works on."""
        path = path.absolute()
        origin = EditOrigin(path.name, path)
        self._stored[origin] = config
        self._history.rename(origin)
        self.changed.emit()

    def undo(self) -> None:
        """Go back to the config before the last change, or to the file before the last opening."""
        self._show(self._history.undo())

    def redo(self) -> None:
        """Take back the last undo."""
        self._show(self._history.redo())

    def _take(self, config: Config, origin: EditOrigin) -> None:
        self._stored[origin] = config
        self._go(Step(config, origin, f"opening {origin.title}"))

    def _go(self, step: Step) -> None:
        self._history.push(step)
        self._show(step)

    def _show(self, step: Step) -> None:
        self._session.set_config(step.config)
        self.changed.emit()
