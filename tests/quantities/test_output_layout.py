"""Slices of out and state, compared with the arrays."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.quantities.steps import lane_label, map_rows, nearest_part
from rnnviz.text.config_diff import network_in_words
from tests.factories import make_result


@pytest.mark.parametrize("layout", ["NTC", "TNC"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_every_part_is_the_vector_of_the_step_that_it_names(layout: str, bidirectional: bool) -> None:
    result = make_result(cell="lstm", num_layers=2, bidirectional=bidirectional, layout=layout, timesteps=3)
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


NETWORK = make_result(cell="lstm", num_layers=2, bidirectional=True).inputs.network
ONE_WAY = replace(NETWORK, bidirectional=False, num_layers=1, cell="gru")
AT = Location(0, 1, 3, 1, 2)


def test_rows_have_a_description_and_parts_of_out_their_features() -> None:
    out, hidden, cell = map_rows(NETWORK, AT, 5)
    assert out.why == "Output of the network at the selected time step: the top layer."
    assert hidden.why == "The final hidden states, one of each layer and direction."
    assert cell.why == "The final cell states, one of each layer and direction."
    assert [part.label for part in out.parts] == ["[:4]", "[4:8]"]
    assert [part.where for part in out.parts] == [Location(1, 0, 3, 1), Location(1, 1, 3, 1)]
    lasts = [Location(0, 0, 4, 1), Location(0, 1, 0, 1), Location(1, 0, 4, 1), Location(1, 1, 0, 1)]
    assert [[part.where for part in row.parts] for row in (hidden, cell)] == [lasts, lasts]
    assert [{part.array for part in row.parts} for row in (out, hidden, cell)] == [{"h"}, {"h"}, {"c"}]
    only = map_rows(ONE_WAY, AT, 5)
    assert [[part.label for part in row.parts] for row in only] == [["[:4]"], ["0"]]


def test_the_nearest_part_has_the_same_text_else_the_same_lane_else_it_is_the_first() -> None:
    before, after = map_rows(NETWORK, AT, 5), map_rows(NETWORK, AT.moved(timestep=1, sample=0), 5)
    assert nearest_part(before, before[2].parts[3]) is before[2].parts[3]
    for row, place in ((0, 1), (1, 2), (2, 2)):
        assert nearest_part(after, before[row].parts[place]) is after[row].parts[place]
    fewer = map_rows(ONE_WAY, AT.moved(sample=0), 5)
    assert nearest_part(fewer, before[2].parts[3]) is fewer[0].parts[0]
    assert nearest_part((), before[0].parts[0]) is None


def test_a_lane_and_a_network_have_short_labels() -> None:
    assert lane_label(NETWORK, AT) == "layer 0 ←"
    assert lane_label(ONE_WAY, AT) == "layer 0"
    assert network_in_words(NETWORK) == "LSTM, 2 layers, both directions"
    assert network_in_words(ONE_WAY) == "GRU, 1 layer, one direction"
