"""A layer computed by another library, time step by time step."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from rnnviz.cells.interpreters.arrays import Library, step_values
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.engines.base import Progress
from rnnviz.engines.layers import LayerTask, RunLayer

Arrays: TypeAlias = Mapping[str, Any]
"""Arrays of the library by name: parameters, or a state."""

Step: TypeAlias = Callable[[Any, Arrays], Arrays]
"""step(x, state): the new state, and perhaps other values, from the layer input (N, I) and the previous state."""


def cell_step(library: Library) -> Callable[[LayerTask, Arrays], Step]:
    """The step that computes the cell's lines on the arrays of a library."""
    return lambda task, parameters: partial(step_values, task.cell, parameters, library=library)


def unrolled(
    step_of: Callable[[LayerTask, Arrays], Step],
    to_library: Callable[[FloatArray], Any],
    to_numpy: Callable[[Any], FloatArray],
) -> RunLayer:
    """A way to run one layer; see `engines.layers.RunLayer`.

    Parameters
    ----------
    step_of:
        Gives the step of a layer with these parameters.
    to_library, to_numpy:
        Convert an array of NumPy to one of the library, and back.
    """

    def run_layer(task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        step = step_of(task, {name: to_library(array) for name, array in vars(task.parameters).items()})
        state = {name: to_library(array) for name, array in task.state.items()}
        for done, t in enumerate(task.timesteps, start=1):
            values = step(to_library(task.x[t]), state)
            state = {name: values[name] for name in state}
            for name, series in task.series.items():
                series[t] = to_numpy(state[name])
            progress(done / len(task.x))
        return {name: to_numpy(array) for name, array in state.items()}

    return run_layer
