"""The weights of MXNet's fused layers, which are one vector, split into Gluon's arrays by the sizes in the symbol.

A Module's checkpoint of `mx.rnn.FusedRNNCell` is NAME-0001.params with `lstm_parameters`, and NAME-symbol.json, whose
node of the operator RNN reads that vector and has its sizes. In the vector come the weights of each layer and
direction, i2h before h2h, and then the biases in the same order.
Source: `_slice_weights` in python/mxnet/rnn/rnn_cell.py of MXNet 1.9.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from rnnviz.cells import CELLS
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.regular_file import check_regular
from rnnviz.io.model_formats.tensors import Tensor, TensorFile

PACKED = re.compile(r"(?P<before>(?:arg:|aux:)?(?P<prefix>.*_))parameters", re.DOTALL)
_EPOCH = re.compile(r"-\d{1,9}$")
_LARGEST_SYMBOL = 1 << 26
_NO_SYMBOL = (
    "its weights are packed in one vector without sizes: put {symbol}, which the checkpoint was saved "
    "with, beside it, or save it with mx.rnn.save_rnn_checkpoint, which unpacks them"
)


class _UnfitError(Exception):
    """Why a vector cannot be cut: lower case, no full stop."""


@dataclass(frozen=True)
class _Part:
    """Where in a vector an array lies."""

    vector: str
    start: int
    shape: tuple[int, ...]


def symbol_beside(path: Path) -> Path:
    """Where the symbol of a checkpoint's weights is, if it was saved with one."""
    return path.with_name(f"{_EPOCH.sub('', path.stem)}-symbol.json")


class UnpackedVectors:
    """The arrays of `file`; a packed vector whose sizes are known is the arrays that lie in it.

    `reasons` says of each other one why it stays packed.
    """

    def __init__(self, file: TensorFile, path: Path) -> None:
        self._file = file
        self._parts: dict[str, _Part] = {}
        self.reasons: dict[str, str] = {}
        self.tensors: dict[str, Tensor] = {}
        self._read: tuple[str, FloatArray] | None = None
        symbol = symbol_beside(path)
        for name, tensor in file.tensors.items():
            match = PACKED.fullmatch(name)
            if match is None or len(tensor.shape) != 1:
                self.tensors[name] = tensor
                continue
            try:
                attributes = _attributes(symbol, f"{match['prefix']}parameters")
                cut = dict(_cut(name, match["before"], tensor.shape[0], attributes, symbol.name))
                if taken := [made for made in cut if made in file.tensors]:
                    raise _UnfitError(f"its weights are packed in one vector, but the file also holds {taken[0]}")
            except _UnfitError as error:
                self.tensors[name], self.reasons[name] = tensor, str(error)
                continue
            self._parts |= cut
            self.tensors |= {made: Tensor(part.shape, tensor.dtype) for made, part in cut.items()}

    def read(self, name: str) -> FloatArray:
        """The numbers of one array; as `tensors.TensorFile` says."""
        part = self._parts.get(name)
        if part is None:
            return self._file.read(name)
        if self._read is None or self._read[0] != part.vector:
            self._read = part.vector, self._file.read(part.vector)
        found: FloatArray = self._read[1][part.start : part.start + prod(part.shape)].reshape(part.shape)
        return found


def _attributes(symbol: Path, vector: str) -> Mapping[str, Any]:
    """The attributes of the node that reads the vector."""
    check_regular(symbol)
    try:
        if symbol.stat().st_size > _LARGEST_SYMBOL:
            raise _UnfitError(f"its weights are packed in one vector, and {symbol.name} is larger than any symbol")
        graph = json.loads(symbol.read_bytes())
    except FileNotFoundError:
        raise _UnfitError(_NO_SYMBOL.format(symbol=symbol.name)) from None
    except OSError as error:
        raise _UnfitError(
            f"its weights are packed in one vector, and {symbol.name}, which has its sizes, cannot be read: "
            f"{error.strerror or error}"
        ) from error
    except (ValueError, RecursionError) as error:
        raise _UnfitError(f"its weights are packed in one vector, and {symbol.name} is not an MXNet symbol") from error
    nodes = graph.get("nodes") if isinstance(graph, dict) else None
    if not isinstance(nodes, list):
        nodes = []
    for node in nodes:
        if isinstance(node, dict) and node.get("op") == "RNN" and _reads(nodes, node, vector):
            # Files from before MXNet 1.0 have "param" or "attr" for it.
            found = node.get("attrs") or node.get("attr") or node.get("param")
            return found if isinstance(found, dict) else {}
    raise _UnfitError(f"its weights are packed in one vector, which no RNN in {symbol.name} reads")


def _reads(nodes: list[Any], node: dict[str, Any], vector: str) -> bool:
    """Whether the parameters of an RNN, its second input, are the vector."""
    try:
        return bool(nodes[node["inputs"][1][0]]["name"] == vector)
    except (KeyError, IndexError, TypeError):
        return False


def _cut(
    vector: str, before: str, size: int, attributes: Mapping[str, Any], symbol: str
) -> Iterator[tuple[str, _Part]]:
    """Each array by its name, and where it lies."""
    cell, hidden, layers, sides = _sizes(attributes, symbol)
    gates = max(CELLS[cell].gate_count, 1)
    rows, directions = gates * hidden, len(sides)
    above = (layers - 1) * directions * rows * (directions * hidden + hidden)
    rest = size - above - layers * directions * 2 * rows - directions * rows * hidden
    inputs, left = divmod(rest, directions * rows)
    if left or inputs < 1:
        both = " in both directions" if directions == 2 else ""
        raise _UnfitError(
            f"its weights are packed in one vector of {size:,} numbers, which does not fit the {layers} "
            f"layer{'s' * (layers > 1)} of {hidden} units of the cell {cell}{both} in {symbol}"
        )
    lanes = [(layer, side) for layer in range(layers) for side in sides]
    shapes: list[tuple[str, tuple[int, ...]]] = [
        (f"{side}{layer}_{kind}_weight", (rows, width))
        for layer, side in lanes
        for kind, width in (("i2h", directions * hidden if layer else inputs), ("h2h", hidden))
    ]
    shapes += [(f"{side}{layer}_{kind}_bias", (rows,)) for layer, side in lanes for kind in ("i2h", "h2h")]
    start = 0
    for name, shape in shapes:
        yield f"{before}{name}", _Part(vector, start, shape)
        start += prod(shape)


def _sizes(attributes: Mapping[str, Any], symbol: str) -> tuple[str, int, int, str]:
    """The cell, H, L, and the directions' letters."""
    cell = attributes.get("mode")
    if cell not in CELLS:
        raise _UnfitError(f"its weights are packed in one vector, and {symbol} has it in the mode {cell!r:.40}")
    for name in ("projection_size", "lstm_state_clip_min", "lstm_state_clip_max"):
        if attributes.get(name, "None") not in ("None", None):
            raise _UnfitError(f"{name} = {attributes[name]!s:.40} is not supported")
    sizes = []
    for name in ("state_size", "num_layers"):
        text = str(attributes.get(name, ""))[:20]
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 1 << 24):
            raise _UnfitError(f"its weights are packed in one vector, and {symbol} has it with {name} = {text!r}")
        sizes.append(int(text))
    if sizes[1] > 1000:
        raise _UnfitError(f"it has {sizes[1]} layers, and may have 1000")
    return str(cell), sizes[0], sizes[1], "lr" if str(attributes.get("bidirectional")) in ("True", "1") else "l"
