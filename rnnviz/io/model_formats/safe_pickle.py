"""The pickled description of the tensors in a PyTorch file, read by a list of the names that it may use.

No function or class that a file names is called: each has a substitute here, which builds plain values.
"""

import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NoReturn

import numpy as np

from rnnviz.core.errors import InputError, damaged, printable
from rnnviz.core.npz import DAMAGE
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.model_file import Tensor

KIND = "PyTorch"

_DTYPES = {
    "Double": "float64",
    "Float": "float32",
    "Half": "float16",
    "BFloat16": "bfloat16",
    "Long": "int64",
    "Int": "int32",
    "Short": "int16",
    "Char": "int8",
    "Byte": "uint8",
    "Untyped": "uint8",
    "Bool": "bool",
    "ComplexFloat": "complex64",
    "ComplexDouble": "complex128",
}
ITEM_BYTES = {name: 2 if name == "bfloat16" else np.dtype(name).itemsize for name in _DTYPES.values()}
_QUANTIZED = {"QInt8": 1, "QUInt8": 1, "QInt32": 4, "QUInt4x2": 1, "QUInt2x4": 1}
_STORAGES = {f"{name}Storage": (dtype, ITEM_BYTES[dtype]) for name, dtype in _DTYPES.items()}
_STORAGES |= {f"{name}Storage": (name.lower(), size) for name, size in _QUANTIZED.items()}
"""The storages of the module `torch`: their types, and the bytes of each number."""
_CONSTANT = re.compile(
    r"u?int\d+|b?float\d+\w*|float|double|half|long|int|short|complex\d+|bool|qu?int\w+|bits\w+|strided|sparse_\w+|"
    r"per_(?:tensor|channel)_\w+|contiguous_format|channels_last\w*|preserve_format"
)
"""Constants of the module `torch`: types, layouts, schemes of quantization, memory formats."""
_WITHOUT_WEIGHTS = (
    *("argparse", "datetime", "decimal", "enum", "fractions", "pathlib", "types", "typing", "uuid", "zoneinfo"),
    *("lightning", "lightning_fabric", "omegaconf", "pytorch_lightning"),
)
"""Modules whose objects, such as a Namespace of options, hold no weights: they are passed over."""
_MOST_ITEMS = 20_000_000
_DEEPEST = 32
# What unpickling raises on content that pickle did not write.
_DAMAGE = (*DAMAGE, pickle.UnpicklingError, IndexError, AttributeError, ImportError, AssertionError)


@dataclass(frozen=True)
class PickledStorage:
    """A flat piece of memory that tensors are views of: its key in the file, its type and its size in bytes."""

    key: str
    dtype: str
    length: int
    item_bytes: int

    @property
    def size(self) -> int:
        return self.length * self.item_bytes


@dataclass(frozen=True)
class StorageView:
    """A tensor: which numbers of which storage it is, and their type."""

    storage: PickledStorage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @property
    def tensor(self) -> Tensor:
        return Tensor(self.shape, self.dtype)

    @property
    def stop(self) -> int:
        """One past the last number of the storage that it is made of."""
        if 0 in self.shape:
            return self.offset
        steps = zip(self.shape, self.strides, strict=True)
        return self.offset + 1 + sum((size - 1) * stride for size, stride in steps)


@dataclass(frozen=True)
class Contents:
    """The tensors in a pickled value by name, and the texts among its attributes, such as an activation."""

    views: dict[str, StorageView]
    tensors: dict[str, Tensor]
    texts: dict[str, str]


class Record(dict[str, Any]):
    """The attributes of an object of a TorchScript program by name, and under "class", a keyword, that of its class."""


@dataclass(frozen=True)
class _Constant:
    name: str


@dataclass(frozen=True, eq=False)
class _Key:
    """A key that is neither a text nor a number; its hash takes no time, whatever the key is."""

    text: str


class _Passed:
    """An object that holds no weights."""

    def __init__(self, *_: object, **__: object) -> None:
        """Take whatever the object is made of."""

    def extend(self, items: list[Any]) -> None:
        """Take the items of a list."""


