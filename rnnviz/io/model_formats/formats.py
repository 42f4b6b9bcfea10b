"""The formats of model files, recognized by the first bytes of a file, and by its ending where these do not decide.

Formats that are not read are recognized, too, and have a supported one to use instead.
"""

import os
import re
import zipfile
from collections.abc import Callable, Collection
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.extras import missing
from rnnviz.core.model_formats import (
    ENDINGS,
    FORMATS,
    NUMPY,
    Content,
    ModelFormat,
    by_ending,
)
from rnnviz.core.schema import listed
from rnnviz.core.words import unreadable
from rnnviz.frozen import dataclass
from rnnviz.io.bounded_read import reading
from rnnviz.io.model_formats.model_file import ModelFile, TensorFile
from rnnviz.io.model_formats.named_arrays import is_weight

_KERAS = "save the Keras model itself by model.save as a .keras file, or export it to ONNX"
_ARRAYS = "save its arrays by PyTorch's or Gluon's names in an .npz or .safetensors file"
_ONNX = "export the model to ONNX from the program that made it"
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_TF_CHECKPOINT = re.compile(r".*\.(index|meta|data-\d+-of-\d+)")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf")
_HEAD_BYTES = 256
_ZIP = b"PK\x03\x04"
_PREFERRED = ("model.safetensors.index.json", "pytorch_model.bin.index.json", "model.safetensors", "pytorch_model.bin")
"""Model files that a folder may hold besides others, such as shards or the state of an optimizer."""


@dataclass(frozen=True)
class OtherFormat:
    """A format that is not read.

    `name` completes "is ...", and `instead` is the fix. `holds` recognizes a file from its name in lower case and
    its first bytes, and `folder` a folder from the names in it.
    """

    name: str
    instead: str
    holds: Callable[[str, bytes], bool] = lambda name, head: False
    folder: Callable[[Collection[str]], bool] = lambda names: False

    def refused(self, path: Path) -> InputError:
        return InputError(f"{path} is {self.name}, which is not read: {self.instead}.")


def _ending(*endings: str) -> Callable[[str, bytes], bool]:
    return lambda name, head: name.endswith(endings)


