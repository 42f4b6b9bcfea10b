"""The open document: a config with its file and its undo history."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from rnnviz.core.config import Config
from rnnviz.gui.app_state import Session
from rnnviz.gui.undo import EditOrigin, Revision, UndoHistory
from rnnviz.io.config_toml import load_config, save_config
from rnnviz.text.config_diff import change_in_words


class Document(QObject):
    """The config of the application state with its file and its undo history.

    `changed` is emitted when the file, the title, or the possible undo and redo may differ.
    """

    changed = Signal()

    def __init__(self, session: Session, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        first = Revision(session.config, EditOrigin(title))
        self._history = UndoHistory(first)
        self._stored: dict[EditOrigin, Config] = {first.origin: first.config}

    @property
    def origin(self) -> EditOrigin:
        """Origin of the current config."""
        return self._history.present.origin

    @property
    def path(self) -> Path | None:
        """The file of the document, or None."""
        return self.origin.path

    @property
    def modified(self) -> bool:
        """Whether the config differs from its file or lesson."""
        return self._session.config != self._stored.get(self.origin)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` has an effect."""
        return self._history.can_undo

    @property
    def can_redo(self) -> bool:
        """Whether `redo` has an effect."""
        return self._history.can_redo

    @property
    def undone(self) -> str:
        """Description of the change that `undo` reverts; "" without one."""
        return self._history.undone

    @property
    def redone(self) -> str:
        """Description of the change that `redo` applies; "" without one."""
        return self._history.redone

    def edit(self, config: Config, name: str = "") -> None:
        """Set the edited config. A change with a `name` is a separate undo entry."""
        self._go(Revision(config, self.origin, name))

    def remedy(self, config: Config) -> None:
        """Set the config that the verdict bar suggests."""
        self.edit(config, f'"{change_in_words(self._session.config, config)}"')

    def amend(self, config: Config) -> None:
        """Change the config as part of the last undo entry."""
        self._history.amend(config)
        self._show(self._history.present)

    def open(self, path: Path) -> str:
        """Open a config file.

        Returns the sentence about a replaced reference, or "". Raises InputError for an invalid file.
        """
        from rnnviz.engines.registry import with_fallback_reference

        sentences: list[str] = []

        def complete(config: Config) -> Config:
            config, sentence = with_fallback_reference(config)
            sentences.append(sentence)
            return config

        path = path.absolute()
        self._take(load_config(path, complete), EditOrigin(path.name, path))
        return "".join(sentences)

    def take(self, config: Config, title: str) -> None:
        """Set a config without a file, such as a lesson."""
        self._take(config, EditOrigin(title))

    def take_file(self, config: Config, path: Path) -> None:
        """Set the config read from a file, such as a session."""
        path = path.absolute()
        self._take(config, EditOrigin(path.name, path))

    def restore(self, config: Config, title: str, path: Path | None, *, modified: bool) -> None:
        """Restore the autosaved config of a window that crashed, with its `path` and `modified`."""
        origin = EditOrigin(title, path)
        if modified:
            self._stored.pop(origin, None)
        else:
            self._stored[origin] = config
        self._go(Revision(config, origin, f"restoring {title}"))

    def save(self, path: Path) -> None:
        """Write the config to `path`. Raises InputError if that fails."""
        save_config(self._session.config, path.absolute())
        self.saved_as(path, self._session.config)

    def saved_as(self, path: Path, config: Config) -> None:
        """Record that `config` was written to `path`, which becomes the file of the document."""
        path = path.absolute()
        origin = EditOrigin(path.name, path)
        self._stored[origin] = config
        self._history.rename(origin)
        self.changed.emit()

    def undo(self) -> None:
        """Revert the last change or the last opened file."""
        self._show(self._history.undo())

    def redo(self) -> None:
        """Apply the last reverted change again."""
        self._show(self._history.redo())

    def _take(self, config: Config, origin: EditOrigin) -> None:
        if origin != self.origin:
            # Selection and colors belonged to another config.
            self._session.replace(self._session.state.with_first_view())
        self._stored[origin] = config
        self._go(Revision(config, origin, f"opening {origin.title}"))

    def _go(self, step: Revision) -> None:
        self._history.push(step)
        self._show(step)

    def _show(self, step: Revision) -> None:
        self._session.set_config(step.config)
        self.changed.emit()
