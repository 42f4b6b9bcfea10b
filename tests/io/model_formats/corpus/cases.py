"""One network of a model file, computed by the manual engine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config, SequenceSource
from rnnviz.core.inputs import Inputs
from rnnviz.engines.registry import load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.io.model_formats.load import choose, config_of, entries_of
from rnnviz.io.model_formats.model_file import Entry
from tests.oracles.computed import computed


@dataclass(frozen=True)
class Computed:
    """The inputs of a run, out (T, N, D·H) and the final states, each (L·D, N, H)."""

    inputs: Inputs
    out: NDArray[np.floating]
    states: tuple[NDArray[np.floating], ...]


def entry_of(path: Path, name: str | None = None) -> Entry:
    return choose(entries_of(path), name, path)


def computed_on(
    path: Path,
    x: NDArray[np.floating],
    name: str | None = None,
    cell: str | None = None,
    state: Mapping[str, NDArray[np.floating]] | str | None = None,
    lengths: tuple[int, ...] | None = None,
) -> Computed:
    """The entry of a file, or its only one, run on x (N, T, I), with these lengths or those of the file.

    `state` are h, and c of an LSTM, each (L·D, N, H), or "zeros"; None is the one in the file, and zeros where the
    file starts from zeros or gives none.
    """
    np.save(path.parent / "corpus-x.npy", x)
    if isinstance(state, Mapping):
        np.savez(path.parent / "corpus-state.npz", **state)
        state = str(path.parent / "corpus-state.npz")
    entry = entry_of(path, name)
    if state is None and entry.initial_state in ("unknown", "zeros"):
        state = "zeros"
    config = config_of(path, entry, None if entry.cell else cell, state)
    sequence = SequenceSource("file", path=str(path.parent / "corpus-x.npy"), lengths=lengths)
    return run_of(replace(config, sequence=sequence).checked())


def run_of(config: Config) -> Computed:
    """The manual engine's results of a config."""
    inputs = load_inputs(config)
    trace, _ = computed(load_engine("manual"), inputs)
    states = (trace.state_h,) if trace.state_c is None else (trace.state_h, trace.state_c)
    return Computed(inputs, trace.output, states)
