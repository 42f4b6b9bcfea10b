"""The parts of out and state, held against the arrays that they are parts of."""

import numpy as np
import pytest

from rnnviz.analysis.network_map import map_rows
from rnnviz.model.location import Location
from tests.made_results import made_result


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_part_is_the_vector_of_the_step_that_it_names(layout: str, bidirectional: bool) -> None:
    result = made_result(cell="lstm", num_layers=2, bidirectional=bidirectional, layout=layout, timesteps=3)
    trace = result["manual"]
    names = {"out": trace.output_in(layout), "state": [trace.state_h, trace.state_c], "__builtins__": {}}
    rows = map_rows(result.inputs.network, Location(0, 0, 1, 1), 3)
    assert [row.name for row in rows] == ["out[1][1]", "state[0]", "state[1]"]
    assert trace.cell is not None
    for row in rows:
        for part in row.parts:
            array = trace.cell if part.array == "c" else trace.hidden
            assert np.array_equal(eval(part.text, names), array[part.where.index[:-1]])
    whole = np.concatenate([trace.hidden[part.where.index[:-1]] for part in rows[0].parts])
    assert np.array_equal(eval(rows[0].name, names), whole)
    lanes = 4 if bidirectional else 2
    assert [part.label for part in rows[1].parts] == [str(index) for index in range(lanes)]
