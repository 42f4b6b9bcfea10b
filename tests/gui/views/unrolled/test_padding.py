"""Padding in the lanes: it looks like nothing else, has no numbers and cannot be selected."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnnviz.core import number_format
from rnnviz.core.config import Config
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.gui.app_state import Limit, RangeName, Session
from rnnviz.gui.views.checks import ChecksTable
from rnnviz.gui.views.unrolled.colormap import PADDING
from rnnviz.gui.views.unrolled.geometry import Scale
from rnnviz.gui.views.unrolled.tiles import Request, Sheet, TileKey
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.views.unrolled.seen import legend, settled, visible_numbers

SIZE = (1000, 600)

FORWARD, BACKWARD = Lane(0, 0), Lane(0, 1)


def padded(**changes: Any) -> RunResult:
    return make_result(**{"timesteps": 5, "batch_size": 2, "lengths": [3, 5], "bidirectional": True, **changes})


def texts(view: UnrolledView, lane: Lane) -> dict[int, str]:
    """The numbers of unit 0 by time step."""
    found = visible_numbers(view)
    return {
        n.cell.timestep: n.text.replace("\N{MINUS SIGN}", "-")
        for n in found
        if (n.cell.lane, n.cell.unit) == (lane, 0) and n.text
    }


@pytest.mark.slow
def test_boxes_have_numbers_up_to_the_end_of_the_sample(qtbot: Any, view: UnrolledView) -> None:
    result = padded()
    view.show_result(result, "manual")
    h0 = result.inputs.initial_state["h"]
    for sample, length in ((0, 3), (1, 5), (0, 3)):
        view.show_location(Location(sample=sample))
        hidden = result["gluon"].hidden[0, :, :, sample, 0]
        expected = {t: number_format.short(hidden[0, t]) for t in range(length)}
        assert texts(view, FORWARD) == {-1: number_format.short(h0[0, sample, 0]), **expected}
        expected = {t: number_format.short(hidden[1, t]) for t in range(length)}
        # The backward lane begins beside its own last time step.
        assert texts(view, BACKWARD) == {**expected, length: number_format.short(h0[1, sample, 0])}
        assert set(texts(view, INPUT)) == set(range(length))
        qtbot.waitUntil(lambda: settled(view))
        assert legend(view) == (["padding"] if length < 5 else [])


@pytest.mark.parametrize("pixels", [0.5, 1.0, 3.0])
def test_padding_has_one_look_at_every_zoom(view: UnrolledView, pixels: float) -> None:
    view.show_result(padded(timesteps=400, lengths=[260, 400], hidden_size=16), "manual")
    shown = view.shown
    assert shown is not None
    tiles, sheet = shown.left.tiles, Sheet(pixels, 2.0, 1)
    for lane, units in ((FORWARD, 16), (BACKWARD, 16), (INPUT, 3)):
        end = round(260 * pixels)
        key = TileKey(tiles.style, lane, sheet, end // 256, 0)
        tile = Request(key, tiles, Scale(pixels, 400), Scale(2.0, units)).draw()
        image, padding = tile.image, shown.paint.of(lane).table[PADDING]
        assert PADDING in tile.special
        start = end % 256 + 1
        colors = {image.pixel(x, y) for x in range(start, image.width()) for y in range(image.height())}
        assert int(padding) in colors
        assert len(colors) <= 2


@pytest.mark.parametrize("name", ["auto", "lane"])
def test_colors_do_not_cover_values_in_padding(view: UnrolledView, name: RangeName) -> None:
    def fill(trace: Trace) -> None:
        trace.hidden[:] = 0.25
        trace.hidden[:, :, 260:, 0] = 9.0

    view.session.set_limit(Limit(name))
    # In a heat map, which has no initial state.
    view.show_result(padded(timesteps=400, lengths=[260, 400], hidden_size=16, edits={"gluon": fill}), "manual")
    assert view.shown is not None
    assert view.shown.paint.hidden.scale.high < 0.5


def test_the_selection_stays_before_padding() -> None:
    result = padded()
    session = Session(Config.from_mapping(result.config.to_mapping()))
    session.set_result(result)
    session.set_location(Location(sample=1, timestep=4))
    assert (session.location.timestep, session.length) == (4, 5)
    session.set_location(session.location.moved(sample=0))
    assert (session.location.timestep, session.length) == (2, 3)


def test_a_check_that_fails_by_a_known_issue_is_not_counted(qtbot: Any) -> None:
    result = padded()
    issue = replace(result.checks[0], holds=False, known_issue="a bug of the library")
    table = ChecksTable()
    qtbot.addWidget(table)
    table.show_result(replace(result, checks=(*result.checks, issue)), "manual")
    assert table.badge() == f"{len(result.checks) + 1} ✔"
    assert not result.wrong("gluon")
    assert np.isclose(sum(check.fails for check in result.checks), 0)
