"""Unsupported formats of model files: how to recognize each, and a supported one to use instead."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

_KERAS = "save the Keras model itself by model.save as a .keras file, or export it to ONNX"
_ARRAYS = "save its arrays by PyTorch's or Gluon's names in an .npz or .safetensors file"
_ONNX = "export the model to ONNX from the program that made it"
_ONNX_TEXT = (".onnxtxt", ".onnxjson", ".textproto")
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_TF_CHECKPOINT = re.compile(r".*\.(index|meta|data-\d+-of-\d+)")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf")


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
        lambda name, head: name.endswith("-symbol.json"),
    ),
    OtherFormat("an ONNX model as text", "save it by onnx.save as an .onnx file", _ending(*_ONNX_TEXT)),
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
        lambda name, head: name.endswith((".pkl", ".pickle", ".joblib", ".jax")),
    ),
)


def other_format(path: Path, head: bytes) -> OtherFormat | None:
    """The format of a file that is not read, if it is known; `head` are its first bytes."""
    name = path.name.lower()
    return next((known for known in _FORMATS if known.holds(name, head)), None)


def other_folder(path: Path, names: Collection[str]) -> OtherFormat | None:
    """The format of a folder that is not read, if it is known; `names` are those in it."""
    return next((known for known in _FORMATS if known.folder(names) or known.holds(path.name.lower(), b"")), None)


def is_pickle(head: bytes) -> bool:
    """Whether a file begins as a pickle does."""
    return _PICKLE.match(head) is not None