_FORMATS = (
    OtherFormat(
        "a pointer of Git LFS, not the file that it names",
        "run git lfs pull, or download the file itself",
        lambda name, head: head.startswith(b"version https://git-lfs"),
    ),
    OtherFormat(
        "an HTML page",
        "download the model file itself",
        lambda name, head: head.lstrip().lower().startswith((b"<!doctype html", b"<html")),
    ),
    OtherFormat("a TensorFlow Lite model", _KERAS, lambda name, head: head[4:8] == b"TFL3" or name.endswith(".tflite")),
    OtherFormat(
        "a TensorFlow SavedModel",
        _KERAS,
        lambda name, head: name == "saved_model.pb",
        lambda names: not {"saved_model.pb", "saved_model.pbtxt"}.isdisjoint(names),
    ),
    OtherFormat("a TensorFlow graph", _KERAS, _ending(".pb", ".pbtxt")),
    OtherFormat(
        "a part of a TensorFlow checkpoint",
        _KERAS,
        lambda name, head: _TF_CHECKPOINT.fullmatch(name) is not None,
        lambda names: "checkpoint" in names and any(map(_TF_CHECKPOINT.fullmatch, names)),
    ),
    OtherFormat(
        "a TensorFlow.js model",
        _KERAS,
        lambda name, head: name.endswith(".json") and (b'"modelTopology"' in head or b'"layers-model"' in head),
    ),
    OtherFormat(
        "the index of Keras weights in several files",
        "save the weights without max_shard_size, or the model by model.save as a .keras file",
        _ending(".weights.json"),
    ),
    OtherFormat(
        "a Keras architecture without weights",
        "save the model with its weights by model.save as a .keras file",
        lambda name, head: name.endswith(".json") and b'"class_name"' in head,
    ),
    OtherFormat(
        "the graph of an MXNet model without its weights",
        "open the .params file that was exported with it",
        _ending("-symbol.json"),
    ),
    OtherFormat(
        "an ONNX model as text",
        "save it by onnx.save as an .onnx file",
        _ending(".onnxtxt", ".onnxjson", ".textproto"),
    ),
    OtherFormat(
        "a distributed checkpoint of PyTorch",
        "convert it into one file by torch.distributed.checkpoint.format_utils.dcp_to_torch_save",
        _ending(".distcp"),
        lambda names: any(name.endswith(".distcp") for name in names),
    ),
    OtherFormat("a flax checkpoint in msgpack", _ARRAYS, _ending(".msgpack")),
    OtherFormat(
        "an Orbax checkpoint",
        _ARRAYS,
        folder=lambda names: not {"_CHECKPOINT_METADATA", "_METADATA", "manifest.ocdbt"}.isdisjoint(names),
    ),
    OtherFormat(
        "a Core ML model",
        "save the model that it was converted from",
        _ending(".mlmodel", ".mlpackage", ".mlmodelc"),
        lambda names: {"Manifest.json", "Data"} <= set(names) or "coremldata.bin" in names,
    ),
    OtherFormat("a GGUF file", _ARRAYS, lambda name, head: head.startswith(b"GGUF")),
    OtherFormat(
        "a PyTorch Mobile or ExecuTorch program",
        "save the model's state_dict by torch.save",
        lambda name, head: head[4:8] in (b"PTMF", b"ET12") or name.endswith(".pte"),
    ),
    OtherFormat(
        "an ONNX Runtime model in ORT format",
        "open the .onnx file that it was converted from",
        lambda name, head: head[4:8] == b"ORTM" or name.endswith(".ort"),
    ),
    OtherFormat(
        "an OpenVINO model",
        "open the model that it was converted from",
        lambda name, head: name.endswith(".xml") and b"<net" in head,
        lambda names: any(name.endswith(".xml") and f"{name[:-4]}.bin" in names for name in names),
    ),
    OtherFormat("a PaddlePaddle model", _ONNX, _ending(".pdparams", ".pdmodel", ".pdiparams", ".pdopt")),
    OtherFormat("a Caffe model", _ONNX, _ending(".caffemodel", ".prototxt")),
    OtherFormat("an ncnn model", "open the model that it was converted from", _ending(".param")),
    OtherFormat("a TensorRT engine", "open the model that it was built from", _ending(".engine", ".plan", ".trt")),
    OtherFormat(
        "a MATLAB file",
        "export the network by exportONNXNetwork, or its arrays in an .npz file",
        lambda name, head: head.startswith(b"MATLAB ") or name.endswith(".mat"),
    ),
    OtherFormat("a file of Lua's Torch", _ARRAYS, _ending(".t7")),
    OtherFormat("a BSON file, as Flux writes it", _ARRAYS, _ending(".bson")),
    OtherFormat("an R data file", _ARRAYS, _ending(".rds", ".rda", ".rdata")),
    OtherFormat(
        "an archive or a compressed file",
        "unpack it, and open the model file in it",
        lambda name, head: head.startswith(_COMPRESSED) or name.endswith((".tar", ".zip", ".mar", ".nemo")),
    ),
    OtherFormat(
        "a Python pickle, whose code is never run",
        f"{_ARRAYS}, or the state_dict by torch.save",
        _ending(".pkl", ".pickle", ".joblib", ".jax"),
    ),
)


def other_format(path: Path, head: bytes) -> OtherFormat | None:
    """The format of a file that is not read, if it is known; `head` are its first bytes."""
    name = path.name.lower()
    return next((known for known in _FORMATS if known.holds(name, head)), None)


def open_as(known: ModelFormat, path: Path) -> ModelFile:
    """Open a file of a format, or a folder that holds one; raises an InputError if it is damaged."""
    model: ModelFile = reader_of(known, path).open_model(model_in(path))
    return model


