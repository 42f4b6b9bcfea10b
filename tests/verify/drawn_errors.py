"""Drawn recordings that no single change explains: right ones, and ones that are wrong at random, of ten kinds."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from tests.verify.drawn_bugs import drawn_inputs
from tests.verify.planted import Planted, planted_trace

Draw = np.random.Generator
NO_BUG = Planted("", frozenset())


def right(inputs: Inputs) -> FloatArray:
    return np.asarray(planted_trace(inputs, NO_BUG).hidden)


def _with_weights(change: Callable[[Draw, FloatArray], FloatArray]) -> Callable[[Draw, Inputs], FloatArray]:
    def made(draw: Draw, inputs: Inputs) -> FloatArray:
        arrays = {name: change(draw, np.array(a)).astype(a.dtype) for name, a in inputs.parameters.items()}
        return right(replace(inputs, parameters=Parameters(inputs.network, arrays)))

    return made


def _one_weight(draw: Draw, inputs: Inputs) -> FloatArray:
    arrays = {name: np.array(a) for name, a in inputs.parameters.items()}
    changed = arrays[sorted(arrays)[int(draw.integers(len(arrays)))]]
    changed.flat[int(draw.integers(changed.size))] += draw.normal()
    return right(replace(inputs, parameters=Parameters(inputs.network, arrays)))


def _one_value(draw: Draw, inputs: Inputs) -> FloatArray:
    hidden = np.array(right(inputs))
    hidden.flat[int(draw.integers(hidden.size))] += 0.1 * draw.normal()
    return hidden


def _noise(draw: Draw, inputs: Inputs) -> FloatArray:
    hidden = right(inputs)
    return hidden + draw.normal(scale=10.0 ** draw.uniform(-5, -1), size=hidden.shape)


def _permuted(draw: Draw, inputs: Inputs) -> FloatArray:
    hidden = right(inputs)
    axis = int(draw.choice([2, 4]))
    return np.take(hidden, draw.permutation(hidden.shape[axis]), axis)


def _scaled_input(draw: Draw, inputs: Inputs) -> FloatArray:
    return right(replace(inputs, sequence=(inputs.sequence * draw.uniform(0.5, 1.5)).astype(inputs.sequence.dtype)))


def _other_start(draw: Draw, inputs: Inputs) -> FloatArray:
    moved = {s: (a + 0.1 * draw.normal(size=a.shape)).astype(a.dtype) for s, a in inputs.initial_state.items()}
    return right(replace(inputs, initial_state=moved))


ERRORS: dict[str, Callable[[Draw, Inputs], FloatArray]] = {
    "right": lambda draw, inputs: right(inputs),
    "one value": _one_value,
    "noise": _noise,
    "random values": lambda draw, inputs: draw.uniform(-0.9, 0.9, right(inputs).shape),
    "noise in the weights": _with_weights(
        lambda draw, w: w + draw.normal(scale=10.0 ** draw.uniform(-4, -1), size=w.shape)
    ),
    # Two weights in the other order alone have a cause.
    "weights permuted": _with_weights(lambda draw, w: 0.9 * draw.permutation(w.ravel()).reshape(w.shape)),
    "steps or units permuted": _permuted,
    "one weight": _one_weight,
    "scaled input": _scaled_input,
    "another start": _other_start,
}


def drawn_error(kind: str, seed: int) -> tuple[Inputs, Trace]:
    """A network and a recording; of every fifth one hidden value in all, and every third was computed in bfloat16."""
    draw = np.random.default_rng(seed)
    inputs = drawn_inputs(draw, tiny=seed % 5 == 0)
    hidden = ERRORS[kind](draw, inputs).astype(inputs.network.dtype)
    if seed % 3 == 0:
        bits = hidden.astype(np.float32).view(np.uint32) + np.uint32(0x8000) & np.uint32(0xFFFF0000)
        hidden = bits.view(np.float32).astype(hidden.dtype)
    trace = _of_hidden(inputs, hidden)
    return inputs, trace if seed % 3 else replace(trace, computed_in="bfloat16")


def _of_hidden(inputs: Inputs, hidden: FloatArray) -> Trace:
    """A recording whose outputs and final states are these hidden values."""
    trace, network = planted_trace(inputs, NO_BUG), inputs.network
    lengths = np.array(inputs.places.every_length)
    samples = np.arange(len(lengths))
    # Padding stays 0.
    hidden = np.where(np.arange(len(hidden[0, 0]))[:, np.newaxis] < lengths, 1, 0)[..., np.newaxis] * hidden
    last = [hidden[k, d, 0 if network.backward(d) else lengths - 1, samples] for k, d in np.ndindex(hidden.shape[:2])]
    arrays = {"h": hidden, "out": np.concatenate([*hidden[-1]], axis=-1), "state.h": np.stack(last)}
    return trace.with_arrays({name: array.astype(network.dtype) for name, array in arrays.items()})
