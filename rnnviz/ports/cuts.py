"""Smaller runs cut from a run: of its layers, directions, samples, time steps, units and features, with the weights and
states that belong to them. Of what precedes a cut, the numbers are those of the port itself (`trace`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rnnviz.core.config import parameter_name
from rnnviz.core.inputs import Inputs, State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import LayerParameters, Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.base import layer_output


def keep_layers(inputs: Inputs, trace: Trace, first: int, stop: int) -> Inputs:
    """The layers from `first` to before `stop`; the first one reads what the port computed below it."""
    directions = inputs.network.directions
    x = inputs.sequence if first == 0 else layer_output(trace.hidden[first - 1])
    lanes = {(k - first, d): inputs.parameters.layer(k, d) for k in range(first, stop) for d in range(directions)}
    rows = slice(first * directions, stop * directions)
    state = {symbol: array[rows] for symbol, array in inputs.initial_state.items()}
    return _remade(inputs, lanes, x, state, num_layers=stop - first)


def keep_direction(inputs: Inputs, direction: int) -> Inputs | None:
    """One of two directions; the backward one as a forward one on reversed samples. None if there are no two."""
    network, d = inputs.network, direction
    if network.directions == 1:
        return None
    x, width = np.array(inputs.sequence), network.output_size
    if d == 1:
        for sample, length in enumerate(inputs.places.every_length):
            x[:length, sample] = inputs.sequence[:length, sample][::-1]
    lanes = {}
    for layer in range(network.num_layers):
        own = inputs.parameters.layer(layer, d)
        if layer:
            own = own.with_arrays(i2h_weight=own.i2h_weight[:, d * width : (d + 1) * width])
        lanes[layer, 0] = own
    state = {symbol: array[d::2] for symbol, array in inputs.initial_state.items()}
    return _remade(inputs, lanes, x, state, bidirectional=False)


def keep_window(inputs: Inputs, trace: Trace, states: Mapping[str, FloatArray], start: int, stop: int) -> Inputs | None:
    """The time steps from `start` to before `stop`, from the port's own states (L, D, T, N, U) next to them; None if a
    sample has none of them."""
    lengths = np.clip(np.array(inputs.places.every_length) - start, 0, stop - start)
    if not lengths.all():
        return None
    state = {symbol: np.array(array) for symbol, array in inputs.initial_state.items()}
    for k, (layer, direction) in enumerate(np.ndindex(trace.shape[:2])):
        backward = inputs.network.backward(direction)
        for sample, length in enumerate(inputs.places.every_length):
            before = stop if backward else start - 1
            if (before < length) if backward else (before >= 0):
                for symbol, array in states.items():
                    state[symbol][k, sample] = array[layer, direction, before, sample]
    return _remade(inputs, _lanes(inputs), inputs.sequence[start:stop], state, tuple(map(int, lengths)))


def keep_units(inputs: Inputs, units: Sequence[int]) -> Inputs:
    """Some units of every lane; with a projection as many projected ones are kept, too."""
    network, kept = inputs.network, np.array(units)
    projected = network.kind.projects and network.projection_size is not None
    of_h = np.arange(min(len(kept), network.output_size)) if projected else kept
    joined = np.concatenate([of_h + d * network.output_size for d in range(network.directions)])
    axes = network.kind.parameter_axes
    lanes = {}
    for (layer, direction), own in _lanes(inputs).items():
        arrays = {}
        for name, array in vars(own).items():
            blocks, letters = axes[name]
            array = array.reshape(blocks, -1, *array.shape[1:])
            for axis, letter in enumerate(letters, start=1):
                if letter != "I" or layer:
                    array = np.take(array, {"H": kept, "P": of_h, "I": joined}[letter], axis)
            arrays[name] = array.reshape(-1, *array.shape[2:])
        lanes[layer, direction] = LayerParameters(**arrays)
    sizes = {spec.symbol: {"H": kept, "P": of_h}[spec.size] for spec in network.kind.states}
    state = {symbol: np.take(array, sizes[symbol], 2) for symbol, array in inputs.initial_state.items()}
    projection = len(of_h) if projected else network.projection_size
    return _remade(inputs, lanes, inputs.sequence, state, hidden_size=len(kept), projection_size=projection)


def keep_features(inputs: Inputs, features: Sequence[int]) -> Inputs:
    """Some features of the input, with the columns of the weights that read them."""
    kept = np.array(features)
    lanes = {
        (layer, d): own if layer else own.with_arrays(i2h_weight=own.i2h_weight[:, kept])
        for (layer, d), own in _lanes(inputs).items()
    }
    return _remade(inputs, lanes, inputs.sequence[..., kept], inputs.initial_state)


def zero_other_lanes(inputs: Inputs, lane: tuple[int, int]) -> Inputs:
    """The other lanes have zeros as parameters and states, so that only one is left to look at."""
    state = {symbol: np.array(array) for symbol, array in inputs.initial_state.items()}
    lanes = {}
    for k, (place, own) in enumerate(_lanes(inputs).items()):
        lanes[place] = own if place == lane else _changed(own, np.zeros_like)
        if place != lane:
            for array in state.values():
                array[k] = 0.0
    return _remade(inputs, lanes, inputs.sequence, state)


def zero_other_units(inputs: Inputs, units: Sequence[int]) -> Inputs:
    """Zeros for the other units of a program that computes one size only."""
    network, off = inputs.network, np.ones(inputs.network.hidden_size, np.bool_)
    off[list(units)] = False
    lanes = {}
    for (layer, direction), own in _lanes(inputs).items():
        arrays = {}
        for name, array in vars(own).items():
            blocks, letters = network.kind.parameter_axes[name]
            made = np.array(array).reshape(blocks, -1, *array.shape[1:])
            for axis, letter in enumerate(letters, start=1):
                mask = np.tile(off, network.directions) if letter == "I" and layer else off
                if letter != "I" or layer:
                    made[(slice(None),) * axis + (mask,)] = 0.0
            arrays[name] = made.reshape(array.shape)
        lanes[layer, direction] = LayerParameters(**arrays)
    state = {symbol: np.where(off, 0.0, array) for symbol, array in inputs.initial_state.items()}
    return _remade(inputs, lanes, inputs.sequence, state)


def rounded(inputs: Inputs, parts: int) -> Inputs:
    """All numbers rounded to 1 / `parts`, so that each step can be computed on paper."""

    def to_grid(array: FloatArray) -> FloatArray:
        return np.asarray(np.round(array * parts) / parts)

    lanes = {place: _changed(own, to_grid) for place, own in _lanes(inputs).items()}
    state = {symbol: to_grid(array) for symbol, array in inputs.initial_state.items()}
    return _remade(inputs, lanes, to_grid(inputs.sequence), state)


_Lanes = dict[tuple[int, int], LayerParameters]


def _lanes(inputs: Inputs) -> _Lanes:
    network = inputs.network
    return {(k, d): inputs.parameters.layer(k, d) for k in range(network.num_layers) for d in range(network.directions)}


def _changed(own: LayerParameters, change: Callable[[FloatArray], FloatArray]) -> LayerParameters:
    return LayerParameters(**{name: change(array) for name, array in vars(own).items()})


def _remade(
    inputs: Inputs,
    lanes: _Lanes,
    x: FloatArray,
    state: State,
    lengths: tuple[int, ...] | None = None,
    **changes: Any,
) -> Inputs:
    """The run of a network with these numbers; `changes` are keys of the network."""
    network = replace(inputs.network, input_size=x.shape[2], **changes)
    lengths = inputs.lengths if lengths is None else lengths
    # Time steps that are padding in every sample go.
    x = x[: max(lengths)] if lengths else x
    arrays = {parameter_name(*place, name): array for place, own in lanes.items() for name, array in vars(own).items()}
    source = replace(inputs.config.sequence, timesteps=len(x), batch_size=x.shape[1])
    kind = network.dtype
    return Inputs(
        replace(inputs.config, network=network, sequence=source),
        np.ascontiguousarray(x, kind),
        Parameters(network, {name: np.ascontiguousarray(array, kind) for name, array in arrays.items()}),
        {symbol: np.ascontiguousarray(array, kind) for symbol, array in state.items()},
        lengths=lengths if lengths and min(lengths) < len(x) else (),
    )
