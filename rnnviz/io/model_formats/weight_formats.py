"""The formats of written weights, selected by the file's ending."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

from rnnviz.cells import CELLS
from rnnviz.core import onnx_layer
from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.npz import NpzFile
from rnnviz.core.parameters import Parameters, check_shapes
from rnnviz.core.words import join_words
from rnnviz.io.model_formats.formats import MXNET, NUMPY, ONNX, SAFETENSORS, Format
from rnnviz.io.model_formats.load import read_weights, settings_in_float32
from rnnviz.io.model_formats.rnn_entry import RNN_CELLS, Entry, cells_of_arrays


@dataclass(frozen=True)
class WeightFormat:
    """A format: title, ending, writer, reader, and the engine that computes from it.

    The writer is `write_weights(network, parameters, path)` of the reader's module.
    `library` is the engine whose framework reads such files itself, if any; `dtypes` are its types.
    """

    title: str
    ending: str
    reader: Format
    library: str | None
    dtypes: tuple[str, ...] = ("float32", "float64")

    def check(self, network: Network, path: Path) -> None:
        """Refuse a network that no reader of the format could compute; `path` is where it was to be written."""
        if self.library is not None and not self._has_cell(network):
            raise InputError(
                f"{path} cannot be written: no layer of {self.title} computes {network.cell_title}; "
                f"write a {NUMPY_ARCHIVE.ending} file."
            )
        if network.dtype not in self.dtypes:
            raise InputError(
                f'{path} cannot be written: network.dtype is "{network.dtype}", and {self.title} files '
                f"run only in {' or '.join(self.dtypes)}."
            )

    def _has_cell(self, network: Network) -> bool:
        """Whether the framework of the format has a layer that computes the network's cell."""
        if self is ONNX_MODEL:
            return onnx_layer.has_cell(network)
        return (network.clip, network.activations) == (None, None) and network.kind.torch != ""

    def note(self, network: Network) -> str:
        """The sentence on information that the file does not contain; "" if it is complete."""
        # ONNX files name both.
        if self is ONNX_MODEL:
            return ""
        lacking: dict[str, str] = {}
        if not _is_read_from_shapes(network):
            either_rnn = network.kind.gate_count == 1 and network.activations is None
            lacking[f'cell = "{network.cell}"'] = "activation" if either_rnn else "cell"
        if network.activations is not None:
            lacking[f"activations = {json.dumps(network.activations)}"] = "activations"
        if network.clip is not None:
            lacking[f"clip = {network.clip!r}"] = "clip"
        if network.reverse:
            lacking["reverse = true"] = "direction"
        if not lacking:
            return ""
        things, keys = (join_words(words, "and") for words in (lacking.values(), lacking))
        return f"The format does not contain the {things}: give {keys} when you read the file."

    def write(self, network: Network, parameters: Parameters, path: Path) -> None:
        """Write the weights of a network; raises an InputError or an OSError if that cannot be done."""
        self.reader.module.write_weights(network, parameters, path)

    def read(self, network: Network, path: Path) -> Parameters:
        """The weights of the one network like `network` in a file, by the program's own reader."""
        if network.custom is not None:
            # Nothing but the names says which network it is.
            file = NpzFile(path)
            check_shapes(network, {name: header.shape for name, header in file.headers.items()})
            return Parameters(network, {name: file.read(name) for name in network.parameter_shapes()})
        model = self.reader.open(path)
        found = [entry for entry in model.entries if _is_like(entry, network)]
        if len(found) != 1:
            raise InputError(f"{path} holds {len(found)} networks like the one that was written, and must hold one.")
        return read_weights(model, found[0], network)


GLUON_PARAMS = WeightFormat("Gluon", ".params", MXNET, "gluon")
TORCH_SAFETENSORS = WeightFormat("PyTorch", ".safetensors", SAFETENSORS, "torch")
ONNX_MODEL = WeightFormat("ONNX", ".onnx", ONNX, "onnx", ("float32",))
NUMPY_ARCHIVE = WeightFormat("numpy", ".npz", NUMPY, None)
WEIGHT_FORMATS = (GLUON_PARAMS, TORCH_SAFETENSORS, ONNX_MODEL, NUMPY_ARCHIVE)


def format_for(path: Path) -> WeightFormat:
    """The format that the ending of a file to be written asks for."""
    ending = path.suffix.lower()
    for form in WEIGHT_FORMATS:
        if form.ending == ending:
            return form
    raise InputError(
        f'{path} cannot be written: its ending is "{path.suffix}", '
        f"and must be one of {', '.join(form.ending for form in WEIGHT_FORMATS)}."
    )


def _is_read_from_shapes(network: Network) -> bool:
    """Whether the names and shapes of the arrays determine the cell."""
    cell = network.kind
    fitting = cells_of_arrays(len(cell.recurrent_gates), cell.own_parameters)
    return network.cell in CELLS and fitting != RNN_CELLS and fitting[0] == cell.name


def _is_like(entry: Entry, network: Network) -> bool:
    """Whether an entry equals the network in its sizes, its type and, as far as the file names them, its other keys."""
    try:
        held = entry.network(network.cell if network.cell in entry.cells else None)
    except InputError:
        return False
    given = replace(
        held,
        reverse=held.reverse or network.reverse,
        clip=held.clip or network.clip,
        activations=held.activations or network.activations,
    )
    theirs, ours = (replace(each, layout="NTC", clip=None, activations=None) for each in (given, network))
    return theirs == ours and settings_in_float32(given) == settings_in_float32(network)
