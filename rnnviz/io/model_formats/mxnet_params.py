"""MXNet's `.params`: a list of NDArrays and their names, as `src/ndarray/ndarray.cc` of MXNet 1.9 saves it.

All integers are little-endian. The file is an 8-byte magic number, 8 reserved bytes, a count and the arrays, a count
and the names; a count and the length of a name have 8 bytes. An array is its own magic number, its storage type, shape,
device, type and numbers; a sparse one, which is not read, has the shape of its stored numbers before, and arrays of
their places behind. Every length is compared with the rest of the file before anything of that length is read.

The weights of a fused layer may be one vector, such as `lstm_parameters` of `mx.rnn.FusedRNNCell`, whose sizes the node
RNN in NAME-symbol.json has: the weights of each layer and direction, i2h before h2h, and then the biases in the same
order. Source: `_slice_weights` in python/mxnet/rnn/rnn_cell.py of MXNet 1.9.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.core.bounded_read import reading
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.model_file import ModelFile, Tensor, TensorFile, UnreadableError, stored_dtype
from rnnviz.io.model_formats.named_arrays import named_arrays, read_tensor

_KIND = "MXNet parameter"
_LIST = 0x112
_V1, _V2, _V3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
_STORAGES = {0: ("", 0), 1: ("row_sparse", 1), 2: ("csr", 2)}
"""By the number of a storage type its name, "" for dense arrays, and how many arrays of places it has."""
_LARGEST_RANK = 32
_TYPES = (
    *("float32", "float64", "float16", "uint8", "int32", "int8", "int64"),
    *("bool", "int16", "uint16", "uint32", "uint64", "bfloat16"),
)
PACKED = re.compile(r"(?P<before>(?:arg:|aux:)?(?P<prefix>.*_))parameters", re.DOTALL)
_EPOCH = re.compile(r"-\d{1,9}$")
_LARGEST_SYMBOL = 1 << 26
_PACKED_IN_ONE = "its weights are packed in one vector"
_NO_SYMBOL = (
    "its weights are packed in one vector without sizes: put {symbol}, which the checkpoint was saved "
    "with, next to it, or save it with mx.rnn.save_rnn_checkpoint, which unpacks them"
)
_DENSE, _CPU, _FIRST_DEVICE = 0, 1, 0


def open_model(path: Path) -> ModelFile:
    return named_arrays(path, unpacked_vectors(open_tensors(path), path))


def open_tensors(path: Path) -> TensorFile:
    with reading(path, _KIND, (ValueError,)), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        arrays = _Reader(path, file, size).arrays()
    tensors = {name: tensor for name, (tensor, _) in arrays.items()}
    return TensorFile(tensors, lambda name: read_tensor(path, _KIND, name, *arrays[name]))


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays, byte for byte as MXNet's `nd.save` does; raises an OSError if the disk is full."""
    with path.open("wb") as file:
        file.write(struct.pack("<QQQ", _LIST, 0, len(parameters)))
        for array in parameters.values():
            file.write(struct.pack("<Iii", _V2, _DENSE, array.ndim))
            file.write(struct.pack(f"<{array.ndim}q", *array.shape))
            file.write(struct.pack("<iii", _CPU, _FIRST_DEVICE, _TYPES.index(array.dtype.name)))
            file.write(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        file.write(struct.pack("<Q", len(parameters)))
        for name in parameters:
            file.write(struct.pack("<Q", len(name)) + name.encode("ascii"))


class _Reader:
    """Reads a file from its beginning to its end, and passes over the numbers."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path, self._file, self._size = path, file, size

    def arrays(self) -> dict[str, tuple[Tensor, int]]:
        """Each array's shape and type, and where in the file its numbers begin, by name."""
        magic, _, count = self._unpack("QQQ")
        if magic != _LIST:
            raise ValueError(f"it begins with {magic:#x} and not with {_LIST:#x}")
        self._check(count, 4, "arrays")
        arrays = [self._array(number) for number in range(count)]
        (named,) = self._unpack("Q")
        self._check(named, 8, "names")
        names = [self._name() for _ in range(named)]
        if self._file.tell() != self._size:
            raise ValueError(f"{self._size - self._file.tell()} bytes are left at its end")
        if count and not names:
            raise InputError(f"{self._path} holds {count} arrays without names: weights are found by their names.")
        if len(names) != count or len(set(names)) != count:
            raise ValueError(f"it has {count} arrays, but {len(set(names))} distinct names")
        return {name: array for name, array in zip(names, arrays, strict=True) if array is not None}

    def _array(self, number: int) -> tuple[Tensor, int] | None:
        """The next array, or None for one that was never given a shape."""
        (magic,) = self._unpack("I")
        storage, rank = 0, magic  # files from before MXNet 0.11 have no magic number, and sizes of 4 bytes
        if magic in (_V2, _V3):
            (storage,) = self._unpack("i")
            if storage not in _STORAGES:
                raise ValueError(f"array {number} has the storage type {storage}, which MXNet does not know")
            if storage:
                self._shape(number, self._unpack("i")[0])
        if magic in (_V1, _V2, _V3):
            (rank,) = self._unpack("i")
        if rank < 0 or (rank == 0 and magic != _V3):
            return None
        shape = self._shape(number, rank, "q" if magic in (_V1, _V2, _V3) else "I")
        self._unpack("ii")
        sparse, kinds = _STORAGES[storage]
        dtype, itemsize = self._type(number)
        sizes = [(itemsize, prod(shape))]
        if sparse:
            places = [(self._type(number)[1], prod(self._shape(number, self._unpack("i")[0]))) for _ in range(kinds)]
            # Places are those of rows, or of single numbers; the shape of the stored numbers is not always written.
            count = places[-1][1]
            sizes = [(itemsize, count * prod(shape[1:]) if sparse == "row_sparse" else count), *places]
        offset = self._file.tell()
        for size, count in sizes:
            self._check(count, size, f"numbers in array {number}")
            self._file.seek(count * size, 1)
        return Tensor(shape, sparse or dtype), offset

    def _shape(self, number: int, rank: int, layout: str = "q") -> tuple[int, ...]:
        shape = self._unpack(f"{rank}{layout}") if 0 <= rank <= _LARGEST_RANK else (-1,)
        if any(size < 0 for size in shape):
            raise ValueError(f"array {number} has the shape {shape} of {rank} sizes")
        return shape

    def _type(self, number: int) -> tuple[str, int]:
        (flag,) = self._unpack("i")
        if not 0 <= flag < len(_TYPES):
            raise ValueError(f"array {number} has the type {flag}, which MXNet does not know")
        return _TYPES[flag], stored_dtype(_TYPES[flag]).itemsize

    def _name(self) -> str:
        (length,) = self._unpack("Q")
        self._check(length, 1, "letters in a name")
        return self._file.read(length).decode()

    def _unpack(self, layout: str) -> tuple[int, ...]:
        size = struct.calcsize(f"<{layout}")
        self._check(size, 1, "bytes")
        return struct.unpack(f"<{layout}", self._file.read(size))

    def _check(self, count: int, itemsize: int, what: str) -> None:
        rest = self._size - self._file.tell()
        if count * itemsize > rest:
            raise ValueError(f"it declares {count} {what}, but {rest} bytes are left")


@dataclass(frozen=True)
class _Part:
    vector: str
    start: int
    shape: tuple[int, ...]


def files_beside(path: Path) -> list[str]:
    """The symbol of a checkpoint's weights, if it was saved with one."""
    symbol = _symbol_of(path)
    return [symbol.name] if symbol.is_file() else []


def _symbol_of(path: Path) -> Path:
    return path.with_name(f"{_EPOCH.sub('', path.stem)}-symbol.json")


def unpacked_vectors(file: TensorFile, path: Path) -> TensorFile:
    """The arrays of `file`; a packed vector of known sizes is the arrays that lie in it, others are unreadable."""
    parts: dict[str, _Part] = {}
    tensors: dict[str, Tensor] = {}
    symbol = _symbol_of(path)
    for name, tensor in file.tensors.items():
        match = PACKED.fullmatch(name)
        if match is None or len(tensor.shape) != 1:
            tensors[name] = tensor
            continue
        try:
            attributes = _attributes(symbol, f"{match['prefix']}parameters")
            cut = dict(_cut(name, match["before"], tensor.shape[0], attributes, symbol.name))
            if taken := [made for made in cut if made in file.tensors]:
                raise UnreadableError(f"{_PACKED_IN_ONE}, but the file also holds {taken[0]}")
        except UnreadableError as error:
            tensors[name] = replace(tensor, unreadable=str(error))
            continue
        parts |= cut
        tensors |= {made: Tensor(part.shape, tensor.dtype) for made, part in cut.items()}
    last = lru_cache(maxsize=1)(file.read)

    def read(part: _Part) -> FloatArray:
        return last(part.vector)[part.start : part.start + prod(part.shape)].reshape(part.shape)

    return file.replaced(tensors, {name: partial(read, part) for name, part in parts.items()})


def _attributes(symbol: Path, vector: str) -> Mapping[str, Any]:
    check_regular(symbol)
    try:
        if symbol.stat().st_size > _LARGEST_SYMBOL:
            raise ValueError
        graph = json.loads(symbol.read_bytes())
    except FileNotFoundError:
        raise UnreadableError(_NO_SYMBOL.format(symbol=symbol.name)) from None
    except OSError as error:
        raise UnreadableError(f"{_PACKED_IN_ONE}, and {symbol.name}, which has its sizes, cannot be read") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"{_PACKED_IN_ONE}, and {symbol.name} is not an MXNet symbol") from error
    nodes: Any = graph.get("nodes") if isinstance(graph, dict) else None
    for node in nodes if isinstance(nodes, list) else []:
        with suppress(KeyError, IndexError, TypeError, AttributeError):
            # The parameters of an RNN are its second input.
            if node["op"] == "RNN" and nodes[node["inputs"][1][0]]["name"] == vector:
                # Files from before MXNet 1.0 have "param" or "attr" for it.
                found = node.get("attrs") or node.get("attr") or node.get("param")
                return found if isinstance(found, dict) else {}
    raise UnreadableError(f"{_PACKED_IN_ONE}, which no RNN in {symbol.name} reads")


