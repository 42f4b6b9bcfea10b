"""Sweeps that need no MXNet, and what computes them in these tests."""

from pathlib import Path
from typing import Any

from rnnviz.core.inputs import Load
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps.driver import Journal, Scheduler, Sweeping, read_journal
from rnnviz.sweeps.grid import Sweep
from rnnviz.sweeps.results import SweepRow


def sweep(**changes: Any) -> Sweep:
    """Six rows: two sizes, one seed, three engines, of which one is wrong and one cannot compute an LSTM."""
    values: dict[str, Any] = {
        "network": {"cell": "lstm", "input_size": 3},
        "sequence": {"batch_size": 2, "timesteps": 4},
        "compare": {"reference": "manual"},
        "grid": {"network.hidden_size": [4, 6]},
        "seeds": [5],
        "engines": ["onnx", "bug:no-h2h-bias", "bug:gates-z-r-n"],
    }
    return Sweep.from_mapping({**values, **changes})


def start(asked: Sweep, journal: Path, load: Load = load_inputs) -> Sweeping:
    """A start of the sweep that knows what the journal holds."""
    return Sweeping(asked, tuple(asked.points()), read_journal(journal), load)


def computed(asked: Sweep, journal: Path, scheduler: Scheduler, load: Load = load_inputs) -> list[SweepRow]:
    """Every row of a whole start, in order."""
    with Journal(journal) as opened, scheduler:
        sweeping = start(asked, journal, load)
        rows = [*sweeping.known, *sweeping.rows(scheduler, opened)]
    return sorted(rows, key=lambda row: row.point.index)


def verdicts(rows: list[SweepRow]) -> list[str]:
    return ["" if row.finding is None else row.finding.verdict for row in rows]