_Machine: Any = pickle._Unpickler


class Unpickler(_Machine):  # type: ignore[misc]
    """Builds plain values, dicts, lists and views of storages, and refuses all else by its name.

    The one that is written in Python, since a file must neither change what has been built nor let anything but texts
    and numbers be hashed: a tuple of tuples of itself takes forever. So sets become lists.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(_Machine.dispatch)

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin-1")
        self._path = path
        self.storages: dict[str, PickledStorage] = {}

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, _Passed):
            return
        if not isinstance(target, dict) or len(items) % 2:
            raise pickle.UnpicklingError("items belong to a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def _load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    def _load_newobj(self) -> None:
        arguments = self.stack.pop()
        self.stack[-1] = self.stack[-1](*arguments)

    def _load_newobj_ex(self) -> None:
        self.stack.pop()
        self._load_newobj()

    def _load_build(self) -> None:
        """Fill the object of a program; ignore attributes of a dict, such as the versions of its modules."""
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Record):
            attributes = state.items() if isinstance(state, dict) else ()
            target.update({name: value for name, value in attributes if isinstance(name, str)})
        elif not isinstance(target, dict | _Passed | Tensor):
            raise pickle.UnpicklingError("only a dict may be given more")

    def _load_additems(self) -> None:
        items = self.pop_mark()
        self.stack[-1].extend(items)

    def _load_frozenset(self) -> None:
        items = self.pop_mark()  # which gives `append` another stack
        self.append(items)

    def _refuse(self) -> None:
        raise pickle.UnpicklingError("it holds an object")

    dispatch[pickle.SETITEM[0]] = lambda self: self._set_items([self.stack.pop(-2), self.stack.pop()])
    dispatch[pickle.SETITEMS[0]] = lambda self: self._set_items(self.pop_mark())
    dispatch[pickle.DICT[0]] = _load_dict
    dispatch[pickle.BUILD[0]] = _load_build
    dispatch[pickle.NEWOBJ[0]] = _load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = _load_newobj_ex
    dispatch[pickle.EMPTY_SET[0]] = lambda self: self.append([])
    dispatch[pickle.ADDITEMS[0]] = _load_additems
    dispatch[pickle.FROZENSET[0]] = _load_frozenset
    for _opcode in (pickle.OBJ, pickle.INST, pickle.EXT1, pickle.EXT2, pickle.EXT4):
        dispatch[_opcode[0]] = _refuse

    def find_class(self, module: str, name: str) -> Any:
        full = f"{_PYTHON_2.get(module, module)}.{name}"
        if full in _SUBSTITUTES:
            return _SUBSTITUTES[full]
        if module in ("torch", "torch.cuda", "torch.storage") and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch" and _CONSTANT.fullmatch(name):
            return _Constant(name)
        if module.startswith("torch.nested."):
            return _other_tensor
        if module.startswith("__torch__.torch.classes."):
            return _script_object
        package = module.split(".")[0]
        if package == "__torch__":
            return partial(Record, {"class": f"{module}.{name}"})
        if package in _WITHOUT_WEIGHTS:
            return _Passed
        if module.startswith("numpy"):
            return _other_tensor if name in ("_reconstruct", "ndarray") else _Passed
        raise InputError(
            f"{self._path} holds more than tensors ({printable(f'{module}.{name}')}), and code in a file is never run: "
            f"load it in PyTorch and save its state_dict alone, with torch.save(model.state_dict(), ...)."
        )

    def persistent_load(self, pid: Any) -> PickledStorage:
        """The storage that a file describes: ("storage", its type, its key, its device, its length)."""
        match pid:
            case ("storage", (str(dtype), int(item_bytes)) as kind, str(key), _, int(length), *view) if (
                kind in _STORAGES.values() and _is_size(length) and not any(view)
            ):
                storage = PickledStorage(key, dtype, length, item_bytes)
            case _:
                raise InputError(
                    f"{self._path} describes a storage otherwise than PyTorch since 0.4 does: load it there, and save "
                    "it with pickle_protocol=2, the default of torch.save."
                )
        if self.storages.setdefault(key, storage).size != storage.size:
            raise damaged(self._path, KIND, f"the storage {key} is described twice with different sizes")
        return storage

    def value(self) -> Any:
        """The next value of the file; raises an InputError for whatever PyTorch does not write."""
        try:
            return self.load()
        except InputError:
            raise
        except _DAMAGE as error:
            raise damaged(self._path, KIND, f"its pickle cannot be read ({error})") from error

    def contents(self) -> Contents:
        """The tensors of the next value, a state_dict; the dicts, lists and objects around it add to their names."""
        contained, found = self.value(), Contents({}, {}, {})
        without_tensors: set[int] = set()
        count = 0

        def visit(value: Any, prefix: str, scope: str, depth: int) -> None:
            nonlocal count
            before = len(found.tensors)
            count += len(value)
            if count > _MOST_ITEMS:
                raise InputError(
                    f"{self._path} has more than {_MOST_ITEMS:,} values in dicts and lists: save its state_dict alone."
                )
            inside = isinstance(value, Record)
            taken: set[str] = set()
            for key, item in value.items() if isinstance(value, dict) else enumerate(value):
                if not isinstance(item, StorageView | Tensor | dict | list | tuple | str):
                    continue
                label = _label(key)
                # 1 and "1" are two keys.
                while label in taken:
                    label += "'"
                taken.add(label)
                name = prefix + label
                if isinstance(item, str):
                    if inside:
                        found.texts[name] = item
                elif isinstance(item, StorageView | Tensor):
                    if name not in found.tensors:
                        found.tensors[name] = replace(item if isinstance(item, Tensor) else item.tensor, scope=scope)
                        if isinstance(item, StorageView):
                            found.views[name] = item
                elif depth < _DEEPEST and id(item) not in without_tensors and label != "_flat_weights":
                    # The modules of a program are the parts of one state_dict.
                    visit(item, f"{name}.", scope if inside else f"{name}.", depth + 1)
            if len(found.tensors) == before and not inside:
                without_tensors.add(id(value))

        if isinstance(contained, dict | list | tuple):
            visit(contained, "", "", 0)
        if not isinstance(contained, dict) and not found.tensors:
            raise InputError(f"{self._path} contains no state_dict: it must be a dict of tensors by name.")
        return found


def _key(key: Any) -> Any:
    if key is None or type(key) in (str, int, float, bool, bytes):
        return key
    if isinstance(key, tuple) and all(part is None or type(part) in (str, int, float, bool) for part in key):
        return _Key(f"({', '.join(map(_label, key))})")
    return _Key(type(key).__name__.lstrip("_"))


def _label(key: Any) -> str:
    """A key as a part of a name; of a number with thousands of digits, its type."""
    if isinstance(key, _Key):
        return key.text
    return "int" if isinstance(key, int) and key.bit_length() > 64 else str(key)


def _items(items: Any = ()) -> list[Any]:
    return list(items) if isinstance(items, list | tuple) else _undescribed("a set")


def _encoded(text: Any, _encoding: Any = None) -> bytes:
    return text.encode("latin-1") if isinstance(text, str) else _undescribed("a sequence of bytes")


def _undescribed(what: str) -> NoReturn:
    raise ValueError(f"{what} is not described as PyTorch does")


def _other_tensor(*_: Any) -> Tensor:
    """A tensor of another form than a view of a storage, or an array of numpy, which PyTorch does not load either."""
    return Tensor((), "unknown", unreadable=_OTHER)


def _rebuild_typed(
    storage: Any, offset: Any, shape: Any, strides: Any, _gradient: Any, _hooks: Any, dtype: Any, bits: Any = None
) -> StorageView | Tensor:
    """A tensor whose type is another one than its storage's: uint16 and float8 among others."""
    if not isinstance(dtype, _Constant) or not isinstance(shape, tuple) or not all(map(_is_size, shape)):
        _undescribed("the type or the shape of a tensor")
    if dtype.name not in ITEM_BYTES:
        return Tensor(shape, dtype.name)
    return _rebuild_tensor(storage, offset, shape, strides, bits=bits, dtype=dtype.name)


