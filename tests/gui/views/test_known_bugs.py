"""List of known bugs: detection by the run, and the spread of a computed one."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, known_bugs_of
from rnnviz.gui.views.known_bugs import Detection, KnownBugsView
from tests.factories import make_result, with_judgment
from tests.gui.shown import labels, texts

MISTAKE = "bug:h2h-transposed"


@pytest.fixture
def view(qtbot):
    return qtbot.on_screen(KnownBugsView(), 900, 220)


@pytest.fixture
def computed():
    return with_judgment(make_result(("gluon", "manual", MISTAKE), num_layers=2))


def test_every_known_bug_of_the_network_is_listed(view):
    result = with_judgment(make_result(cell="gru"))
    view.show_result(result, "manual")
    listed = [row[0] for row in texts(view.model)]
    assert sorted(listed) == sorted(entry.cause for entry in known_bugs_of(result.inputs.network))
    assert KNOWN_BUGS["reset-before-matmul"].cause in listed
    assert KNOWN_BUGS["gates-i-f-o-g"].cause not in listed
    assert KNOWN_BUGS["concat-swapped"].cause not in listed


def test_undetectable_bugs_are_marked(view):
    view.show_result(with_judgment(make_result(), blind=("h2h-transposed",)), "manual")
    found = dict(zip((entry.name for entry in view.entries), (r[1] for r in texts(view.model)), strict=True))
    assert found["h2h-transposed"] == Detection.UNDETECTABLE
    assert set(found.values()) == {Detection.UNDETECTABLE, Detection.DETECTABLE}
    assert view.chosen.name == "h2h-transposed"
    assert view.description.startswith("Undetectable")
    view.choose("no-h2h-bias")
    assert view.description.startswith("Detectable")


def test_the_chosen_bug_is_shown_with_its_origin(view):
    view.show_result(with_judgment(make_result()), "manual")
    view.choose("h2h-transposed")
    assert "Hidden-to-hidden weight transposed" in labels(view)
    assert KNOWN_BUGS["h2h-transposed"].origin in labels(view)


def test_the_button_requests_the_engine_of_the_bug(qtbot, view):
    view.show_result(with_judgment(make_result()), "manual")
    view.choose("h2h-transposed")
    with qtbot.waitSignal(view.bug_requested) as asked:
        qtbot.mouseClick(view.button, Qt.MouseButton.LeftButton)
    assert asked.args == [MISTAKE]


def test_arrows_read_on_and_enter_asks(qtbot, view):
    view.show_result(with_judgment(make_result()), "manual")
    view.activateWindow()
    view.table.setFocus()
    with qtbot.assertNotEmitted(view.bug_requested):
        QTest.keyClick(view.table, Qt.Key.Key_Down)
        QTest.keyClick(view.table, Qt.Key.Key_Down)
    assert view.chosen.engine == MISTAKE
    with qtbot.waitSignal(view.bug_requested) as asked:
        QTest.keyClick(view.table, Qt.Key.Key_Return)
    assert asked.args == [MISTAKE]


def test_a_computed_bug_shows_its_start_and_its_spread(qtbot, view, computed):
    view.show_result(computed, "manual")
    assert view.chosen.engine == MISTAKE
    first = computed.comparison(MISTAKE).first_mismatch
    assert view.description.startswith(f"First mismatch: {first.where}")
    assert not view.button.isVisible()
    assert [row[0] for row in texts(view.spread_model)] == ["layer 1", "layer 0"]
    counts = computed.comparison(MISTAKE).lane_mismatched[::-1, 0]
    assert [int(row[3].replace(",", "")) for row in texts(view.spread_model)] == counts.tolist()
    with qtbot.waitSignal(view.location_requested) as asked:
        qtbot.click(view.lanes, view.spread_model.index(0, 2))
    [where] = asked.args
    assert (where.layer, where.direction) == (1, 0)
    with qtbot.assertNotEmitted(view.bug_requested):
        view.table.activated.emit(view.table.currentIndex())


def test_bugs_of_the_backward_pass_spread_over_its_gradients(view):
    bug = "bug:truncated-at-one-step"

    def touch(trace):
        trace["grad.h"][0, 0, :3] += 1.0

    result = with_judgment(make_result(("gluon", "manual", bug), gradients=("gluon", bug), edits={bug: touch}))
    backward = replace(result.judgment.backward, undetectable=("forward-bias-used-twice",))
    view.show_result(replace(result, judgment=replace(result.judgment, backward=backward)), "manual")
    assert view.chosen.engine == bug
    [lane] = view.spread_model.rows
    assert (lane.first.timestep, lane.steps) == (2, 2)
    view.choose("forward-bias-used-twice")
    assert view.description.startswith("Undetectable")
    view.show_result(with_judgment(make_result(("gluon", bug), gradients=(bug,))), bug)
    view.choose("truncated-at-one-step")
    assert "no gradients" in view.description
