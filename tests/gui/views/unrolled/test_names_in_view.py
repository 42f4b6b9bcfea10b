"""The unrolled network with a named sequence: characters or labels under the axis, features at the input's rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import QPointF, QRectF

from rnnviz.core.axis_labels import Names
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result

LONG = "a label that is longer than anybody would wish for, and goes on and on"


def named(timesteps: Sequence[str], features: Sequence[str] = ()) -> RunResult:
    result = make_result(timesteps=len(timesteps), input_size=3, hidden_size=4)
    return replace(result, inputs=replace(result.inputs, names=Names(timesteps, features)))


def under(view: UnrolledView, timestep: int) -> QPointF:
    """A place of the scene on the axis below a time step."""
    geometry = view.geometry_in_view
    assert geometry is not None
    axis = view._canvas.axis
    return axis.mapToScene(QPointF(geometry.x_of(timestep), axis.size().height() / 2.0))


def over(view: UnrolledView, cell: CellGeometry) -> QPointF:
    geometry = view.geometry_in_view
    assert geometry is not None
    return view.box.mapToScene(QRectF(*geometry.rect(cell)).center())


def written(view: UnrolledView) -> list[str]:
    return [name.text for name in view._canvas.axis.names_in_view]


def test_each_sample_has_its_own_names(view: UnrolledView) -> None:
    result = named("hello")
    view.show_result(replace(result, inputs=replace(result.inputs, names=Names(samples=("hello", "to")))), "manual")
    assert written(view) == list("hello")
    view.show_location(Location(sample=1))
    assert written(view) == list("to")
    assert view.description_at(under(view, 1)) == "t = 1 'o'"
    assert "t=1 'o'" in view.copy_text()


def test_a_place_is_described_with_full_names(view: UnrolledView) -> None:
    view.show_result(named(("Mon", LONG, ""), ("open", "", LONG)), "manual")
    assert view.description_at(under(view, 1)) == f"t = 1 '{LONG}'"
    assert view.description_at(under(view, 0)) == "t = 0 'Mon'"
    assert written(view)[1].endswith("…")
    assert view.description_at(over(view, CellGeometry(Lane(0, 0), 1, 2))).startswith(
        f"layer 0, forward, t = 1 '{LONG}', sample 0, unit 2\n"
    )
    assert view.description_at(over(view, CellGeometry(INPUT, 0, 0))).startswith(
        "input, t = 0 'Mon', sample 0, feature 0 'open'\n"
    )
    assert view.description_at(over(view, CellGeometry(INPUT, 2, 1))).startswith("input, t = 2, sample 0, feature 1\n")


def test_copying_includes_the_names(view: UnrolledView) -> None:
    view.show_result(named(("Mon", "", "Wed"), ("open", "", "close")), "manual")
    rows = [line.split("\t") for line in view.copy_text().splitlines()]
    assert ["input", "t=0 'Mon'", "t=1", "t=2 'Wed'"] in rows
    start = next(place for place, row in enumerate(rows) if row[0] == "input")
    assert [row[0] for row in rows[start + 1 : start + 4]] == ["open", "1", "close"]


def headers(view: UnrolledView) -> bytes:
    """The headers of the input's rows as they are drawn."""
    geometry = view.geometry_in_view
    assert geometry is not None
    lane_rect = geometry.stack.lane_rect(INPUT)
    corner = view.canvas.mapFromScene(view.box.mapToScene(QPointF(0.0, geometry.top_of(lane_rect))))
    image = view.canvas.grab().toImage().copy(0, corner.y(), corner.x(), round(lane_rect.height))
    return bytes(image.constBits())


@pytest.mark.parametrize("theme", THEMES)
def test_feature_names_are_in_the_headers_and_do_not_narrow_the_lanes(view: UnrolledView, theme: Any) -> None:
    view.apply_theme(THEMES[theme])
    view.show_result(named(("",) * 3), "manual")
    width, numbered = view.box.width(), headers(view)
    view.show_result(named(("",) * 3, ("open", "high", LONG)), "manual")
    assert view.box.width() == width
    assert headers(view) != numbered


def test_zooming_in_brings_every_name_up(view: UnrolledView) -> None:
    text = "the quick brown fox jumps over the lazy dog. " * 200
    view.show_result(named(text), "manual")
    assert 5 < len(written(view)) < 60
    view.zoom_time(500.0)
    geometry = view.geometry_in_view
    assert geometry is not None
    low, high = geometry.camera.start, geometry.camera.start + geometry.camera.span
    seen = [t for t in range(len(text)) if low <= t <= high]
    assert written(view) == [text[t].replace(" ", "␣") for t in seen]
