"""`.safetensors` files, and the indexes of models in several files: `model.safetensors.index.json` and
`pytorch_model.bin.index.json`. The library that defines `.safetensors` checks its header."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.model_formats import SAFETENSORS, SHARDS, TORCH
from rnnviz.core.parameters import Parameters, pytorch_name
from rnnviz.io.bounded_read import reading
from rnnviz.io.model_formats.formats import format_of, open_tensors_as
from rnnviz.io.model_formats.model_file import ModelFile, Tensor, TensorFile
from rnnviz.io.model_formats.named_arrays import named_arrays, read_tensor

_DTYPES = {
    **{f"{kind}{bits}": f"{name}{bits}" for kind, name in (("I", "int"), ("U", "uint")) for bits in (8, 16, 32, 64)},
    **{f"F{bits}": f"float{bits}" for bits in (16, 32, 64)},
    "BF16": "bfloat16",
    "BOOL": "bool",
    "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E8M0": "float8_e8m0fnu",
    "F4": "float4_e2m1fn_x2",
}
_KIND = "index of shards"
_LARGEST = 64 << 20
_MOST_INDEXES = 50
_SHARD = re.compile(r".*?(?P<number>\d{4,6})-of-(?P<count>\d{4,6})\.\w+")


def open_model(path: Path) -> ModelFile:
    return shard_or_whole(path, open_tensors)


def open_tensors(path: Path) -> TensorFile:
    if path.suffix.lower() == ".json" and format_of(path) is SHARDS:
        return _all_shards(
            path,
            lambda shard: open_tensors_as(SAFETENSORS if shard.suffix.lower() == ".safetensors" else TORCH, shard),
        )
    from safetensors import SafetensorError, safe_open

    with reading(path, ".safetensors", (SafetensorError,)):
        with safe_open(path, framework="numpy") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping
            tensors = {
                name: Tensor(tuple(part.get_shape()), _DTYPES.get(part.get_dtype(), part.get_dtype()))
                for name, part in parts.items()
            }
        # The library has checked the offsets of the numbers but does not report them.
        with path.open("rb") as opened:
            begin = 8 + int.from_bytes(opened.read(8), "little")
            header = json.loads(opened.read(begin - 8))

    def read(name: str) -> FloatArray:
        return read_tensor(path, ".safetensors", name, tensors[name], begin + header[name]["data_offsets"][0])

    return TensorFile(tensors, read)


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays as `nn.RNN`, `nn.LSTM` and `nn.GRU` load them."""
    write_tensors(path, {pytorch_name(name): array for name, array in parameters.items()})


def write_tensors(path: Path, arrays: Mapping[str, FloatArray], metadata: Mapping[str, str] = {}) -> None:
    """Write arrays by name, and texts by name as the file's metadata."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    try:
        # What reads a file for PyTorch looks for this word.
        save_file(dict(arrays), path, metadata={"format": "pt", **metadata})
    except SafetensorError as error:
        raise InputError(f"{path} cannot be written: {' '.join(str(error).split()).rstrip('.')}.") from error


CHARACTERS = "characters"
"""The name of a character model's characters in the metadata of its file."""


def read_characters(path: Path) -> str:
    """The characters of a character model, in the order of its input features.

    Raises InputError if the file cannot be read or names none.
    """
    from safetensors import SafetensorError, safe_open

    with reading(path, ".safetensors", (SafetensorError,)), safe_open(path, framework="numpy") as file:
        characters: str = (file.metadata() or {}).get(CHARACTERS, "")
    if not characters:
        raise InputError(
            f'{path} names no characters: the metadata of a character model must have "{CHARACTERS}", all in one text.'
        )
    if len(set(characters)) < len(characters):
        raise InputError(f'{path} names a character twice: "{CHARACTERS}" in its metadata must have each once.')
    return characters


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
        why = f"it is in {place}, which the index names and which is missing next to it"
        if file is not None:
            why = f"the index has {name} in {place}, which does not hold it"
        tensors[name] = Tensor((), "float32", unreadable=why)

    def read(name: str) -> FloatArray:
        file = files[places[name]]
        assert file is not None
        return file.read(name)

    return TensorFile(tensors, read)


def shard_or_whole(path: Path, open_file: Callable[[Path], TensorFile]) -> ModelFile:
    """The model that a file is, or, of a shard, the model of all shards by the index next to it."""
    match = _SHARD.fullmatch(path.name)
    if match is None or int(match["count"]) < 2:
        return named_arrays(path, open_file(path))
    index = _index_of(path)
    if index is not None:
        return named_arrays(path, _all_shards(index, open_file))
    why = (
        f"the file is shard {int(match['number'])} of {int(match['count'])}, and other weights of this network may be "
        "in another one: the index of the shards, a file .index.json, must be next to it"
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
    """The index that names the shard `path`, next to it."""
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
