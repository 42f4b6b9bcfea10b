"""The open document: a config with its file and its undo history."""

from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QObject, Signal

from rnnviz.core.config import Config
from rnnviz.core.sequence import shortened, visible
from rnnviz.frozen import dataclass
from rnnviz.gui.app_state import Limit, Session
from rnnviz.io.config_toml import save_config
from rnnviz.text.config_diff import change_in_words, changed_keys, edit_in_words

_DEPTH = 500
_LONGEST_LAYER = 60
_SAME_EDIT_SECONDS = 1.0
_AUTO = Limit()


@dataclass(frozen=True)
class EditOrigin:
    """Origin of a config: a file, or a title without a file, such as a lesson."""

    title: str
    path: Path | None = None

    @classmethod
    def of_file(cls, path: Path, layer: str = "") -> "EditOrigin":
        """A file, of a capture with the name of the recorded layer."""
        name = shortened(visible(layer), _LONGEST_LAYER)
        return cls(f"{name} ({path.name})" if layer else path.name, path.absolute())

    @property
    def stem(self) -> str:
        """The beginning of the names of files that are made of it."""
        return Path(self.title.replace(":", "")).stem if self.path is None else self.path.stem


@dataclass(frozen=True)
class Revision:
    """A config with the range of the colors. `name` describes the change if it is more than an edit of keys."""

    config: Config
    name: str = field(default="", compare=False)
    limit: Limit = _AUTO


class UndoHistory:
    """A list of revisions of one document with a current one.

    Edits of one key within a second, as from a spin box, are one revision.
    """

    def __init__(self, first: Revision, clock: Callable[[], float] = monotonic) -> None:
        self._steps = [first]
        self._place = 0
        self._clock = clock
        self._last_key: str | None = None
        self._last_time = 0.0

    @property
    def present(self) -> Revision:
        return self._steps[self._place]

    @property
    def can_undo(self) -> bool:
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        return self._place < len(self._steps) - 1

    @property
    def undone(self) -> str:
        """Description of the change that `undo` reverts; "" without one."""
        return self._name(self._place) if self.can_undo else ""

    @property
    def redone(self) -> str:
        """Description of the change that `redo` applies; "" without one."""
        return self._name(self._place + 1) if self.can_redo else ""

    def push(self, step: Revision) -> None:
        """Make `step` the current revision and drop reverted ones. A named one never merges with the one before."""
        if step == self.present:
            return
        key, now = None if step.name else changed_key(self.present, step), self._clock()
        continues = (
            key is not None and key == self._last_key and now - self._last_time < _SAME_EDIT_SECONDS and self.can_undo
        )
        del self._steps[self._place + (0 if continues else 1) :]
        # An edit that is typed back is none.
        typed_back = self._steps[-1] == step
        if not typed_back:
            self._steps.append(step)
        del self._steps[:-_DEPTH]
        self._place = len(self._steps) - 1
        self._last_key, self._last_time = None if typed_back else key, now

    def undo(self) -> Revision:
        self._place = max(0, self._place - 1)
        self._last_key = None
        return self.present

    def redo(self) -> Revision:
        self._place = min(len(self._steps) - 1, self._place + 1)
        self._last_key = None
        return self.present

    def keep_limit(self, limit: Limit) -> None:
        """Set the range of the colors of the current revision."""
        self._steps[self._place] = replace(self.present, limit=limit)

    def amend(self, config: Config) -> None:
        del self._steps[self._place + 1 :]
        self._steps[self._place] = replace(self.present, config=config)

    def _name(self, place: int) -> str:
        before, after = self._steps[place - 1 : place + 1]
        if changed_key(before, after) == _RANGE:
            return _RANGE
        return after.name or edit_in_words(before.config, after.config)


_RANGE = "color range"


def changed_key(before: Revision, after: Revision) -> str | None:
    """The dotted key or "color range" in which two revisions differ, or None if not exactly one."""
    if before.config == after.config and before.limit != after.limit:
        return _RANGE
    keys = changed_keys(before.config, after.config)
    return keys[0] if len(keys) == 1 else None


