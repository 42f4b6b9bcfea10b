"""Sessions in the window: saved and opened by key, and elsewhere the same pictures."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSettings, Qt
from PySide6.QtWidgets import QApplication, QMessageBox

from rnnviz.captures.rnn_capture import capture
from rnnviz.core.engine_spec import display_name
from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Limit
from rnnviz.gui.main_layout import SETTINGS, TABS, VALUE
from rnnviz.gui.recovery.session_commands import view_choices_of, view_state_of
from rnnviz.gui.views.gradient_plot import GradientFlowPlot
from rnnviz.gui.views.units_plot import UnitsPlot
from rnnviz.io.config_toml import parse_config
from rnnviz.io.session import read_session
from tests.explain.arithmetics import explain_at
from tests.gui.conftest import visible_of
from tests.gui.views.unrolled.seen import computing, picture_complete

pytestmark = pytest.mark.slow

CONTROL, ALT, SHIFT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ShiftModifier,
)
TEXT = """
network = { cell = "lstm", input_size = 3, hidden_size = 4, num_layers = 2, bidirectional = true }
sequence = { path = "x.npy" }
initial_state = { source = "normal" }
compare = { candidates = ["onnx", "bug:no-h2h-bias"] }
"""


@pytest.fixture
def window(bare_window):
    return bare_window


@pytest.fixture
def saved(qtbot, window, tmp_path):
    path = tmp_path / "mine.rnnviz"
    window.sessions.save(path)
    qtbot.waitUntil(lambda: window.document.path == path and not window.jobs.busy)
    return path


@pytest.fixture
def customized(qtbot, window, press, tmp_path):
    """The window on a config that reads a file, with a changed view state; the folder of both."""
    folder = tmp_path / "here"
    folder.mkdir()
    np.save(folder / "x.npy", np.random.default_rng(3).normal(size=(2, 40, 3)).astype(np.float32))
    with qtbot.finished(window):
        window.document.edit(parse_config(TEXT, folder))
    window.main_layout.docks.open(SETTINGS)
    window.main_layout.docks.open(VALUE)
    player = window.player
    player.toggle_loop()
    player.toggle_reveal()
    player.set_order("layers")
    player.set_factor(0.5)
    session = window.session
    session.set_candidate("bug:no-h2h-bias")
    session.set_engine("bug:no-h2h-bias")
    session.set_color_by("c")
    session.set_order("activity")
    session.set_location(Location(1, 1, 30, 1, 2))
    window.main_layout.select_tab("Units over time")
    units = window.findChild(UnitsPlot)
    for unit in (1, 3, 2):
        session.set_location(session.location.moved(unit=unit))
        if unit != 2:
            qtbot.mouseClick(units.pin_button, Qt.MouseButton.LeftButton)
    window.value.choose("Vector")
    window.value.vector.columns.choose("f", wanted=True)
    # Wide enough for every column, or the fit depends on which scroll bar appeared first.
    window.resizeDocks([window.main_layout.docks[VALUE]], [480], Qt.Orientation.Horizontal)
    window.main_layout.set_tabs_height(280)
    window.value.vector.choose("cell")
    window.lanes.zoom_time(3.0)
    press(Qt.Key.Key_Right, SHIFT)
    window.lanes.ranges.panel.box.setValue(-0.25)
    qtbot.waitUntil(lambda: picture_complete(window.lanes) and window.lanes.ranges.found is not None)
    return folder


def pictures(qtbot, window) -> list[bytes]:
    """The pixels of the lanes, the vector and the tab in front, without placeholders."""
    # A first picture requests what the last change of the state made necessary.
    window.lanes.grab()
    qtbot.waitUntil(lambda: picture_complete(window.lanes) and not computing(window.lanes))
    # The headers learn of that by an event.
    QApplication.processEvents()
    views = (window.lanes, window.value, window.main_layout.tabs.front)
    images = [view.grab().toImage() for view in views]
    return [bytes(image.constBits()) for image in images]


def assert_files_stay_with_the_session(window, qtbot, folder: Path) -> None:
    """A file that names what goes with the window would be worth nothing when it is closed."""
    window.actions_["save_as"].trigger()
    qtbot.choose_file(window, folder / "mine.toml")
    assert "x.npy, which is deleted with this window" in qtbot.acknowledge(window)
    assert not (folder / "mine.toml").exists()
    window.sessions.save(folder / "again.rnnviz", copies=False)
    qtbot.waitUntil(lambda: window.document.path == folder / "again.rnnviz")
    qtbot.waitUntil(lambda: "with 1 file." in window.statusBar().currentMessage())


def test_a_session_with_files_shows_the_same_pictures_elsewhere(
    qtbot, window, make_window, press, customized, settings, tmp_path
):
    path = customized / "mine.rnnviz"
    look = view_state_of(window)
    window.setFocus()
    press(Qt.Key.Key_S, CONTROL | ALT | SHIFT)
    assert "1 file, 1" in qtbot.choose_file(window, path)
    qtbot.waitUntil(lambda: window.windowTitle() == "mine.rnnviz[*]")
    assert not window.isWindowModified()
    # Reported by the saving thread after the window has the new name.
    qtbot.waitUntil(lambda: "with 1 file." in window.statusBar().currentMessage())
    assert window.files.recent.paths()[0] == path
    before, chosen = pictures(qtbot, window), view_choices_of(window)
    assert (chosen["Units over time"], chosen[window.value.title]) == (
        ("value", "1", "3"),
        ("page Vector", "tab cell", "f"),
    )
    assert chosen[window.lanes.title] == ("range 1 1 30 32 -0.25",)
    home = tmp_path / "another"
    home.mkdir()
    moved = Path(shutil.move(path, home / "mine.rnnviz"))
    shutil.rmtree(customized)
    settings.__init__(QSettings(str(home / "settings.ini"), QSettings.Format.IniFormat))
    other = make_window((1300, 820))
    with qtbot.finished(other):
        other.begin(moved)
    qtbot.waitUntil(lambda: other.lanes.chosen_camera() is not None)
    restored = view_state_of(other)
    # The verdict takes its lines from the lanes after the tabs have their height.
    assert (restored.upper, restored.middle) == pytest.approx((look.upper, look.middle), abs=0.03)
    assert (replace(restored, upper=look.upper, middle=look.middle), view_choices_of(other)) == (look, chosen)
    assert chosen["playback"] == ("speed 0.5", "order layers", "loop", "hide future")
    assert set(chosen["open panes"]) == {SETTINGS, VALUE, TABS} == set(other.main_layout.open_panes)
    assert (other.player.looping, other.player.revealing, other.player.factor) == (True, True, 0.5)
    assert other.document.path == moved
    assert not other.document.history.can_undo
    assert not other.isWindowModified()
    # A window whose keyboard is elsewhere is drawn in other colors.
    window.activateWindow()
    qtbot.waitUntil(lambda: picture_complete(other.lanes) and other.lanes.ranges.found is not None)
    assert_files_stay_with_the_session(other, qtbot, home)
    other.main_layout.set_tabs_height(window.main_layout.tabs.height())
    qtbot.waitUntil(lambda: pictures(qtbot, other) == before)


def test_a_session_is_saved_in_place_and_opened_by_key(qtbot, window, press, customized, tmp_path):
    path = tmp_path / "plain"
    press(Qt.Key.Key_S, CONTROL | ALT)
    qtbot.choose_file(window, path)
    path = path.with_suffix(".rnnviz")
    qtbot.waitUntil(lambda: window.document.path == path)
    window.session.set_location(Location(0, 0, 3, 0, 1))
    press(Qt.Key.Key_S, CONTROL)
    qtbot.waitUntil(lambda: not window.jobs.busy)
    saved = window.session.config
    with qtbot.finished(window):
        window.document.take(parse_config(TEXT.replace("lstm", "gru"), customized), "other")
    window.session.set_location(Location(1, 0, 0, 0, 0))
    press(Qt.Key.Key_O, CONTROL)
    with qtbot.finished(window):
        qtbot.choose_file(window, path)
    assert window.session.config == saved
    assert window.session.location == Location(0, 0, 3, 0, 1)
    press(Qt.Key.Key_Z, CONTROL)
    assert (window.session.config, window.document.path) == (saved, path)
    assert window.session.location == Location(0, 0, 3, 0, 1)


def test_a_session_whose_file_is_missing_names_it_and_restores_the_view_later(
    qtbot, window, make_window, customized, saved, tmp_path
):
    look, limit = view_state_of(window), Limit("fixed", -0.5, 0.5)
    window.session.set_limit(limit)
    window.sessions.save(saved)
    qtbot.waitUntil(lambda: not window.jobs.busy)
    kept = (customized / "x.npy").rename(tmp_path / "elsewhere.npy")
    other = make_window()
    other.begin(saved)
    qtbot.waitUntil(lambda: "x.npy does not exist" in other.verdict.text)
    with qtbot.finished(other):
        config = other.session.config
        other.document.edit(replace(config, sequence=replace(config.sequence, path=str(kept))))
        other.control.run()
    qtbot.waitUntil(lambda: other.session.limit == limit)
    assert view_state_of(other).location == look.location
    assert (other.session.engine, other.session.order) == (look.engine, look.order)


def test_choices_of_the_view_modify_a_session_but_looking_at_it_does_not(qtbot, window, customized, saved):
    session, units, color = window.session, window.findChild(UnitsPlot), window.session.color_by
    # Looked at: the end of the range, too, comes with another sample.
    session.set_location(Location(0, 0, 3, 0, 1))
    window.lanes.zoom_time(2.0)
    window.main_layout.select_tab("Checks")
    window.player.set_factor(2.0)
    window.player.toggle_loop()
    window.value.vector.choose("hidden")
    assert not window.isWindowModified()
    session.set_color_by("value")
    assert window.isWindowModified()
    session.set_color_by(color)
    assert not window.isWindowModified()
    units.pin_button.click()
    assert window.isWindowModified()
    assert not window.close()
    qtbot.answer(window, "Cancel")
    pinned = units.pinned
    window.files.save()
    qtbot.waitUntil(lambda: not window.isWindowModified())
    for change in (
        lambda: session.set_limit(Limit("fixed", -0.5, 0.5)),
        lambda: window.lanes.ranges.choose(0, 0, range(2, 5)),
        lambda: session.set_order("index"),
    ):
        change()
        assert window.isWindowModified()
        window.files.save()
        qtbot.waitUntil(lambda: not window.isWindowModified())
    units.choice.choose("c")
    assert window.isWindowModified()
    window.files.open(saved)
    with qtbot.finished(window):
        qtbot.answer(window, "Discard")
    qtbot.waitUntil(lambda: window.lanes.ranges.query is not None)
    assert units.pinned == pinned
    assert not window.isWindowModified()
    window.document.take(parse_config(TEXT, customized), "other")
    session.set_order("activity")
    assert not window.isWindowModified()


def test_two_windows_on_one_session_ask_before_overwriting(qtbot, window, make_window, customized, saved, tmp_path):
    other = make_window()
    with qtbot.finished(other):
        other.begin(saved)
    # What the session's view had is chosen again after the run is shown, and would be a change.
    qtbot.waitUntil(lambda: other.lanes.chosen_camera() is not None)
    other.document.edit(parse_config(TEXT.replace("num_layers = 2", "num_layers = 3"), customized))
    other.files.save()
    qtbot.waitUntil(lambda: not other.document.modified)
    # Here both share a process that computes for one at a time; a program has one for its own window.
    qtbot.idle(other)
    theirs = saved.read_bytes()
    window.document.edit(parse_config(TEXT.replace("num_layers = 2", "num_layers = 1"), customized))
    for answer in ("Cancel", "Overwrite"):
        window.files.save()
        assert f"Another window or program wrote {saved}" in qtbot.question(window).text()
        assert saved.read_bytes() == theirs
        qtbot.answer(window, answer)
        assert window.document.modified
    qtbot.waitUntil(lambda: not window.document.modified)
    assert read_session(saved, lambda: tmp_path).config.network.num_layers == 1
    # What this window has written itself is known to it.
    window.document.edit(parse_config(TEXT, customized))
    window.files.save()
    qtbot.waitUntil(lambda: not window.document.modified)
    assert not visible_of(window, QMessageBox)


def test_a_capture_is_opened_compared_explained_and_saved_again(qtbot, window, make_window, tmp_path):
    torch = pytest.importorskip("torch")
    decoder, path = torch.nn.Sequential(torch.nn.GRUCell(3, 4)), tmp_path / "loop.rnnviz"
    with capture(decoder) as captured:
        for x in torch.randn(6, 2, 3):
            decoder(x)
    captured[0].save(path)
    with qtbot.finished(window):
        window.begin(path)
    result = window.session.result
    assert window.windowTitle() == "0 (loop.rnnviz)[*]"
    assert not window.isWindowModified()
    assert display_name(result.reference.engine) == "0"
    assert (result.verdict, result.judgment.diagnoses[result.reference.engine]) == (
        "disagree",
        (("state-not-carried-between-calls",),),
    )
    assert result.comparisons[0].first_mismatch.where.timestep == 1
    assert "call to call" in window.verdict.accessibleDescription() + window.verdict.accessibleName()
    line = window.panel.field("sequence.path").editor.line
    assert line.text() == "0.pt.capture.npz"
    assert "the session contains" in line.toolTip()
    assert explain_at(result, Location(timestep=1, unit=2)).place.timestep == 1
    with qtbot.finished(window):
        compare = replace(window.session.config.compare, candidates=("manual", "torch", "onnx"))
        window.document.edit(replace(window.session.config, compare=compare))
        window.control.run()
    assert window.session.result.comparison("torch").mismatched == result.comparisons[0].mismatched
    window.sessions.save(tmp_path / "again.rnnviz")
    qtbot.waitUntil(lambda: window.document.path == tmp_path / "again.rnnviz" and not window.jobs.busy)
    path.unlink()
    other = make_window()
    with qtbot.finished(other):
        other.begin(tmp_path / "again.rnnviz")
    assert display_name(other.session.result.reference.engine) == "0"
    assert other.session.config.sequence.seams == (1, 2, 3, 4, 5)
    assert other.session.config.compare.candidates == ("manual", "torch", "onnx")


def test_the_influence_is_computed_after_a_run_and_in_a_reopened_session(
    qtbot, window, make_window, run_config, tmp_path
):
    def drawn(of) -> bool:
        flow = of.findChild(GradientFlowPlot)
        return of.session.influence is not None and flow is not None and flow.isVisible() and bool(flow.drawn)

    run_config({"cell": "gru", "input_size": 3, "hidden_size": 4}, sequence={"timesteps": 10_000, "batch_size": 1})
    window.main_layout.select_tab("Gradient flow")
    window.actions_["influence"].trigger()
    qtbot.waitUntil(lambda: drawn(window))
    with qtbot.finished(window):
        window.control.run()
    qtbot.waitUntil(lambda: drawn(window))
    path = tmp_path / "mine.rnnviz"
    window.sessions.save(path)
    qtbot.waitUntil(lambda: window.document.path == path and not window.jobs.busy)
    other = make_window((1300, 820))
    with qtbot.finished(other):
        other.begin(path)
    qtbot.waitUntil(lambda: drawn(other))
