"""One network of a model file, run on a sequence by the manual recurrence."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rnnviz.engines.manual import ManualEngine
from rnnviz.files.inputs import load_inputs
from rnnviz.files.models.entry import Entry
from rnnviz.files.models.reading import config_of, entries_of
from rnnviz.files.models.weights import choose
from rnnviz.model.config import SequenceSource
from tests.oracles.computed import computed


@dataclass(frozen=True)
class Ran:
    """An entry, and its outputs (N, T, D·H) and final states (L·D, N, H)."""

    entry: Entry
    out: NDArray[np.floating]
    h: NDArray[np.floating]
    c: NDArray[np.floating] | None


def entry_of(path: Path, name: str | None = None) -> Entry:
    """The entry of that name, or the only one."""
    return choose(entries_of(path), name, path)


def run_entry(
    path: Path,
    x: NDArray[np.floating],
    name: str | None = None,
    *,
    cell: str | None = None,
    state: Mapping[str, NDArray[np.floating]] | str | None = None,
) -> Ran:
    """Run an entry on x (N, T, I) as a config made of the file does.

    `state` are h, and c of an LSTM, each (L·D, N, H), or "zeros"; None leaves the choice to the file.
    """
    folder = path.parent if path.parent.is_dir() else Path()
    np.save(folder / "corpus-x.npy", x)
    entry = entry_of(path, name)
    if isinstance(state, Mapping):
        np.savez(folder / "corpus-state.npz", **dict(state))
        state = str(folder / "corpus-state.npz")
    config = config_of(path, entry, cell, state)
    config = replace(config, sequence=SequenceSource("file", path=str(folder / "corpus-x.npy")))
    trace, _ = computed(ManualEngine(), load_inputs(config.checked()))
    return Ran(entry, np.array(trace.output.swapaxes(0, 1)), np.array(trace.state_h), trace.state_c)
