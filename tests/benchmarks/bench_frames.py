"""How long the lanes take to pan, zoom, follow the cursor and change their colours over a large trace.

At 1600 x 1000 pixels, with a mismatch overlay. A frame ends when it is painted; "complete" says when nothing stands
in for what is shown any more.

Run it by itself, with the sizes of the trace: python tests/benchmarks/bench_frames.py 10000 1024 4 2
"""

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
from PySide6.QtCore import QEventLoop
from PySide6.QtWidgets import QApplication

from rnnviz.analysis.compare import compare
from rnnviz.analysis.pyramid import ComparedPyramids, build_values, needs_pyramid
from rnnviz.analysis.result import RunResult
from rnnviz.files.inputs import load_inputs
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.model.arrays import FloatArray
from rnnviz.model.config import Config
from rnnviz.model.initial_state import draw_initial_state
from rnnviz.model.location import Location
from rnnviz.model.pyramid import open_pyramids
from rnnviz.model.trace import create_trace, open_trace

WIDTH, HEIGHT = 1600, 1000
FRAMES = 200
SAMPLES = 2
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
            f"{self.what:<36} first {self.first:7.1f}   p50 {self.p50:6.1f}   p95 {self.p95:6.1f}"
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
        "sequence": {"timesteps": timesteps, "batch_size": SAMPLES},
        "parameters": {"bias": "zeros"},
        "compare": {"reference": "one", "candidates": ["other"]},
    }
    config = Config.from_mapping(tables)
    # The parameters play no part here, and of the largest network they would take minutes to draw.
    inputs = load_inputs(Config.from_mapping({**tables, "network": {**tables["network"], "num_layers": 1}}))
    inputs = type(inputs)(
        config, inputs.sequence, inputs.parameters, draw_initial_state(config.network, config.initial_state, SAMPLES)
    )
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="rnnviz-frames-") as folder:
        traces = {}
        for name in config.compare.engines:
            trace = create_trace(Path(folder) / name, name, config.network, timesteps, SAMPLES)
            for layer in range(layers):
                for direction in range(directions):
                    if name == "one":
                        _fill(trace.hidden[layer, direction], generator)
                    else:
                        trace.hidden[layer, direction] = traces["one"].hidden[layer, direction]
                        trace.hidden[layer, direction, :: timesteps // 50 or 1, 0, 3] += 0.01
            traces[name] = trace
        reference, candidate = traces.values()
        build_values(_new_folder(Path(folder) / "inputs"), inputs.sequence[None, None])
        inputs = replace(inputs, pyramids=open_pyramids(Path(folder) / "inputs"))
        if needs_pyramid(candidate):
            pyramids = ComparedPyramids(reference, candidate, *config.tolerances, first=True)
            comparison = compare(reference, candidate, *config.tolerances, watch=pyramids.add)
            pyramids.finish()
        else:
            comparison = compare(reference, candidate, *config.tolerances)
        del trace, reference, candidate
        yield RunResult(
            request_id=1,
            inputs=inputs,
            traces={name: open_trace(Path(folder) / name) for name in traces},
            comparisons=(comparison,),
            checks=(),
            seconds={},
            versions={},
            extents={"one": 1.0, "other": 1.0, "input": float(np.abs(inputs.sequence).max())},
            folder=Path(folder),
        )


def _fill(lane: FloatArray, generator: np.random.Generator) -> None:
    """Smooth noise in (T, N, H), from slice to slice of time: a lane may be larger than memory."""
    last = np.zeros(lane.shape[2], np.float32)
    for start in range(0, len(lane), 4096):
        part = lane[start : start + 4096]
        walk = 0.99 * last + np.cumsum(generator.standard_normal((len(part), lane.shape[2]), np.float32), axis=0)
        part[:, 0] = np.tanh(walk * 0.05)
        part[:, 1:] = -part[:, :1]
        last = walk[-1]


def _new_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def measure(result: RunResult, frames: int = FRAMES) -> list[Frames]:
    """First picture, panning and zooming, the cursor, and what else is shown of the lanes."""
    application = QApplication.instance() or QApplication([])
    view = UnrolledView()
    view.resize(WIDTH, HEIGHT)
    view.show()
    application.processEvents()
    measured: list[Frames] = []

    def timed(action: Callable[[], object]) -> float:
        began = perf_counter()
        action()
        application.processEvents()
        return (perf_counter() - began) * 1e3

    def settled(began: float) -> float:
        while not view.picture_complete:
            application.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 5)
        return (perf_counter() - began) * 1e3

    def series(what: str, actions: Sequence[Callable[[], object]], *, apart: bool = False) -> None:
        """One frame for each action; `apart` only after the picture has been completed, whose time is told as well."""
        times, complete = [], []
        for action in actions:
            began = perf_counter()
            times.append(timed(action))
            if apart:
                complete.append(settled(began))
        settled(perf_counter())
        for name, taken in ((what, times), (f"{what}, complete", complete)):
            if taken:
                p50, p95 = np.percentile(taken, (50, 95))
                measured.append(Frames(name, taken[0], float(p50), float(p95), max(taken)))

    try:
        candidate = result.comparisons[0].candidate
        series("first picture", [lambda: view.show_result(result, candidate)], apart=True)
        timesteps, units = result.shape[2], result.shape[4]
        generator = np.random.default_rng(1)
        places = [
            Location(timestep=int(generator.integers(timesteps)), unit=int(generator.integers(units)))
            for _ in range(frames)
        ]
        series("cursor, whole sequence", [lambda p=place: view.show_location(p) for place in places])
        view.show_location(Location())
        for zoom in (2.0, 8.0, 64.0, *([4096.0] if timesteps >= 100_000 else [])):
            view.fit()
            view.zoom_time(zoom)
            view.box.pan_asked.emit(1e9, 0.0)
            application.processEvents()
            settled(perf_counter())
            # To and fro, in sweeps that end within the sequence.
            sweep = max(1, min(frames, int((zoom - 1.0) * view.box.width() / _PAN)))
            ways = [-_PAN if frame // sweep % 2 == 0 else _PAN for frame in range(frames)]
            series(f"panning at {zoom:g} x", [lambda w=way: view.box.pan_asked.emit(w, 0.0) for way in ways])
        near = [place.moved(timestep=place.timestep % 5) for place in places]
        series("cursor, zoomed in", [lambda p=place: view.show_location(p) for place in near])
        view.show_location(Location())
        view.fit()
        settled(perf_counter())
        series("zooming in and out", [lambda: view.zoom_time(1.25)] * 30 + [lambda: view.zoom_time(0.8)] * 30)
        for zoom in (1.0, 8.0):
            view.fit()
            view.zoom_time(zoom)
            settled(perf_counter())
            ways = [lambda q=quantity: view.show_colour_by(q) for quantity in ("violation", "difference", "value")]
            series(f"recolouring at {zoom:g} x", ways * 7, apart=True)
            engines = [lambda e=engine: view.show_engine(e) for engine in reversed(result.traces)]
            series(f"another engine at {zoom:g} x", engines * 10, apart=True)
            samples = [lambda s=sample: view.show_location(Location(sample=s)) for sample in (1, 0)]
            if result.shape[3] > 1:
                series(f"another sample at {zoom:g} x", samples * 10, apart=True)
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
