"""Named arrays in a file: known from its headers, read one by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rnnviz.core.mmap_arrays import FloatArray


@dataclass(frozen=True)
class Tensor:
    """The shape of an array in a file, and its type by numpy's name, or "bfloat16".

    `scope` is the name of the dict or list in the file that holds it. `unreadable` is why its numbers cannot be read,
    and empty where they can; `assumption` is what reading them takes for granted. Both are worded like `Entry.reason`.
    """

    shape: tuple[int, ...]
    dtype: str
    scope: str = ""
    unreadable: str = ""
    assumption: str = ""


class TensorFile(Protocol):
    """A file of named arrays."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """All arrays by name, in the order of the file."""
        ...

    def read(self, name: str) -> FloatArray:
        """The numbers of one array of a type in `entry.DTYPES`, widened as `weights.widened` does.

        Raises
        ------
        InputError
            If the file is damaged.
        """
        ...
