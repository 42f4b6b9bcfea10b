"""Every hidden value as a row of a CSV file, streamed: the table is never held."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from rnnviz.analysis.elementwise import abs_error, tolerance
from rnnviz.analysis.result import RunResult
from rnnviz.files.atomic import whole
from rnnviz.model.location import DIRECTIONS

_BLOCK_ROWS = 1 << 18
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
    size = result.reference.hidden.size
    rows = 0
    with whole(path) as temporary, temporary.open("wb") as out:
        for frame in _frames(result):
            frame.write_csv(out, include_header=rows == 0)
            rows += frame.height
            progress(rows / size)
    return rows


def _frames(result: RunResult) -> Iterator[pl.DataFrame]:
    """Tables of consecutive timesteps of one lane, in the order of the indices."""
    layers, directions, timesteps, samples, units = result.shape
    step = samples * units
    length = max(1, _BLOCK_ROWS // step)
    for layer in range(layers):
        for direction in range(directions):
            for start in range(0, timesteps, length):
                yield _frame(result, layer, direction, start, min(start + length, timesteps))


def _frame(result: RunResult, layer: int, direction: int, start: int, stop: int) -> pl.DataFrame:
    _, _, _, samples, units = result.shape
    step, count = samples * units, stop - start
    rows = count * step
    blocks = {
        name: np.asarray(trace.hidden[layer, direction, start:stop]).reshape(-1)
        for name, trace in result.traces.items()
    }
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
            "timestep": np.repeat(np.arange(start, stop, dtype=np.int32), step),
            "sample": np.tile(np.repeat(np.arange(samples, dtype=np.int32), units), count),
            "unit": np.tile(np.arange(units, dtype=np.int32), count * samples),
            **{name: block.astype(np.float64) for name, block in blocks.items()},
            "abs_error": error,
            "mismatch": mismatch,
        }
    )
