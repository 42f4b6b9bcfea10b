"""List the content of a model file, read one of its networks with a memory limit, and write weights in a format.

The assumptions of a run or a conversion are clauses that end a sentence."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from functools import partial
from pathlib import Path

import numpy as np

from rnnviz.cells import CELLS
from rnnviz.cells.activations import Activation, affine, linear
from rnnviz.core.bounded_read import limited_memory
from rnnviz.core.config import Config, InitialStateSource, Network, ParameterSource, SequenceSource
from rnnviz.core.errors import InputError, printable
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.model_formats import MXNET, NUMPY, ONNX, SAFETENSORS, SHARDS, TORCH, ModelFormat
from rnnviz.core.npz import NpzFile, read_npz
from rnnviz.core.parameters import Parameters, check_shapes
from rnnviz.core.progress import expect
from rnnviz.core.schema import display_value
from rnnviz.core.words import join_words
from rnnviz.engines import onnx_layer
from rnnviz.frozen import dataclass
from rnnviz.io.model_formats.formats import format_of, open_as, open_model, open_tensors, reader_of
from rnnviz.io.model_formats.model_file import EVERY_STEP, RNN_CELLS, Entry, ModelFile, cells_of_arrays

DRAWN = ("zeros", "uniform", "normal")
"""The initial states that no file holds."""

_OPEN = {
    "input": "the caller of the model gives its initial state",
    "computed": "another part of the model computes its initial state",
}
_ROOM = 512 << 20
"""Memory in bytes that reading may need in addition to the file and its weights, such as for an imported library."""
_FILE_COPIES = 3
"""How often a format that can only be read as a whole may hold the file."""
_WEIGHT_COPIES = 4
_GLUON = re.compile(r"(?:parameters\.)?[lr]\d+_(?:i2h|h2h)_(?:weight|bias)")


def entries_of(path: Path) -> tuple[Entry, ...]:
    """The recurrent networks in a model file; to be called in a subprocess."""
    with within(path, room_for_file(path)):
        model, entries = open_model(path), []
        for entry in model.entries:
            stored = entry.supported and entry.initial_state == "stored"
            samples = model.initial_state(entry.name)["h"].shape[1] if stored else 1
            entries.append(entry if samples == 1 else replace(entry, batch_size=samples))
        return tuple(entries)


def arrays_of(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of all arrays in a model file by name, for a file in which no recurrent layer was recognized."""
    with within(path, room_for_file(path)):
        try:
            return {printable(name): tensor.shape for name, tensor in open_tensors(path).tensors.items()}
        except InputError:
            # The file could be searched for networks, but not every such file has arrays that can be listed.
            return {}


def nothing_recognized(path: Path, arrays: Mapping[str, tuple[int, ...]]) -> InputError:
    shown = [f'"{name}" {shape}' for name, shape in list(arrays.items())[:4]]
    listed = f": {', '.join(shown)}{' and others' if len(arrays) > len(shown) else ''}" if shown else ""
    count = f"{len(arrays):,} array{'' if len(arrays) == 1 else 's'}" if arrays else "no arrays"
    needed = (
        "a recurrent layer must be an RNN, LSTM or GRU operator, which a model of single time steps lacks: "
        "open the weights that it was exported from, or export it with dynamo=False in PyTorch"
        if path.name.lower().endswith(ONNX.endings)
        else "names must be Gluon's (l0_i2h_weight), PyTorch's (weight_ih_l0) or Keras's (recurrent_kernel)"
    )
    return InputError(f"{path} contains no recurrent layer that is recognized; it holds {count}{listed}; {needed}.")


@dataclass(frozen=True)
class StoredNetwork:
    """The parameters and the stored initial state of an entry; the state is empty where the file stores none.

    `entry` is None for weights by Gluon's own names.
    """

    parameters: Parameters
    entry: Entry | None = None
    initial_state: Mapping[str, FloatArray] = field(default_factory=dict)


