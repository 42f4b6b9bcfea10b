"""Files and results of other libraries' own layers, for comparison."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config, InitialStateSource, Network, ParameterSource, SequenceSource
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.io.model_formats.load import choose, entries_of, read_network
from tests.oracles.computed import assert_near, computed

NETWORKS = [
    (cell, layers, both)
    for cell in ("rnn_relu", "rnn_tanh", "lstm", "gru")
    for layers in (1, 3)
    for both in (False, True)
]
INPUT, HIDDEN = 3, 4


@dataclass(frozen=True)
class Source:
    """Outputs of a library: out (T, N, D·H) and the final states (L·D, N, H)."""

    out: NDArray[np.floating]
    states: tuple[NDArray[np.floating], ...]


def network(cell: str, layers: int, both: bool) -> Network:
    return Network(cell, INPUT, HIDDEN, layers, both)


def inputs_from(path: Path, cell: str, name: str | None = None) -> Inputs:
    """The inputs of a run of the network that a file holds, with a random sequence and a random initial state."""
    entry = choose(entries_of(path), name, path)
    asked = Config(
        entry.network(cell),
        SequenceSource(batch_size=2, timesteps=5),
        ParameterSource(initializer="file", path=str(path), entry=name),
        InitialStateSource(source="normal"),
    )
    return load_inputs(asked.checked())


def sequence_and_states(cell: str, layers: int, both: bool) -> Inputs:
    """The same sequence and initial state for the library's layer."""
    asked = Config(
        network(cell, layers, both),
        SequenceSource(batch_size=2, timesteps=5),
        initial_state=InitialStateSource("normal"),
    )
    return load_inputs(asked)


def assert_computes(path: Path, cell: str, source: Source, name: str | None = None) -> None:
    """The file's network computes by the manual recurrence what the library's layer did."""
    inputs = inputs_from(path, cell, name)
    trace, _ = computed(load_engine("manual"), inputs)
    assert_near(trace.output, source.out, 1e-5)
    states = (trace.state_h,) if trace.state_c is None else (trace.state_h, trace.state_c)
    for ours, theirs in zip(states, source.states, strict=True):
        assert_near(ours, theirs, 1e-5)


def random_arrays(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Numbers that differ from each other and from zero."""
    generator = np.random.default_rng(seed)
    return {name: generator.normal(0.0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def weights_of(net: Network, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random weights by Gluon's names."""
    return random_arrays(net.parameter_shapes(), seed)


def in_torch_names(arrays: dict[str, NDArray[np.float32]], prefix: str = "") -> dict[str, NDArray[np.float32]]:
    """The same arrays by PyTorch's names."""
    kinds = {"i2h_weight": "weight_ih", "h2h_weight": "weight_hh", "i2h_bias": "bias_ih", "h2h_bias": "bias_hh"}
    named = {}
    for name, array in arrays.items():
        side, kind = name.split("_", 1)
        named[f"{prefix}{kinds[kind]}_l{side[1:]}{'_reverse' if side[0] == 'r' else ''}"] = array
    return named


def read_parameters(path: Path, entry: str | None, network: Network) -> Parameters:
    return read_network(path, entry, network).parameters
