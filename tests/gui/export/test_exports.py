"""Pictures, numbers and what Ctrl+C copies."""

import csv
import html
import json
import re
import threading
from base64 import b64decode
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QAction, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialogButtonBox, QFileDialog, QPushButton, QTableView
from shiboken6 import isValid

from rnnviz.core import number_format
from rnnviz.core.masks import Mask
from rnnviz.core.places import parameter_place
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.export.figure import FigureDialog, FigureOptions
from rnnviz.gui.export.picture import render_widget
from rnnviz.gui.kit.tasks import BackgroundTask
from rnnviz.io.export import data as csv_table
from rnnviz.io.model_formats.load import entries_of
from rnnviz.io.outputs import atomic_write
from rnnviz.text.verdict_text import verdict_sentence
from tests.factories import make_result
from tests.io.model_formats.sources import read_parameters

pytestmark = pytest.mark.slow


@pytest.fixture
def export(qtbot, window):
    """Asks for an export by its menu entry, answers the dialog, and waits for the file."""

    def export(entry, path):
        with qtbot.waitSignal(window.jobs.done):
            window.findChild(QAction, f"export_{entry}").trigger()
            qtbot.choose_file(window, path)
        return path

    return export


@pytest.fixture
def figure(qtbot, window):
    """Opens the dialog of a picture on a view, which is closed at the end."""
    opened = []

    def figure(title):
        window.actions_["export_picture"].trigger()
        dialog = qtbot.shown(window, FigureDialog)
        opened.append(dialog)
        dialog.view.setCurrentText(title)
        assert dialog.view.currentText() == title
        return dialog

    yield figure
    for dialog in filter(isValid, opened):
        dialog.reject()


def test_a_picture_has_the_chosen_size_in_each_format_and_the_choice_is_remembered(qtbot, window, figure, tmp_path):
    dialog = figure("Lanes")
    assert (dialog.width_.value(), dialog.height_.text(), dialog.captioned.isChecked()) == (85, "as needed", False)
    dialog.preset.setCurrentIndex(1)
    assert dialog.width_.value() == 180
    dialog.width_.setValue(100)
    assert dialog.preset.currentText() == "Other width"
    dialog.title.setText("An <RNN>")
    dialog.height_.setValue(80)
    dialog.captioned.setChecked(True)
    assert dialog.caption.toPlainText().startswith("Hidden state h of a")
    dialog.caption.setPlainText("My own words.")
    svg = dialog.layout_of(dialog.figure).encoded(".svg").decode()
    assert {"An &lt;RNN&gt;", "My own words.", "time step"} <= set(re.findall(r">\s*([^<>]+?)\s*<", svg))
    dialog.format.setCurrentText("PNG")
    dialog.resolution.setValue(254)
    dialog.legend.setChecked(False)
    dialog.accept()
    with qtbot.waitSignal(window.jobs.done):
        qtbot.choose_file(window, tmp_path / "lanes.png")
    assert QImage(str(tmp_path / "lanes.png")).size() == QSize(1000, 800)
    assert figure("Lanes").options == FigureOptions("png", 100, 80, 254, "print", legend=False)


def test_a_figure_has_no_selection_and_its_legend_can_be_left_out(window, figure):
    dialog = figure("Lanes")
    drawn = []
    for place, legend in ((Location(), True), (Location(unit=1), True), (Location(), False)):
        dialog.legend.setChecked(legend)
        window.session.set_location(place)
        drawn.append(dialog.layout_of(dialog.figure).image(96))
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_figure_of_a_view_is_what_the_screen_shows(qtbot, window, figure, tmp_path):
    dialog = figure("Lanes, as on the screen")
    layout = dialog.layout_of(dialog.figure)
    assert layout.height / layout.figure.width == pytest.approx(window.lanes.height() / window.lanes.width())
    shown = window.lanes.grab().toImage()
    image = layout.image(round(720 * shown.width() / layout.figure.width))
    assert image.pixelColor(image.rect().center()) == shown.pixelColor(shown.rect().center())


def test_the_window_is_drawn_in_strips_and_at_once_where_it_changes_meanwhile(qtbot, window, tmp_path):
    whole, events = render_widget(window, 2), []
    pause = QTimer(window, interval=0)
    pause.timeout.connect(lambda: events.append(1))
    pictures = []
    for name, change in (("one", lambda: None), ("two", lambda: window.session.set_location(Location(unit=1)))):
        pause.start()
        window.findChild(QAction, "export_png_window_2").trigger()
        change()
        with qtbot.waitSignal(window.jobs.done):
            qtbot.choose_file(window, tmp_path / f"{name}.png")
        pause.stop()
        pictures.append(QImage(str(tmp_path / f"{name}.png")))
    assert len(events) > window.height() / 40
    assert pictures[0].convertToFormat(whole.format()) == whole != pictures[1].convertToFormat(whole.format())