def open_tensors(path: Path) -> TensorFile:
    """Open a file or folder as `open_model` does for all its arrays, those of no recurrent layer too."""
    return open_tensors_as(format_of(path), path)


def open_tensors_as(known: ModelFormat, path: Path) -> TensorFile:
    tensors: TensorFile = reader_of(known, path).open_tensors(model_in(path))
    return tensors


def files_beside(path: Path) -> list[str]:
    """The names of the files, in or below its folder, that a model file is read with."""
    known = by_ending(path.name)
    return [] if known is None else list(getattr(reader_of(known, path), "files_beside", lambda _: [])(path))


def reader_of(known: ModelFormat, path: Path) -> ModuleType:
    """The reader of a file; raises an InputError if the package that it needs is not installed."""
    lacking = None if known.package is None else missing(known.package)
    if lacking is not None:
        raise InputError(f"{path}: the format {known.name} {lacking}.")
    return import_module(f"rnnviz.io.model_formats.{known.reader}")


def open_model(path: Path) -> ModelFile:
    """Open a model file, a folder that holds one, or a folder of `.npy` files.

    Call it in a subprocess with limited memory (`bounded_read.limited_memory`), since a library may crash.
    """
    return open_as(format_of(path), path)


def format_of(path: Path) -> ModelFormat:
    path = model_in(path)
    if os.path.isdir(path):
        return NUMPY
    head = _head(path)
    if not head:
        raise InputError(f"{path} is empty: a model file must hold weights.")
    known = _by_content(path, head)
    if known is not None:
        return known
    other = other_format(path, head)
    if other is not None:
        raise other.refused(path)
    known = by_ending(path.name)
    if known is None:
        what = "a Python pickle, whose code is never run" if _PICKLE.match(head) else "not a supported model file"
        raise InputError(f"{path} is {what}: it must be one of {', '.join(ENDINGS)}, or a folder of .npy files.")
    return known


def is_model_file(path: Path) -> bool:
    """Whether a file has the ending of a model file, or is one in another format, of which opening it says so."""
    if path.name.lower().endswith(ENDINGS):
        return True
    try:
        return other_format(path, _head(path)) is not None
    except InputError:
        return False


def model_in(path: Path) -> Path:
    """The file itself; the only model file in a folder, the index of its shards, or a folder of `.npy` files itself."""
    if not os.path.isdir(path):
        return path
    with reading(path):
        names = sorted(os.listdir(path))
    other = next((known for known in _FORMATS if known.folder(names) or known.holds(path.name.lower(), b"")), None)
    if other is not None:
        raise other.refused(path)
    found = [name for name in _PREFERRED if name in names]
    # Shards belong to their index.
    found = [name for name in found if f"{name}.index.json" not in found]
    if not found:
        stored = [name.removesuffix(".npy") for name in names if name.endswith(".npy")]
        found = [name for name in names if name.lower().endswith(ENDINGS) and not name.startswith(".")]
        # A sequence may be next to a model.
        if stored and (not found or any(map(is_weight, stored))):
            return path
    if not found:
        raise InputError(f"{path} contains no model file: it must hold one of {', '.join(ENDINGS)}, or .npy files.")
    if len(found) > 1:
        raise InputError(f"{path} holds {len(found)} model files, and one of them must be opened: {listed(found)}.")
    return path / found[0]


def _head(path: Path) -> bytes:
    check_regular(path)
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except (OSError, ValueError) as error:
        index = path.with_name(f"{path.name}.index")
        other = other_format(index, b"") if isinstance(error, FileNotFoundError) and index.is_file() else None
        if other is not None:
            raise other.refused(path) from error
        raise unreadable(path, error) from error


def _by_content(path: Path, head: bytes) -> ModelFormat | None:
    members: Collection[str] = ()
    if head.startswith(_ZIP):
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.namelist()
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
            return None
    content = Content(head, path.stat().st_size, members)
    return next((known for known in FORMATS if known.holds(content)), None)
