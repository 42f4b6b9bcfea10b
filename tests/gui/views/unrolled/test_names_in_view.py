"""The unrolled network with a named sequence: characters or labels under the axis, features at the input's rows."""

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QPointF, QRectF

from rnnviz.core.sequence import Names
from rnnviz.core.trace_index import INPUT, Lane
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
    axis = view.parts.axis
    return axis.mapToScene(QPointF(geometry.x_of(timestep), axis.size().height() / 2.0))


def over(view: UnrolledView, cell: CellGeometry) -> QPointF:
    geometry = view.geometry_in_view
    assert geometry is not None
    return view.box.mapToScene(QRectF(*geometry.rect(cell)).center())


def written(view: UnrolledView) -> list[str]:
    return [name.text for name in view.parts.axis.names_in_view]


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
