"""A network of a model file, computed by the manual engine on a random input."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.engines.registry import load_engine
from rnnviz.files.inputs import load_inputs
from rnnviz.files.models.reading import config_of, entries_of
from rnnviz.files.models.weights import choose
from rnnviz.model.inputs import Inputs
from tests.oracles.computed import computed


@dataclass(frozen=True)
class Computed:
    """The inputs of a run, out (T, N, D·H) and the final states, each (L·D, N, H)."""

    inputs: Inputs
    out: NDArray[np.floating]
    states: tuple[NDArray[np.floating], ...]


def computed_from(
    path: Path, name: str | None = None, cell: str | None = None, initial_state: str | None = "normal"
) -> Computed:
    """The entry of a file, or its only one, run on a random sequence.

    `initial_state` None is the one in the file; "normal" is a random one.
    """
    entry = choose(entries_of(path), name, path)
    inputs = load_inputs(config_of(path, entry, None if entry.cell else cell, initial_state))
    trace, _ = computed(load_engine("manual"), inputs)
    states = (trace.state_h,) if trace.state_c is None else (trace.state_h, trace.state_c)
    return Computed(inputs, trace.output, states)
