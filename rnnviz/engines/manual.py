"""The manual recurrence: the cell's own lines, compiled into NumPy calls (`cells.interpreters.numpy_program`)."""

from collections.abc import Hashable
from contextlib import AbstractContextManager, nullcontext
from functools import cache, partial

import numpy as np
from threadpoolctl import ThreadpoolController

from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.base import EngineReport, NoGradients, Progress
from rnnviz.engines.layers import LayerTask, run_stack
from rnnviz.engines.packing import run_packed


class ManualLayers:
    """A way to run one layer, or a part of it, after the other; see `engines.layers.RunLayer`."""

    def __init__(self) -> None:
        self._lane: tuple[int, int] | None = None
        self._programs: dict[int, NumpyProgram] = {}
        self._arranged: dict[Hashable, FloatArray] = {}

    def __call__(self, task: LayerTask, progress: Progress) -> dict[str, FloatArray]:
        """Compute a layer in one direction and return its final state."""
        p, (timesteps, samples, _) = task.parameters, task.x.shape
        if task.lane != self._lane:
            self._lane, self._programs, self._arranged = task.lane, {}, {}
        # A cell without recurrent rows has no recurrent product.
        step = samples * getattr(p, "h2h_weight", p.i2h_bias).size
        with threads_for(step, max(step, timesteps * samples * p.i2h_weight.size)):
            program = self._programs.get(samples)
            if program is None:
                program = NumpyProgram(task.cell, vars(p), samples, arranged=self._arranged)
                self._programs = {samples: program}
            return program.run(task.x, task.state, task.series, backward=task.backward, progress=progress)


class ManualEngine(NoGradients):
    """The cell's lines over every layer and direction."""

    provides_cell_state = True
    version = f"numpy {np.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        # Infinities and NaNs are results to be shown, not accidents to be warned of.
        with np.errstate(all="ignore"):
            run_stack(inputs, trace, ManualLayers(), progress, run_lengths=partial(run_packed, _cost_of_call))
        return EngineReport()


def _cost_of_call(weights: int) -> int:
    """The number of multiplications that cost as much as a call of a program."""
    return (1 << 20) + weights


_WORTH_SHARING = 1 << 19
"""Multiplications in the product of one step from which on a second thread saves time."""

_NEVER_SHARED = 1 << 13
"""Multiplications up to which OpenBLAS uses one thread: setting a limit takes longer than the product."""


@cache
def _blas() -> ThreadpoolController:
    # Looking through the process's libraries takes milliseconds, and numpy's is there from the start.
    return ThreadpoolController().select(user_api="blas")


def threads_for(step: int, largest: int) -> AbstractContextManager[object]:
    """Within it, a layer whose steps take few multiplications has one thread, else as many as usual.

    `step` is the number of multiplications in the recurrent product of a step, `largest` that in any of its products.
    """
    if step >= _WORTH_SHARING or largest <= _NEVER_SHARED:
        return nullcontext()
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit
