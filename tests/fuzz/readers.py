"""How each kind of file is read as the program reads it, and what comes of it: ok, a sentence, or something else."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from unicodedata import category

import numpy as np

from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.own.recurrence import OwnRecurrence, RecurrenceError
from rnnviz.engines.registry import find_engine
from rnnviz.engines.stack import run_stack
from rnnviz.files.config_toml import dump_config, load_config, parse_config
from rnnviz.files.inputs import load_inputs
from rnnviz.files.models.limits import limited_memory
from rnnviz.files.names_in import read_feature_names
from rnnviz.files.sequence_in import open_sequence
from rnnviz.files.session.reading import read_session
from rnnviz.files.state_in import read_state
from rnnviz.model.config import Config
from rnnviz.model.errors import EngineError, InputError
from rnnviz.model.memory import check_memory, demand
from rnnviz.model.sequence_source import SequenceSource
from tests.files.models.damage import networks_in
from tests.oracles.computed import computed, empty_trace

ALLOWANCE = 256 << 20
_SMALL = 1 << 20
_LONGEST = 2_000
FEATURES = 4


def network_of(cell: str = "lstm") -> Config:
    """The network that the files are read for."""
    tables = {
        "network": {"cell": cell, "input_size": FEATURES, "hidden_size": 3, "num_layers": 2, "bidirectional": True},
        "sequence": {"batch_size": 2, "timesteps": 3},
        "initial_state": {"source": "normal"},
    }
    return Config.from_mapping(tables)


def run_config(config: Config) -> None:
    """A config says the same when it was written and read, and a small one is computed."""
    folder = Path("/anywhere")
    again = parse_config(dump_config(config, folder), folder)
    assert parse_config(dump_config(again, folder), folder) == again
    check_memory(config)
    for name in config.compare.engines:
        find_engine(name)
    if demand(config).memory < _SMALL:
        inputs = load_inputs(config)
        trace, _ = computed(ManualEngine(), inputs)
        assert trace.hidden.shape == inputs.hidden_shape


def _read_config(path: Path) -> None:
    run_config(load_config(path))


def _read_sequence(path: Path) -> None:
    read_feature_names(path)
    opened = open_sequence(SequenceSource("file", path=str(path)), features=FEATURES)
    assert opened.read().shape == opened.shape


def _read_state(path: Path) -> None:
    config = network_of()
    state = read_state(path, config.network, 2)
    assert all(array.shape == config.network.state_shape(2) for array in state.arrays)


def _read_session(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        beside = set(path.parent.rglob("*"))
        session = read_session(path, lambda: Path(folder))
        made = set(path.parent.rglob("*")) - beside
        unpacked = session.unpacked
        # What is unpacked is below one new folder, and the config's paths lead nowhere else within the archive.
        assert all(unpacked is not None and made_path.is_relative_to(unpacked) for made_path in made)
        assert not any(made_path.is_symlink() for made_path in made)


def _read_recurrence(path: Path) -> None:
    cell = path.name.partition("-")[0]
    inputs = load_inputs(network_of(cell))
    trace = empty_trace(inputs, cell=True)
    run_stack(inputs, trace, OwnRecurrence(path).run_layer(), lambda done: None)
    assert trace.hidden.dtype == np.float32


def _read_model(path: Path) -> None:
    networks_in(path)


READERS: dict[str, Callable[[Path], None]] = {
    "toml": _read_config,
    "csv": _read_sequence,
    "npy": _read_sequence,
    "npz": _read_state,
    "rnnviz": _read_session,
    "py": _read_recurrence,
    "params": _read_model,
    "onnx": _read_model,
    "pt": _read_model,
    "safetensors": _read_model,
}
"""By the ending of the file; a recurrence's name begins with its cell."""


def outcome(path: Path) -> str:
    """ "ok" or "sentence"; whatever else comes of it is raised."""
    return outcome_of(lambda: READERS[path.suffix.removeprefix(".")](path))


def outcome_of(read: Callable[[], object]) -> str:
    """ "ok" or "sentence"; whatever else comes of `read` is raised."""
    try:
        # What numpy warns of in a damaged header or a user's arithmetic is not the reader's concern.
        with limited_memory(ALLOWANCE), warnings.catch_warnings(action="ignore"):
            read()
    except (InputError, RecurrenceError) as error:
        # An engine's user reads what is wrong with a recurrence in an EngineError.
        check_sentence(str(EngineError(str(error))))
        return "sentence"
    return "ok"


def check_sentence(text: str) -> None:
    """One line that ends as a sentence does, has no sign that a terminal obeys, and is not longer than a page."""
    assert text.endswith("."), text
    assert not any(category(sign) in ("Cc", "Zl", "Zp") for sign in text), text
    assert len(text) < _LONGEST, text
