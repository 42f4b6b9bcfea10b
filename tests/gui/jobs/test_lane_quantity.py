"""Influence and contributions follow the selection and the shown engine while they are switched on."""

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.dependence.influence import influence
from rnnviz.gui.app_state import Session
from rnnviz.gui.jobs.lane_quantity import LaneQuantityFollower
from tests.factories import make_result


@pytest.mark.slow
def test_it_follows_the_selection_until_it_is_switched_off(qtbot):
    result = make_result(cell="lstm", num_layers=2)
    session = Session(result.config)
    session.set_result(result)
    follower = LaneQuantityFollower(session)
    try:
        follower.toggle("influence")
        assert follower.busy
        qtbot.waitUntil(lambda: session.influence is not None)
        assert not follower.busy
        where = Location(1, 0, 3, 1, 2)
        session.set_location(where)
        session.set_engine("manual")
        qtbot.waitUntil(lambda: session.influence.where == where)
        expected = influence(result, where, "manual")
        np.testing.assert_array_equal(session.influence.hidden, expected.hidden)
        assert session.influence.engine == "manual"
        session.set_result(make_result(cell="gru"))
        assert session.influence is None
        qtbot.waitUntil(lambda: session.influence is not None)
        follower.toggle("influence")
        assert session.influence is None
        assert not follower.busy
    finally:
        follower.close()


@pytest.mark.slow
def test_a_key_shows_it_in_every_view_and_ends_it(qtbot, window):
    (plot,) = (view for view in window.views if view.title == "Gradient flow")
    window.actions_["influence"].trigger()
    qtbot.waitUntil(lambda: window.session.influence is not None)
    assert (plot.wanted, plot.save_state()) == ("value", ("value",))
    assert window.lanes.canvas.marks["influence"]
    window.session.set_location(window.session.location.moved(unit=1))
    qtbot.waitUntil(lambda: window.session.influence.where.unit == 1)
    plot.source.setCurrentIndex(0)
    assert window.session.following is None
    assert not window.lanes.canvas.marks["influence"]
    plot.restore_state(("value",))
    assert window.lane_quantity.busy
    window.stop()
    assert (window.session.following, plot.wanted) == (None, "loss")
