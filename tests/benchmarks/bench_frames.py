"""How long the window takes to pan, zoom and move the cursor over a large trace, at 1600 x 1000 pixels.

Run it by itself, with the sizes of the trace: python tests/benchmarks/bench_frames.py 10000 1024 4 2
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from PySide6.QtWidgets import QApplication

from rnnviz.analysis.compare import compare
from rnnviz.analysis.result import RunResult
from rnnviz.files.inputs import load_inputs
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.model.config import Config
from rnnviz.model.initial_state import draw_initial_state
from rnnviz.model.location import Location
from rnnviz.model.trace import create_trace, open_trace

WIDTH, HEIGHT = 1600, 1000
FRAMES = 200
_PAN = 23.0
"""Pixels from one frame of panning to the next."""


@dataclass(frozen=True)
class Frames:
    """Milliseconds that one kind of frame takes."""

    what: str
    first: float
    p50: float
    p95: float
    worst: float

    def __str__(self) -> str:
        return (
            f"{self.what:<28} first {self.first:7.1f}   p50 {self.p50:6.1f}   p95 {self.p95:6.1f}"
            f"   worst {self.worst:6.1f} ms"
        )


@contextmanager
def synthetic_result(timesteps: int, units: int, layers: int, directions: int) -> Iterator[RunResult]:
    """A result on disk with smooth noise as its values, of which a few of the candidate's differ."""
    tables = {
        "network": {
            "cell": "gru",
            "input_size": 16,
            "hidden_size": units,
            "num_layers": layers,
            "bidirectional": directions == 2,
        },
        "sequence": {"timesteps": timesteps, "batch_size": 1},
        "parameters": {"bias": "zeros"},
        "compare": {"reference": "one", "candidates": ["other"]},
    }
    config = Config.from_mapping(tables)
    # The parameters play no part here, and of the largest network they would take minutes to draw.
    inputs = load_inputs(Config.from_mapping({**tables, "network": {**tables["network"], "num_layers": 1}}))
    inputs = type(inputs)(
        config, inputs.sequence, inputs.parameters, draw_initial_state(config.network, config.initial_state, 1)
    )
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="rnnviz-frames-") as folder:
        traces = {}
        for name in config.compare.engines:
            trace = create_trace(Path(folder) / name, name, config.network, timesteps, 1)
            for layer in range(layers):
                for direction in range(directions):
                    if name == "one":
                        noise = generator.standard_normal((timesteps, units), np.float32)
                        trace.hidden[layer, direction, :, 0] = np.tanh(np.cumsum(noise, axis=0) * 0.05)
                    else:
                        trace.hidden[layer, direction] = traces["one"].hidden[layer, direction]
                        trace.hidden[layer, direction, :: timesteps // 50 or 1, 0, 3] += 0.01
            del trace
            traces[name] = open_trace(Path(folder) / name)
        yield RunResult(
            request_id=1,
            inputs=inputs,
            traces=traces,
            comparisons=(compare(traces["one"], traces["other"], *config.tolerances),),
            checks=(),
            seconds={},
            versions={},
            extents={"one": 1.0, "other": 1.0, "input": float(np.abs(inputs.sequence).max())},
            folder=Path(folder),
        )


def measure(result: RunResult, frames: int = FRAMES) -> list[Frames]:
    """First picture, panning at three zooms, zooming, and moving the cursor."""
    application = QApplication.instance() or QApplication([])
    view = UnrolledView()
    view.resize(WIDTH, HEIGHT)
    view.show()
    application.processEvents()

    def timed(action: Callable[[], object]) -> float:
        began = perf_counter()
        action()
        application.processEvents()
        return (perf_counter() - began) * 1e3

    measured = []

    def series(what: str, actions: list[Callable[[], object]]) -> None:
        times = np.array([timed(action) for action in actions])
        p50, p95 = np.percentile(times, (50, 95))
        measured.append(Frames(what, float(times[0]), float(p50), float(p95), float(times.max())))

    try:
        candidate = result.comparisons[0].candidate
        series("first picture", [lambda: view.show_result(result, candidate)])
        timesteps, units = result.shape[2], result.shape[4]
        generator = np.random.default_rng(1)
        places = [
            Location(timestep=int(generator.integers(timesteps)), unit=int(generator.integers(units)))
            for _ in range(frames)
        ]
        series("cursor, whole sequence", [lambda p=place: view.show_location(p) for place in places])
        for zoom in (2.0, 8.0, 64.0):
            view.fit()
            view.zoom_time(zoom)
            application.processEvents()
            view.box.pan_asked.emit(1e9, 0.0)
            application.processEvents()
            # To and fro, in sweeps that end within the sequence.
            sweep = max(1, min(frames, int((zoom - 1.0) * view.box.width() / _PAN)))
            ways = [-_PAN if frame // sweep % 2 == 0 else _PAN for frame in range(frames)]
            series(f"panning at {zoom:g} x", [lambda w=way: view.box.pan_asked.emit(w, 0.0) for way in ways])
        near = [place.moved(timestep=place.timestep % 5) for place in places]
        series("cursor, zoomed in", [lambda p=place: view.show_location(p) for place in near])
        view.fit()
        series("zooming in and out", [lambda: view.zoom_time(1.25)] * 30 + [lambda: view.zoom_time(0.8)] * 30)
    finally:
        view.close()
        view.deleteLater()
        application.processEvents()
    return measured


def bench_frames(qapp: QApplication, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints the frames of a trace of 1,000 x 256 in four lanes."""
    with synthetic_result(1000, 256, 2, 2) as result, capsys.disabled():
        print()
        for frames in measure(result):
            print(frames)


def main(arguments: list[str]) -> None:
    sizes = [int(argument) for argument in arguments] or [1000, 256, 2, 2]
    with synthetic_result(*sizes) as result:
        for frames in measure(result):
            print(frames)


if __name__ == "__main__":
    main(sys.argv[1:])
