"""Undo and redo: the configs that were looked at, and where each came from."""

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
    """Where a config came from: a file of the user's, or something without a file, such as a lesson."""

    title: str
    path: Path | None = None


@dataclass(frozen=True)
class Step:
    """A config and its origin; `name` says what made it, where that is more than a change of some keys."""

    config: Config
    origin: EditOrigin
    name: str = field(default="", compare=False)


class History:
    """A line of steps with a present. Opening another file is a step like any edit, so that it can be undone.

    Edits of one key that follow each other within a second, as a spin box makes them, are one step.
    """

    def __init__(self, first: Step, clock: Callable[[], float] = monotonic) -> None:
        self._steps = [first]
        self._place = 0
        self._clock = clock
        self._last_key: str | None = None
        self._last_time = 0.0

    @property
    def present(self) -> Step:
        """What is looked at now."""
        return self._steps[self._place]

    @property
    def can_undo(self) -> bool:
        """Whether there is an earlier step."""
        return self._place > 0

    @property
    def can_redo(self) -> bool:
        """Whether there is a later step."""
        return self._place < len(self._steps) - 1

    @property
    def undone(self) -> str:
        """What `undo` takes back, in words; "" if nothing."""
        return self._name(self._place) if self.can_undo else ""

    @property
    def redone(self) -> str:
        """What `redo` makes again, in words; "" if nothing."""
        return self._name(self._place + 1) if self.can_redo else ""

    def push(self, step: Step) -> None:
        """Make `step` the present and forget what was undone; one with a name is never part of the one before."""
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

    def undo(self) -> Step:
        """Go one step back, if there is one."""
        self._place = max(0, self._place - 1)
        self._last_key = None
        return self.present

    def redo(self) -> Step:
        """Go one step forward, if there is one."""
        self._place = min(len(self._steps) - 1, self._place + 1)
        self._last_key = None
        return self.present

    def rename(self, origin: EditOrigin) -> None:
        """The present config was saved to another place."""
        self._steps[self._place] = replace(self.present, origin=origin)

    def amend(self, config: Config) -> None:
        """Let the present be this config, as part of the same step."""
        del self._steps[self._place + 1 :]
        self._steps[self._place] = replace(self.present, config=config)

    def _name(self, place: int) -> str:
        before, after = self._steps[place - 1 : place + 1]
        return after.name or edit_in_words(before.config, after.config)


def changed_key(before: Step, after: Step) -> str | None:
    """The dotted key in which two steps differ, or None if it is not exactly one."""
    if before.origin != after.origin:
        return None
    keys = changed_keys(before.config, after.config)
    return keys[0] if len(keys) == 1 else None
