"""The inputs of a run: drawn where the config says so, read where it names files."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from rnnviz.core.config import Config, Network
from rnnviz.core.engine_spec import has_weights, is_own, model_name
from rnnviz.core.errors import ConfigError, InputError, key_errors
from rnnviz.core.gradients import LossGradient, check_loss_shapes, draw_loss
from rnnviz.core.head import Head
from rnnviz.core.inputs import Inputs, Load, State, check_state, checked_state, draw_initial_state, with_sequence_shape
from rnnviz.core.memory_budget import check_memory
from rnnviz.core.mmap_arrays import read_only
from rnnviz.core.naming import state_key
from rnnviz.core.npz import NpzFile, read_npz
from rnnviz.core.parameters import Parameters, draw_parameters
from rnnviz.core.schema import display_value
from rnnviz.core.sequence import (
    FROM_ZEROS,
    Names,
    check_sample_labels,
    check_seams,
    checked_lengths,
    draw_lengths,
    draw_sequence,
)
from rnnviz.core.trace_index import clear_padding
from rnnviz.core.words import join_words
from rnnviz.io import ENDING
from rnnviz.io.model_formats.formats import is_model_file
from rnnviz.io.model_formats.load import StoredNetwork, lengths_of, of_run, read_network
from rnnviz.io.model_formats.model_file import Entry
from rnnviz.io.readers import OpenSequence, open_array, open_sequence, open_text, read_labels, read_lengths
from rnnviz.io.session import read_config

_OPENED = ("file", "text")
"""Sources whose sizes are known when they are opened."""
_ARCHIVED = "initial_state."
"""The prefix of h and c in the archive of a run."""


def read_state(path: Path, network: Network, batch_size: int, final_of: str | None = None) -> State:
    """Each state (L·D, N, H) in a file or an archive of a run, or the final one of the engine `final_of` there."""
    check = partial(check_state, network, batch_size)
    if final_of is None:
        return checked_state(network, batch_size, read_npz(path, _ARCHIVED, check))
    file = NpzFile(path)
    engines = _finals(file)
    if not engines:
        raise InputError(f"{path} has no final states of engines: leave initial_state.final_of out.")
    if final_of not in engines:
        raise InputError(
            f'{path} has no final state of "{final_of}": initial_state.final_of must be {join_words(engines, "or")}.'
        )
    names = {s: f"{final_of}.{state_key(s)}" for s in network.kind.state_symbols}
    stored = {s: name for s, name in names.items() if name in file.headers}
    check({s: file.headers[name].shape for s, name in stored.items()})
    return checked_state(network, batch_size, {s: file.read(name) for s, name in stored.items()})


def _finals(file: NpzFile) -> list[str]:
    return [name.removesuffix(".state") for name in file.headers if name.endswith(".state") and name != ".state"]


def _assumed(config: Config) -> Iterator[str]:
    """A clause on an initial state in a run's archive or a capture, where another one may be meant."""
    source, path = config.initial_state, Path(config.initial_state.path or "")
    if source.path is None or path.suffix.lower() != ".npz":
        return
    file = NpzFile(path)
    if source.path != config.sequence.path:
        engines = _finals(file)
        if engines and source.final_of is None and f"{_ARCHIVED}h" in file.headers:
            yield (
                f"the run starts from the initial state of the run in {path.name}; initial_state.final_of = "
                f'"{engines[0]}" reads its final states'
            )
        return
    # With the same sequence the run is the same one again, or a run of a chunk of a longer captured one, whose state
    # the model did not pass on.
    header = file.headers.get(FROM_ZEROS)
    if header is not None and not header.shape and header.dtype.kind in "iu":
        yield (
            f"{int(file.read(FROM_ZEROS)):,} recorded sequences of this layer begin at zeros: if they are chunks of "
            'one sequence, the model does not pass its state on; capture(model, join="all") joins them and shows where'
        )


