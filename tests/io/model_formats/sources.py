"""Networks of small sizes, and their weights by the names of other libraries."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Network
from rnnviz.core.parameters import Parameters
from rnnviz.io.model_formats.load import read_network

INPUT, HIDDEN = 3, 4


def network(cell: str, layers: int, both: bool) -> Network:
    return Network(cell, INPUT, HIDDEN, layers, both)


def random_arrays(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Numbers that differ from each other and from zero."""
    generator = np.random.default_rng(seed)
    return {name: generator.normal(0.0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def weights_of(net: Network, seed: int = 0) -> dict[str, NDArray[np.float32]]:
    """Random weights by Gluon's names."""
    return random_arrays(net.parameter_shapes(), seed)


def in_torch_names(arrays: dict[str, NDArray[np.float32]], prefix: str = "") -> dict[str, NDArray[np.float32]]:
    kinds = {"i2h_weight": "weight_ih", "h2h_weight": "weight_hh", "i2h_bias": "bias_ih", "h2h_bias": "bias_hh"}
    named = {}
    for name, array in arrays.items():
        side, kind = name.split("_", 1)
        named[f"{prefix}{kinds[kind]}_l{side[1:]}{'_reverse' if side[0] == 'r' else ''}"] = array
    return named


def read_parameters(path: Path, entry: str | None, network: Network) -> Parameters:
    return read_network(path, entry, network).parameters
