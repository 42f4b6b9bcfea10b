"""Named arrays in a file: known from its headers, read one by one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rnnviz.model.arrays import FloatArray
from rnnviz.model.errors import InputError

_LONGEST_REASON = 200


@dataclass(frozen=True)
class Tensor:
    """The shape of an array in a file, and its type by numpy's name, or "bfloat16"."""

    shape: tuple[int, ...]
    dtype: str


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


def damaged(path: Path, kind: str, why: str) -> InputError:
    """The error of a file that is not what its format says; `why` has no full stop, and is cut where it is long."""
    # What a library says may hold as much of the file as it took for a name.
    said = " ".join(why[: 4 * _LONGEST_REASON].split()).rstrip(".")
    said = said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]} …"
    return InputError(f"{path} is no {kind} file, or a damaged one: {said}.")