def _stored_state(stored: StoredNetwork, network: Network, batch_size: int) -> State:
    """The initial state that a model file stores, for each of `batch_size` samples."""
    assert stored.entry is not None
    arrays, name = stored.initial_state, stored.entry.name
    if not arrays:
        raise InputError(
            f'the model file stores no initial state of {name}: initial_state.source must be "zeros", "uniform" '
            'or "normal", or initial_state.path an .npz file.'
        )
    samples = arrays["h"].shape[1]
    if samples not in (1, batch_size):
        raise InputError(
            f"the initial state of {name} is stored for {samples} samples, but there are {batch_size}: "
            f"sequence.batch_size must be {samples}.",
            {"sequence.batch_size": samples},
        )
    whole = {s: np.broadcast_to(array, (array.shape[0], batch_size, array.shape[2])) for s, array in arrays.items()}
    return checked_state(network, batch_size, whole)


def load_inputs(config: Config, assumptions: Callable[[Entry, Config, bool], tuple[str, ...]] = of_run) -> Inputs:
    """Draw or read all inputs; the config gets its final sizes. Raises a ConfigError of the key of a file.

    `assumptions` returns the assumptions of an entry of a model file.
    """
    opened = _open_sequence(config)
    with key_errors("network.input_size"):
        config = with_sequence_shape(config, opened.shape)
    check_seams(config.sequence, config.sequence.timesteps)
    if config.sequence.source in _OPENED:
        check_memory(config)
    with key_errors(_file_key(config)):
        sequence = read_only(opened.read(), config.network.dtype)
    stored = _network(config)
    state = _initial_state(config, stored)
    lengths = _lengths(config, opened, stored.entry)
    names = _names(config, opened, lengths)
    assumed = () if stored.entry is None else assumptions(stored.entry, config, bool(lengths))
    if lengths and config.sequence.source not in _OPENED:
        sequence = np.array(sequence)
        clear_padding(lengths, sequence)
        sequence = read_only(sequence, config.network.dtype)
    weights = {name: _other_weights(name, config) for name in config.compare.engines if has_weights(name)}
    inputs = Inputs(config, sequence, stored.parameters, state, names=names, lengths=lengths, weights=weights)
    made = replace(inputs, assumptions=(*assumed, *_assumed(config)), loss=_loss(config, lengths))
    return replace(made, head=_head(config))


def load_within(config: Config, load: Load, check: Callable[[Config, int, int], None]) -> Inputs:
    """Read or draw the inputs of a run for an export, of which `check(config, T, N)` refuses one that is too large."""
    sequence = config.sequence
    # Drawing them may take long, too. A custom cell has its sizes once it is read.
    if sequence.source not in _OPENED and not (is_own(config.network.cell) and config.network.custom is None):
        check(config, sequence.timesteps, sequence.batch_size)
    inputs = load(config)
    check(inputs.config, inputs.timesteps, inputs.batch_size)
    return inputs


def _head(config: Config) -> Head | None:
    """The dense layer behind the network, None without one; a weight (D·H, K), as Keras stores it, is transposed."""
    source, network = config.head, config.network
    if source.weight is None:
        return None
    path, width = Path(source.path or config.parameters.path or ""), network.directions * network.output_size
    with key_errors("head.weight"):
        shape, read = open_array(path, source.weight, "head.weight")
        if len(shape) != 2 or width not in shape:
            units = "P" if network.kind.projects else "H"
            raise InputError(
                f"{source.weight} in {path} has the shape {shape}, expected (K, D·{units}) = (K, {width}), a row for "
                "each unit of the dense layer."
            )
        weight = np.asarray(read())
        weight = weight if shape[1] == width else weight.T
    bias = np.zeros(len(weight))
    if source.bias is not None:
        with key_errors("head.bias"):
            shape, read = open_array(path, source.bias, "head.bias")
            if shape != bias.shape:
                raise InputError(f"{source.bias} in {path} has the shape {shape}, expected (K,) = {bias.shape}.")
            bias = np.asarray(read())
    return Head(read_only(weight, network.dtype), read_only(bias, network.dtype), source.activation)


def _loss(config: Config, lengths: tuple[int, ...]) -> LossGradient | None:
    path = config.backward.path
    if path is None or not config.backward.enabled:
        return draw_loss(config, lengths, None)
    with key_errors("backward.path", Path(path)):
        return draw_loss(config, lengths, read_npz(Path(path), check=partial(check_loss_shapes, config)))


def _file_key(config: Config) -> str:
    return "sequence.path" if config.sequence.paths is None else "sequence.paths"


