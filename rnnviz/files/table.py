"""Every hidden value as a row of a CSV file, streamed: the table is never held."""

from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl

from rnnviz.analysis.elementwise import abs_error, tolerance
from rnnviz.analysis.result import RunResult
from rnnviz.files.atomic import whole
from rnnviz.model.location import DIRECTIONS

_BLOCK_ROWS = 1 << 17
"""How many rows are formatted at a time: about 12 MB of text. polars shares large blocks among its threads."""

_DIRECTION = pl.Enum(list(DIRECTIONS))


def write_csv(result: RunResult, path: Path, progress: Callable[[float], None] = lambda _: None) -> int:
    """Write one row per hidden value and return how many there are.

    Columns: layer, direction, timestep, sample, unit, one per engine with the reference first, abs_error (the
    largest of any candidate), mismatch (of any candidate). Values are written with the digits of a float64,
    so that they read back to the same number whatever float the reader uses. `progress` may raise to stop the
    writing; an existing file is then left as it was.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    size, rows = result.reference.hidden.size, 0
    with whole(path) as temporary, temporary.open("wb") as out:
        for block in _blocks(result):
            frame = _frame(result, *block)
            frame.write_csv(out, include_header=rows == 0)
            rows += frame.height
            progress(rows / size)
    return rows


def _blocks(result: RunResult) -> Iterator[tuple[int, int, int, int]]:
    """Layer, direction, and the lane's rows from one to before another, in the order of the indices."""
    layers, directions, timesteps, samples, units = result.shape
    rows = timesteps * samples * units
    for layer, direction in product(range(layers), range(directions)):
        for start in range(0, rows, _BLOCK_ROWS):
            yield layer, direction, start, min(start + _BLOCK_ROWS, rows)


def _frame(result: RunResult, layer: int, direction: int, start: int, stop: int) -> pl.DataFrame:
    """The table's rows from `start` to before `stop` of one lane."""
    rows = stop - start
    timestep, sample, unit = np.unravel_index(np.arange(start, stop), result.shape[2:])
    blocks = {name: trace.hidden[layer, direction].reshape(-1)[start:stop] for name, trace in result.traces.items()}
    reference = blocks[result.reference.engine]
    error, mismatch = np.zeros(rows), np.zeros(rows, bool)
    for comparison in result.comparisons:
        own = abs_error(reference, blocks[comparison.candidate])
        np.maximum(error, own, out=error)
        mismatch |= ~(own <= tolerance(reference, comparison.rtol, comparison.atol))
    return pl.DataFrame(
        {
            "layer": pl.repeat(layer, rows, dtype=pl.Int32, eager=True),
            "direction": pl.repeat(DIRECTIONS[direction], rows, dtype=_DIRECTION, eager=True),
            "timestep": timestep,
            "sample": sample,
            "unit": unit,
            **{name: block.astype(np.float64) for name, block in blocks.items()},
            "abs_error": error,
            "mismatch": mismatch,
        }
    )