def _rebuild_tensor(
    storage: Any,
    offset: Any,
    shape: Any,
    strides: Any,
    _gradient: Any = None,
    _hooks: Any = None,
    bits: Any = None,
    *,
    dtype: str | None = None,
) -> StorageView | Tensor:
    good = isinstance(storage, PickledStorage) and isinstance(shape, tuple) and isinstance(strides, tuple)
    if not good or len(shape) != len(strides) or not all(map(_is_size, (offset, *shape, *strides))):
        _undescribed("a tensor")
    view = StorageView(storage, offset, shape, strides, dtype or storage.dtype)
    item = storage.item_bytes if dtype is None else ITEM_BYTES[dtype]
    if view.stop * item > storage.size:
        raise ValueError(f"a tensor of the shape {shape} reaches beyond its storage of {storage.size // item} numbers")
    # Conjugates and negatives of other tensors share their storage; PyTorch computes them where they are used.
    return replace(view.tensor, unreadable=_OTHER) if isinstance(bits, dict) and any(bits.values()) else view


def _rebuild_from_cpu(data: Any, dtype: Any, *_: Any) -> Any:
    """A tensor of another device, stored in full; its type is the same unless the file says otherwise."""
    same = isinstance(data, StorageView) and isinstance(dtype, _Constant) and data.dtype == dtype.name
    return data if same else _other_tensor()


