"""Pictures, numbers and what Ctrl+C copies."""

import csv
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog, QMessageBox, QTableView

from rnnviz.gui.exporting.pictures import write_png
from rnnviz.gui.exporting.snapshot import save_png
from rnnviz.gui.running.jobs import Job, Jobs
from rnnviz.model.errors import InputError
from rnnviz.model.location import Location
from tests.made_results import made_result


@pytest.fixture
def export(qtbot, window):
    """Asks for an export by its menu entry, and answers the dialog."""

    def export(entry: str, path: Path) -> None:
        window.findChild(QAction, f"export_{entry}").trigger()
        dialog = next(dialog for dialog in window.findChildren(QFileDialog) if dialog.isVisible())
        dialog.setDirectory(str(path.parent))
        dialog.selectFile(str(path))
        dialog.accept()

    return export


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_picture_of_the_window_has_so_many_times_its_pixels(qtbot, window, export, tmp_path, scale):
    path = tmp_path / "window.png"
    with qtbot.waitSignal(window.jobs.done, timeout=20_000):
        export(f"png_window_{scale}", path)
    image = QImage(str(path))
    assert image.size() == window.size() * scale
    assert f"{image.width():,} × {image.height():,} pixels" in window.statusBar().currentMessage()


def test_a_picture_of_every_view_can_be_made_even_of_one_behind_a_tab(qtbot, window, export, tmp_path):
    for view in window.views:
        path = tmp_path / f"{view.title}.png"
        with qtbot.waitSignal(window.jobs.done, timeout=20_000):
            export(f"png_{view.title}_2", path)
        image = QImage(str(path))
        assert image.size() == view.size() * 2
        assert image.width() > 200
        assert len({image.pixel(x, y) for x in range(0, image.width(), 5) for y in range(0, image.height(), 5)}) > 3


def test_the_table_is_exported_with_a_row_for_every_value(qtbot, window, export, tmp_path):
    path = tmp_path / "values.csv"
    with qtbot.waitSignal(window.jobs.done, timeout=20_000):
        export("csv", path)
    with path.open() as lines:
        rows = list(csv.DictReader(lines))
    size = window.session.result.reference.hidden.size
    assert len(rows) == size
    assert window.statusBar().currentMessage() == f"Saved {path} ({size:,} rows)."


def test_arrays_and_summary_are_exported(qtbot, window, export, tmp_path):
    for entry in ("npz", "json"):
        with qtbot.waitSignal(window.jobs.done, timeout=20_000):
            export(entry, tmp_path / f"run.{entry}")
    with np.load(tmp_path / "run.npz") as archive:
        np.testing.assert_array_equal(archive["gluon.hidden"], window.session.result["gluon"].hidden)
    assert json.loads((tmp_path / "run.json").read_text())["verdict"] == "agree"


def test_a_failed_export_is_a_sentence(qtbot, window, export, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    window.findChild(QAction, "export_csv").trigger()
    dialog = window.findChild(QFileDialog)
    folder.rmdir()
    dialog.fileSelected.emit(str(folder / "values.csv"))
    dialog.reject()
    qtbot.waitUntil(lambda: bool(window.findChildren(QMessageBox)), timeout=10_000)
    box = window.findChild(QMessageBox)
    assert "values.csv cannot be written" in box.text()
    box.accept()


def test_numbers_cannot_be_exported_before_there_are_any(bare_window):
    assert not bare_window.findChild(QAction, "export_csv").isEnabled()
    assert bare_window.findChild(QAction, "export_png_window_1").isEnabled()


def test_a_picture_keeps_the_file_that_it_cannot_replace(tmp_path, qapp):
    path = tmp_path / "picture.png"
    path.write_text("kept")
    with pytest.raises(InputError, match=r"picture\.png cannot be written"):
        write_png(QImage(), path)
    assert path.read_text() == "kept"
    assert [entry.name for entry in tmp_path.iterdir()] == ["picture.png"]


def test_a_snapshot_needs_no_window(tmp_path, qapp):
    for theme, scale in (("light", 1), ("dark", 2)):
        save_png(made_result(), tmp_path / f"{theme}.png", theme, 900, 600, scale)
        image = QImage(str(tmp_path / f"{theme}.png"))
        assert (image.width(), image.height()) == (900 * scale, 600 * scale)
    light, dark = (QImage(str(tmp_path / f"{theme}.png")).pixelColor(2, 2).lightness() for theme in ("light", "dark"))
    assert light > 200 > 60 > dark


def test_copying_takes_what_the_view_in_use_shows(window, press, clipboard):
    press(Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert clipboard() == window.lanes.copy_text() != ""
    assert window.statusBar().currentMessage() == "Copied."
    tables = [table for table in window.findChildren(QTableView) if table.isVisible()]
    assert tables
    for table in tables:
        table.setFocus()
        QTest.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
        assert "\t" in clipboard()


def test_without_a_view_in_use_the_values_at_the_cursor_are_copied_in_full(window, clipboard):
    window.session.set_location(Location(unit=3))
    window.toolbar.sample.clearFocus()
    window.setFocus()
    window.actions_["copy"].trigger()
    lines = clipboard().splitlines()
    assert lines[0].split("\t") == ["engine", "layer", "direction", "timestep", "sample", "unit", "value"]
    name, *place, value = lines[1].split("\t")
    assert (name, place) == ("gluon", ["0", "forward", "0", "0", "3"])
    assert np.float32(value) == window.session.result["gluon"].hidden[0, 0, 0, 0, 3]


def test_jobs_are_done_in_order_and_an_abandoned_one_ends_the_thread(qtbot):
    jobs = Jobs()
    told: list[str] = []
    jobs.done.connect(told.append)
    begun = threading.Event()

    def endless(progress) -> str:
        begun.set()
        while True:
            progress(0.5)

    jobs.start(Job("first", lambda progress: "one"))
    jobs.start(Job("second", lambda progress: "two"))
    jobs.start(Job("third", endless))
    qtbot.waitUntil(lambda: told == ["one", "two"] and begun.is_set())
    jobs.close()
    assert told == ["one", "two"]