def test_a_figure_that_cannot_be_drawn_says_why_and_shows_no_masked_number(qtbot, window, figure):
    dialog = figure("Gradient flow")
    save = dialog.buttons.button(QDialogButtonBox.StandardButton.Save)
    qtbot.waitUntil(lambda: "backward.enabled" in dialog.preview.text())
    assert not save.isEnabled()
    dialog.view.setCurrentText("Lanes")
    qtbot.waitUntil(save.isEnabled)
    window.session.set_masked((Mask("h"),))
    svg = dialog.layout_of(dialog.figure).encoded(".svg").decode()
    value = number_format.short(abs(window.session.result["manual"].hidden[0, 0, 0, 0, 0]))
    assert ">?<" in re.sub(r"\s", "", svg)
    assert value not in svg
    dialog.view.setCurrentText("Unit over time")
    qtbot.waitUntil(lambda: "question" in dialog.preview.text())
    window.session.set_masked(())


def test_the_numbers_are_exported_as_a_table_arrays_a_summary_and_a_notebook(window, export, tmp_path):
    result, said = window.session.result, {}
    for entry, ending in (("csv", "csv"), ("npz", "npz"), ("json", "json"), ("notebook", "ipynb")):
        path = export(entry, tmp_path / f"run.{ending}")
        said[entry] = window.statusBar().currentMessage().removeprefix(f"Saved {path} ")
    with (tmp_path / "run.csv").open() as lines:
        assert len(list(csv.DictReader(lines))) == result.reference.hidden.size
    assert said["csv"] == f"({result.reference.hidden.size:,} rows)."
    with np.load(tmp_path / "run.npz") as archive:
        for name, trace in result.traces.items():
            np.testing.assert_array_equal(archive[f"{name}.hidden"], trace.hidden)
    assert json.loads((tmp_path / "run.json").read_text())["verdict"] == "agree"
    cells = json.loads((tmp_path / "run.ipynb").read_text(encoding="utf-8"))["cells"]
    last = result.config.network.num_layers - 1
    assert any(f"h_l{last} = np.zeros" in "".join(cell["source"]) for cell in cells)
    assert said["notebook"] == f"({len(cells)} cells)."


