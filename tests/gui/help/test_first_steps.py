"""The guide's first page, performed as worded: a model file is checked, and a picture and a table are exported."""

import re
from pathlib import Path

import polars as pl
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMenu, QToolButton

from rnnviz.core.trace_index import Lane
from rnnviz.gui.export.figure import FigureDialog
from rnnviz.gui.first_screen.screen import FirstScreen
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.io.resources import guide_pages
from tests.gui.views.unrolled.seen import middle_of

pytestmark = pytest.mark.slow

STEP = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Reader:
    """Performs each step as worded; a step with another wording needs another action here."""

    def __init__(self, window: MainWindow, qtbot, folder: Path) -> None:
        self.window, self.qtbot, self.folder = window, qtbot, folder
        self.page = guide_pages()["first-steps"].text
        self.sample = {
            "Start rnnviz without a file. The first screen opens.": self.start,
            "Click a number in the picture. The sample model opens at it, and two engines compute it.": (
                self.open_sample
            ),
            "Read the banner above the picture. It shows the verdict. *Details* adds the largest difference.": (
                self.read_banner
            ),
            "Click *T = 16* in the line at the top, and set *time steps* to 12. The network runs again by itself.": (
                self.set_timesteps
            ),
            "Click a cell in the first column of the picture, and press **Right** three times. "
            "The selection moves to t = 3.": self.go_right,
            "Press **E**. The value card shows how the selected value is computed, term by term.": self.explain,
            "Choose *File > Export > Picture…*, set a title, and click *Save*. Name the file `sample.pdf`, and save.": (
                self.export_picture
            ),
            "Choose *File > Export > Table (CSV)…*, name the file `sample.csv`, and save.": (
                lambda: self.export(["File", "Export", "Table (CSV)…"], "sample.csv")
            ),
        }
        self.own = {
            "Choose *Help > First screen*. The first screen opens.": self.return_to_first_screen,
            "Click *Open my model*, choose `my-model.pt`, and click *Open*. The network runs.": (self.open_model),
        }

    def steps(self, heading: str) -> list[str]:
        """The numbered steps below a heading, each on one line."""
        text = CODE.sub("", self.page.partition(f"## {heading}\n")[2].partition("\n## ")[0])
        found = STEP.findall(re.sub(r"\n(?!\d+\.|\n)", " ", text).replace("\n", "\n\n"))
        assert [int(number) for number, _ in found] == list(range(1, len(found) + 1))
        return [" ".join(step.split()) for _, step in found]

    def save_weights(self) -> None:
        [code] = CODE.findall(self.page)
        exec(compile(code, "first-steps.md", "exec"), {})

    def start(self) -> None:
        self.window.first_screen.show_on_startup()
        self.window.begin(None)
        assert self.screen.isVisible()

    @property
    def screen(self) -> FirstScreen:
        return self.window.first_screen.screen

    def return_to_first_screen(self) -> None:
        self.window.actions_["first_screen"].trigger()
        assert self.screen.isVisible()

    def open_sample(self) -> None:
        with self.qtbot.finished(self.window):
            QTest.mouseClick(self.screen.picture, Qt.MouseButton.LeftButton)
        assert len(self.window.session.result.comparisons) == 1

    def open_model(self) -> None:
        [door] = [door for door in self.screen.doors if door.text() == "Open my model"]
        QTest.mouseClick(door, Qt.MouseButton.LeftButton)
        with self.qtbot.finished(self.window):
            self.answer("my-model.pt")
        assert self.window.session.result.config.network.hidden_size == 6

    def read_banner(self) -> None:
        assert "agree" in self.window.verdict.text
        assert self.window.lanes.isVisible()
        self.window.verdict.toggle_details()
        assert "difference" in self.window.verdict.facts.plain
        self.window.verdict.toggle_details()

    def set_timesteps(self) -> None:
        line = self.window.top_line.settings
        [setting] = [button for button in line.findChildren(QToolButton) if button.text() == "T = 16"]
        QTest.mouseClick(setting, Qt.MouseButton.LeftButton)
        editor = self.window.panel.field("sequence.timesteps").editor.widget
        assert editor.isVisible()
        editor.selectAll()
        with self.qtbot.finished(self.window):
            QTest.keyClicks(editor, "12")
            QTest.keyClick(editor, Qt.Key.Key_Return)
        assert self.window.session.result.shape[2] == 12

    def go_right(self) -> None:
        lanes = self.window.lanes
        at = middle_of(lanes, CellGeometry(Lane(0, 0), 0, 0)).toPoint()
        self.qtbot.mouseClick(lanes.canvas, Qt.MouseButton.LeftButton, pos=at)
        # A desktop gives the keyboard back when a dialog closes; the offscreen platform does not.
        self.window.activateWindow()
        self.qtbot.waitUntil(self.window.isActiveWindow)
        for _ in range(3):
            QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Right)
        assert self.window.session.location.timestep == 3

    def explain(self) -> None:
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_E)
        assert self.window.value.isVisible()
        assert self.window.value.arithmetic.equations.hasFocus()

    def export(self, way: list[str], name: str) -> None:
        *headings, entry = way
        menus = {menu.title().replace("&", ""): menu for menu in self.window.findChildren(QMenu)}
        offered = self.window.menuBar().actions()
        for heading in headings:
            assert menus[heading].menuAction() in offered
            offered = menus[heading].actions()
        [action] = [action for action in offered if action.text().replace("&", "") == entry]
        with self.qtbot.waitSignal(self.window.jobs.done):
            action.trigger()
            self.answer(name)

    def export_picture(self) -> None:
        self.window.actions_["export_picture"].trigger()
        [dialog] = self.window.findChildren(FigureDialog)
        dialog.title.setText("Sample model")
        with self.qtbot.waitSignal(self.window.jobs.done):
            dialog.accept()
            self.answer("sample.pdf")

    def answer(self, name: str) -> None:
        """Choose a file in the dialog that is open."""
        self.qtbot.choose_file(self.window, self.folder / name)


def test_the_first_page_leads_to_a_picture_and_a_table_of_the_sample_model(bare_window, qtbot, tmp_path):
    reader = Reader(bare_window, qtbot, tmp_path)
    assert reader.steps("Check the sample model") == list(reader.sample)
    for act in reader.sample.values():
        act()
    assert (tmp_path / "sample.pdf").read_bytes().startswith(b"%PDF-")
    table = pl.read_csv(tmp_path / "sample.csv")
    layers, timesteps, samples, units = 2, 12, bare_window.session.config.sequence.batch_size, 6
    assert table.height == layers * timesteps * samples * units
    assert {*bare_window.session.result.traces, "abs_error"} <= set(table.columns)
    assert not table["mismatch"].any()


def test_the_first_page_leads_to_a_run_of_a_model_that_pytorch_saved(bare_window, qtbot, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    reader = Reader(bare_window, qtbot, tmp_path)
    assert reader.steps("Check your own model") == list(reader.own)
    reader.save_weights()
    for act in reader.own.values():
        act()
    assert bare_window.session.result.config.parameters.path == str(tmp_path / "my-model.pt")
