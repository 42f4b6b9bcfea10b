"""The formats of model files, as records: `io/model_formats` opens files."""

import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress

from rnnviz.core.engine_spec import CAPTURE
from rnnviz.core.words import join_words
from rnnviz.frozen import dataclass

_HDF5 = b"\x89HDF\r\n\x1a\n"
_NDARRAY_LIST = (0x112).to_bytes(8, "little")
_LEGACY_TORCH = re.compile(
    rb"(?:\x80[\2-\5](?:\x95.{8})?)?(?:\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19|L119547037146038801333356L\n)\.", re.DOTALL
)
"""The magic number of PyTorch before 1.6, pickled by any protocol."""


@dataclass(frozen=True)
class Content:
    """The first bytes of a file, its size, and the names in it if it is a ZIP archive, which show its format."""

    head: bytes
    size: int
    members: Collection[str] = ()

    def has(self, end: str) -> bool:
        """Whether a name in the archive ends so."""
        return any(name.endswith(end) for name in self.members)


def _is_torch(content: Content) -> bool:
    zipped = any(name == "data.pkl" or name.endswith("/data.pkl") for name in content.members)
    return (zipped and not content.has(".weights.h5")) or _LEGACY_TORCH.match(content.head) is not None


@dataclass(frozen=True)
class ModelFormat:
    """One format: its name, the endings that its files usually have, and its `reader`, a module of `io/model_formats`.

    `package` is what the reader imports. `holds` recognizes the content of a file; the ending decides where no content
    is recognized. `names` are the framework's names of parameters and `engine` its engine; "" for arrays of any
    framework. `title` is the name in lists; "" for a part of another format. `written` is the library that reads what
    the program writes. A desktop offers the program for files of `media`, the subtype of a media type and its title,
    which begin with `magic`.
    """

    name: str
    endings: tuple[str, ...]
    reader: str
    package: str | None = None
    holds: Callable[[Content], bool] = lambda content: False
    names: str = ""
    engine: str = ""
    title: str = ""
    written: str = ""
    media: tuple[str, str] | None = None
    magic: bytes = b""


MXNET = ModelFormat(
    "MXNet parameters",
    (".params",),
    "mxnet_params",
    holds=lambda content: content.head.startswith(_NDARRAY_LIST),
    names="gluon",
    engine="gluon",
    title="Gluon",
    written="Gluon",
    media=("x-mxnet-params", "MXNet parameters"),
    # Eight reserved bytes follow, which are zero.
    magic=_NDARRAY_LIST + bytes(8),
)
SAFETENSORS = ModelFormat(
    "safetensors",
    (".safetensors",),
    "torch_files",
    holds=lambda content: content.head[8:9] == b"{" and int.from_bytes(content.head[:8], "little") <= content.size,
    names="pytorch",
    engine="torch",
    title="safetensors",
    written="PyTorch",
    media=("x-safetensors", "safetensors weights"),
)
TORCH = ModelFormat(
    "PyTorch",
    (".pt", ".pth", ".bin", ".ckpt", ".pt2", ".ptl"),
    "torch_files",
    holds=_is_torch,
    names="pytorch",
    engine="torch",
    title="PyTorch",
)
ONNX = ModelFormat(
    "ONNX",
    (".onnx",),
    "onnx",
    "onnx",
    names="onnx",
    engine="onnx",
    title="ONNX",
    written="ONNX",
    media=("x-onnx", "ONNX model"),
)
# No engine is Keras; most of its networks exist in ONNX.
KERAS = ModelFormat(
    "Keras",
    (".keras", ".h5", ".hdf5"),
    "keras",
    holds=lambda content: content.head.startswith(_HDF5) or content.has(".weights.h5"),
    names="keras",
    engine="onnx",
    title="Keras",
)
NUMPY = ModelFormat(
    "numpy",
    (".npz",),
    "named_arrays",
    holds=lambda content: content.has(".npy"),
    title="NumPy",
    written="NumPy, with Gluon's names",
)
SHARDS = ModelFormat("index of shards", (".index.json",), "torch_files", names="pytorch", engine="torch")

FORMATS = (MXNET, SAFETENSORS, TORCH, ONNX, KERAS, NUMPY, SHARDS)

ENDINGS = tuple(ending for known in FORMATS for ending in known.endings)
"""The endings of all formats."""

# Variants of shards have their names within it, as in model.safetensors.index.fp16.json.
_VARIANT = re.compile(r"\.index\.\w+\.json$")


def by_ending(name: str) -> ModelFormat | None:
    """The format of files with the ending of this name."""
    name = _VARIANT.sub(".index.json", name.lower())
    return next((known for known in FORMATS if name.endswith(known.endings)), None)


def format_of_framework(path: str | None) -> ModelFormat:
    """A format of the framework that wrote a model file, or the first model file of a folder; Gluon's if unknown."""
    if path is None:
        return MXNET
    names = [os.path.basename(path).removesuffix(CAPTURE)]
    if os.path.isdir(path):
        with suppress(OSError):
            names = sorted(os.listdir(path))
    found = (known for known in map(by_ending, names) if known is not None and known.names)
    return next(found, MXNET)


def written_endings() -> str:
    """The endings of the formats that the program writes, with the library that reads each."""
    return join_words((f"{known.endings[0]} ({known.written})" for known in FORMATS if known.written), "or")


def patterns(*others: str) -> str:
    """The endings of all formats, and others before them, as a file dialog's filter has them."""
    return " ".join(f"*{ending}" for ending in dict.fromkeys((*others, *ENDINGS)))
