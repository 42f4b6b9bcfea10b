"""How time and memory of every part grow with T, N, H and L: a power law through five sizes each, fitted to medians.

Nothing may grow faster than T or N. With H a recurrence grows as H², for its weights are (G·H, H).
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from rnnviz.core.config import Config
from rnnviz.execution.worker import disable_malloc_trim
from tools.benchmarks.growth import fit, geometric
from tools.benchmarks.parts import costs_in_bytes, costs_in_seconds
from tools.benchmarks.private_memory import MEGABYTE
from tools.benchmarks.rows import Row, Table

ROUNDS = 3
STEEPEST = 1.05

_AXES: dict[tuple[str, str], tuple[dict[str, int], list[int]]] = {
    ("engines", "T"): ({"N": 4, "H": 64, "L": 1}, geometric(1000, 16_000)),
    ("engines", "N"): ({"T": 200, "H": 64, "L": 1}, geometric(16, 256)),
    ("engines", "H"): ({"T": 200, "N": 4, "L": 1}, geometric(64, 1024)),
    ("engines", "L"): ({"T": 500, "N": 4, "H": 64}, geometric(1, 16)),
    ("copies", "T"): ({"N": 1, "H": 256, "L": 1}, geometric(17_000, 136_000)),
    ("files", "T"): ({"N": 4, "H": 64, "L": 1}, geometric(1000, 16_000)),
    ("files", "N"): ({"T": 1000, "H": 64, "L": 1}, geometric(4, 64)),
    ("files", "H"): ({"T": 1000, "N": 4, "L": 1}, geometric(64, 1024)),
    ("files", "L"): ({"T": 1000, "N": 4, "H": 64}, geometric(1, 16)),
}
"""By the parts and the size that grows: the sizes that stay, and those that are taken in turn."""


@pytest.fixture(scope="module")
def timing() -> Iterator[ProcessPoolExecutor]:
    """A process that frees memory as that of the engines does."""
    with ProcessPoolExecutor(1, get_context("spawn"), disable_malloc_trim) as process:
        yield process


@pytest.fixture(scope="module")
def weighing() -> Iterator[ProcessPoolExecutor]:
    """One that returns freed memory, so that each part's own memory is seen."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        yield process


@pytest.mark.parametrize(("parts", "axis"), _AXES)
def bench_growth_of_time(parts: str, axis: str, timing: ProcessPoolExecutor, table: Table, quick: bool) -> None:
    """Seconds of every part."""
    sizes, configs = _sizes(parts, axis, quick)
    rounds = ROUNDS if axis in "TN" and not quick else 1
    add_growth(table, "time", axis, sizes, timing.submit(costs_in_seconds, parts, configs, rounds).result())


@pytest.mark.parametrize(("parts", "axis"), _AXES)
def bench_growth_of_memory(parts: str, axis: str, weighing: ProcessPoolExecutor, table: Table, quick: bool) -> None:
    """Peak private memory of every part; less than a megabyte is the allocator's, and says nothing about the work."""
    sizes, configs = _sizes(parts, axis, quick)
    found = weighing.submit(costs_in_bytes, parts, configs).result()
    costs = {part: [max(cost, MEGABYTE) for cost in column] for part, column in found.items()}
    add_growth(table, "memory", axis, sizes, costs)


def _sizes(parts: str, axis: str, quick: bool) -> tuple[list[int], list[Config]]:
    base, sizes = _AXES[parts, axis]
    sizes = sizes[:3] if quick else sizes
    return sizes, [_config({**base, axis: size}) for size in sizes]


def _config(sizes: Mapping[str, int]) -> Config:
    """An LSTM of the sizes T, N, H and L, with nothing that is zero."""
    network = {"cell": "lstm", "input_size": 16, "hidden_size": sizes["H"], "num_layers": sizes["L"]}
    return Config.from_mapping(
        {
            "network": network,
            "sequence": {"timesteps": sizes["T"], "batch_size": sizes["N"]},
            "initial_state": {"source": "normal"},
        }
    )


def add_growth(table: Table, kind: str, axis: str, sizes: Sequence[int], costs: Mapping[str, Sequence[float]]) -> None:
    """A row for every part; only T and N have a target. The file has the fitted data, in seconds or bytes."""
    details: list[dict[str, Any]] = table.details.setdefault("growth", [])
    for part, column in costs.items():
        growth = fit(sizes, column)
        shown = f"R² {growth.r_squared:.3f}, {axis} {sizes[0]:,} to {sizes[-1]:,}"
        target = STEEPEST if axis in "TN" else None
        table.add(Row("growth", f"{kind} of {part}, exponent of {axis}", growth.exponent, "", target, note=shown))
        details.append(
            {"part": part, "kind": kind, "axis": axis, "r_squared": growth.r_squared, "sizes": sizes, "costs": column}
        )
