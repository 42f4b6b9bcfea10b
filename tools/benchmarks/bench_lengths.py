"""Samples of different lengths, relative to the same number of computed steps without padding: the target is 1.3.

The longest sample has T time steps, one after the other, so that the same work without padding is a batch of fewer
samples, all as long as that one. The ratio to N samples of the mean length, which have fewer time steps, has no target.
"""

from dataclasses import replace
from statistics import median
from time import perf_counter
from typing import Any

import pytest

from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import trace_in_memory
from rnnviz.engines.registry import load_engine
from rnnviz.execution.worker import disable_malloc_trim
from rnnviz.io.inputs import load_inputs
from tests.configs import config_of
from tools.benchmarks.table import Row, Table

_ROUNDS, _TIMES = 5, 1.3

SIZES = [
    ("lstm", 16, 50, 32, 64, 2, True),
    ("gru", 8, 300, 32, 128, 1, True),
    ("rnn_tanh", 64, 100, 64, 128, 1, False),
    ("lstm", 64, 100, 64, 128, 1, False),
    ("lstm", 32, 200, 128, 256, 1, True),
    ("lstm", 64, 100, 256, 512, 1, False),
    ("gru", 2, 600, 64, 512, 1, True),
    ("gru", 32, 2000, 64, 128, 1, False),
    ("lstm", 4, 4000, 64, 256, 1, True),
    ("lstm", 8, 10000, 32, 64, 1, True),
]
"""Cell, N, T, I, H, L, and whether both directions are computed."""


def bench_lengths(table: Table, quick: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints a line for each size and engine."""
    disable_malloc_trim()
    for what, engine, run in (
        ("manual", "manual", "run"),
        ("gluon", "gluon", "run"),
        ("backward", "manual", "run_backward"),
    ):
        ratios = {}
        for cell, samples, timesteps, features, hidden, layers, bidirectional in SIZES[: 2 if quick else None]:
            network = {"cell": cell, "input_size": features, "hidden_size": hidden, "num_layers": layers}
            network["bidirectional"] = bidirectional
            padded = _inputs(network, samples, timesteps, lengths="uniform")
            steps, longest = sum(padded.lengths), max(padded.lengths)
            others = [_inputs(network, -(-steps // longest), longest), _inputs(network, samples, -(-steps // samples))]
            seconds = _seconds(engine, run, [padded, *others])
            name = f"{cell} N{samples} T{timesteps} H{hidden} L{layers} D{1 + bidirectional}"
            ratios[name] = [seconds[0] / other for other in seconds[1:]]
            with capsys.disabled():
                print(f"\n{what:17}{name:32} full samples {ratios[name][0]:5.2f}   mean {ratios[name][1]:5.2f}", end="")
        worst = max(ratios, key=lambda name: ratios[name][0])
        full, shorter = zip(*ratios.values(), strict=True)
        ratio = f"{what}, lengths / the same steps in full samples"
        table.add(
            Row("lengths", f"{ratio}, median", median(full), target=_TIMES),
            Row("lengths", f"{ratio}, worst", max(full), target=_TIMES, note=worst),
            Row("lengths", f"{what}, lengths / samples of the mean length, median", median(shorter)),
        )
        table.details[f"lengths of {what}"] = ratios


def _inputs(network: dict[str, Any], samples: int, timesteps: int, **keys: str) -> Inputs:
    sizes = {"batch_size": samples, "timesteps": timesteps, "seed": 3}
    return load_inputs(config_of(**network, **sizes, **keys, backward={"enabled": True, "loss": "normal"}))


def _seconds(engine: str, run: str, given: list[Inputs]) -> list[float]:
    """The least seconds of a pass of an engine for each of some inputs, without Gluon's fused stack; measured in turn.

    The forward pass runs without a loss, for which it would keep more values.
    """
    own, seconds = load_engine(engine), [float("inf")] * len(given)
    given = [inputs if run == "run_backward" else replace(inputs, loss=None) for inputs in given]
    traces = []
    for inputs in given:
        network = inputs.network
        names = (*network.kind.state_symbols, *(own.gradients(network) if inputs.loss else ()))
        traces.append(trace_in_memory("measured", network, inputs.places, names))
    for _ in range(_ROUNDS):
        for place, (inputs, trace) in enumerate(zip(given, traces, strict=True)):
            if run == "run_backward":
                own.run(inputs, trace, lambda _: None)
            began = perf_counter()
            report = getattr(own, run)(inputs, trace, lambda _: None)
            seconds[place] = min(seconds[place], perf_counter() - began - sum(report.seconds.values()))
    return seconds
