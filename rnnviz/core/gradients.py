"""Gradients of a backward pass: the names and shapes of their arrays, and the loss gradients that it starts from."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config, Network
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.mmap_arrays import FloatArray, read_only
from rnnviz.core.naming import state_key
from rnnviz.core.trace_index import clear_padding
from rnnviz.frozen import dataclass

GRADIENT = "grad."
"""The beginning of the names of a trace's gradients, such as "grad.h"."""

OF_PARAMETERS = f"{GRADIENT}parameters."
"""The beginning of the names of the gradients of parameters, such as "grad.parameters.l0_i2h_weight"."""

OF_INPUT = f"{GRADIENT}input"
"""The name of the gradient of the sequence (T, N, I)."""

OF_OUTPUT = f"{GRADIENT}out"
"""The name of the gradient of the outputs of all layers (L, D, T, N, U): the part of grad.h from outside of the lane.

In the top layer it is the gradient of out, below it the gradient of the input of the layer above; either has that of
the one value. The gradients of the final states and those from the lane's own next step are not in it.
"""


def gradient(symbol: str) -> str:
    """Name of the gradient of a state, a gate's pre-activation or an initial state: "grad.h", "grad.i", "grad.h0"."""
    return f"{GRADIENT}{symbol}"


def gradient_names(network: Network) -> tuple[str, ...]:
    """Names of the gradients over time that a complete backward pass gives."""
    symbols = dict.fromkeys((*network.kind.state_symbols, *network.kind.gate_symbols))
    return (*map(gradient, symbols), OF_OUTPUT)


def gradient_shapes(
    network: Network, timesteps: int, batch_size: int, names: Iterable[str]
) -> dict[str, tuple[int, ...]]:
    """Shapes of a trace's gradients: those over time (L, D, T, N, U) in `names`, and all others; {} of no names."""
    names = tuple(names)
    if not names:
        return {}
    symbols = {name: "h" if name == OF_OUTPUT else name.removeprefix(GRADIENT) for name in gradient_names(network)}
    return {
        **{name: network.hidden_shape(timesteps, batch_size, s) for name, s in symbols.items() if name in names},
        OF_INPUT: (timesteps, batch_size, network.input_size),
        **{gradient(f"{s}0"): network.state_shape(batch_size, s) for s in network.kind.state_symbols},
        **{f"{OF_PARAMETERS}{name}": shape for name, shape in network.parameter_shapes().items()},
    }


@dataclass(frozen=True)
class LossGradient:
    """The gradients of the loss with respect to what the network returns, where the backward pass starts.

    The loss is the sum of `out` (T, N, D·H), which is 0 in padding, times the network's out, and of `state` (L·D, N, U)
    by symbol times its final states; with `value` and no `out`, the hidden value at [layer, direction, t, sample, unit]
    replaces the first sum. With `truncate` = k no gradient passes between the time steps j·k - 1 and j·k.
    """

    out: FloatArray | None
    state: Mapping[str, FloatArray]
    value: tuple[int, ...] | None = None
    truncate: int | None = None

    def direct(self, network: Network, layer: int, direction: int, times: range, samples: int) -> FloatArray | None:
        """The part of grad.h (B, N, H) that comes from out or from the one value, read-only; None where all are 0."""
        size = network.output_size
        if self.value is not None:
            *lane, t, sample, unit = self.value
            if lane != [layer, direction] or t not in times:
                return None
            direct = np.zeros((len(times), samples, size), network.dtype)
            direct[t - times.start, sample, unit] = 1.0
            return direct
        if layer < network.num_layers - 1 or self.out is None:
            return None
        return self.out[times.start : times.stop, :, direction * size : (direction + 1) * size]

    def cuts(self, t: int) -> bool:
        """Whether truncation lets no gradient pass between the time steps t - 1 and t."""
        return self.truncate is not None and t > 0 and t % self.truncate == 0


def draw_loss(config: Config, lengths: tuple[int, ...], read: Mapping[str, FloatArray] | None) -> LossGradient | None:
    """The loss gradients of a config, None without a backward pass; `read` has arrays of a file (T, N, D·H)."""
    backward, network = config.backward, config.network
    if not backward.enabled:
        return None
    timesteps, batch_size = config.sequence.timesteps, config.sequence.batch_size
    if backward.value is not None:
        _check_value(config, lengths)
    out_shape = timesteps, batch_size, network.directions * network.output_size
    generator = np.random.default_rng(backward.seed)
    shapes = {symbol: network.state_shape(batch_size, symbol) for symbol in network.kind.state_symbols}
    if read is not None:
        out = read.get("output", np.zeros(out_shape))
        states = {s: read.get(state_key(s), np.zeros(shape)) for s, shape in shapes.items()}
    else:
        out = generator.normal(size=out_shape) if backward.loss == "normal" else np.ones(out_shape)
        states = {
            s: generator.normal(size=shape)
            if backward.final_state == "normal"
            else np.full(shape, float(backward.final_state == "ones"))
            for s, shape in shapes.items()
        }
    if lengths:
        out = np.array(out)
        clear_padding(lengths, out)
    return LossGradient(
        out=None if backward.loss == "value" else read_only(out, network.dtype),
        state={s: read_only(array, network.dtype) for s, array in states.items()},
        value=backward.value,
        truncate=backward.truncate,
    )


def check_loss_shapes(config: Config, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises InputError if a file of loss gradients has none, or one that is unknown or of another shape."""
    network, n = config.network, config.sequence.batch_size
    needed = {"output": (config.sequence.timesteps, n, network.directions * network.output_size)}
    needed |= {state_key(s): network.state_shape(n, s) for s in network.kind.state_symbols}
    if not shapes:
        raise InputError(f"the file has no arrays: it must have {' or '.join(needed)}.")
    for name, shape in shapes.items():
        if name not in needed:
            raise InputError(f"the file has {name}, which is not a loss gradient: it may have {', '.join(needed)}.")
        if shape != needed[name]:
            raise InputError(f"{name} has the shape {shape}, but the network needs {needed[name]}, time first.")


def _check_value(config: Config, lengths: tuple[int, ...]) -> None:
    network, value = config.network, config.backward.value
    assert value is not None
    names = "layer", "direction", "time step", "sample", "unit"
    sizes = network.hidden_shape(config.sequence.timesteps, config.sequence.batch_size)
    for name, index, size in zip(names, value, sizes, strict=True):
        if index >= size:
            raise ConfigError.of(
                "backward.value",
                f"= {list(value)} has the {name} {index}, but the largest is {size - 1}: "
                "choose a smaller one, or a larger network or sequence.",
            )
    if lengths and value[2] >= lengths[value[3]]:
        raise ConfigError.of(
            "backward.value", f"= {list(value)} is in padding: sample {value[3]} has {lengths[value[3]]} time steps."
        )


def of_samples(loss: LossGradient | None, samples: NDArray[np.intp]) -> LossGradient | None:
    """The loss gradients of some samples, in this order. `samples` is (S,)."""
    if loss is None:
        return None
    if loss.value is not None and loss.value[3] not in samples:
        return None
    value = loss.value and (*loss.value[:3], int(np.flatnonzero(samples == loss.value[3])[0]), loss.value[4])
    return replace(
        loss,
        out=None if loss.out is None else np.ascontiguousarray(loss.out[:, samples]),
        state={s: np.ascontiguousarray(array[:, samples]) for s, array in loss.state.items()},
        value=value,
    )
