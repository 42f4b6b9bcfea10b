"""The Jacobians of the time steps of a lane: the spectral norms of each, and of their product."""

import numpy as np
from numpy.typing import NDArray

from rnnviz.cells.interpreters.jacobians import EXACT_UP_TO, Floats, StepJacobians
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import time_blocks
from rnnviz.engines.base import Progress
from rnnviz.frozen import dataclass
from rnnviz.reading.arrays import ArrayReader
from rnnviz.steps.inputs import followed, layer_input, previous_state

_NORMS_EFFORT, _PRODUCT_EFFORT = 6e9, 1e9
"""About the number of multiplications of a second."""
_EFFORT_OF_CALLS = 1e5
"""Multiplications that take as long as the calls of a product."""
_BLOCK_VALUES = 1 << 19


class LaneSteps:
    """The inputs and previous states of an engine's steps of one lane and sample, in float64."""

    def __init__(self, inputs: Inputs, trace: Trace, layer: int, direction: int, sample: int) -> None:
        self.inputs, self.trace = inputs, trace
        self.lane, self.sample = (layer, direction), sample
        self.cell, self.length = inputs.network.kind, inputs.length(sample)
        self.parameters = {
            name: array.astype(np.float64) for name, array in vars(inputs.parameters.layer(layer, direction)).items()
        }
        self._reader = ArrayReader(inputs, trace)

    @property
    def known(self) -> bool:
        """Whether the trace has all that the steps read. A recording may lack some of it."""
        return len(followed(self.inputs, self.trace, *self.lane)) == self.inputs.timesteps

    @property
    def weights(self) -> int:
        """The number of weights that a step multiplies with its previous state."""
        return sum(array.size for name, array in self.parameters.items() if array.ndim == 2 and name != "i2h_weight")

    @property
    def sizes(self) -> dict[str, int]:
        """H or P of each state by symbol."""
        return self.cell.state_sizes(self.inputs.network.sizes(self.lane[0]))

    def read(self, times: slice) -> tuple[Floats, dict[str, Floats]]:
        """The layer input (B, I), and the previous state (B, H) or (B, P) by name, of each of some time steps."""
        one = slice(self.sample, self.sample + 1)
        x = layer_input(self.inputs, self.trace, self.lane[0], times, one)[:, 0].astype(np.float64)
        return x, {symbol: self._before(symbol, times, one)[:, 0] for symbol in self.cell.state_symbols}

    def jacobians(self, times: NDArray[np.int64]) -> StepJacobians:
        """The Jacobians of some time steps (B,), which ascend."""
        starts = np.flatnonzero(np.diff(times, prepend=-2) != 1)
        parts = [self.read(slice(int(run[0]), int(run[-1]) + 1)) for run in np.split(times, starts[1:])]
        x = np.concatenate([part for part, _ in parts])
        before = {symbol: np.concatenate([states[symbol] for _, states in parts]) for symbol in self.sizes}
        return StepJacobians(self.cell, self.parameters, x, before)

    def _before(self, symbol: str, times: slice, one: slice) -> Floats:
        if self.trace.stored(symbol) is None:
            cells = self._reader.cell_states
            assert cells is not None, symbol
            return np.asarray(cells.previous(*self.lane, times, one, slice(0, self.sizes[symbol])), np.float64)
        found = previous_state(self.inputs, self.trace, symbol, *self.lane, times, one)
        return np.asarray(found.astype(np.float64))


@dataclass(frozen=True, eq=False)
class JacobianNorms:
    """Spectral norms of the Jacobians of one lane and sample.

    Attributes
    ----------
    times:
        (K,): the time steps: all, or some at about equal distances of a long sequence or a large layer.
    whole:
        (K,): the spectral norm of the Jacobian of the whole state, such as (h, c) of an LSTM.
    hidden:
        (K,): that of the Jacobian of h alone, with the other states held fixed.
    product_steps:
        The number of steps, from the last computed one on, whose Jacobians of the whole state are multiplied.
    log_product:
        The natural logarithm of the spectral norm of this product; -inf if it is 0.
    exact:
        Whether `log_product` is of the product itself, and not of its product with one random vector.
    """

    times: NDArray[np.int64]
    whole: Floats
    hidden: Floats
    product_steps: int
    log_product: float
    exact: bool

    @property
    def growth(self) -> float:
        """The mean factor per time step of the product: a geometric mean."""
        return float(np.exp(self.log_product / self.product_steps))


def jacobian_norms(steps: LaneSteps, check: Progress) -> JacobianNorms:
    """The spectral norms of the Jacobians of a lane, of as many steps as take about a second."""
    symbols = tuple(steps.sizes)
    size = sum(steps.sizes.values())
    effort = 60.0 * size**3 if size <= EXACT_UP_TO else 64.0 * steps.weights
    count = min(steps.length, max(16, int(_NORMS_EFFORT / effort)))
    times = np.unique(np.linspace(0, steps.length - 1, count).round().astype(np.int64))
    found: list[tuple[Floats, Floats]] = []
    for places in time_blocks(range(len(times)), _steps_at_once(steps), backward=False):
        of, done = steps.jacobians(times[places]), 0.8 * places.start / len(times)

        def go_on(done: float = done) -> None:
            check(done)

        whole = of.spectral_norms(symbols, go_on)
        found.append((whole, whole if len(symbols) == 1 else of.spectral_norms(symbols[:1], go_on)))
    whole, hidden = (np.concatenate(norms) for norms in zip(*found, strict=True))
    product_steps, log_product = _product(steps, size, lambda done: check(0.8 + 0.2 * done))
    return JacobianNorms(times, whole, hidden, product_steps, log_product, exact=size <= EXACT_UP_TO)


def _product(steps: LaneSteps, size: int, check: Progress) -> tuple[int, float]:
    """The number of steps that are multiplied from the last one back, and the logarithm of their product's norm.

    Of a small layer that is the spectral norm of the whole product, and else its growth of a random gradient.
    """
    exact = size <= EXACT_UP_TO
    rows = np.eye(size) if exact else np.random.default_rng(0).normal(size=(1, size))
    effort = _EFFORT_OF_CALLS + len(rows) * steps.weights
    count = min(steps.length, max(16, int(_PRODUCT_EFFORT / effort)))
    backward = steps.inputs.network.backward(steps.lane[1])
    whole = range(count) if backward else range(steps.length - count, steps.length)
    if not exact:
        rows /= np.linalg.norm(rows)
    ends = np.cumsum(list(steps.sizes.values()))[:-1]
    d = dict(zip(steps.sizes, np.split(rows[:, np.newaxis], ends, axis=-1), strict=True))
    logarithm, done = 0.0, 0
    for times in time_blocks(whole, _steps_at_once(steps), backward=not backward):
        of = steps.jacobians(np.arange(times.start, times.stop))
        for place in range(of.steps)[:: 1 if backward else -1]:
            check(done / count)
            done += 1
            d = of.transposed(d, slice(place, place + 1))
            with np.errstate(all="ignore"):
                scale = float(np.sqrt(sum(np.square(array).sum() for array in d.values())))
            if scale == 0.0 or not np.isfinite(scale):
                return count, float(np.log(scale)) if scale else -np.inf
            logarithm += float(np.log(scale))
            d = {symbol: array / scale for symbol, array in d.items()}
    product = np.concatenate(list(d.values()), axis=-1)[:, 0]
    return count, logarithm + float(np.log(np.linalg.norm(product, 2)))


def _steps_at_once(steps: LaneSteps) -> int:
    return max(1, _BLOCK_VALUES // (sum(steps.sizes.values()) * max(1, steps.cell.gate_count)))
