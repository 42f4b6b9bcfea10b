"""The inputs of a run: drawn where the config says so, read where it names files."""

from collections.abc import Sequence
from pathlib import Path

from rnnviz.files.arrays_in import read_npz, read_sequence
from rnnviz.files.models.reading import read_parameters
from rnnviz.files.names_in import read_feature_names, read_labels
from rnnviz.model.arrays import FloatArray, read_only
from rnnviz.model.config import Config, alphabet
from rnnviz.model.errors import ConfigError, InputError
from rnnviz.model.initial_state import State, checked_state, draw_initial_state
from rnnviz.model.inputs import Inputs, with_sequence_shape
from rnnviz.model.names import Names
from rnnviz.model.parameters import Parameters, draw_parameters
from rnnviz.model.sequence import draw_sequence


def load_inputs(config: Config) -> Inputs:
    """Draw or read the sequence, the parameters and the initial state.

    Raises
    ------
    ConfigError
        If a file is missing, damaged, or does not fit; its key is that of the file's path.
    """
    sequence = _sequence(config)
    try:
        config = with_sequence_shape(config, sequence)
    except InputError as error:
        raise ConfigError("network.input_size", str(error)) from error
    return Inputs(config, sequence, _parameters(config), _initial_state(config), names=_names(config))


def _sequence(config: Config) -> FloatArray:
    source = config.sequence
    if source.source != "file":
        return draw_sequence(config.network, source)
    try:
        return read_only(read_sequence(Path(source.path or "")), config.network.dtype)
    except InputError as error:
        raise ConfigError("sequence.path", str(error)) from error


def _names(config: Config) -> Names:
    """What the config's own labels and text, or the sequence's file, call timesteps and features."""
    source = config.sequence
    timesteps: Sequence[str] = source.text or ()
    features: Sequence[str] = alphabet(source.text) if source.text else ()
    if source.source == "file":
        try:
            features = read_feature_names(Path(source.path or ""))
        except InputError as error:
            raise ConfigError("sequence.path", str(error)) from error
    if source.labels is not None:
        try:
            timesteps = read_labels(Path(source.labels), source.timesteps)
        except InputError as error:
            raise ConfigError("sequence.labels", str(error)) from error
    return Names(timesteps, features)


def _parameters(config: Config) -> Parameters:
    source = config.parameters
    if source.initializer != "file":
        return draw_parameters(config.network, source)
    path = Path(source.path or "")
    try:
        return read_parameters(path, source.entry, config.network)
    except InputError as error:
        raise ConfigError("parameters.path", _about(path, error)) from error


def _initial_state(config: Config) -> State:
    source, batch_size = config.initial_state, config.sequence.batch_size
    if source.source != "file":
        return draw_initial_state(config.network, source, batch_size)
    path = Path(source.path or "")
    try:
        return checked_state(config.network, batch_size, read_npz(path, "initial_state."))
    except InputError as error:
        raise ConfigError("initial_state.path", _about(path, error)) from error


def _about(path: Path, error: InputError) -> str:
    """The sentence with the file's path in it."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"