def read_network(path: Path, entry: str | None, network: Network) -> StoredNetwork:
    """An entry of a model file, or its only one, with its weights as the parameters of `network`.

    An `.npz` file with weights by Gluon's names must contain nothing else, and is compared with the network by name.
    """
    weights = _WEIGHT_COPIES * 8 * network.parameter_count
    size = network.parameter_count * (8 if network.dtype == "float64" else 4)
    with within(path, room_for_file(path) + weights):
        known = format_of(path)
        if known is NUMPY and entry is None and not path.is_dir() and any(map(_GLUON.fullmatch, NpzFile(path).headers)):
            expect(size)
            try:
                arrays = read_npz(path, "parameters.", partial(check_shapes, network))
            except InputError as error:
                try:
                    (entry_here,) = open_model(path).entries
                    stored = entry_here.network(network.cell)
                except (InputError, ValueError):
                    stored = network
                raise _error_of_sizes(str(error), stored, network) from error
            for name, array in arrays.items():
                check_values(name, array, network, rounded=True)
            return StoredNetwork(Parameters(network, arrays))
        model = open_as(known, path)
        expect(size)
        if not model.entries:
            raise nothing_recognized(path, arrays_of(path))
        chosen = choose(model.entries, entry, path)
        parameters = read_weights(model, chosen, network, rounded=known is NUMPY)
        return StoredNetwork(parameters, chosen, model.initial_state(chosen.name))


def config_of(path: Path, entry: Entry, cell: str | None = None, initial_state: str | None = None) -> Config:
    """A config that runs an entry of a model file on a random sequence; `cell` is needed if the file does not name it.

    `initial_state` is one of `DRAWN` or the path of an `.npz` file. None is the stored one, or without one random
    numbers: zeros would leave many bugs undetected.
    """
    try:
        network = entry.network(cell)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if initial_state is None and entry.leaves_initial_state_open:
        raise InputError(f"{path}: {entry.name} cannot be run without an initial state: {open_state(entry)}.")
    file = str(path.absolute())
    stored = initial_state is None and entry.initial_state == "stored"
    start = file if stored else initial_state or "uniform"
    sequence = SequenceSource(timesteps=16, batch_size=3)
    if stored and entry.batch_size is not None:
        sequence = replace(sequence, batch_size=entry.batch_size)
    if entry.lengths:
        sequence = replace(sequence, batch_size=len(entry.lengths), timesteps=max(entry.lengths))
    return Config(
        network,
        sequence,
        ParameterSource(initializer="file", path=file, entry=entry.name),
        InitialStateSource(start) if start in DRAWN else InitialStateSource("file", path=str(Path(start).absolute())),
    ).checked()


def open_state(entry: Entry) -> str:
    """Where the model's own initial state comes from, for an entry that leaves it open."""
    return "; ".join(entry.assumptions) or _OPEN[entry.initial_state]


def lengths_of(entry: Entry, config: Config) -> tuple[int, ...]:
    """The lengths that a model file has, if they fit the sequence."""
    source, lengths = config.sequence, entry.lengths
    fits = len(lengths) == source.batch_size and max(lengths, default=0) <= source.timesteps
    return lengths if fits and source.lengths is None and not source.brings_lengths else ()


def of_weights(entry: Entry, config: Config, padded: bool = False) -> tuple[str, ...]:
    """The assumptions of the weights alone, as they are converted."""
    stored = ["the initial state that the model file stores is not written"] if entry.initial_state == "stored" else []
    return (*_of_network(entry, config), *stored)


def of_run(entry: Entry, config: Config, padded: bool = False) -> tuple[str, ...]:
    """The assumptions of a run of `config`, whose parameters are those of the entry; `padded` is whether samples have
    lengths."""
    source, clauses = config.initial_state, list(_of_network(entry, config))
    if padded or lengths_of(entry, config):
        clauses = [clause for clause in clauses if clause != EVERY_STEP]
        if entry.lengths and not lengths_of(entry, config):
            clauses.append("the model has other lengths, and the run has those of the config or its input")
    used = "zeros" if source.source == "zeros" else "random numbers" if source.path is None else ""
    used = used or f"the numbers in {source.path}"
    if entry.initial_state == "stored" and source.path != config.parameters.path:
        clauses.append(f"the model file stores an initial state, and the run starts from {used} instead")
    elif entry.leaves_initial_state_open:
        if not entry.assumptions:
            clauses.append(_OPEN[entry.initial_state])
        clauses.append(f"the run starts from {used} instead of the model's own initial state")
    return tuple(clauses)


def _of_network(entry: Entry, config: Config) -> tuple[str, ...]:
    # The reason of an entry without a cell asks for the choice that was made.
    chosen = f"the file does not say the {entry.choice}: {config.network.cell} was chosen"
    assumption = entry.reason if entry.cell == config.network.cell else chosen
    return tuple(dict.fromkeys(clause for clause in (assumption, *entry.assumptions) if clause))


