"""The recurrent layers of a Keras model: `.keras`, `.weights.h5`, and `.h5` as Keras 2 wrote it."""

import re
from dataclasses import replace
from pathlib import Path

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.io.model_formats.keras_config import configured_layers
from rnnviz.io.model_formats.keras_file import KerasFile, config_beside, read_array, read_tree
from rnnviz.io.model_formats.keras_layers import cells_of, configured_layer, inferred_layer, stored_cells, unconfigured
from rnnviz.io.model_formats.model_file import ModelFile, StoredLayer, readable, unsupported, with_stacks
from rnnviz.io.model_formats.rnn_entry import Tensor, TensorFile

_SHARD = re.compile(r"(?P<model>.+)_\d{5}\.weights\.h5")


def open_model(path: Path) -> ModelFile:
    """The recurrent layers of the config with their weights, and those weights that no config describes.

    Connected layers are also offered as one network, if the file has a config that says so.
    """
    with readable(path):
        file = KerasFile(path)
        with file.weights() as (weights, size):
            stored = stored_cells(read_tree(weights, size))
        configured = configured_layers(file.config)
        matched = [cells_of(layer, stored) for layer in configured.listed]
    layers = [configured_layer(file, layer, found) for layer, found in zip(configured.listed, matched, strict=True)]
    # A stack of cells is one network already.
    below = {
        number: layer.below
        for number, layer in enumerate(configured.listed)
        if layer.below is not None and layers[number].entry.num_layers == layers[layer.below].entry.num_layers == 1
    }
    used = [cell for found in matched for cell in found.within]
    others = [inferred_layer(file, found, configured.within.get(found.name)) for found in unconfigured(stored, used)]
    return ModelFile(path, _of_shard(path, with_stacks(layers, below) + others))


def _of_shard(path: Path, layers: list[StoredLayer]) -> list[StoredLayer]:
    """The layers; of a shard, which may lack the bias or a direction of each, they cannot be run."""
    match = _SHARD.fullmatch(path.name)
    if match is None:
        return layers
    index = f"{match['model']}.weights.json"
    if path.with_name(index).exists():
        why = (
            f"the file is one of the shards of {index}: save the weights without max_shard_size, or the model as .keras"
        )
        return [unsupported(layer.entry, why) for layer in layers]
    # Checkpoints have the numbers of epochs in such names.
    assumed = "the file holds all weights, although its name could be that of one shard of several"
    entries = [replace(layer.entry, assumptions=(*layer.entry.assumptions, assumed)) for layer in layers]
    return [replace(layer, entry=entry) for layer, entry in zip(layers, entries, strict=True)]


def open_tensors(path: Path) -> TensorFile:
    """The arrays that can be read by their paths, such as `layers/embedding/vars/0`."""
    with readable(path):
        file = KerasFile(path)
        with file.weights() as (weights, size):
            arrays = {name: array for name, array in read_tree(weights, size).arrays.items() if not array.problem}

    def read(name: str) -> FloatArray:
        with file.weights() as (weights, _size):
            return read_array(weights, arrays[name])

    return TensorFile({name: Tensor(array.shape, array.dtype) for name, array in arrays.items()}, read)


def files_beside(path: Path) -> list[str]:
    """The config beside the weights of an archive that was unpacked."""
    config = config_beside(path)
    return [] if config is None else [config.name]
