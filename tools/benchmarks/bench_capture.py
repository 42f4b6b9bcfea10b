"""The cost of a capture within a model's forward pass."""

from collections.abc import Callable
from statistics import median
from time import thread_time
from typing import Any

import pytest

from rnnviz.captures.rnn_capture import capture
from tools.benchmarks.table import Row, Table


def _seconds(call: Callable[[], object], count: int) -> float:
    start = thread_time()
    for _ in range(count):
        call()
    return thread_time() - start


def bench_captured_calls_against_others(table: Table, quick: bool) -> None:
    """Forward passes of PyTorch with a capture over those without, in turn; copies of results count, files do not."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)  # whose time is that of this thread, also where other programs run
    shapes = (("layer", 100, 16, 256, 4), ("layer of two", 50, 32, 512, 2), ("cell", 1, 16, 512, 100))
    for name, steps, samples, units, count in shapes:
        kind = torch.nn.LSTMCell if name == "cell" else torch.nn.LSTM
        module = kind(units, units, *([2] if name == "layer of two" else []))
        x = torch.randn(*([] if name == "cell" else [steps]), samples, units)
        call: Callable[[], Any] = lambda module=module, x=x: module(x)  # noqa: E731
        ratios = []
        with torch.no_grad():
            call()
            for _ in range(2 if quick else 7):
                plain = _seconds(call, count)
                with capture(module):
                    ratios.append(_seconds(call, count) / plain)
        title = f"{name}, T = {steps}, N = {samples}, H = {units}"
        table.add(Row("capture", title, median(ratios), target=1.1))
