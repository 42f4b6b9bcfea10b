"""Frames and memory of the window on results as large as the targets speak of, which are made once."""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from PySide6.QtWidgets import QApplication

from rnnviz.verify.result import RunResult
from tools.benchmarks import bench_frames, bench_window
from tools.benchmarks.large_results import large_result
from tools.benchmarks.private_memory import MEGABYTE, malloc_trim
from tools.benchmarks.table import Row, Table

_FRAME_MS = 16.0
_SIXTIETH_MS = 1000.0 / 60.0
_MEMORY_MB, _MEMORY_UNITS = 256.0, 256
_COUNTS = r"  (grad\.\w+ )?[\d,]+( \S)?"
"""The part of a tab's title after its name."""
_NO_FRAMES = ("first ", "processor")
"""Figures of the window other than frames."""


@pytest.fixture(scope="module")
def large(quick: bool) -> Iterator[RunResult]:
    """T = 10,000, H = 1,024, four layers in both directions, two engines with gradients that differ here and there."""
    with large_result(*((1000, 64, 2, 2) if quick else (10_000, 1024, 4, 2)), gradients=True) as result:
        # Else the system goes on writing while frames are measured.
        os.sync()
        yield result


def bench_lanes(qapp: QApplication, large: RunResult, table: Table, quick: bool) -> None:
    """The lanes alone: the worst of panning is the target's; everything else is held to the same."""
    frames = bench_frames.measure(large, 20 if quick else bench_frames.FRAMES)
    panning = [found for found in frames if found.what.startswith("panning")]
    worst = max(panning, key=lambda found: found.p95)
    table.add(Row("frames", "repaint while panning, p95", worst.p95, "ms", _FRAME_MS, note=worst.what))
    for found in frames:
        target = None if found.what.endswith("complete") or found.what.startswith(_NO_FRAMES) else _FRAME_MS
        table.add(Row("lanes", f"{found.what}, p95", found.p95, "ms", target))
    table.details["lanes"] = [found._asdict() for found in frames]


def bench_whole_window(qapp: QApplication, large: RunResult, table: Table, quick: bool) -> None:
    """Every view at once, as the selection moves and other things are chosen to be seen."""
    figures = bench_window.measure(large, 20 if quick else bench_window.FRAMES)
    moves = [found for found in figures if found.what.startswith("cursor")]
    worst = max(moves, key=lambda found: found.p95)
    table.add(Row("frames", "cursor move, every view updated, p95", worst.p95, "ms", _FRAME_MS, note=worst.what))
    for found in figures:
        what = re.sub(_COUNTS, "", found.what)
        if "from frame to frame" in found.what:
            table.add(Row("window", f"{what}, median", found.p50, "ms", _SIXTIETH_MS))
            continue
        target = None if any(word in found.what for word in _NO_FRAMES) else _FRAME_MS
        table.add(Row("window", f"{what}, p95", found.p95, found.unit, target))
    table.details["window"] = [found._asdict() for found in figures]


@pytest.mark.parametrize("timesteps", [10_000, 100_000, 1_000_000])
def bench_memory_of_the_window(timesteps: int, table: Table, quick: bool) -> None:
    """Peak private memory above that of an empty window, in a process that does nothing else."""
    if quick:
        timesteps //= 100
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        (above,) = process.submit(_memory, timesteps).result()
    lane = timesteps * _MEMORY_UNITS * 4 / MEGABYTE
    what = f"window above idle, T = {timesteps:,}, H = {_MEMORY_UNITS}"
    table.add(Row("memory", what, above.worst, "MB", _MEMORY_MB + lane))


def _memory(timesteps: int) -> list[bench_window.Figure]:
    with large_result(timesteps, _MEMORY_UNITS, 1, 1) as result:
        malloc_trim()
        return bench_window.measure_memory(result)
