"""A cell's lines on the arrays of another library, time step by time step."""

from collections.abc import Callable
from typing import Any

from rnnviz.cells.arrays import Library, step_values
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.engines.base import Progress
from rnnviz.engines.layers import LayerTask, RunLayer


def unrolled(
    library: Library, to_library: Callable[[FloatArray], Any], to_numpy: Callable[[Any], FloatArray]
) -> RunLayer:
    """A way to run one layer; see `engines.layers.RunLayer`."""

    def run_layer(task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        parameters = {name: to_library(array) for name, array in vars(task.parameters).items()}
        state = {name: to_library(array) for name, array in task.state.items()}
        for done, t in enumerate(task.timesteps, start=1):
            values = step_values(task.cell, parameters, to_library(task.x[t]), state, library)
            state = {name: values[name] for name in state}
            for name, series in task.series.items():
                series[t] = to_numpy(state[name])
            progress(done / len(task.x))
        return {name: to_numpy(array) for name, array in state.items()}

    return run_layer
