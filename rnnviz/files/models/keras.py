"""The recurrent layers of a Keras model: `.keras`, `.weights.h5`, and `.h5` as Keras 2 wrote it."""

from collections.abc import Sequence
from pathlib import Path

from rnnviz.files.models.keras_archive import KerasFile
from rnnviz.files.models.keras_arrays import KerasArrays
from rnnviz.files.models.keras_cells import StoredSides, stored_layers
from rnnviz.files.models.keras_config import Configured, configured_layers, goes_backwards
from rnnviz.files.models.keras_h5 import read_tree
from rnnviz.files.models.keras_layers import configured_layer, inferred_layer
from rnnviz.files.models.stored_layers import LayeredFile, UnreadableError, with_stacks
from rnnviz.files.models.tensors import TensorFile
from rnnviz.model.errors import InputError


def open_model(path: Path) -> LayeredFile:
    """The recurrent layers of the config with their weights, and those weights that no config tells of.

    Layers that feed each other are offered as one network too, where there is a config to tell so.

    Raises
    ------
    InputError
        If the file cannot be read, or is no Keras model.
    """
    try:
        file = KerasFile(path)
        with file.weights() as (weights, size):
            stored = stored_layers(read_tree(weights, size))
        configured = configured_layers(file.config)
    except (UnreadableError, RecursionError) as error:
        raise InputError(f"{path} cannot be read: {error}.") from error
    except MemoryError as error:
        raise InputError(f"{path} asks for more memory than there is: it is too large, or damaged.") from error
    weights_of = [_weights_of(layer, stored) for layer in configured]
    layers = [configured_layer(file, layer, found) for layer, found in zip(configured, weights_of, strict=True)]
    # What goes backwards turns the order round: on a layer that does, it would read the sequence in its first order.
    below = {
        number: layer.below
        for number, layer in enumerate(configured)
        if layer.below is not None and not goes_backwards(layer)
    }
    others = [inferred_layer(file, found) for found in stored if not any(found is used for used in weights_of)]
    return LayeredFile(path, with_stacks(layers, below) + others)


def open_tensors(path: Path) -> TensorFile:
    """The arrays of a Keras file by their paths in it; raises an InputError if it cannot be read or is none."""
    try:
        return KerasArrays(KerasFile(path))
    except UnreadableError as error:
        raise InputError(f"{path} cannot be read: {error}.") from error


def _weights_of(layer: Configured, stored: Sequence[StoredSides]) -> StoredSides | None:
    """What the file holds in the layer's place, if it is one thing."""
    chain = layer.chain
    found = [
        one
        for one in stored
        if (one.place[0] == chain[0] and one.place[-1] == chain[-1] if one.named_groups else one.place == layer.place)
    ]
    return found[0] if len(found) == 1 else None
