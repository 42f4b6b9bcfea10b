"""Results with pyramids although they are short: the sizes from which an array has levels are lowered for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from rnnviz.core import multiscale as pyramid
from rnnviz.core.multiscale import open_pyramids
from rnnviz.reading.level_of_detail import ComparedPyramids, build_values
from rnnviz.verify.metrics import ComparedBlock, block_difference
from rnnviz.verify.result import RunResult
from tests.factories import Edit, make_result


def with_short_levels(patch: pytest.MonkeyPatch) -> None:
    """Levels of 4 x 4, 4 x 1 and 16 x 1 for arrays of a few dozen time steps."""
    for name, value in {"_FEWEST_VALUES": 8, "_FEWEST_BLOCKS": 2, "_WIDE": 2, "_FINEST": 4}.items():
        patch.setattr(pyramid, name, value)


def pyramid_result(folder: Path, block: int, edits: Mapping[str, Edit], **sizes: Any) -> RunResult:
    """A result whose reference is gluon and candidate manual, with pyramids filled `block` time steps at a time."""
    result = make_result(edits=edits, **sizes)
    traces = []
    for name, trace in result.traces.items():
        (folder / name).mkdir(parents=True)
        object.__setattr__(trace, "folder", folder / name)
        traces.append(trace)
    reference, candidate = traces
    comparison = result.comparison(candidate.engine)
    pyramids = ComparedPyramids(reference, candidate, first=True)
    layers, directions, timesteps, _, _ = result.shape
    for layer in range(layers):
        for direction in range(directions):
            starts = range(0, timesteps, block)
            for start in reversed(starts) if direction else starts:
                index = layer, direction, slice(start, start + block)
                r, c = reference.hidden[index], candidate.hidden[index]
                difference = block_difference(r, c, comparison.rtol, comparison.atol)
                pyramids.add(ComparedBlock((layer, direction, start), r, c, difference))
    pyramids.finish()
    (folder / "inputs").mkdir()
    build_values(folder / "inputs", "x", result.inputs.sequence[None, None])
    for holder in (*traces, result.inputs):
        object.__setattr__(holder, "pyramids", open_pyramids(folder / getattr(holder, "engine", "inputs")))
    return result
