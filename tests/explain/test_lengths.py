"""The arithmetic of a sample with padding: that of the sample alone; padding has none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.explain.explanation import padding_sentence
from tests.engines.test_lengths import alone, padded_inputs
from tests.explain.arithmetics import breakdown_at, explain_at
from tests.factories import make_result
from tests.oracles.computed import computed
from tests.padded import trace_alone
from tests.verify.audit_helpers import inputs_of


@given(inputs=padded_inputs(), data=st.data())
def test_a_step_is_explained_as_that_of_the_sample_alone(inputs, data):
    trace, _ = computed(ManualEngine(), inputs)
    if data.draw(st.booleans(), "without cell states"):
        trace = trace.with_arrays({"c": None})
    sample = data.draw(st.integers(0, inputs.batch_size - 1), "sample")
    length = inputs.length(sample)
    layer, direction, _, _, unit = (data.draw(st.integers(0, size - 1)) for size in trace.shape)
    where = Location(layer, direction, data.draw(st.integers(0, length - 1), "t"), sample, unit)
    own = breakdown_at(inputs, trace, where)
    expected = breakdown_at(alone(inputs, sample), trace_alone(trace, inputs, sample), where.moved(sample=0))
    assert own.before == expected.before
    assert [state.value for state in own.previous] == [state.value for state in expected.previous]
    assert own.outcomes == expected.outcomes
    for vector, other in zip(own.read, expected.read, strict=True):
        np.testing.assert_array_equal(vector.values, other.values)
    assert [line.value for line in own.lines] == [line.value for line in expected.lines]
    first = where.timestep == (length - 1 if inputs.network.backward(direction) else 0)
    assert (own.previous[0].source.kind == "initial") == first


def test_padding_has_no_arithmetic():
    result = make_result()
    result = replace(result, inputs=replace(result.inputs, lengths=(5, 1)))
    assert padding_sentence(result.inputs, Location(timestep=4)) == ""
    assert padding_sentence(result.inputs, Location(timestep=0, sample=1)) == ""
    expected = "t = 4 is padding: sample 1 has 1 time step."
    assert padding_sentence(result.inputs, Location(timestep=4, sample=1)) == expected
    with pytest.raises(InputError) as caught:
        explain_at(result, Location(timestep=4, sample=1))
    assert str(caught.value) == expected


def test_a_projection_wider_than_the_cell_is_explained():
    network = {"cell": "lstm", "input_size": 3, "hidden_size": 2, "projection_size": 5}
    inputs = inputs_of({"timesteps": 3, "batch_size": 2}, **network)
    trace, _ = computed(ManualEngine(), inputs)
    own = breakdown_at(inputs, trace, Location(0, 0, 2, 1, 4))
    assert own.right
    assert own.outcomes[-1].stored == trace.hidden[0, 0, 2, 1, 4]
