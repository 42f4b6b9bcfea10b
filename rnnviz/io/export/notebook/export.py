"""Writing a run as a notebook."""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.io.atomic import atomic_write
from rnnviz.io.export.notebook import sections
from rnnviz.io.export.notebook.ipynb import NotebookCell, notebook_json
from rnnviz.io.export.notebook.sections import Recorded, lane_cells, lanes_of, recorded
from rnnviz.io.inputs import load_inputs
from rnnviz.verify.result import RunResult

_MOST_BYTES = 16 << 20
"""The largest size of the numbers in a notebook, in bytes; editors and browsers cannot handle more."""


def write_notebook(result: RunResult, path: Path) -> int:
    """Write a Jupyter notebook that recomputes the run with Gluon's layer and with the manual recurrence.

    The file contains the parameters, the input, the initial state and the expected values of one engine without
    detected errors. It needs NumPy, and MXNet for Gluon's layer, but not rnnviz. Returns the number of cells.
    """
    check_size(result.inputs)
    known = recorded(result)
    cells = list(notebook_cells(result, known))
    with atomic_write(path) as temporary:
        temporary.write_text(notebook_json(cells), encoding="utf-8", errors="backslashreplace")
    return len(cells)


def load_for_notebook(config: Config) -> Inputs:
    """Read or draw the inputs of a run that is to become a notebook, so that one too large is refused before it."""
    network, sequence = config.network, config.sequence
    if sequence.source not in ("file", "text"):
        # Drawing them may take long, too.
        shape = network.hidden_shape(sequence.timesteps, sequence.batch_size)
        _check(prod(shape) * np.dtype(network.dtype).itemsize)
    inputs = load_inputs(config)
    check_size(inputs)
    return inputs


def check_size(inputs: Inputs) -> None:
    """Refuse a run whose numbers, those that it computes included, are too many."""
    arrays = [*inputs.parameters.values(), *inputs.initial_state.arrays, inputs.sequence]
    hidden = prod(inputs.hidden_shape) * inputs.sequence.dtype.itemsize
    _check(hidden + sum(array.nbytes for array in arrays))


def _check(size: int) -> None:
    if size > _MOST_BYTES:
        raise InputError(
            f"A notebook of this run would contain {size / (1 << 20):,.0f} MiB of numbers, and at most "
            f"{_MOST_BYTES >> 20} MiB are allowed: use fewer time steps, samples, units or layers."
        )


def notebook_cells(result: RunResult, known: Recorded) -> Iterator[NotebookCell]:
    """The notebook from its title to the last comparison."""
    network = result.config.network
    yield from sections.introduction(result, known)
    yield from sections.given(result.inputs)
    yield from sections.gluon_layer(result, known)
    yield from sections.one_step(network)
    for lane in lanes_of(network):
        if lane.direction == 0:
            yield from sections.layer_input(network, lane.layer)
        yield from lane_cells(lane, result.inputs.timesteps, known)
    yield from sections.outcome(network, known)
    yield from sections.custom_code(result)
