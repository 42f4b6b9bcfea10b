"""Undo history of configs with their origins."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

from rnnviz.core.config import Config
from rnnviz.text.config_diff import changed_keys, edit_in_words

_DEPTH = 500
_SAME_EDIT_SECONDS = 1.0


@dataclass(frozen=True)
class EditOrigin:
    """Origin of a config: a file, or a title without a file, such as a lesson."""

    title: str
    path: Path | None = None


@dataclass(frozen=True)
class Revision:
    """A config with its origin. `name` describes the change if it is more than an edit of keys."""

    config: Config
    origin: EditOrigin
    name: str = field(default="", compare=False)


class UndoHistory:
    """A list of revisions with a current one. Opening a file is a revision, too, and can be undone.

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
        """The current revision."""
        return self._steps[self._place]

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier revision."""
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a later revision."""
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
        self._steps.append(step)
        del self._steps[:-_DEPTH]
        self._place = len(self._steps) - 1
        self._last_key, self._last_time = key, now

    def undo(self) -> Revision:
        """Return to the revision before, if any."""
        self._place = max(0, self._place - 1)
        self._last_key = None
        return self.present

    def redo(self) -> Revision:
        """Return to the next revision, if any."""
        self._place = min(len(self._steps) - 1, self._place + 1)
        self._last_key = None
        return self.present

    def rename(self, origin: EditOrigin) -> None:
        """Set the origin of the current revision, as after saving to another file."""
        self._steps[self._place] = replace(self.present, origin=origin)

    def amend(self, config: Config) -> None:
        """Replace the config of the current revision."""
        del self._steps[self._place + 1 :]
        self._steps[self._place] = replace(self.present, config=config)

    def _name(self, place: int) -> str:
        before, after = self._steps[place - 1 : place + 1]
        return after.name or edit_in_words(before.config, after.config)


def changed_key(before: Revision, after: Revision) -> str | None:
    """The dotted key in which two revisions differ, or None if not exactly one."""
    if before.origin != after.origin:
        return None
    keys = changed_keys(before.config, after.config)
    return keys[0] if len(keys) == 1 else None
