"""Figures of every lane and time step, which lie in files where there are many of them.

Of a long run they would fill the pipe, and then the memory of any user who shows the result.
"""

from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.mmap_arrays import create_mapped, open_mapped

_MANY = 1 << 16


class OverTime:
    """A frozen dataclass with arrays (L, D, T) that `NAMES` lists, read-only, and the beginning of their files' paths.

    `stored` is None where they are in memory. Through a pipe goes where they lie and not what they hold.
    """

    NAMES: ClassVar[tuple[str, ...]]
    stored: Path | None

    def protect(self) -> None:
        """Let no one write to the arrays."""
        for name in self.NAMES:
            vars(self)[name].flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the arrays that lie in files."""
        return {name: value for name, value in vars(self).items() if self.stored is None or name not in self.NAMES}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the arrays that lie in files, and protect the others again, for a pipe forgets that they were.

        Raises
        ------
        OSError, ValueError
            If a file is gone.
        """
        self.__dict__.update(state)
        if self.stored is not None:
            self.__dict__.update({name: open_mapped(_path(self.stored, name)) for name in self.NAMES})
        self.protect()


def over_time(
    folder: Path | None, kind: str, dtypes: dict[str, str], shape: tuple[int, ...]
) -> tuple[dict[str, NDArray[Any]], Path | None]:
    """Writable zeros of the shape (L, D, T) by name, and the beginning of their paths if they lie in new files.

    Raises
    ------
    OSError
        If a file exists, cannot be made or the disk is full.
    """
    if folder is None or prod(shape) < _MANY:
        return {name: np.zeros(shape, dtype) for name, dtype in dtypes.items()}, None
    stored = folder / kind
    return {name: create_mapped(_path(stored, name), dtype, shape) for name, dtype in dtypes.items()}, stored


def _path(stored: Path, name: str) -> Path:
    return stored.with_name(f"{stored.name}.{name}.npy")
