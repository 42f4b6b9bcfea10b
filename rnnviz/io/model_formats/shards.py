"""The indexes of models in several files, `model.safetensors.index.json` and `pytorch_model.bin.index.json`."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import TypeVar

from rnnviz.core.errors import InputError, damaged
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.formats import SAFETENSORS, TORCH
from rnnviz.io.model_formats.named_arrays import NamedArrays
from rnnviz.io.model_formats.rnn_entry import ModelFile, Tensor, TensorFile

Opener = Callable[[Path], TensorFile]

_File = TypeVar("_File", bound=TensorFile)

_KIND = "index of shards"
_LARGEST = 64 << 20
_MOST_INDEXES = 50
_SHARD = re.compile(r".*?(?P<number>\d{4,6})-of-(?P<count>\d{4,6})\.\w+")


class Shards:
    """The arrays of all files that the index `path` names; `open_tensors` opens one of them."""

    def __init__(self, path: Path, open_tensors: Opener) -> None:
        places = _weight_map(path)
        files: dict[str, TensorFile | None] = {}
        for name in dict.fromkeys(places.values()):
            files[name] = open_tensors(path.parent / name) if (path.parent / name).is_file() else None
        self._files = {name: files[place] for name, place in places.items()}
        self.tensors: dict[str, Tensor] = {}
        for name, place in places.items():
            file = files[place]
            if file is None:
                why = f"it is in {place}, which the index names and which is missing beside it"
                self.tensors[name] = Tensor((), "float32", unreadable=why)
            elif name in file.tensors:
                self.tensors[name] = file.tensors[name]
            else:
                why = f"the index has {name} in {place}, which does not hold it"
                self.tensors[name] = Tensor((), "float32", unreadable=why)

    def read(self, name: str) -> FloatArray:
        file = self._files[name]
        assert file is not None
        return file.read(name)


def shard_or_whole(
    path: Path, open_tensors: Callable[[Path], _File], whole: Callable[[_File, str], ModelFile]
) -> ModelFile:
    """The model that a file is, or, of a shard, the model of all shards by the index beside it.

    `whole` gets the arrays of the file, and why a network in it may be a part of one.
    """
    match = _SHARD.fullmatch(path.name)
    if match is None or int(match["count"]) < 2:
        return whole(open_tensors(path), "")
    index = _index_of(path)
    if index is not None:
        return NamedArrays(Shards(index, open_tensors))
    why = (
        f"the file is shard {int(match['number'])} of {int(match['count'])}, and other weights of this network may be "
        "in another one: the index of the shards, a file .index.json, must be beside it"
    )
    return whole(open_tensors(path), why)


def files_beside(path: Path) -> list[str]:
    """The names of the files that are read with an index, or with a shard that has one; empty for other files."""
    index = path if path.name.endswith(".json") else _index_of(path)
    if index is None:
        return []
    names = dict.fromkeys([index.name, *_weight_map(index).values()])
    return [name for name in names if name != path.name and (path.parent / name).is_file()]


def _index_of(path: Path) -> Path | None:
    """The index that names the shard `path`, beside it."""
    if _SHARD.fullmatch(path.name) is None:
        return None
    indexes = sorted(path.parent.glob("*.index*.json"))[:_MOST_INDEXES]
    return next((index for index in indexes if _names(index, path.name)), None)


def _names(index: Path, shard: str) -> bool:
    """Whether an index names a shard; one of another model may be damaged."""
    try:
        return shard in _weight_map(index).values()
    except InputError:
        return False


def _weight_map(path: Path) -> Mapping[str, str]:
    """The file of each weight, by its name; all are in the folder of the index."""
    try:
        if path.stat().st_size > _LARGEST:
            raise damaged(path, _KIND, f"it has more than {_LARGEST} bytes")
        index = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, _KIND, str(error)) from error
    places = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(places, dict) or not all(isinstance(place, str) for place in places.values()):
        raise InputError(f"{path} is not a shard index: it must have a weight_map from the name of a weight to a file.")
    for place in dict.fromkeys(places.values()):
        parts = PurePosixPath(place.replace("\\", "/"))
        if not place or parts.is_absolute() or ".." in parts.parts or ":" in place or "\0" in place:
            raise InputError(
                f"{path} names {place}, which is outside of its folder: shards must be in the same folder."
            )
    return places


def open_model(path: Path) -> ModelFile:
    return NamedArrays(open_tensors(path))


def open_tensors(path: Path) -> TensorFile:
    return Shards(path, _open_shard)


def _open_shard(path: Path) -> TensorFile:
    return (SAFETENSORS if path.suffix.lower() == ".safetensors" else TORCH).open_tensors(path)
