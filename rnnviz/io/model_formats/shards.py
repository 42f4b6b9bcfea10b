"""The indexes of models in several files, `model.safetensors.index.json` and `pytorch_model.bin.index.json`."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.bounded_read import reading
from rnnviz.io.model_formats.formats import SAFETENSORS, TORCH
from rnnviz.io.model_formats.model_file import ModelFile
from rnnviz.io.model_formats.named_arrays import named_arrays
from rnnviz.io.model_formats.rnn_entry import Tensor, TensorFile

_KIND = "index of shards"
_LARGEST = 64 << 20
_MOST_INDEXES = 50
_SHARD = re.compile(r".*?(?P<number>\d{4,6})-of-(?P<count>\d{4,6})\.\w+")


def open_model(path: Path) -> ModelFile:
    return named_arrays(path, open_tensors(path))


def open_tensors(path: Path) -> TensorFile:
    return _all_shards(path, _open_shard)


def _open_shard(path: Path) -> TensorFile:
    return (SAFETENSORS if path.suffix.lower() == ".safetensors" else TORCH).open_tensors(path)


def _all_shards(index: Path, open_shard: Callable[[Path], TensorFile]) -> TensorFile:
    """The arrays of all files that an index names."""
    places = _weight_map(index)
    files: dict[str, TensorFile | None] = {}
    for place in dict.fromkeys(places.values()):
        files[place] = open_shard(index.parent / place) if (index.parent / place).is_file() else None
    tensors: dict[str, Tensor] = {}
    for name, place in places.items():
        file = files[place]
        if file is not None and name in file.tensors:
            tensors[name] = file.tensors[name]
            continue
        why = f"it is in {place}, which the index names and which is missing beside it"
        if file is not None:
            why = f"the index has {name} in {place}, which does not hold it"
        tensors[name] = Tensor((), "float32", unreadable=why)

    def read(name: str) -> FloatArray:
        file = files[places[name]]
        assert file is not None
        return file.read(name)

    return TensorFile(tensors, read)


def shard_or_whole(path: Path, open_file: Callable[[Path], TensorFile]) -> ModelFile:
    """The model that a file is, or, of a shard, the model of all shards by the index beside it."""
    match = _SHARD.fullmatch(path.name)
    if match is None or int(match["count"]) < 2:
        return named_arrays(path, open_file(path))
    index = _index_of(path)
    if index is not None:
        return named_arrays(path, _all_shards(index, open_file))
    why = (
        f"the file is shard {int(match['number'])} of {int(match['count'])}, and other weights of this network may be "
        "in another one: the index of the shards, a file .index.json, must be beside it"
    )
    return named_arrays(path, open_file(path), why)


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
    with reading(path, _KIND, (ValueError, RecursionError)):
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        index = json.loads(path.read_bytes())
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
