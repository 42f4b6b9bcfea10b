"""The recurrent layers of an ONNX model."""

import mmap
from pathlib import Path

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.layered_file import LayeredFile, UnreadableError, with_stacks
from rnnviz.io.model_formats.onnx_chains import fed_by
from rnnviz.io.model_formats.onnx_constants import Constants
from rnnviz.io.model_formats.onnx_graph import nodes
from rnnviz.io.model_formats.onnx_initializers import Initializers
from rnnviz.io.model_formats.onnx_lazy import outline
from rnnviz.io.model_formats.onnx_nodes import is_recurrent, recurrent_node, unrolled_layer
from rnnviz.io.model_formats.onnx_unrolled import single_step, unrolled, with_rolled
from rnnviz.io.model_formats.tensors import TensorFile

_LARGEST_BYTES = (1 << 31) - 1
"""The largest protobuf message, in bytes; the weights of larger models are in separate files."""


def open_model(path: Path) -> LayeredFile:
    """Every RNN, LSTM and GRU node, in subgraphs and functions too, and those that feed each other as one network.

    Weights in files beside the model are looked for within its folder, and read for the chosen entry only.

    Raises
    ------
    InputError
        If the file cannot be read or is not a valid ONNX model.
    """
    model = _load(path)
    try:
        constants = Constants.of(model, path)
        placed = with_rolled(list(nodes(model)), constants)
        found = [recurrent_node(node, constants) for node in placed if is_recurrent(node)]
        layers = with_stacks([node.layer for node in found], fed_by(found, constants))
        left, single = unrolled(placed), False
        if left is None and not layers:
            left, single = single_step(placed), True
        return LayeredFile(path, layers if left is None else [*layers, unrolled_layer(left, single=single)])
    except UnreadableError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    except MemoryError as error:
        raise InputError(f"{path} needs more memory than is available: it is too large or corrupt.") from error
    except (ValueError, RecursionError) as error:
        # Names that are no UTF-8 are met where they are read.
        raise InputError(f"{path} is not a valid ONNX model: its graph cannot be followed.") from error


def open_tensors(path: Path) -> TensorFile:
    """The initializers of an ONNX model; raises an InputError if it cannot be read or is none."""
    try:
        return Initializers(path, _load(path).graph.initializer)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        # Names that are no UTF-8 are met where they are read.
        raise InputError(f"{path} is not a valid ONNX model: its tensors have no names that can be read.") from error


def _load(path: Path) -> ModelProto:
    try:
        size = path.stat().st_size
        model = None if size > _LARGEST_BYTES else _parsed(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except MemoryError as error:
        raise InputError(f"{path} needs more memory than is available: it is too large or corrupt.") from error
    except (DecodeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a valid ONNX model: its content is not a protobuf message.") from error
    if model is None:
        raise InputError(
            f"{path} has {size:,} bytes: it must have less than 2 GB, with the weights in files beside it."
        )
    if not model.ir_version or not model.HasField("graph") or not model.opset_import:
        raise InputError(f"{path} is not a valid ONNX model: it has no graph.")
    return model


def _parsed(path: Path) -> ModelProto:
    """The message in the file; the numbers of large tensors stay where they are."""
    model = ModelProto()
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as content,
    ):
        try:
            model.ParseFromString(outline(content))
        except ValueError:
            # Whether it is a message at all is the library's to say.
            model.ParseFromString(content)
    return model
