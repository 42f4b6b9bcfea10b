"""Undo and redo: the configs that were looked at, and where each came from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from rnnviz.model.config import SECTIONS, Config

_DEPTH = 500
_SAME_EDIT_SECONDS = 1.0


@dataclass(frozen=True)
class Origin:
    """Where a config came from: a file of the user's, or something without a file, such as a lesson."""

    title: str
    path: Path | None = None


@dataclass(frozen=True)
class Step:
    """A config and its origin."""

    config: Config
    origin: Origin


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

    def push(self, step: Step, *, edited: bool = True) -> None:
        """Make `step` the present and forget what was undone; what was not `edited` is a step of its own."""
        if step == self.present:
            return
        key, now = changed_key(self.present, step) if edited else None, self._clock()
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

    def rename(self, origin: Origin) -> None:
        """The present config was saved to another place."""
        self._steps[self._place] = Step(self.present.config, origin)


def changed_key(before: Step, after: Step) -> str | None:
    """The dotted key in which two steps differ, or None if it is not exactly one."""
    if before.origin != after.origin:
        return None
    old, new = before.config.to_mapping(), after.config.to_mapping()
    keys = [
        f"{section}.{key}"
        for section in SECTIONS
        for key in old[section].keys() | new[section].keys()
        if old[section].get(key) != new[section].get(key)
    ]
    return keys[0] if len(keys) == 1 else None