def choose(entries: Sequence[Entry], name: str | None, path: Path) -> Entry:
    """The entry of that name of the file `path`, or the only one, whose layers may be entries, too."""
    whole = [entry for entry in entries if not entry.part]
    if name is None and len(whole) == 1:
        return whole[0]
    listed = ", ".join(f'"{entry.name}"' for entry in entries)
    if name is None:
        raise InputError(f"{path} holds {len(entries)} recurrent networks, and entry must name one of them: {listed}.")
    named = next((entry for entry in entries if entry.name == name), None)
    if named is None:
        raise InputError(f'{path} contains no recurrent network "{name}": entry must be one of {listed}.')
    return named


def read_weights(model: ModelFile, entry: Entry, network: Network, *, rounded: bool = False) -> Parameters:
    """The parameters of `network` from `entry`; only with `rounded` may float64 weights change in its dtype."""
    _check_network(entry, network)
    arrays = model.parameters(entry.name)
    for name, array in arrays.items():
        check_values(name, array, network, rounded=rounded)
    return Parameters(network, arrays)


def _check_network(entry: Entry, network: Network) -> None:
    """Check the shapes of all arrays against the network, before any of them is read."""
    if entry.reverse and not network.reverse:
        raise InputError(f"network.reverse must be true: {entry.name} reads the sequence from its end.")
    stored = entry.network(network.cell)
    if (entry.clip, entry.activations) != (None, None) and settings_in_float32(stored) != settings_in_float32(network):
        settings = ", ".join(entry.settings)
        raise InputError(f"{entry.name} has {settings}, but the network has not: [network] must have the same.")
    held, needed = stored.parameter_shapes(), network.parameter_shapes()
    if (entry.num_layers, entry.bidirectional) != (network.num_layers, network.bidirectional):
        raise _error_of_sizes(
            f"{entry.name} has num_layers = {entry.num_layers} and bidirectional = "
            f"{str(entry.bidirectional).lower()}, but the network has network.num_layers = {network.num_layers} "
            f"and network.bidirectional = {str(network.bidirectional).lower()}.",
            stored,
            network,
        )
    for name in {**held, **needed}:
        if held.get(name) != needed.get(name):
            has = f"the array {name} of the shape {held[name]}" if name in held else f"no array {name}"
            needs = needed.get(name, "none of that name")
            raise _error_of_sizes(f"{entry.name} has {has}, but the network needs {needs}.", stored, network)


def _error_of_sizes(sentence: str, stored: Network, network: Network) -> InputError:
    keys = ("input_size", "hidden_size", "num_layers", "bidirectional", "projection_size")
    sizes = {f"network.{key}": getattr(stored, key) for key in keys if getattr(stored, key) != getattr(network, key)}
    given = [f"{key} = {display_value(value)}" for key, value in sizes.items() if value is not None]
    steps = [f"set {join_words(given, 'and')}"] if given else []
    steps += [f"leave {key} out" for key, value in sizes.items() if value is None]
    advice = f" To use the sizes of the weights, {join_words(steps, 'and')}." if steps else ""
    return InputError(f"{sentence}{advice}", sizes)


def settings_in_float32(network: Network) -> tuple[float | None, list[Activation]]:
    """The clip and the activation of each role, with their numbers as an ONNX file holds them."""
    found = [activation for _, activation in replace(network, clip=None).kind.activations]
    clip = None if network.clip is None else float(np.float32(network.clip))
    return clip, [
        linear if activation == affine else activation.in_float32()
        for activation in found
        if isinstance(activation, Activation)
    ]


def check_values(name: str, array: FloatArray, network: Network, *, rounded: bool) -> None:
    """Refuse an array with a value that is not finite, or that the network's dtype does not hold."""
    finite = np.isfinite(array)
    if not finite.all():
        place = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(f"{name} holds {array[place]} at {list(place)}: every weight must be a finite number.")
    if array.dtype.name == network.dtype or (array.dtype == np.float32 and network.dtype == "float64"):
        return
    with np.errstate(over="ignore"):
        kept = array.astype(network.dtype)
    if not np.isfinite(kept).all() or not (rounded or np.array_equal(kept.astype(array.dtype), array)):
        raise InputError(
            f'{name} is {array.dtype} and not exact in {network.dtype}: network.dtype must be "{array.dtype}".'
        )


@contextmanager
def within(path: Path, allowance: int) -> Iterator[None]:
    """Read a model file with no more memory than `allowance`; raises an InputError where it takes more."""
    try:
        with limited_memory(allowance):
            yield
    except MemoryError as error:
        raise InputError(f"{path} needs more memory than its weights: it is too large or corrupt.") from error


