"""Small traces made of plain arrays, whose numbers a test chooses."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location, Places
from rnnviz.verify.metrics import ComparedBlock

Shape = tuple[int, int, int, int, int]


def trace_of(hidden: NDArray[np.floating], engine: str = "engine") -> Trace:
    """A trace with the given hidden values (L, D, T, N, H), whose out and states follow from them."""
    layers, directions, _, samples, units = hidden.shape
    finals = [hidden[:, 0, -1], hidden[:, 1, 0]] if directions == 2 else [hidden[:, 0, -1]]
    return Trace(
        engine,
        {
            "h": hidden,
            "out": np.concatenate(list(hidden[-1]), axis=-1),
            "state.h": np.stack(finals, axis=1).reshape(layers * directions, samples, units),
        },
        Places(*hidden.shape[:4]),
    )


def random_trace(shape: Shape, dtype: str = "float64", seed: int = 0) -> Trace:
    return trace_of(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def changed(trace: Trace, values: dict[Location, float], engine: str = "candidate") -> Trace:
    """The same trace with some hidden values replaced."""
    hidden = np.array(trace.hidden)
    for where, value in values.items():
        hidden[where.index] = value
    return replace(trace.with_arrays({"h": hidden}), engine=engine)


def in_order(shape: Shape) -> Iterator[Location]:
    """Every place in the order of computation, written down plainly."""
    layers, directions, timesteps, samples, units = shape
    for layer in range(layers):
        for direction in range(directions):
            times = range(timesteps) if direction == 0 else range(timesteps - 1, -1, -1)
            for t in times:
                for sample in range(samples):
                    for unit in range(units):
                        yield Location(layer, direction, t, sample, unit)


SHAPES: st.SearchStrategy[Shape] = st.tuples(
    st.integers(1, 3), st.integers(1, 2), st.integers(1, 5), st.integers(1, 3), st.integers(1, 4)
)


def locations(shape: Shape) -> st.SearchStrategy[Location]:
    return st.builds(Location, *(st.integers(0, size - 1) for size in shape))


def block_of(values: np.ndarray, start: tuple[int, ...] = (0, 0, 0), *, last_first: bool = False) -> ComparedBlock:
    """A block of two engines with the shape of some values, which has none itself."""
    return ComparedBlock(start, values, values, None, last_first)
