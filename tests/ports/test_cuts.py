"""Smaller runs: the values of a run cut to a smaller one are those of the run."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rnnviz.core.config import Config
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.manual import ManualEngine
from rnnviz.io.inputs import load_inputs
from rnnviz.ports import cuts
from tests.oracles.computed import computed
from tests.padded import padded_inputs
from tests.strategies import configs


def _wide(inputs: Inputs) -> Inputs:
    """The same run in float64."""
    network = replace(inputs.network, dtype="float64")
    return replace(
        inputs,
        config=replace(inputs.config, network=network),
        sequence=np.asarray(inputs.sequence, np.float64),
        parameters=Parameters(network, inputs.parameters),
        initial_state={s: np.asarray(a, np.float64) for s, a in inputs.initial_state.items()},
    )


_DRAWN = padded_inputs().map(_wide)


def _run(inputs: Inputs) -> Trace:
    trace, _ = computed(ManualEngine(), inputs)
    return trace


def _states(inputs: Inputs, trace: Trace) -> dict[str, FloatArray]:
    return {symbol: trace[symbol] for symbol in inputs.network.kind.state_symbols}


_near = partial(np.testing.assert_allclose, rtol=0.0, atol=1e-12)


@given(_DRAWN, st.data())
def test_layers_read_what_was_computed_below_them(inputs: Inputs, data: st.DataObject) -> None:
    trace, layers = _run(inputs), inputs.network.num_layers
    first = data.draw(st.integers(0, layers - 1))
    stop = data.draw(st.integers(first + 1, layers))
    own = _run(cuts.keep_layers(inputs, trace, first, stop)).hidden
    _near(own, trace.hidden[first:stop, :, : own.shape[2]])


@given(_DRAWN, st.data())
def test_a_window_begins_at_the_states_beside_it(inputs: Inputs, data: st.DataObject) -> None:
    trace, steps = _run(inputs), inputs.timesteps
    start = data.draw(st.integers(0, steps - 1))
    stop = data.draw(st.integers(start + 1, steps))
    made = cuts.keep_window(inputs, trace, _states(inputs, trace), start, stop)
    if made is None:
        assert min(inputs.places.every_length) <= start
        return
    own = _run(made).hidden
    _near(own, trace.hidden[:, :, start : start + own.shape[2]])
    assert made.places.every_length == tuple(min(n, stop) - start for n in inputs.places.every_length)


@given(configs(dtype="float64", num_layers=1, bidirectional=True))
def test_one_direction_gives_the_values_of_its_lane(config: Config) -> None:
    inputs = load_inputs(config)
    trace = _run(inputs)
    for direction in (0, 1):
        made = cuts.keep_direction(inputs, direction)
        assert made is not None
        hidden = _run(made).hidden[0, 0]
        for sample, length in enumerate(inputs.places.every_length):
            lane = trace.hidden[0, direction, :length, sample]
            _near(hidden[:length, sample], lane[::-1] if direction else lane)


@given(_DRAWN, st.data())
def test_units_are_cut_with_their_rows_and_columns(inputs: Inputs, data: st.DataObject) -> None:
    """Units with zeros as weights, biases and states stay 0, so the others are as without them."""
    assume(not inputs.network.kind.projects and inputs.network.activations is None)
    units = sorted(data.draw(st.sets(st.integers(0, inputs.network.hidden_size - 1), min_size=1)))
    whole = _run(cuts.zero_other_units(inputs, units)).hidden
    _near(_run(cuts.keep_units(inputs, units)).hidden, whole[..., units])
    _near(np.delete(whole, units, axis=-1), 0.0)


@given(_DRAWN, st.data())
def test_features_are_cut_with_their_columns(inputs: Inputs, data: st.DataObject) -> None:
    features = sorted(data.draw(st.sets(st.integers(0, inputs.network.input_size - 1), min_size=1)))
    x = np.zeros_like(inputs.sequence)
    x[..., features] = inputs.sequence[..., features]
    zeros = Inputs(inputs.config, x, inputs.parameters, inputs.initial_state, lengths=inputs.lengths)
    own = _run(cuts.keep_features(inputs, features)).hidden
    _near(own, _run(zeros).hidden[:, :, : own.shape[2]])


@pytest.mark.parametrize("parts", [2, 8])
def test_rounded_numbers_are_on_a_grid(parts: int) -> None:
    inputs = load_inputs(Config.from_mapping({"network": {"cell": "lstm", "input_size": 3, "hidden_size": 4}}))
    made = cuts.rounded(inputs, parts)
    for array in (made.sequence, *made.parameters.values(), *made.initial_state.values()):
        np.testing.assert_array_equal(np.round(array * parts), array * parts)
        assert array.size
