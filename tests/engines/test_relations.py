"""Every engine keeps every relation of `relations.py`, and each relation is one that a known bug breaks."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace import Trace
from rnnviz.engines.base import Engine, EngineReport, Progress
from rnnviz.engines.custom_code.custom_step import CustomStep
from rnnviz.engines.known_bugs.changes import BugVariant
from rnnviz.engines.known_bugs.engine import run_fault
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, known_bugs_of
from rnnviz.engines.layers import run_stack
from rnnviz.engines.registry import ENGINES, load_engine
from rnnviz.io.inputs import load_inputs
from rnnviz.io.templates import write_starter
from tests.engines.relations import RELATIONS
from tests.oracles.computed import assert_agrees, computed
from tests.profiles import examples
from tests.report_tables import ReportTable
from tests.strategies import FUSED_CELLS, SEEDS, configs

FLOAT32, FLOAT64 = 4e-5, 2e-12


class Starters:
    """The recurrences that a user starts from, as their own files are run, but in this process."""

    provides_cell_state = True
    version = "starters"

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        with TemporaryDirectory() as folder:
            path = Path(folder, "mine.py")
            write_starter(inputs.network.cell, path)
            run_stack(inputs, trace, CustomStep(path).run_layer(), progress)
        return EngineReport()


class Faulty:
    """One way to make a known bug, also in the single lanes of a network that has two directions.

    `layout`: only where the network's out has that layout.
    """

    provides_cell_state = True
    version = "faulty"

    def __init__(self, fault: BugVariant, layout: str | None = None) -> None:
        self._deviation = fault
        self._layout = layout

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        """See `Engine.run`."""
        makes_it = self._layout in (None, inputs.network.layout)
        run_fault(self._deviation if makes_it else BugVariant(), inputs, trace, progress)
        return EngineReport()


FILE = "custom step"
THERE = [*(name for name, entry in ENGINES.items() if entry.unavailable is None), FILE]
"""Every engine that can be had here."""


@cache
def engine_of(name: str) -> Engine:
    return Starters() if name == FILE else load_engine(name)


def fitted(config: Config, relation: str) -> Config:
    """The config with enough of everything for the relation to change something."""
    network, sequence = config.network, config.sequence
    network = replace(network, hidden_size=max(network.hidden_size, 2))
    if relation == "reversing_the_sequence_swaps_directions":
        network = replace(network, bidirectional=True)
    if relation == "carrying_the_state_equals_one_run" and network.bidirectional:
        network = replace(network, num_layers=1)
    sequence = replace(sequence, batch_size=max(sequence.batch_size, 2), timesteps=max(sequence.timesteps, 2))
    return replace(config, network=network, sequence=sequence)


def check(relation: str, engine: Engine, inputs: Inputs, seed: int) -> None:
    """Fail where the engine's traces are not what the relation says of them."""
    rounded = "mxnet" in engine.version and inputs.network.cell == "rnn_relu"
    tolerance = FLOAT64 if inputs.network.dtype == "float64" and not rounded else FLOAT32
    made = RELATIONS[relation](inputs, np.random.default_rng(seed), lambda inputs: computed(engine, inputs)[0])
    for trace, answer in made:
        assert_agrees(trace, answer, tolerance)


def check_all(relation: str, engines: list[str], config: Config, seed: int) -> list[str]:
    """The engines that the relation was checked on, which are all that compute in the network's type."""
    inputs = load_inputs(fitted(config, relation))
    fit = [name for name in engines if name == FILE or ENGINES[name].unsupported_reason(inputs.network) is None]
    for name in fit:
        check(relation, engine_of(name), inputs, seed)
    return fit


@pytest.mark.parametrize("relation", RELATIONS)
@settings(max_examples=examples(16))
@given(config=configs(), seed=SEEDS)
def test_engines_keep_the_relation(relation: str, config: Config, seed: int) -> None:
    # PyTorch takes seconds to be imported.
    check_all(relation, [name for name in THERE if name != "torch"], config, seed)


@pytest.mark.nightly
@pytest.mark.parametrize("relation", RELATIONS)
def test_every_engine_keeps_the_relation_over_many_networks(relation: str, report_table: ReportTable) -> None:
    checked = dict.fromkeys(THERE, 0)

    # The profile's number is that of all relations together.
    @settings(max_examples=max(15, 1 + settings().max_examples // len(RELATIONS)))
    @given(config=configs(), seed=SEEDS)
    def over_many(config: Config, seed: int) -> None:
        for name in check_all(relation, THERE, config, seed):
            checked[name] += 1

    over_many()
    report_table("relations").add(relation.replace("_", " "), **{name: f"{n:,}" for name, n in checked.items()})
    assert all(checked.values())


def breaks(relation: str, engine: Engine, inputs: Inputs) -> bool:
    try:
        check(relation, engine, inputs, 0)
    except AssertionError:
        return True
    return False


def inputs_for(relation: str, cell: str) -> Inputs:
    tables = {
        "network": {
            "cell": cell,
            "input_size": 3,
            "hidden_size": 4,
            "num_layers": 2,
            "bidirectional": True,
            "dtype": "float64",
        },
        "sequence": {"batch_size": 3, "timesteps": 4},
        "parameters": {"initializer": "normal", "scale": 0.5},
        "initial_state": {"source": "normal"},
    }
    return load_inputs(fitted(Config.from_mapping(tables), relation))


ORDER_OF_TIME = {"batch-as-time", "final-state-at-last-timestep", "reverse-not-realigned", "reverse-not-reversed"}
BROKEN_BY = {
    "permuting_units_permutes_traces": {"concat-swapped"},
    "reversing_the_sequence_swaps_directions": ORDER_OF_TIME,
    "batch_order_does_not_matter": {"batch-as-time"},
    "carrying_the_state_equals_one_run": {*ORDER_OF_TIME, "state-not-carried"},
    # Whatever changes one step; what only changes how steps hang together, or the forget gate that is shut, does not.
    "zero_recurrent_weights_equal_a_feed_forward_layer": {
        name
        for name, bug in KNOWN_BUGS.items()
        if not (bug.of_padding or bug.of_seams or bug.of_gradients) and not bug.variants.keys().isdisjoint(FUSED_CELLS)
    }
    - {"h2h-transposed", "state-not-carried", "forget-bias-one", "clip-missing"},
    "a_stack_equals_its_lanes_one_by_one": {*ORDER_OF_TIME, "concat-swapped"},
}


@pytest.mark.slow
@pytest.mark.parametrize("relation", BROKEN_BY)
def test_known_bugs_break_the_relation(relation: str) -> None:
    seen = {
        bug.name
        for cell in FUSED_CELLS
        for bug in known_bugs_of(inputs_for(relation, cell).network)
        if any(breaks(relation, Faulty(fault), inputs_for(relation, cell)) for fault in bug.variants[cell])
    }
    assert seen == BROKEN_BY[relation]


def test_reading_one_layout_as_the_other_breaks_the_relation_of_layouts() -> None:
    relation = "the_layout_of_out_changes_no_number"
    assert {*BROKEN_BY, relation} == set(RELATIONS)
    inputs = inputs_for(relation, "lstm")
    assert not breaks(relation, Faulty(BugVariant()), inputs)
    for layout in ("NTC", "TNC"):
        assert breaks(relation, Faulty(BugVariant(batch_as_time=True), layout), inputs)
