"""The network's weights and biases, drawn once from numpy's generator and handed to every engine."""

from collections.abc import Iterator, Mapping
from math import sqrt
from types import SimpleNamespace

import numpy as np

from rnnviz.core.config import Network, ParameterSource, parameter_name
from rnnviz.core.errors import InputError
from rnnviz.core.mmap_arrays import FloatArray, read_only


class LayerParameters(SimpleNamespace):
    """One layer in one direction by the names of `CellSpec.parameter_shapes`; G·H rows, gate by gate."""

    i2h_weight: FloatArray
    h2h_weight: FloatArray
    i2h_bias: FloatArray
    h2h_bias: FloatArray

    def with_arrays(self, **arrays: FloatArray) -> "LayerParameters":
        return LayerParameters(**{**vars(self), **arrays})


class Parameters(Mapping[str, FloatArray]):
    """Read-only arrays by Gluon's names, such as `l0_i2h_weight` and `r1_h2h_bias`."""

    def __init__(self, network: Network, arrays: Mapping[str, FloatArray]) -> None:
        """Keep `arrays` in Gluon's order. Raises InputError as `check_shapes`."""
        check_shapes(network, {name: array.shape for name, array in arrays.items()})
        self._names = tuple(network.kind.initializers())
        self._arrays = {name: read_only(arrays[name], network.dtype) for name in network.parameter_shapes()}

    def __getitem__(self, name: str) -> FloatArray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def layer(self, layer: int, direction: int) -> LayerParameters:
        """Parameters of one lane: weights (G·H, I) and (G·H, H), biases (G·H,), and the cell's own."""
        return LayerParameters(**{name: self._arrays[parameter_name(layer, direction, name)] for name in self._names})


IN_PYTORCH = {
    "i2h_weight": "weight_ih",
    "h2h_weight": "weight_hh",
    "i2h_bias": "bias_ih",
    "h2h_bias": "bias_hh",
    "h2r_weight": "weight_hr",
}
"""PyTorch's names for the kinds of arrays that Gluon has."""


def pytorch_name(name: str) -> str:
    """PyTorch's name of a parameter: that of `r1_h2h_bias` is `bias_hh_l1_reverse`."""
    place, _, kind = name.partition("_")
    return f"{IN_PYTORCH[kind]}_l{place[1:]}{'_reverse' if place[0] == 'r' else ''}"


def check_shapes(network: Network, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises InputError if an array is missing, unexpected or has another shape, before its values are read."""
    needed = network.parameter_shapes()
    for name, shape in needed.items():
        if name not in shapes:
            raise InputError(f"The weights lack {name}, which must have the shape {shape}.")
        if shapes[name] != shape:
            raise InputError(f"{name} has the shape {shapes[name]}, but the network needs {shape}.")
    for name in shapes:
        if name not in needed:
            raise InputError(f"The weights hold {name}, which this network does not have: it has {', '.join(needed)}.")


def draw_parameters(network: Network, source: ParameterSource) -> Parameters:
    """Weights and biases in Gluon's order by `numpy.random.default_rng`, drawn in float64 and rounded to the dtype.

    "xavier" is Gluon's default: U(-w, w) with w = sqrt(3 / ((rows + columns) / 2)); "orthogonal" has orthonormal
    columns, or rows if there are fewer.
    """
    generator = np.random.default_rng(source.seed)
    arrays = {}
    initializers = network.kind.initializers()
    for name, shape in network.parameter_shapes().items():
        if initializers[name.partition("_")[2]] == "bias":
            zeros = source.bias == "zeros"
            arrays[name] = np.zeros(shape) if zeros else generator.uniform(-source.scale, source.scale, shape)
        else:
            arrays[name] = _draw_weight(generator, source, shape)
    return Parameters(network, arrays)


def _draw_weight(generator: np.random.Generator, source: ParameterSource, shape: tuple[int, ...]) -> FloatArray:
    # Weights of which each unit has one are a row.
    rows, columns = shape if len(shape) == 2 else (1, *shape)
    if source.initializer == "xavier":
        width = sqrt(3.0 / ((rows + columns) / 2.0))
        return generator.uniform(-width, width, shape)
    if source.initializer == "normal":
        return generator.normal(0.0, source.scale, shape)
    if source.initializer == "uniform":
        return generator.uniform(-source.scale, source.scale, shape)
    tall = generator.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    # QR alone favors some rotations; the signs of R's diagonal make the draw uniform (Mezzadri 2007).
    q = q * np.sign(np.diagonal(r))
    return np.asarray(q if rows >= columns else q.T).reshape(shape)
