"""The outcome of a computed run: its figures, which travel through a pipe, and the traces in its folder.

The parent of the worker process imports this module and nothing that computes.
"""

from collections.abc import Iterable
from errno import ENOENT
from pathlib import Path

from rnnviz.core.config import Config
from rnnviz.core.trace import Trace, open_trace
from rnnviz.frozen import dataclass
from rnnviz.verify.compare import Comparison
from rnnviz.verify.consistency_checks import Check


@dataclass(frozen=True)
class Outcome:
    """The results of a run, small enough for a pipe; the arrays remain in the run's folder."""

    config: Config
    comparisons: tuple[Comparison, ...]
    checks: tuple[Check, ...]
    seconds: dict[str, float]
    versions: dict[str, str]
    extents: dict[str, float]
    printed: dict[str, str]
    sources: dict[str, str]


def open_traces(folder: Path, engines: Iterable[str] = ()) -> dict[str, Trace]:
    """The traces of a run that `compute` left in a folder, by engine, the reference first.

    FileNotFoundError if one of `engines` is not there: others may remove files, as a cleaner of temporary files does.
    """
    count = len(list(folder.glob("engine-*")))
    traces = [open_trace(folder / f"engine-{place}") for place in range(count)]
    found = {trace.engine: trace for trace in traces}
    if gone := [engine for engine in engines if engine not in found]:
        raise FileNotFoundError(ENOENT, f"the values of {gone[0]} are gone", str(folder))
    return found
