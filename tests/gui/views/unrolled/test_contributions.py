"""Contributions of time steps to a parameter's gradient: the numbers of one lane, its marked row, and its places."""

import numpy as np
import pytest

from rnnviz.core import number_format
from rnnviz.core.errors import InputError
from rnnviz.core.places import Place, parameter_place
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.explain.explanation import explain
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.lane_text import describe
from rnnviz.gui.views.unrolled.render_state import place_of
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.reading.parameter_gradients import contributions
from tests.factories import make_result
from tests.gui.views.unrolled.test_gates import texts

BOTH = ("gluon", "manual")


def test_one_lane_shows_the_contributions_of_every_time_step(view: UnrolledView) -> None:
    result = make_result(cell="gru", gradients=BOTH, timesteps=4, lengths=(3, 4), num_layers=2)
    # The second gate of unit 2.
    parameter = parameter_place(Lane(1), "i2h_weight", (6, 1))
    view.show_result(result, "manual")
    found = contributions(result, parameter, "manual")
    view.session.set_parameter(parameter)
    view.session.set_following("contributions")
    view.session.set_followed(found)
    assert (found.unit, found.samples, found.gate) == (2, 2, "z")
    bars = explain(result, parameter.gradient).breakdowns["manual"].contributions
    np.testing.assert_allclose(found.values[:, 2], bars)
    written = texts(view, Lane(1))
    # Also behind the end of the selected sample, for all samples are summed.
    assert written[3, 0] == number_format.error(found.values[3, 0])
    assert not any(text for lane in (Lane(0), INPUT) for text in texts(view, lane).values())
    assert "".join(view.color_bar.heading()[1:4]) == f"to {found.name}"
    shown, row = view.shown, view.parts.row
    assert shown is not None
    assert row.row == CellGeometry(Lane(1), 0, 2)
    assert number_format.full(found.values[3, 1]) in describe(shown, CellGeometry(Lane(1), 3, 1))
    assert not describe(shown, CellGeometry(Lane(0), 3, 1))
    where = Location(1, 0, 2, 0, 3)
    assert place_of(shown, Location(), CellGeometry(Lane(1), 2, 3)) == Place.at("grad.z", where)
    assert found.name in view.copy_text()
    picture = view.duplicate()
    assert picture._render_state().contributions is found  # type: ignore[union-attr]
    view.session.set_following(None)
    assert view.shown is not None
    assert (view.shown.contributions, row.row) == (None, None)


def test_an_engine_without_gradients_says_so() -> None:
    result = make_result(gradients=("manual",))
    with pytest.raises(InputError, match="gluon"):
        contributions(result, parameter_place(Lane(0), "h2h_bias", (1,)))