def _rebuild_from_type(function: Any, _kind: Any, arguments: Any, _state: Any = None) -> Any:
    """A tensor subclass, by the function that rebuilds its tensor."""
    if function not in _REBUILDING or not isinstance(arguments, tuple):
        _undescribed("a tensor subclass")
    return function(*arguments)


def _script_object(*_: Any) -> Record:
    return Record(script_object=_other_tensor())


_OTHER = (
    "it is stored as a quantized, sparse, nested, conjugated or pickled tensor, or without numbers: "
    "save the state_dict of the float model with plain tensors (.dequantize(), .to_dense(), .contiguous())"
)
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_SUBSTITUTES: dict[str, Any] = {
    "collections.OrderedDict": lambda *_: {},
    "collections.defaultdict": lambda *_: {},
    "collections.Counter": lambda counts=None: counts if isinstance(counts, dict) else {},
    "builtins.set": _items,
    "builtins.frozenset": _items,
    "_codecs.encode": _encoded,
    "torch.Size": tuple,
    "torch.ScriptObject": _script_object,
    "torch.Tensor": _Constant("Tensor"),
    "torch.serialization._get_layout": _Constant,
    "torch._tensor._rebuild_from_type_v2": _rebuild_from_type,
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_typed,
    **{
        f"torch._utils._rebuild_{name}": _other_tensor
        for name in ("qtensor", "sparse_tensor", "meta_tensor_no_storage", "nested_tensor", "wrapper_subclass")
    },
    **{
        f"torch._utils._rebuild_{name}": _rebuild_from_cpu
        for name in ("device_tensor_from_cpu_tensor", "device_tensor_from_numpy", "xla_tensor")
    },
    **{
        f"builtins.{name}": _Constant(name)
        for name in ("bool", "bytes", "dict", "float", "int", "list", "object", "str", "tuple")
    },
    **dict.fromkeys((f"builtins.{name}" for name in ("bytearray", "complex", "slice", "range", "xrange")), _Passed),
    **dict.fromkeys(("torch.device", "torch._dynamo.decorators._DimRange"), _Passed),
    **dict.fromkeys(
        (
            *("torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", "torch.jit._pickle.restore_type_tag"),
            *("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"),
            *(f"torch.jit._pickle.build_{kind}list" for kind in ("tensor", "int", "double", "bool")),
        ),
        lambda value, *_: value,
    ),
}
_REBUILDING: tuple[Callable[..., Any], ...] = tuple(
    value for name, value in _SUBSTITUTES.items() if name.startswith("torch._utils.")
)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
