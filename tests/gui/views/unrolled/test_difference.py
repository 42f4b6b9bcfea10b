"""Two engines on the same lanes: their difference."""

import numpy as np
from PySide6.QtCore import QPointF

from rnnviz.core import number_format
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.view import UnrolledView
from tests.gui.views.unrolled.two_engines import BOTH_THEMES, LANE, color_of, small, spoil, texts

SIZE = (1000, 600)


def tooltip(view: UnrolledView, cell: CellGeometry) -> str:
    x, y, width, height = view.geometry_in_view.rect(cell)
    return view.description_at(view.box.mapToScene(QPointF(x + width / 2.0, y + height / 2.0)))


def rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:], 16)


def test_differences_are_the_candidates_numbers_less_the_references(view: UnrolledView) -> None:
    result = small()
    view.show_result(result, "manual")
    view.session.set_color_by("difference")
    r, c = (result[name].hidden[0, 0, :, 0].astype(np.float64) for name in ("gluon", "manual"))
    computed = {(t, unit): number_format.error((c - r)[t, unit]) for t in range(4) for unit in range(10)}
    assert texts(view) == computed | {(-1, unit): "0" for unit in range(10)}
    assert [computed[1, unit] for unit in (0, 1, 4)] == ["0.5", "-0.25", "0"]
    assert texts(view, INPUT)[2, 3] == number_format.short(result.inputs.sequence[2, 0, 3])
    view.session.set_engine("manual")
    assert texts(view)[1, 1] == "-0.25"
    view.session.set_color_by("value")
    assert texts(view)[1, 1] == number_format.short(result["manual"].hidden[0, 0, 1, 0, 1])


@BOTH_THEMES
def test_equal_numbers_are_neutral_and_the_largest_difference_has_the_last_color(
    view: UnrolledView, theme: Theme
) -> None:
    view.apply_theme(theme)
    view.show_result(small(), "manual")
    view.session.set_color_by("difference")
    neutral, above = rgb(theme.diverging[3]), rgb(theme.diverging[-1])
    assert np.abs(np.subtract(color_of(view, CellGeometry(LANE, 2, 6)), neutral)).max() <= 2
    assert color_of(view, CellGeometry(LANE, 1, 0)) == above
    red, _, blue = color_of(view, CellGeometry(LANE, 1, 1))
    assert blue > red + 20


def test_engines_that_agree_to_the_last_bit_are_neutral_everywhere(view: UnrolledView) -> None:
    view.show_result(small(edits={}), "manual")
    view.session.set_color_by("difference")
    assert set(texts(view).values()) == {"0"}
    assert np.abs(np.subtract(color_of(view, CellGeometry(LANE, 1, 0)), rgb(LIGHT.diverging[3]))).max() <= 2


def test_the_color_bar_names_both_engines_and_a_users_file_by_its_name(view: UnrolledView) -> None:
    view.show_result(small(), "manual")
    assert view.color_bar.heading() == ("h of gluon",)
    view.session.set_color_by("difference")
    assert view.color_bar.heading() == ("manual", "− gluon")
    own = "/home/somebody/mine.py"
    view.show_result(small(engines=("gluon", own), edits={own: spoil}), own)
    assert view.color_bar.heading() == ("mine.py", "− gluon")
    assert "mine.py − gluon" in view.accessibleDescription()
    assert "mine.py − gluon" in view.description_at(view.color_bar.sceneBoundingRect().center())


def test_a_nonfinite_difference_is_spelled_out_and_two_nans_do_not_differ(view: UnrolledView) -> None:
    def one(trace: Trace) -> None:
        trace.hidden[0, 0, 0, 0, :2] = np.nan

    def other(trace: Trace) -> None:
        trace.hidden[0, 0, 0, 0, 1:5] = np.nan, np.nan, np.inf, -np.inf

    view.show_result(small(edits={"gluon": one, "manual": other}), "manual")
    view.session.set_color_by("difference")
    assert [texts(view)[0, unit] for unit in range(6)] == ["NaN", "0", "NaN", "infinity", "-infinity", "0"]
    assert color_of(view, CellGeometry(LANE, 0, 3))[1] in (rgb(LIGHT.infinite)[1], rgb(LIGHT.base)[1])


def test_a_difference_is_shown_in_full_in_tooltip_and_copy(view: UnrolledView) -> None:
    result = small()
    view.show_result(result, "manual")
    view.session.set_color_by("difference")
    at = 0, 0, 1, 0, 2
    exact = float(result["manual"].hidden[at]) - float(result["gluon"].hidden[at])
    assert f"manual − gluon = {number_format.full(exact)}" in tooltip(view, CellGeometry(LANE, 1, 2))
    lines = view.copy_text().splitlines()
    assert lines[0].split("\t")[0] == "layer 0 → forward: manual − gluon"
    assert float(lines[1 + 2].split("\t")[3]) == exact
