"""The arithmetic of a sample with padding: that of the sample alone; padding has none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.trace_index import Location, last_timestep
from rnnviz.engines.manual import ManualEngine
from rnnviz.explain.explanation import explain_value, padding_sentence
from rnnviz.explain.step_breakdown import explain
from rnnviz.explain.value_sources import previous_place
from rnnviz.verify.consistency_checks import agreement, lanes, places, values_at
from tests.engines.test_lengths import alone, padded_inputs
from tests.factories import make_result
from tests.oracles.computed import computed
from tests.padded import trace_alone


@given(inputs=padded_inputs(), data=st.data())
def test_a_step_is_explained_as_that_of_the_sample_alone(inputs: Inputs, data: st.DataObject) -> None:
    trace, _ = computed(ManualEngine(), inputs)
    if data.draw(st.booleans(), "without cell states"):
        trace = trace.with_arrays({"c": None})
    sample = data.draw(st.integers(0, inputs.batch_size - 1), "sample")
    length = inputs.length(sample)
    layer, direction, _, _, unit = (data.draw(st.integers(0, size - 1)) for size in trace.shape)
    where = Location(layer, direction, data.draw(st.integers(0, length - 1), "t"), sample, unit)
    own = explain(inputs, trace, where)
    expected = explain(alone(inputs, sample), trace_alone(trace, inputs, sample), where.moved(sample=0))
    assert (own.previous, own.c, own.h, own.stored, own.stored_c, own.bound, own.c_bound) == (
        expected.previous, expected.c, expected.h, expected.stored, expected.stored_c, expected.bound, expected.c_bound,
    )  # fmt: skip
    np.testing.assert_array_equal(own.x, expected.x)
    np.testing.assert_array_equal(own.h_previous, expected.h_previous)
    assert [gate.value for gate in own.gates] == [gate.value for gate in expected.gates]
    first = where.timestep == (length - 1 if inputs.network.backward(direction) else 0)
    assert (previous_place(own).kind == "initial") == first


@given(inputs=padded_inputs(), data=st.data())
def test_the_final_states_are_those_of_the_last_step_of_each_sample(inputs: Inputs, data: st.DataObject) -> None:
    trace, _ = computed(ManualEngine(), inputs)
    sample = data.draw(st.integers(0, inputs.batch_size - 1), "sample")
    for last in lanes(inputs.network, inputs.length(sample), sample):
        backward = inputs.network.backward(last.direction)
        assert last.timestep == last_timestep(backward, inputs.length(sample))
        assert agreement(trace, inputs.network, last, 0.0, 0.0).verdict == "equal"
        source, state = (values_at(trace, inputs.network, place) for place in places(inputs.network, last)[:2])
        np.testing.assert_array_equal(source, trace.hidden[last.index[:-1]])
        np.testing.assert_array_equal(source, state)


def test_padding_has_no_arithmetic() -> None:
    result = make_result()
    result = replace(result, inputs=replace(result.inputs, lengths=(5, 1)))
    assert padding_sentence(result.inputs, Location(timestep=4)) == ""
    assert padding_sentence(result.inputs, Location(timestep=0, sample=1)) == ""
    expected = "t = 4 is padding: sample 1 has 1 time step."
    assert padding_sentence(result.inputs, Location(timestep=4, sample=1)) == expected
    with pytest.raises(InputError) as caught:
        explain_value(result, Location(timestep=4, sample=1))
    assert str(caught.value) == expected
