"""What PyTorch pickles of a state_dict, read by a list of what it may name; nothing that a file brings is called."""

import pickle
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from rnnviz.files.models.tensors import Tensor
from rnnviz.model.errors import InputError, damaged, printable

KIND = "PyTorch"

_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}
ITEM_BYTES = {name: 2 if name == "bfloat16" else np.dtype(name).itemsize for name in _STORAGES.values()}
# What unpickling raises on content that pickle did not write.
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ImportError,
    OverflowError,
    RecursionError,
    AssertionError,
    struct.error,
)


@dataclass(frozen=True)
class Storage:
    """A flat piece of memory that tensors are views of: its key in the file, its type and its length in numbers."""

    key: str
    dtype: str
    length: int


@dataclass(frozen=True)
class View:
    """A tensor: which numbers of which storage it is."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def tensor(self) -> Tensor:
        """Its shape and type."""
        return Tensor(self.shape, self.storage.dtype)

    @property
    def stop(self) -> int:
        """One past the last number of the storage that it is made of."""
        if 0 in self.shape:
            return self.offset
        steps = zip(self.shape, self.strides, strict=True)
        return self.offset + 1 + sum((size - 1) * stride for size, stride in steps)


@dataclass(frozen=True)
class _StorageType:
    dtype: str


_Machine: Any = pickle._Unpickler


class Unpickler(_Machine):  # type: ignore[misc]
    """Builds plain values, ordered dicts and views of storages, and refuses all else by its name.

    The one that is written in Python, since a file must neither change what has been built nor let anything but texts
    and numbers be hashed: a tuple of tuples of itself takes forever.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_Machine.dispatch)

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin-1")
        self._path = path

    def _set_items(self, target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict) or len(items) % 2:
            raise pickle.UnpicklingError("items belong to a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) not in (str, int):
                raise pickle.UnpicklingError(f"a key is a {type(key).__name__}, and must be a text or a whole number")
            target[key] = value

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items(self.stack[-1], [key, value])

    def _load_setitems(self) -> None:
        items = self.pop_mark()
        self._set_items(self.stack[-1], items)

    def _load_dict(self) -> None:
        made: dict[Any, Any] = {}
        self._set_items(made, self.pop_mark())
        self.append(made)

    def _load_build(self) -> None:
        """Pass over what PyTorch keeps beside a dict, the versions of its modules."""
        self.stack.pop()
        if not isinstance(self.stack[-1], dict):
            raise pickle.UnpicklingError("only a dict may be given more")

    def _refuse(self) -> None:
        raise pickle.UnpicklingError("it holds a set or an object")

    dispatch[pickle.SETITEM[0]] = _load_setitem
    dispatch[pickle.SETITEMS[0]] = _load_setitems
    dispatch[pickle.DICT[0]] = _load_dict
    dispatch[pickle.BUILD[0]] = _load_build
    for _opcode in (
        *(pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET, pickle.OBJ, pickle.INST, pickle.NEWOBJ),
        *(pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4),
    ):
        dispatch[_opcode[0]] = _refuse

    def find_class(self, module: str, name: str) -> Any:
        """What stands for `module.name`."""
        known = (module, name)
        if known == ("collections", "OrderedDict"):
            return _empty_dict
        if known == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if known == ("torch._utils", "_rebuild_parameter"):
            return _rebuild_parameter
        if known == ("torch", "Size"):
            return tuple
        if module in ("torch", "torch.storage") and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        raise InputError(
            f"{self._path} holds more than tensors ({printable(f'{module}.{name}')}), and code in a file is never run: "
            f"load it in PyTorch and save its state_dict alone, with torch.save(model.state_dict(), ...)."
        )

    def persistent_load(self, pid: Any) -> Storage:
        """The storage that a file tells of: ("storage", its type, its key, its device, its length)."""
        if not (isinstance(pid, tuple) and len(pid) in (5, 6) and pid[0] == "storage"):
            raise damaged(self._path, KIND, "what it refers to is no storage")
        _, kind, key, _, length, *view = pid
        if not isinstance(kind, _StorageType) or not isinstance(key, str) or not _is_size(length) or any(view):
            raise damaged(self._path, KIND, "a storage is not described as PyTorch does")
        return Storage(key, kind.dtype, length)

    def value(self) -> Any:
        """The next value of the file; raises an InputError for whatever PyTorch does not write."""
        try:
            return self.load()
        except InputError:
            raise
        except _DAMAGE as error:
            raise damaged(self._path, KIND, f"its pickle cannot be read ({error})") from error


def _empty_dict() -> dict[Any, Any]:
    return {}


def _rebuild_tensor(
    storage: Any, offset: Any, shape: Any, strides: Any, requires_grad: Any = None, hooks: Any = None, meta: Any = None
) -> View:
    good = isinstance(storage, Storage) and isinstance(shape, tuple) and isinstance(strides, tuple)
    if not good or len(shape) != len(strides) or not all(map(_is_size, (offset, *shape, *strides))):
        raise ValueError("a tensor is not described as PyTorch does")
    view = View(storage, offset, shape, strides)
    if view.stop > storage.length:
        raise ValueError(f"a tensor of the shape {shape} reaches beyond its storage of {storage.length} numbers")
    return view


def _rebuild_parameter(data: Any, requires_grad: Any = None, hooks: Any = None) -> Any:
    return data


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def views(value: Any, path: Path) -> dict[str, View]:
    """The tensors of a state_dict by name; a checkpoint's dicts within dicts add to the prefix.

    Raises
    ------
    InputError
        If the value is no dict.
    """
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no state_dict: it must be a dict of tensors by name.")
    return dict(_walk(value, "", 0))


def _walk(value: dict[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, View]]:
    for key, item in value.items():
        if not isinstance(key, str):
            continue
        if isinstance(item, View):
            yield prefix + key, item
        elif isinstance(item, dict) and depth < 8:
            yield from _walk(item, f"{prefix}{key}.", depth + 1)