def test_contributions_of_the_selected_parameter_are_exported(qtbot, window, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(window.exports, "_ask", lambda *arguments: asked.append(arguments))
    entry = window.findChild(QAction, "export_csv_contributions")
    entry.trigger()
    assert not asked
    assert "gradients" in window.statusBar().currentMessage()
    before = window.session.state
    try:
        window.session.set_result(make_result(("manual", "bug:no-h2h-bias"), gradients=("manual",)))
        entry.trigger()
        assert not asked
        assert "Parameters" in window.statusBar().currentMessage()
        window.session.set_parameter(parameter_place(Lane(0), "h2h_bias", (1,)))
        entry.trigger()
        write = asked[0][-1]
        assert write(tmp_path / "out.csv", lambda done: None) == f"{5 * 4} rows"
        assert (tmp_path / "out.csv").read_text().startswith("layer,direction,timestep,unit,parameter,manual\n")
    finally:
        window.session.replace(before)


@pytest.mark.parametrize("ending", ["onnx", "npz"])
def test_weights_are_exported_and_verified(window, export, tmp_path, ending):
    path = tmp_path / f"w.{ending}"
    export("weights", path)
    config = window.session.result.config
    said = window.statusBar().currentMessage()
    assert said.startswith(f"Saved {path} ({config.network.parameter_count:,} weights, verified with ")
    assert ("onnxruntime" in said) == (ending == "onnx")
    read = read_parameters(path, entries_of(path)[0].name, config.network)
    for name, array in window.session.result.inputs.parameters.items():
        np.testing.assert_array_equal(read[name], array)


def test_a_report_has_the_lanes_over_the_whole_sequence(window, export, tmp_path):
    path = tmp_path / "run.html"
    export("report", path)
    text = path.read_text(encoding="utf-8")
    pictures = re.findall(r'<img class="for-\w+" src="data:image/png;base64,([^"]+)" width="(\d+)"', text)
    assert len(set(pictures)) == 2
    for content, width in pictures:
        assert QImage.fromData(b64decode(content)).width() == pytest.approx(2 * int(width), abs=1)
    assert str(verdict_sentence(window.session.result, window.session.candidate)) in html.unescape(text)
    assert window.statusBar().currentMessage() == f"Saved {path} ({path.stat().st_size:,} bytes)."


def test_an_interactive_page_begins_at_the_selected_value(window, export, tmp_path):
    path = tmp_path / "run.html"
    window.session.set_location(window.session.location.moved(unit=1))
    export("page", path)
    start = list(window.session.location.index)
    assert start[4] == 1
    assert f'"start":{start}'.replace(" ", "") in path.read_text(encoding="utf-8")
    assert window.statusBar().currentMessage() == f"Saved {path} ({path.stat().st_size:,} bytes)."


def test_a_failed_export_is_a_sentence(qtbot, window, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    window.findChild(QAction, "export_csv").trigger()
    dialog = window.findChild(QFileDialog)
    folder.rmdir()
    dialog.fileSelected.emit(str(folder / "values.csv"))
    dialog.reject()
    assert "values.csv cannot be written" in qtbot.acknowledge(window)


def test_numbers_cannot_be_exported_before_there_are_any(bare_window):
    for entry in ("csv", "page", "report", "notebook"):
        assert not bare_window.findChild(QAction, f"export_{entry}").isEnabled()
    assert bare_window.findChild(QAction, "export_png_window_1").isEnabled()
    assert not bare_window.actions_["export_picture"].isEnabled()


@pytest.fixture
def endless(monkeypatch):
    """Makes the export of the table continue, half done, until it is stopped; sets an event when it starts."""
    begun = threading.Event()

    def write_csv(_result, path, progress):
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            while True:
                progress(0.5)
                begun.set()

    monkeypatch.setattr(csv_table, "write_csv", write_csv)
    return begun


@pytest.mark.parametrize("way", ["button", "escape"])
def test_an_export_shows_how_far_it_is_and_can_be_stopped(qtbot, window, endless, press, tmp_path, way):
    path = tmp_path / "out" / "values.csv"
    path.parent.mkdir()
    assert not window.actions_["stop"].isEnabled()
    window.findChild(QAction, "export_csv").trigger()
    qtbot.choose_file(window, path)
    button = window.findChild(QPushButton, "stop_export")
    qtbot.waitUntil(button.isVisible)
    qtbot.waitUntil(lambda: "writing values.csv 50%" in window.exporting.text)
    assert button.accessibleName() == "Stop export"
    assert button.toolTip()
    assert window.actions_["stop"].isEnabled()
    with qtbot.waitSignal(window.jobs.stopped):
        if way == "button":
            QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        else:
            press(Qt.Key.Key_Escape)
    assert window.statusBar().currentMessage() == "Stopped writing values.csv. No file was written."
    assert list(path.parent.iterdir()) == []
    assert not button.isVisible()
    assert not window.actions_["stop"].isEnabled()


def test_closing_the_window_asks_about_an_export_and_finishes_or_cancels_it(qtbot, bare_window, tmp_path):
    window, path = bare_window, tmp_path / "out" / "values.csv"
    path.parent.mkdir()

    def start(*, ends):
        go = threading.Event()

        def work(progress):
            with atomic_write(path) as temporary:
                temporary.write_text("whole")
                while not (ends and go.is_set()):
                    progress(0.5)
            return "Saved."

        window.jobs.start(BackgroundTask("writing values.csv", work, writes=True))
        return go

    def answer(wanted):
        assert not window.close()
        box = qtbot.question(window)
        assert "writing values.csv" in box.text()
        assert box.defaultButton().text() == "&Finish and quit"
        qtbot.answer(window, wanted)

    go = start(ends=True)
    answer("Finish and quit")
    assert window.isVisible()
    assert "writing values.csv" in window.statusBar().currentMessage()
    answer("Go back")
    go.set()
    qtbot.waitUntil(lambda: not window.jobs.busy)
    assert window.isVisible()
    assert path.read_text() == "whole"
    start(ends=False)
    answer("Finish and quit")
    window.stop()
    qtbot.waitUntil(lambda: not window.jobs.busy)
    assert window.isVisible(), "it was stopped"
    path.unlink()
    go = start(ends=True)
    answer("Finish and quit")
    go.set()
    qtbot.waitUntil(lambda: not window.isVisible())
    assert path.read_text() == "whole"


def test_copying_copies_the_focused_view(window, press, clipboard):
    press(Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard() == window.lanes.copy_text() != ""
    assert window.statusBar().currentMessage() == "Copied."
    tables = [table for table in window.findChildren(QTableView) if table.isVisible()]
    assert tables
    for table in tables:
        table.setFocus()
        QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        assert "\t" in clipboard()


def test_without_a_focused_view_the_selected_values_are_copied_in_full(window, clipboard):
    window.session.set_location(Location(unit=3))
    window.top_line.sample.clearFocus()
    window.setFocus()
    window.actions_["copy"].trigger()
    lines = clipboard().splitlines()
    assert lines[0].split("\t") == ["engine", "layer", "direction", "timestep", "sample", "unit", "value"]
    name, *place, value = lines[1].split("\t")
    assert (name, place) == ("manual", ["0", "forward", "0", "0", "3"])
    assert np.float32(value) == window.session.result["manual"].hidden[0, 0, 0, 0, 3]


def test_an_export_over_a_file_that_the_run_reads_is_refused_and_the_file_stays(qtbot, window, tmp_path):
    path, config = tmp_path / "state.npz", window.session.config
    shape = config.network.state_shape(config.sequence.batch_size)
    np.savez(path, **dict.fromkeys(config.network.kind.state_symbols, np.full(shape, 0.5)))
    before = path.read_bytes()
    source = replace(config.initial_state, source="file", path=str(path))
    window.document.edit(replace(config, initial_state=source), "a state")
    window.control.run()
    qtbot.waitUntil(lambda: window.session.result.config.initial_state.path == str(path))
    window.findChild(QAction, "export_npz").trigger()
    dialog = window.findChild(QFileDialog)
    dialog.fileSelected.emit(str(path))
    dialog.reject()
    assert "initial_state.path" in qtbot.acknowledge(window)
    assert path.read_bytes() == before