class Document(QObject):
    """The config of the application state with its file and its undo history.

    A document that is opened begins a history: undo never leads to another one. `changed` is emitted when the file, the
    title, or the possible undo and redo may differ.
    """

    changed = Signal()
    opened = Signal()
    """Another document is open. Nothing of it has run."""

    def __init__(self, session: Session, title: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._origin = self._first = EditOrigin(title)
        self.history = UndoHistory(Revision(session.config))
        self._stored: Config | None = session.config
        """The config as opened or saved last; None if it is nowhere."""
        self.view_changed: Callable[[], bool] = lambda: False
        """Whether the view differs from that of the session that is open."""
        self._reported = False
        self.changed.connect(self._report)

    @property
    def origin(self) -> EditOrigin:
        return self._origin

    @property
    def path(self) -> Path | None:
        return self.origin.path

    @property
    def untouched(self) -> bool:
        """Whether nothing was opened or edited since the start."""
        return self._origin is self._first and not self.history.can_undo

    @property
    def modified(self) -> bool:
        return self._session.config != self._stored or self.view_changed()

    def check_view(self) -> None:
        """Emit `changed` if a change of the view changes `modified`."""
        if self.modified != self._reported:
            self.changed.emit()

    def edit(self, config: Config, name: str = "") -> None:
        """Set the edited config. A change with a `name` is a separate undo entry."""
        self.history.keep_limit(self._session.limit)
        self.history.push(Revision(config, name, self._session.limit))
        self._show(self.history.present)

    def keep_range(self, before: Limit) -> None:
        """Make a change of the color range, which was `before`, an undo entry."""
        self.history.keep_limit(before)
        self.history.push(replace(self.history.present, name="", limit=self._session.limit))
        self.changed.emit()

    def remedy(self, config: Config) -> None:
        """Set the config that the verdict bar suggests."""
        self.edit(config, f'"{change_in_words(self._session.config, config)}"')

    def follow(self, config: Config, title: str) -> None:
        """Show a later state of the config without a file, such as the next checkpoint. Undo skips the one before."""
        self._origin = EditOrigin(title)
        self.take_again(config)

    def amend(self, config: Config) -> None:
        """Change the config as part of the last undo entry."""
        self.history.amend(config)
        self._show(self.history.present)

    def open(self, path: Path) -> None:
        """Open a config file; raises an InputError for an invalid one."""
        # Imported with the first file, to shorten the start.
        from rnnviz.execution.folders import storage
        from rnnviz.io.session import read_config

        self._take(read_config(path.absolute(), lambda: storage().folder), EditOrigin.of_file(path))

    def take(self, config: Config, title: str) -> None:
        """Set a config without a file, such as a lesson."""
        self._take(config, EditOrigin(title))

    def take_step(self, config: Config) -> None:
        """Set the config of another step of the open lesson. Undo restores the user's version of the previous step."""
        self._stored = config
        self.edit(config, f"opening {self.origin.title}")

    def take_again(self, config: Config) -> None:
        """Replace the config that was taken last, as by that of a longer text. Undo skips the one before."""
        self._stored = config
        self.amend(config)

    def take_file(self, config: Config, path: Path, layer: str = "") -> None:
        """Set the config read from a file, such as a session, or a capture of a layer."""
        self._take(config, EditOrigin.of_file(path, layer))

    def restore(self, config: Config, title: str, path: Path | None, *, modified: bool) -> None:
        """Restore the autosaved config of a window that crashed, with its `path` and `modified`."""
        self._take(config, EditOrigin(title, path), stored=not modified)

    def save(self, path: Path) -> None:
        save_config(self._session.config, path.absolute())
        self.saved_as(path, self._session.config)

    def saved_as(self, path: Path, config: Config) -> None:
        """Record that `config` was written to `path`, which becomes the file of the document."""
        self._origin, self._stored = EditOrigin.of_file(path), config
        self.changed.emit()

    def undo(self) -> None:
        self.history.keep_limit(self._session.limit)
        self._restore(self.history.undo())

    def redo(self) -> None:
        self.history.keep_limit(self._session.limit)
        self._restore(self.history.redo())

    def _restore(self, step: Revision) -> None:
        self._session.set_limit(step.limit)
        self._show(step)

    def _take(self, config: Config, origin: EditOrigin, *, stored: bool = True) -> None:
        if origin != self.origin:
            # Selection and colors belonged to another config.
            self._session.replace(self._session.state.with_first_view())
        self._origin, self._stored = origin, config if stored else None
        self.history = UndoHistory(Revision(config, limit=self._session.limit))
        self._show(self.history.present)
        self.opened.emit()

    def _show(self, step: Revision) -> None:
        self._session.set_config(step.config)
        self.changed.emit()

    def _report(self) -> None:
        self._reported = self.modified
