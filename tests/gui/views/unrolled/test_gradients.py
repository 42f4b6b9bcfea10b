"""Gradients on the lanes: their numbers, colors and marks, and the logarithmic scale."""

import numpy as np

from rnnviz.core import number_format
from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.app_state import Limit
from rnnviz.gui.views.unrolled.color_bar import limit_of, ticks
from rnnviz.gui.views.unrolled.colormap import DECADES, STEPS, ColorScale
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.lane_text import describe
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.views.unrolled.seen import lane_headers, visible_outlines
from tests.gui.views.unrolled.test_gates import texts

SIZE = (1100, 700)


def spoil(trace: Trace) -> None:
    trace["grad.h"][0, 0, 2, 0, 1] += 0.5
    trace["grad.input"][1, 0, 2] += 0.5


def small(**changes: object) -> RunResult:
    edits = {"manual": spoil}
    return make_result(**{"cell": "lstm", "gradients": ("gluon", "manual"), "edits": edits, "timesteps": 4, **changes})  # type: ignore[arg-type]


def shown_numbers(array: np.ndarray) -> dict[tuple[int, ...], str]:
    return {place: number_format.error(value) for place, value in np.ndenumerate(array)}


def test_lanes_show_the_gradients_of_states_gates_the_input_and_the_initial_state(view: UnrolledView) -> None:
    result = small(lengths=(3, 4))
    view.show_result(result, "manual")
    for quantity, initial in (("grad.h", "grad.h0"), ("grad.c", "grad.c0"), ("grad.f", "")):
        view.session.set_color_by(quantity)
        trace = result["gluon"]
        written = texts(view)
        expected = shown_numbers(trace[quantity][0, 0, :3, 0])
        assert {place: written[place] for place in expected} == expected
        assert not written.get((3, 0))
        before = {place: text for place, text in written.items() if place[0] < 0}
        assert before == (
            {(-1, unit): number_format.error(v) for unit, v in enumerate(trace[initial][0, 0])} if initial else {}
        )
        assert texts(view, INPUT)[2, 1] == number_format.error(trace["grad.input"][2, 0, 1])
        assert view.color_bar.heading() == (quantity, "by gluon")
    for engine in ("gluon", "manual"):
        value = result[engine]["grad.input"][2, 0, 1]
        assert f"\n{engine} {number_format.full(value)}" in view_text(view, INPUT, 2, 1)


def view_text(view: UnrolledView, lane: Lane, timestep: int, unit: int) -> str:

    assert view.shown is not None
    return describe(view.shown, CellGeometry(lane, timestep, unit))


def test_mismatches_of_the_shown_gradient_are_marked_also_of_the_input(view: UnrolledView) -> None:
    view.show_result(small(), "manual")
    view.session.set_color_by("grad.h")
    marked = [(cell.lane, cell.timestep, cell.unit) for cell in visible_outlines(view)]
    assert marked == [(Lane(0), 2, 1), (INPUT, 1, 2)]
    assert [header.agrees for header in lane_headers(view)] == [False, False]
    assert "difference 0.5" in view_text(view, Lane(0), 2, 1)
    assert "difference 0.5" in view_text(view, INPUT, 1, 2)
    view.session.set_color_by("grad.c")
    assert [cell.lane for cell in visible_outlines(view)] == [INPUT]


def test_of_an_engine_without_gradients_those_of_another_are_shown_without_marks(view: UnrolledView) -> None:
    result = small(gradients=("manual",))
    view.show_result(result, "manual")
    view.session.set_color_by("grad.h")
    assert view.color_bar.heading() == ("grad.h", "by manual")
    assert texts(view)[2, 1] == number_format.error(result["manual"]["grad.h"][0, 0, 2, 0, 1])
    assert visible_outlines(view) == []
    assert "gluon not given" in view_text(view, Lane(0), 2, 1)
    view.show_result(make_result(cell="lstm", timesteps=4), "manual")
    assert view.color_bar.heading() == ("h of gluon",)


def test_the_logarithmic_scale_resolves_each_decade_and_is_kept(view: UnrolledView) -> None:
    scale = ColorScale(-1.0, 1.0, decades=DECADES)
    places = scale.indices(np.array([-1.0, -1e-3, 0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1.0, 2.0, np.nan]))
    assert places[2] == (STEPS - 1) // 2
    assert np.diff(places[2:8].astype(int)).min() >= (STEPS - 1) // 2 // 8
    assert places[1] == STEPS - 1 - places[5]
    assert (places[0], places[7]) == (0, STEPS - 1)
    assert (places[8:] >= STEPS).all()
    assert [value for value, _ in ticks(scale, 7.0)] == [-1.0, -0.01, -1e-4, 0.0, 1e-4, 0.01, 1.0]
    view.show_result(small(), "manual")
    view.session.set_color_by("grad.h")
    view.toggle_logarithmic()
    assert view.shown is not None
    assert view.shown.paint.hidden.scale.decades == DECADES
    assert limit_of(view.save_state()[0]) == view.session.limit == Limit(logarithmic=True)
    view.scale_range(2.0)
    assert view.session.limit.logarithmic
    view.session.set_color_by("i")
    assert view.shown.paint.hidden.scale.decades == 0


def test_a_click_on_a_gradient_selects_its_place(view: UnrolledView) -> None:
    view.show_result(small(), "manual")
    view.session.set_color_by("grad.h")
    asked: list[Location] = []
    view.location_requested.connect(asked.append)

    view._point(CellGeometry(Lane(0), 2, 3))
    assert asked == [Location(0, 0, 2, 0, 3)]


def test_gradients_of_the_input_and_of_an_initial_state_lead_to_their_explanation(view: UnrolledView) -> None:
    view.show_result(small(), "manual")
    view.session.set_color_by("grad.c")
    asked: list[object] = []
    view.explanation_requested.connect(asked.append)
    for lane, timestep in ((INPUT, 2), (Lane(0), -1), (Lane(0), 1)):
        view._explain(CellGeometry(lane, timestep, 1))
    where = Location(0, 0, 1, 0, 1)
    assert asked[1:] == [Place("grad.c0", (0, 0, 1)), Place.at("grad.c", where)]
    assert (asked[0].is_gradient, asked[0].kind) == (True, "input")
