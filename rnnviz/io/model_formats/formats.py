"""The formats of model files, recognized by the first bytes of a file, and by its ending where these do not decide.

Other formats are recognized, too, so that a sentence can name the supported ones.
"""

import os
import re
import zipfile
from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from types import ModuleType

from rnnviz.core.bounded_read import reading
from rnnviz.core.errors import InputError, check_regular
from rnnviz.core.extras import missing
from rnnviz.core.model_formats import ENDINGS, FORMATS, NUMPY, Content, ModelFormat, by_ending
from rnnviz.core.schema import listed
from rnnviz.core.words import unreadable
from rnnviz.io.model_formats.model_file import ModelFile, TensorFile
from rnnviz.io.model_formats.named_arrays import is_weight

_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_PREFERRED = ("model.safetensors.index.json", "pytorch_model.bin.index.json", "model.safetensors", "pytorch_model.bin")
"""Model files that a folder may hold besides others, such as shards or the state of an optimizer."""


_OTHER_NAMES = re.compile(
    r".*(-symbol\.json|\.weights\.json|\.data-\d+-of-\d+|\.(tflite|pb|pbtxt|index|meta|onnxtxt|onnxjson|textproto|distcp"
    r"|msgpack|mlmodel|mlpackage|mlmodelc|ort|pte|pdparams|pdmodel|pdiparams|pdopt|caffemodel|prototxt|param|engine|plan"
    r"|trt|mat|t7|bson|rds|rda|rdata|tar|zip|mar|nemo|pkl|pickle|joblib|jax))"
)
_OTHER_HEADS = re.compile(
    rb"GGUF|MATLAB |\x1f\x8b|BZh|\xfd7zXZ\0|7z\xbc\xaf|.{4}(TFL3|PTMF|ET12|ORTM)|version https://git-lfs"
    rb"|\s*<(!doctype html|html)",
    re.DOTALL | re.IGNORECASE,
)
_OTHER_TEXTS = {".json": (b'"modelTopology"', b'"layers-model"', b'"class_name"'), ".xml": (b"<net",)}


def _is_other(path: Path, head: bytes) -> bool:
    """Whether a file is a model in a known format that is not read, or a pointer or a page in place of a model."""
    known = _OTHER_NAMES.fullmatch(path.name.lower()) or _OTHER_HEADS.match(head)
    return known is not None or any(text in head for text in _OTHER_TEXTS.get(path.suffix.lower(), ()))


def open_as(known: ModelFormat, path: Path) -> ModelFile:
    model: ModelFile = reader_of(known, path).open_model(model_in(path))
    return model


def open_tensors(path: Path) -> TensorFile:
    """Open a file or folder as `open_model` does for all its arrays, also arrays outside recurrent layers."""
    tensors: TensorFile = reader_of(format_of(path), path).open_tensors(model_in(path))
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
    """Open a model file, a folder with one, or a folder of `.npy` files; in a subprocess with limited memory."""
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
    if _is_other(path, head):
        raise InputError(
            f"{path} is in a format that is not read, or not the model itself: export the model to ONNX, or save its "
            "arrays by PyTorch's or Gluon's names in a .safetensors or .npz file."
        )
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
        return _is_other(path, _head(path))
    except InputError:
        return False


def model_in(path: Path) -> Path:
    """The file itself; the only model file in a folder, the index of its shards, or a folder of `.npy` files itself."""
    if not os.path.isdir(path):
        return path
    with reading(path):
        names = sorted(os.listdir(path))
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
            return file.read(256)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error


def _by_content(path: Path, head: bytes) -> ModelFormat | None:
    members: Collection[str] = ()
    if head.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.namelist()
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
            return None
    content = Content(head, path.stat().st_size, members)
    return next((known for known in FORMATS if known.holds(content)), None)
