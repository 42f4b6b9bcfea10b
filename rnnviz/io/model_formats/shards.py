"""The indexes of models in several files, `model.safetensors.index.json` and `pytorch_model.bin.index.json`."""

from pathlib import Path

from rnnviz.io.model_formats import safetensors, torch_files
from rnnviz.io.model_formats.named_arrays import NamedArrays
from rnnviz.io.model_formats.rnn_entry import ModelFile
from rnnviz.io.model_formats.shard_index import Shards
from rnnviz.io.model_formats.tensors import TensorFile


def open_model(path: Path) -> ModelFile:
    """Open the model of an index; raises an InputError if the index or one of its files is damaged."""
    return NamedArrays(open_tensors(path))


def open_tensors(path: Path) -> TensorFile:
    """All arrays of the files of an index; raises an InputError if it or one of them is damaged."""
    return Shards(path, _open_shard)


def _open_shard(path: Path) -> TensorFile:
    is_safetensors = path.suffix.lower() == ".safetensors"
    return safetensors.open_tensors(path) if is_safetensors else torch_files.open_tensors(path)