def _lengths(config: Config, opened: OpenSequence, entry: Entry | None) -> tuple[int, ...]:
    """The length of each sample, drawn, given or read; () if no sample has padding."""
    source = config.sequence
    if source.lengths is None:
        found = opened.lengths or (() if entry is None else lengths_of(entry, config))
        name = f"lengths in {source.path}"
        return checked_lengths(found, source.batch_size, source.timesteps, _file_key(config), name) if found else ()
    key, lengths = "sequence.lengths", source.lengths
    if lengths == "uniform":
        lengths = draw_lengths(source.seed, source.batch_size, source.timesteps)
    elif isinstance(lengths, str):
        key = "sequence.lengths_path"
        with key_errors(key):
            lengths = read_lengths(Path(source.lengths_path or ""))
    if source.brings_lengths and tuple(lengths) != opened.lengths:
        raise ConfigError(
            key,
            f"{key} = {display_value(list(lengths))} is not allowed: the samples have the lengths "
            f"{display_value(list(opened.lengths))} already; leave {key} out.",
        )
    return checked_lengths(lengths, source.batch_size, source.timesteps, key)


def _open_sequence(config: Config) -> OpenSequence:
    """The sequence with its shape known, and no number read or drawn."""
    source, network = config.sequence, config.network
    if source.source == "text" or source.is_text_file:
        return open_text(config)
    if source.source == "file":
        with key_errors(_file_key(config)):
            return open_sequence(source, network.input_size)
    shape = source.timesteps, source.batch_size, network.input_size
    return OpenSequence(shape, partial(draw_sequence, source, network.input_size, network.dtype))


def _names(config: Config, opened: OpenSequence, lengths: Sequence[int]) -> Names:
    """The names of time steps and features in the config's labels and text, or in the sequence's files."""
    source, symbols = config.sequence, opened.symbols
    timesteps: Sequence[str] = ()
    if source.labels is not None:
        with key_errors("sequence.labels"):
            timesteps, symbols = read_labels(Path(source.labels), source.timesteps), ()
    if source.sample_labels is not None:
        check_sample_labels(source)
        with key_errors("sequence.sample_labels"):
            symbols = tuple(
                read_labels(Path(path), length, f"sample {sample}")
                for sample, (path, length) in enumerate(
                    zip(source.sample_labels, lengths or (source.timesteps,) * source.batch_size, strict=True)
                )
            )
    if len(symbols) == 1:
        timesteps, symbols = symbols[0], ()
    return Names(timesteps, opened.features, symbols)


def _network(config: Config) -> StoredNetwork:
    source = config.parameters
    if source.initializer != "file":
        return StoredNetwork(draw_parameters(config.network, source))
    path = Path(source.path or "")
    with key_errors("parameters.path", path):
        return read_network(path, source.entry, config.network)


def _other_weights(engine: str, config: Config) -> Parameters:
    """The weights of an engine that has its own, from a model file, a config or a session."""
    file, entry = model_name(engine)
    path, network = Path(file), config.network
    with key_errors("compare.reference" if engine == config.compare.reference else "compare.candidates", path):
        if path.suffix.lower() not in (".toml", ENDING):
            return read_network(path, entry or None, network).parameters
        with TemporaryDirectory() as folder:
            other = read_config(path, lambda: Path(folder))
            for key, (held, needed) in other.network.differences(network).items():
                if key != "dtype":
                    raise InputError(
                        f"its network.{key} is {display_value(held)}, but this network has {display_value(needed)}."
                    )
            return _network(replace(other, network=network)).parameters


def _initial_state(config: Config, stored: StoredNetwork) -> State:
    source, batch_size = config.initial_state, config.sequence.batch_size
    if source.source != "file":
        return draw_initial_state(config.network, source, batch_size)
    path = Path(source.path or "")
    with key_errors("initial_state.path", path):
        # The archive of a run contains an initial state, and weights by Gluon's names without an entry.
        if stored.entry is not None and source.path == config.parameters.path:
            return _stored_state(stored, config.network, batch_size)
        if is_model_file(path) and path.suffix.lower() != ".npz":
            raise InputError(
                f"{path} is a model file, of which an initial state is read only together with its weights: "
                "parameters.path must name the same file."
            )
        return read_state(path, config.network, batch_size, source.final_of)
