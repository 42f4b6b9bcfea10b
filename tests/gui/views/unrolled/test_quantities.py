"""Gates, gradients, differences, influences and contributions on the lanes: their numbers, colors and marks."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor

from rnnviz.core import number_format
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.places import Place, parameter_place
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.dependence.influence import influence
from rnnviz.explain.explanation import explain
from rnnviz.gui.app_state import Limit, Session
from rnnviz.gui.theme.palettes import LIGHT
from rnnviz.gui.views.unrolled.color_range import limit_of
from rnnviz.gui.views.unrolled.colormap import DECADES, STEPS, ColorScale
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.lane_text import describe
from rnnviz.gui.views.unrolled.render_state import place_of
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.reading.parameter_gradients import contributions
from rnnviz.verify.result import RunResult
from tests.factories import adding, make_result
from tests.gui.views.unrolled import seen
from tests.gui.views.unrolled.seen import BOTH_THEMES, LANE, small
from tests.oracles.gates import gates_of

SIZE = (1100, 700)
BOTH = ("gluon", "manual")


def gated(cell: str = "lstm") -> RunResult:
    return small(cell=cell, hidden_size=6, timesteps=4, edits={"manual": adding(0.5, 0, 0, 1, 0, 3)})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cell", "quantity"),
    [
        *[("lstm", "f"), ("lstm", "c"), ("gru", "z"), ("rnn_tanh", "pre_h")],
        *[("lstm_peephole", "o"), ("lstm_coupled", "c"), ("gru_reset_before", "n")],
    ],
)
def test_the_numbers_in_the_boxes_are_the_gates(view, cell, quantity):
    result = gated(cell)
    view.show_result(result, "manual")
    view.session.set_color_by(quantity)
    expected = gates_of(result.inputs, result["gluon"].hidden)[quantity][0, 0, :, 0]
    written = seen.numbers(view)
    assert {place: written[place] for place in np.ndindex(expected.shape)} == seen.rounded(
        dict(np.ndenumerate(expected))
    )
    assert seen.numbers(view, INPUT)[2, 1] == pytest.approx(result.inputs.sequence[2, 0, 1], abs=0.0051)
    # c has a comparison of its own; all others show where h differs.
    assert [(c.timestep, c.unit) for c in seen.visible_outlines(view)] == ([] if quantity == "c" else [(1, 3)])


def test_a_norm_is_one_number_for_each_time_step_and_leaves_the_selected_unit(qtbot, view):
    result = gated()
    view.show_result(result, "manual")
    view.show_location(Location(timestep=2, unit=4))
    view.session.set_color_by("norm")
    norm = np.linalg.norm(result["gluon"].hidden[0, 0, :, 0].astype(np.float64), axis=1)
    written = {t: number for (t, _), number in seen.numbers(view).items() if t >= 0}
    assert written == seen.rounded(dict(enumerate(norm)))
    geometry = view.geometry_in_view
    with qtbot.waitSignal(view.location_requested) as asked:
        view.canvas.pointed.emit(geometry.hit(geometry.x_of(3), geometry.top_of(geometry.stack.lane_rect(LANE)) + 5.0))
    assert (asked.args[0].timestep, asked.args[0].unit) == (3, 4)


def test_a_hovered_value_is_described_in_full(view):
    result = gated("gru")
    view.show_result(result, "manual")
    view.session.set_color_by("r")
    told = view.description_at(seen.middle_of(view, CellGeometry(LANE, 3, 2)))
    value = float(told.split("r = ")[1].split(":")[0])
    assert value == pytest.approx(gates_of(result.inputs, result["gluon"].hidden)["r"][0, 0, 3, 0, 2], abs=1e-6)
    assert "reset gate" in told
    assert "r, reset gate" in view.copy_text()


def test_a_quantity_that_the_next_network_lacks_is_replaced_by_the_value_and_restored(view):
    view.show_result(gated("lstm"), "manual")
    view.session.set_color_by("f")
    view.show_result(gated("gru"), "manual")
    assert view.shown.quantity == "value"
    view.show_result(gated("lstm"), "manual")
    assert view.shown.quantity == "f"


def with_gradients(**changes: object) -> RunResult:
    """One gradient of a state and one of the input differ."""

    def edit(trace):
        trace["grad.h"][0, 0, 2, 0, 1] += 0.5
        trace["grad.input"][1, 0, 2] += 0.5

    return make_result(**{"cell": "lstm", "gradients": BOTH, "edits": {"manual": edit}, "timesteps": 4, **changes})


def told(view: UnrolledView, lane: Lane, timestep: int, unit: int) -> str:
    return describe(view.shown, CellGeometry(lane, timestep, unit))


def test_lanes_show_the_gradients_of_states_gates_the_input_and_the_initial_state(view):
    result = with_gradients(lengths=(3, 4))
    view.show_result(result, "manual")
    trace = result["gluon"]
    for quantity, initial in (("grad.h", "grad.h0"), ("grad.c", "grad.c0"), ("grad.f", "")):
        view.session.set_color_by(quantity)
        expected = dict(np.ndenumerate(trace[quantity][0, 0, :3, 0]))
        if initial:
            expected |= {(-1, unit): value for unit, value in enumerate(trace[initial][0, 0])}
        assert seen.numbers(view) == seen.rounded(expected)
        assert seen.numbers(view, INPUT)[2, 1] == pytest.approx(trace["grad.input"][2, 0, 1], abs=0.0051)
        assert (view.shown.quantity, view.shown.engine) == (quantity, "gluon")
    for engine in BOTH:
        assert f"\n{engine} {number_format.full(result[engine]['grad.input'][2, 0, 1])}" in told(view, INPUT, 2, 1)


def test_mismatches_of_the_shown_gradient_are_marked_also_of_the_input(view):
    view.show_result(with_gradients(), "manual")
    view.session.set_color_by("grad.h")
    marked = [(cell.lane, cell.timestep, cell.unit) for cell in seen.visible_outlines(view)]
    assert marked == [(LANE, 2, 1), (INPUT, 1, 2)]
    assert [header.agrees for header in seen.lane_labels(view)] == [False, False]
    assert "difference 0.5" in told(view, LANE, 2, 1)
    assert "difference 0.5" in told(view, INPUT, 1, 2)
    view.session.set_color_by("grad.c")
    assert [cell.lane for cell in seen.visible_outlines(view)] == [INPUT]


def test_of_an_engine_without_gradients_those_of_another_are_shown_without_marks(view):
    result = with_gradients(gradients=("manual",))
    view.show_result(result, "manual")
    view.session.set_color_by("grad.h")
    assert (view.shown.quantity, view.shown.engine) == ("grad.h", "manual")
    assert seen.numbers(view)[2, 1] == pytest.approx(result["manual"]["grad.h"][0, 0, 2, 0, 1], abs=0.0051)
    assert seen.visible_outlines(view) == []
    assert "gluon not given" in told(view, LANE, 2, 1)
    view.show_result(make_result(cell="lstm", timesteps=4), "manual")
    assert view.shown.quantity == "value"


def test_the_logarithmic_scale_resolves_each_decade_and_is_kept(view):
    scale = ColorScale(-1.0, 1.0, decades=DECADES)
    places = scale.indices(np.array([-1.0, -1e-3, 0.0, 1e-5, 1e-4, 1e-3, 1e-2, 1.0, 2.0, np.nan]))
    assert places[2] == (STEPS - 1) // 2
    assert np.diff(places[2:8].astype(int)).min() >= (STEPS - 1) // 2 // 8
    assert places[1] == STEPS - 1 - places[5]
    assert (places[0], places[7]) == (0, STEPS - 1)
    assert (places[8:] >= STEPS).all()
    view.show_result(with_gradients(), "manual")
    view.session.set_color_by("grad.h")
    view.toggle_logarithmic()
    assert view.shown.paint.hidden.scale.decades == DECADES
    assert limit_of(view.save_state()[0]) == view.session.limit == Limit(logarithmic=True)
    view.scale_range(2.0)
    assert view.session.limit.logarithmic
    view.session.set_color_by("i")
    assert view.shown.paint.hidden.scale.decades == 0


def test_gradients_are_selected_and_lead_to_their_explanation(view):
    view.show_result(with_gradients(), "manual")
    view.session.set_color_by("grad.c")
    selected, asked = [], []
    view.location_requested.connect(selected.append)
    view.explanation_requested.connect(asked.append)
    view.canvas.pointed.emit(CellGeometry(LANE, 2, 3))
    assert selected == [Location(0, 0, 2, 0, 3)]
    for lane, timestep in ((INPUT, 2), (LANE, -1), (LANE, 1)):
        view.canvas.opened.emit(CellGeometry(lane, timestep, 1))
    assert asked[1:] == [Place("grad.c0", (0, 0, 1)), Place.at("grad.c", Location(0, 0, 1, 0, 1))]
    assert (asked[0].is_gradient, asked[0].kind) == (True, "input")


def different(**changes: object) -> RunResult:
    edits = {"manual": adding(np.array([0.5, -0.25, 1e-7, -3e-12]), 0, 0, 1, 0, slice(4))}
    return small(**{"timesteps": 4, "edits": edits, **changes})


@pytest.fixture
def show_difference(view):
    def show(candidate="manual", **changes):
        result = different(**changes)
        view.show_result(result, candidate)
        view.session.set_color_by("difference")
        return result

    return show


def rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:], 16)


def test_differences_are_the_candidates_numbers_less_the_references(view, show_difference):
    result = show_difference()
    r, c = (result[name].hidden[0, 0, :, 0].astype(np.float64) for name in BOTH)
    # Neither the input nor the initial state has a difference.
    assert seen.numbers(view) == seen.rounded(dict(np.ndenumerate(c - r)))
    assert [seen.texts(view)[1, unit] for unit in (0, 1, 4)] == ["0.500", "-0.250", "0"]
    assert INPUT not in dict(view.geometry_in_view.picture.lanes)
    view.session.set_engine("manual")
    assert seen.texts(view)[1, 1] == "-0.250"
    view.session.set_color_by("value")
    assert seen.numbers(view)[1, 1] == pytest.approx(result["manual"].hidden[0, 0, 1, 0, 1], abs=0.0051)


@BOTH_THEMES
def test_equal_numbers_are_neutral_and_the_largest_difference_has_the_last_color(view, show_difference, theme):
    view.apply_theme(theme)
    show_difference()
    neutral, above = rgb(theme.diverging[3]), rgb(theme.diverging[-1])
    assert np.abs(np.subtract(seen.color_of(view, CellGeometry(LANE, 2, 6)), neutral)).max() <= 2
    assert seen.color_of(view, CellGeometry(LANE, 1, 0)) == above
    red, _, blue = seen.color_of(view, CellGeometry(LANE, 1, 1))
    assert blue > red + 20
    show_difference(edits={})
    assert set(seen.texts(view).values()) == {"0"}
    assert np.abs(np.subtract(seen.color_of(view, CellGeometry(LANE, 1, 0)), neutral)).max() <= 2


def test_lanes_that_agree_are_folded_and_a_click_on_a_label_opens_one(qtbot, view, show_difference):
    show_difference(bidirectional=True)
    agreeing, wrong = Lane(0, 1), LANE

    def band(lane):
        return view.geometry_in_view.stack.lane_rect(lane).band

    assert (band(agreeing), band(wrong)) == (True, False)
    geometry, canvas = view.geometry_in_view, view.canvas
    at = QPoint(20, canvas.area.top() + round(geometry.top_of(geometry.stack.lane_rect(agreeing))) + 15)
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=at)
    assert not band(agreeing)
    assert set(seen.texts(view, agreeing).values()) == {"0"}
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=QPoint(20, canvas.area.top() + 15))
    assert band(agreeing)
    view.show_location(Location(direction=1))
    assert not band(agreeing)
    show_difference(bidirectional=True, edits={})
    assert not band(agreeing)


def wrong_frames(view: UnrolledView) -> list[tuple[int, int]]:
    """First and last time step of each frame of mismatches."""
    geometry = view.geometry_in_view
    ends = [(mark.rect.x + 6.0, mark.rect.right - 6.0) for mark in view.canvas.marks["wrong"]]
    return [(round(geometry.time_at(left)), round(geometry.time_at(right))) for left, right in ends]


@pytest.mark.parametrize(
    ("samples", "times", "label"),
    [((0, 1), (0, 5), "× all differ"), ((0, 1), (2, 3), "× 40 differ"), ((0,), (2, 3), "× 20 differ")],
)
def test_one_frame_is_around_all_that_differs(view, samples, times, label):
    def edit(trace):
        for sample in samples:
            trace.hidden[0, 0, times[0] : times[1] + 1, sample] += 0.1

    view.show_result(small(timesteps=6, edits={"manual": edit}), "manual")
    assert wrong_frames(view) == [times]
    assert seen.lane_labels(view)[0].verdict == label
    view.show_location(Location(sample=1))
    assert wrong_frames(view) == ([times] if 1 in samples else [])


def test_a_users_file_is_named_by_its_name(view, show_difference):
    own = "/home/somebody/mine.py"
    show_difference(own, engines=("gluon", own), edits={})
    assert "mine.py − gluon" in view.accessibleDescription()


def test_a_nonfinite_difference_is_spelled_out_and_two_nans_do_not_differ(view, show_difference):
    values = np.array([np.nan, np.nan, np.inf, -np.inf])
    edits = {"gluon": adding(np.nan, 0, 0, 0, 0, slice(2)), "manual": adding(values, 0, 0, 0, 0, slice(1, 5))}
    show_difference(edits=edits)
    assert [seen.texts(view)[0, unit] for unit in range(6)] == ["NaN", "0", "NaN", "inf", "-inf", "0"]
    assert seen.color_of(view, CellGeometry(LANE, 0, 3))[1] in (rgb(LIGHT.infinite)[1], rgb(LIGHT.base)[1])


def test_a_difference_is_shown_in_full_in_tooltip_and_copy(view, show_difference):
    result = show_difference()
    at = 0, 0, 1, 0, 2
    exact = float(result["manual"].hidden[at]) - float(result["gluon"].hidden[at])
    assert f"manual − gluon = {number_format.full(exact)}" in view.description_at(
        seen.middle_of(view, CellGeometry(LANE, 1, 2))
    )
    lines = view.copy_text().splitlines()
    assert lines[0].split("\t")[0] == "layer 0 → forward: manual − gluon"
    assert float(lines[1 + 2].split("\t")[2]) == exact


def test_strips_show_the_influence_of_each_time_step(qtbot, view):
    result, where = make_result(cell="gru", timesteps=40, num_layers=2, bidirectional=True), Location(1, 0, 25, 1, 2)
    view.session.set_result(result)
    view.show_result(result, "manual")
    found = influence(result, where, "manual")
    view.session.set_following("influence")
    view.session.set_followed(found)
    view.show_influence(found, followed=True)
    geometry = view.geometry_in_view
    strips = view.canvas.influence.strips(geometry, LIGHT)
    assert set(strips) == {INPUT, *(Lane(layer, d) for layer in (0, 1) for d in (0, 1))}
    shares = view.canvas.influence.shares(Lane(1, 0))
    assert not shares[26:].any()
    assert (np.diff(shares[found.hidden[1, 0] > 0.0][-8:]) > 0.0).all()

    def color(lane, timestep):
        return strips[lane].image.pixelColor(round(geometry.x_of(timestep)), 0)

    assert color(Lane(1, 0), 30) == color(Lane(1, 1), 25) == QColor(LIGHT.base)
    assert color(Lane(1, 0), 25).lightness() < color(Lane(1, 0), 15).lightness()
    assert "influence on" in view.description_at(seen.middle_of(view, CellGeometry(Lane(0, 0), 20, 0)))
    view.show_influence(None, followed=False)
    assert not view.canvas.marks["influence"]


def test_one_lane_shows_the_contributions_of_every_time_step(view):
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
    # Also behind the end of the selected sample, for all samples are summed.
    assert seen.numbers(view, Lane(1))[3, 0] == pytest.approx(found.values[3, 0], abs=0.0051)
    assert not seen.texts(view) | seen.texts(view, INPUT)
    (row,) = view.canvas.marks["contributions"]
    assert row.rect.y <= view.geometry_in_view.rect(CellGeometry(Lane(1), 0, 2)).y
    assert number_format.full(found.values[3, 1]) in told(view, Lane(1), 3, 1)
    assert not told(view, LANE, 3, 1)
    where = Location(1, 0, 2, 0, 3)
    assert place_of(view.shown, Location(), CellGeometry(Lane(1), 2, 3)) == Place.at("grad.z", where)
    assert found.name in view.copy_text()
    view.session.set_following(None)
    assert view.shown.contributions is None
    assert not view.canvas.marks["contributions"]


def test_contributions_of_an_engine_without_gradients_are_a_sentence():
    result = make_result(gradients=("manual",))
    with pytest.raises(InputError, match="gluon"):
        contributions(result, parameter_place(LANE, "h2h_bias", (1,)))


def test_a_failing_run_of_a_new_document_opens_on_the_difference_of_the_wrong_engine():
    result = small(num_layers=2, edits={"manual": adding(0.5, 1, 0, 1, 0, 3)})
    session = Session(Config.from_mapping(result.config.to_mapping()))
    session.set_config(session.config)
    session.set_result(result)
    assert (session.color_by, session.engine) == ("difference", "manual")
    assert (session.location.layer, session.location.timestep) == (1, 1)
    session.set_color_by("value")
    session.set_result(small(num_layers=2, edits={"manual": adding(0.5, 0, 0, 0, 0, 3)}))
    assert (session.color_by, session.location.layer) == ("value", 1)