def _cut(
    vector: str, before: str, size: int, attributes: Mapping[str, Any], symbol: str
) -> Iterator[tuple[str, _Part]]:
    """Each array by its name, and where it lies."""
    cell, hidden, layers, sides = _sizes(attributes, symbol)
    rows, directions = CELLS[cell].gate_count * hidden, len(sides)
    above = (layers - 1) * directions * rows * (directions * hidden + hidden)
    rest = size - above - layers * directions * 2 * rows - directions * rows * hidden
    inputs, left = divmod(rest, directions * rows)
    if left or inputs < 1:
        units = f"{layers * directions} × {hidden} {cell} units"
        raise UnreadableError(f"its {size:,} packed weights do not fit the {units} of {symbol}")
    kinds = [(layer, side, kind) for layer in range(layers) for side in sides for kind in ("i2h", "h2h")]
    widths = {(layer, "i2h"): directions * hidden if layer else inputs for layer in range(layers)}
    shapes = {f"{side}{n}_{kind}_weight": (rows, widths.get((n, kind), hidden)) for n, side, kind in kinds}
    start = 0
    for name, shape in {**shapes, **{f"{side}{n}_{kind}_bias": (rows,) for n, side, kind in kinds}}.items():
        yield f"{before}{name}", _Part(vector, start, shape)
        start += prod(shape)


def _sizes(attributes: Mapping[str, Any], symbol: str) -> tuple[str, int, int, str]:
    """The cell, H, L, and the directions' letters."""
    cell, sizes = attributes.get("mode"), []
    for name, most in (("state_size", 1 << 24), ("num_layers", 1000)):
        text = str(attributes.get(name, ""))[:20]
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
            raise UnreadableError(f"{_PACKED_IN_ONE}, and {symbol} has it with {name} = {text!r}")
        sizes.append(int(text))
    others = ("projection_size", "lstm_state_clip_min", "lstm_state_clip_max")
    given = [f"{name} = {attributes[name]!s:.40}" for name in others if str(attributes.get(name)) != "None"]
    if cell not in CELLS or given:
        raise UnreadableError(f"{', '.join(given) or f'the mode {cell!r:.40}'} in {symbol} is not supported")
    return str(cell), sizes[0], sizes[1], "lr" if str(attributes.get("bidirectional")) in ("True", "1") else "l"
