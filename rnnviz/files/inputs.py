"""The inputs of a run: drawn where the config says so, read where it names files."""

from pathlib import Path

from rnnviz.files.arrays_in import read_npz, read_sequence
from rnnviz.model.arrays import FloatArray, read_only
from rnnviz.model.config import Config
from rnnviz.model.errors import ConfigError, InputError
from rnnviz.model.initial_state import State, checked_state, draw_initial_state
from rnnviz.model.inputs import Inputs, with_sequence_shape
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
    return Inputs(config, sequence, _parameters(config), _initial_state(config))


def _sequence(config: Config) -> FloatArray:
    source = config.sequence
    if source.source != "file":
        return draw_sequence(config.network, source)
    try:
        return read_only(read_sequence(Path(source.path or "")), config.network.dtype)
    except InputError as error:
        raise ConfigError("sequence.path", str(error)) from error


def _parameters(config: Config) -> Parameters:
    source = config.parameters
    if source.initializer != "file":
        return draw_parameters(config.network, source)
    path = Path(source.path or "")
    try:
        return Parameters(config.network, read_npz(path, "parameters."))
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
