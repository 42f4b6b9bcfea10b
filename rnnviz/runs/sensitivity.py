"""Which known mistakes the present config could not reveal: a green verdict proves nothing about them.

Every mistake that the network can have is made on purpose, on a part of the run that is small enough, and audited
as any engine is.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from rnnviz.analysis.audit import audit
from rnnviz.analysis.checks import notebook_checks
from rnnviz.engines.mistakes.catalogue import mistakes_of
from rnnviz.engines.mistakes.deviation import Deviation
from rnnviz.engines.mistakes.engine import run_deviation, trace_in_memory
from rnnviz.model.config import Config
from rnnviz.model.errors import InputError
from rnnviz.model.initial_state import State
from rnnviz.model.inputs import Inputs
from rnnviz.runs.request import Load

_WORK = 30_000_000
"""Multiplications that each mistake may cost."""

_MOST_STEPS = 32
_SAMPLES = 3


def blind_to(inputs: Inputs) -> tuple[str, ...]:
    """The names of the mistakes that these inputs cannot reveal, in the catalogue's order."""
    small = _part(inputs)
    return tuple(
        mistake.name
        for mistake in mistakes_of(inputs.network)
        if not _reveals(small, mistake.variants[inputs.network.cell][0])
    )


def remedy(inputs: Inputs, blind: tuple[str, ...], load: Load) -> Config | None:
    """The config with the smallest change that reveals the mistakes in `blind`, or most of them; None if none does."""
    best: tuple[int, Config] | None = None
    for config in _changes(inputs.config):
        try:
            left = blind_to(load(config))
        except InputError:
            continue
        if len(left) < len(blind) and (best is None or len(left) < best[0]):
            best = len(left), config
        if not left:
            break
    return None if best is None else best[1]


def _changes(config: Config) -> Iterator[Config]:
    """Single changes, then pairs, then all together; each leaves the network itself as it is."""
    single: list[dict[str, Any]] = []
    if config.parameters.initializer != "file" and config.parameters.bias == "zeros":
        single.append({"parameters": replace(config.parameters, bias="uniform")})
    if config.initial_state.source == "zeros":
        single.append({"initial_state": replace(config.initial_state, source="normal")})
    if config.sequence.source not in ("file", "text"):
        longer = replace(config.sequence, timesteps=max(3, config.sequence.timesteps))
        wider = replace(config.sequence, batch_size=max(2, config.sequence.batch_size))
        single += [{"sequence": other} for other in (longer, wider) if other != config.sequence]
        if config.sequence.source in ("impulse", "sine"):
            single.append({"sequence": replace(config.sequence, source="normal")})
    for count in range(1, len(single) + 1):
        for chosen in combinations(single, count):
            names = [name for change in chosen for name in change]
            if len(set(names)) == len(names):
                yield replace(config, **{name: value for change in chosen for name, value in change.items()})


def _part(inputs: Inputs) -> Inputs:
    """The first timesteps of a few samples: enough for every mistake to show, if it does at all."""
    network = inputs.network
    gates, size = network.kind.gate_count, network.hidden_size
    per_step = network.num_layers * network.directions * gates * size * (network.layer_input_size(0) + size)
    samples = min(inputs.batch_size, _SAMPLES)
    steps = min(inputs.timesteps, _MOST_STEPS, max(3, _WORK // (per_step * samples)))
    state = State(*(np.ascontiguousarray(array[:, :samples]) for array in inputs.initial_state.arrays))
    return Inputs(inputs.config, np.ascontiguousarray(inputs.sequence[:steps, :samples]), inputs.parameters, state)


def _reveals(inputs: Inputs, deviation: Deviation) -> bool:
    trace = trace_in_memory(inputs)
    run_deviation(deviation, inputs, trace, lambda _: None)
    if audit(inputs, trace, full=True).wrong:
        return True
    return not all(check.holds for check in notebook_checks(trace, *inputs.config.tolerances))