def room_for_file(path: Path) -> int:
    """Bytes that opening a model file may take: the file, or all in a folder or next to the index of shards."""
    size = 0  # where it is unknown
    with suppress(OSError, ValueError):
        if path.is_dir() or path.name.lower().endswith(SHARDS.endings):
            folder = path if path.is_dir() else path.parent
            size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
        else:
            size = path.stat().st_size
    return _ROOM + _FILE_COPIES * size


@dataclass(frozen=True)
class WeightFormat:
    """A format that is written, by the reader's `write_weights`; `whole` is whether a file says all of a network.

    `library` is the engine whose framework reads such files itself, with the types `dtypes` and the cells `has_cell`.
    """

    title: str
    reader: ModelFormat
    library: str | None = None
    dtypes: tuple[str, ...] = ("float32", "float64")
    has_cell: Callable[[Network], bool] = lambda network: True
    whole: bool = False

    def __reduce__(self) -> tuple[object, ...]:
        # A child process has the same records.
        return format_for, (Path(f"weights{self.ending}"),)

    @property
    def ending(self) -> str:
        return self.reader.endings[0]

    def check(self, network: Network, path: Path) -> None:
        """Refuse a network that no reader of the format could compute; `path` is where it was to be written."""
        if not self.has_cell(network):
            raise InputError(
                f"{path} cannot be written: no layer of {self.title} computes {network.cell_title}; write .npz."
            )
        if network.dtype not in self.dtypes:
            raise InputError(
                f'{path} cannot be written: network.dtype is "{network.dtype}", and {self.title} runs only in float32.'
            )

    def note(self, network: Network) -> str:
        """The sentence on information that the file does not contain; "" if it is complete."""
        if self.whole:
            return ""
        lacking: dict[str, str] = {}
        fitting = cells_of_arrays(len(network.kind.recurrent_gates), network.kind.own_parameters)
        if network.cell not in CELLS or fitting == RNN_CELLS or fitting[0] != network.kind.name:
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
        reader_of(self.reader, path).write_weights(network, parameters, path)

    def read(self, network: Network, path: Path) -> Parameters:
        """The weights of the one network like `network` in a file, by the program's own reader."""
        if network.custom is not None:
            # Nothing but the names says which network it is.
            return Parameters(network, read_npz(path, check=partial(check_shapes, network)))
        model = open_as(self.reader, path)
        found = [entry for entry in model.entries if _is_like(entry, network)]
        if len(found) != 1:
            raise InputError(f"{path} holds {len(found)} networks like the one that was written, and must hold one.")
        return read_weights(model, found[0], network)


def _usual_layer(network: Network) -> bool:
    return (network.clip, network.activations) == (None, None) and network.kind.torch != ""


GLUON_PARAMS = WeightFormat("Gluon", MXNET, "gluon", has_cell=_usual_layer)
TORCH_SAFETENSORS = WeightFormat("PyTorch", SAFETENSORS, "torch", has_cell=_usual_layer)
ONNX_MODEL = WeightFormat("ONNX", ONNX, "onnx", ("float32",), onnx_layer.has_cell, whole=True)
NUMPY_ARCHIVE = WeightFormat("numpy", NUMPY)
WEIGHT_FORMATS = (GLUON_PARAMS, TORCH_SAFETENSORS, ONNX_MODEL, NUMPY_ARCHIVE)


def formats_offered(network: Network, source: str | None = None) -> list[WeightFormat]:
    """All formats: the format of the `source` of the weights, then others that can hold the network, then the rest."""
    ending = "" if source is None else Path(source).suffix.lower()
    ending = TORCH_SAFETENSORS.ending if ending in TORCH.endings else ending

    def unfit(form: WeightFormat) -> tuple[bool, bool]:
        try:
            form.check(network, Path(form.ending))
        except InputError:
            return True, True
        return False, form.ending != ending

    return sorted((TORCH_SAFETENSORS, NUMPY_ARCHIVE, ONNX_MODEL, GLUON_PARAMS), key=unfit)


def format_for(path: Path) -> WeightFormat:
    """The format that the ending of a file to be written asks for."""
    found = next((form for form in WEIGHT_FORMATS if form.ending == path.suffix.lower()), None)
    if found is not None:
        return found
    raise InputError(
        f'{path} cannot be written: its ending is "{path.suffix}", '
        f"and must be one of {', '.join(form.ending for form in WEIGHT_FORMATS)}."
    )


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
