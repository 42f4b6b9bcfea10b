"""Files that a config names, with the files that they need."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.io.config_toml import with_paths
from rnnviz.io.model_formats.formats import is_model_file, model_in
from rnnviz.io.model_formats.mxnet_params import symbol_beside
from rnnviz.io.model_formats.shards import files_beside

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto


@dataclass(frozen=True)
class NamedFile:
    """A file or folder by its absolute path; `parts` are the files to copy, relative to its parent, and their sizes."""

    path: Path
    parts: tuple[tuple[str, int], ...]


def paths_in(config: Config) -> list[str]:
    """Every path that the config names, once."""
    found: dict[str, None] = {}

    def note(path: str) -> str:
        found[path] = None
        return path

    with_paths(config, note)
    return list(found)


def files_to_copy(config: Config) -> list[NamedFile]:
    """The files that a copy of each named file needs; values are not read."""
    return [_named(Path(path)) for path in paths_in(config)]


def size_of(files: Iterable[NamedFile]) -> int:
    """Total size in bytes."""
    return sum(size for file in files for _, size in file.parts)


def _named(path: Path) -> NamedFile:
    try:
        model = model_in(path)
        if model.is_dir():
            files = [file for file in sorted(model.glob("*.npy")) if file.is_file()]
        else:
            files = [model, *(model.parent / name for name in _companions(model))]
        parts = tuple((file.relative_to(path.parent).as_posix(), file.stat().st_size) for file in files)
    except OSError as error:
        raise InputError(f"{path} cannot be copied: {error.strerror or error}.") from error
    return NamedFile(path, parts)


def _companions(path: Path) -> list[str]:
    """The files that a model is read with: weights of ONNX beside or below it, the symbol of a checkpoint, shards."""
    if path.suffix.lower() == ".params" and symbol_beside(path).is_file():
        return [symbol_beside(path).name]
    if path.suffix.lower() == ".h5":
        from rnnviz.io.model_formats.keras_file import config_beside

        if (config := config_beside(path)) is not None:
            return [config.name]
    if path.suffix.lower() != ".onnx":
        return files_beside(path) if is_model_file(path) else []
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise InputError(f"{path} cannot be copied: it is not a valid ONNX model.") from error
    names = {}
    for tensor in _tensors(model.graph):
        for entry in tensor.external_data:
            if entry.key == "location":
                names[entry.value] = path.parent / entry.value
    folder = path.parent.resolve()
    for name, file in names.items():
        if not file.resolve().is_relative_to(folder):
            raise InputError(f'{path} cannot be copied: its weights are in "{name}", outside the model\'s folder.')
    return list(names)


def _tensors(graph: "GraphProto") -> Iterator["TensorProto"]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors(inner)
