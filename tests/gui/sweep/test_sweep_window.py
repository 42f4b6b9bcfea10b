"""A sweep in the window: opened, shown, run, stopped, and left for the run of one of its rows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRectF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox

from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.sweep.heatmap_panel import HeatmapPanel
from rnnviz.gui.sweep.sweep_window import SweepWindow
from rnnviz.gui.theme.palettes import DARK
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps.driver import Journal, LocalScheduler, Sweeping
from rnnviz.sweeps.results import SweepTable, load_sweep_results, write_sweep_csv, write_sweep_json
from tests.profiles import nightly_except
from tests.sweeps.sweep_helpers import sweep

SWEEP = """
engines = ["onnx", "bug:no-h2h-bias"]
[network]
cell = "lstm"
input_size = 3
[sequence]
batch_size = 2
timesteps = 4
[compare]
reference = "manual"
[grid]
network.hidden_size = [4, 6]
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> SweepTable:
    """Six rows: of each size one that agrees, one that does not, and one that is refused."""
    asked = sweep()
    path = tmp_path_factory.mktemp("sweep") / "j"
    with Journal(path) as journal, LocalScheduler(("onnx",), 1) as scheduler:
        sweeping = Sweeping(asked, tuple(asked.points()), {}, load_inputs)
        rows = [*sweeping.known, *sweeping.rows(scheduler, journal)]
    return SweepTable(asked.keys, tuple(sorted(rows, key=lambda row: row.point.index)))


@pytest.fixture
def window(shared_window: MainWindow) -> Iterator[MainWindow]:
    """The module's window; each test has a separate sweep window."""
    yield shared_window
    if shared_window.sweeps.window is not None:
        shared_window.sweeps.window.close()
        shared_window.sweeps.window.deleteLater()
        shared_window.sweeps.window = None


@pytest.fixture
def opened(qtbot: Any, window: MainWindow) -> Callable[[Path], SweepWindow]:
    """Opens a file as File > Open does, and waits until the sweep's window shows it."""

    def open_(path: Path) -> SweepWindow:
        window.files.open(path)
        # The first one imports what reads sweeps, which takes longer than pytest-qt waits where others compute.
        qtbot.waitUntil(lambda: window.sweeps.window is not None and window.sweeps.window.isVisible(), timeout=60_000)
        assert window.sweeps.window is not None
        qtbot.waitUntil(lambda: window.sweeps.window.opened.path == path, timeout=60_000)
        return window.sweeps.window

    return open_


@pytest.fixture
def shown(opened: Callable[[Path], SweepWindow], results: SweepTable, tmp_path: Path) -> SweepWindow:
    write_sweep_csv(results, tmp_path / "rows.csv")
    return opened(tmp_path / "rows.csv")


def click_heading(shown: SweepWindow, heading: str) -> None:
    header = shown.table.horizontalHeader()
    column = [column.name for column in shown.model.columns].index(heading)
    shown.table.scrollTo(shown.model.index(0, column))
    at = QPoint(header.sectionViewportPosition(column) + header.sectionSize(column) // 2, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=at)


def click_row(shown: SweepWindow, row: int) -> None:
    shown.table.scrollTo(shown.model.index(row, 0))
    at = shown.table.visualRect(shown.model.index(row, 0)).center()
    QTest.mouseClick(shown.table.viewport(), Qt.MouseButton.LeftButton, pos=at)


def cell_rect(heat: HeatmapPanel, down: int, across: int) -> QRectF:
    """Rectangle of a cell in the widget of the map."""
    corners = (heat.map.view_box.mapViewToScene(QPointF(across + i, down + i)) for i in (0, 1))
    return QRectF(*(QPointF(heat.map.mapFromScene(corner)) for corner in corners)).normalized()


def texts(shown: SweepWindow, heading: str) -> list[str]:
    column = [column.name for column in shown.model.columns].index(heading)
    return [shown.model.index(row, column).data().strip() for row in range(shown.model.rowCount())]


@pytest.mark.slow
def test_results_are_sorted_and_a_click_on_a_row_runs_its_config(
    qtbot: Any, window: MainWindow, shown: SweepWindow, results: SweepTable
) -> None:
    assert shown.counts.text() == "✔ 2 agree · ✘ 2 disagree · – 2 refused"
    assert not shown.run_action.isEnabled()
    assert texts(shown, "hidden_size") == ["4", "4", "4", "6", "6", "6"]
    click_heading(shown, "error ratio")
    click_heading(shown, "error ratio")
    assert texts(shown, "verdict")[:4] == ["✘ disagree"] * 2 + ["✔ agree"] * 2
    worst = max((row for row in results.rows if row.finding), key=lambda row: row.finding.max_error_ratio or 0.0)
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        click_row(shown, 0)
    assert window.session.config == worst.point.config
    assert window.session.result is not None
    assert window.session.result.config == worst.point.config
    assert window.windowTitle() == f"rows.csv, row {worst.point.index + 1}[*]"
    assert "bug:no-h2h-bias is wrong, first at layer 0" in shown.reason.text()
    window.document.undo()
    assert window.session.config == worst.point.config


@pytest.mark.slow
def test_the_question_about_code_belongs_to_the_sweep(
    window: MainWindow, opened: Callable[[Path], SweepWindow], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("def step(x, state, p):\n    return state\n", encoding="utf-8")
    path = tmp_path / "sweep.toml"
    path.write_text(SWEEP.replace('"onnx"', '"./mine.py"'), encoding="utf-8")
    shown = opened(path)
    shown.run_action.trigger()
    (box,) = shown.findChildren(QMessageBox)
    assert box.parent() is shown
    assert "sweep" in box.text()
    box.reject()
    assert "declined" in shown.reason.text()


@pytest.mark.slow
@pytest.mark.parametrize("dark", nightly_except([False, True], False))
def test_the_heat_map_shows_number_and_verdict_of_each_cell(shown: SweepWindow, dark: bool) -> None:
    if dark:
        shown.apply_theme(DARK)
    heat = shown.heat
    assert (heat.across.currentText(), heat.down.currentText()) == ("engine", "hidden_size")
    marks = heat.map.marks
    assert [marks.text(0, column, number=False) for column in range(3)] == ["✔", "✘", "–"]
    assert marks.text(0, 0, number=True) == f"✔ {texts(shown, 'error ratio')[0]}"
    picture = heat.map.grab().toImage()
    corners = [cell_rect(heat, 0, column).topLeft() + QPointF(8, 8) for column in range(3)]
    right, wrong, refused = (picture.pixelColor(corner.toPoint()) for corner in corners)
    assert len({right.name(), wrong.name(), refused.name()}) == 3
    # Above the limit the hue is that of what is wrong.
    assert wrong.red() > wrong.green() + 60
    assert abs(right.red() - right.green()) < 30
    heat.quantity.setCurrentIndex(heat.quantity.findData("engine"))
    assert marks.text(0, 2, number=True) == "–"
    assert [text for _, text in heat.scale.ticks()]


@pytest.mark.slow
def test_a_cell_is_chosen_by_keys_and_opened_by_a_click(qtbot: Any, window: MainWindow, shown: SweepWindow) -> None:
    heat = shown.heat
    heat.map.setFocus()
    QTest.keyClick(heat.map, Qt.Key.Key_Right)
    QTest.keyClick(heat.map, Qt.Key.Key_Down)
    QTest.keyClick(heat.map, Qt.Key.Key_Right)
    assert heat.map.chosen_cell == (1, 1)
    assert heat.description.text().startswith("hidden_size 6, engine bug:no-h2h-bias: disagree, error ratio ")
    assert shown.model.row(shown.table.currentIndex().row()) == 4
    with qtbot.waitSignal(window.runner.finished, timeout=20_000):
        at = cell_rect(heat, 0, 0).center().toPoint()
        QTest.mouseClick(heat.map.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert window.session.config.compare.candidates == ("onnx",)
    assert window.session.config.network.hidden_size == 4
    # Unsaved changes of the main window are asked about.
    window.document.edit(window.session.config.with_engines(("manual", "bug:no-h2h-bias")))
    QTest.mouseClick(heat.map.viewport(), Qt.MouseButton.LeftButton, pos=at)
    box = dialog(qtbot)
    assert window.session.config.compare.candidates == ("bug:no-h2h-bias",)
    box.button(QMessageBox.StandardButton.Cancel).click()


@pytest.mark.slow
def test_a_sweep_is_run_and_opened_again_with_its_rows(
    qtbot: Any, window: MainWindow, opened: Callable[[Path], SweepWindow], tmp_path: Path
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SWEEP, encoding="utf-8")
    shown = opened(path)
    assert shown.counts.text() == "no row yet · 4 waiting"
    shown.table.selectRow(0)
    waiting = shown.reason.text()
    assert window.sweeps.runner is not None
    with qtbot.waitSignal(window.sweeps.runner.ended, timeout=30_000):
        shown.run_action.trigger()
        assert not shown.run_action.isEnabled()
        assert shown.stop_action.isEnabled()
    assert shown.counts.text() == "✔ 2 agree · ✘ 2 disagree"
    assert shown.reason.text() != waiting
    assert not shown.stop_action.isEnabled()
    write_sweep_json(shown.figures.table, tmp_path / "rows.json")
    assert opened(tmp_path / "rows.json").counts.text() == "✔ 2 agree · ✘ 2 disagree"
    assert opened(path).counts.text() == "✔ 2 agree · ✘ 2 disagree"


@pytest.mark.slow
@pytest.mark.parametrize("name", nightly_except(["saved.json", "saved.csv"], "saved.csv"))
def test_the_table_is_saved_in_the_format_of_its_ending(
    qtbot: Any, window: MainWindow, shown: SweepWindow, tmp_path: Path, name: str
) -> None:
    shown.save_action.trigger()
    dialog = shown.findChild(QFileDialog)
    with qtbot.waitSignal(window.jobs.done):
        dialog.fileSelected.emit(str(tmp_path / name))
        dialog.reject()
    saved = load_sweep_results(tmp_path / name)
    assert [row.finding for row in saved.rows] == [row.finding for row in shown.figures.rows]
    assert str(tmp_path / name) in shown.reason.text()


@pytest.mark.slow
def test_stop_keeps_the_rows_that_are_done(
    qtbot: Any, window: MainWindow, opened: Callable[[Path], SweepWindow], tmp_path: Path
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f"seeds = {list(range(200))}\n{SWEEP}", encoding="utf-8")
    shown = opened(path)
    runner = window.sweeps.runner
    assert runner is not None
    shown.run_action.trigger()
    qtbot.waitUntil(lambda: 0 < shown.figures.done < 800, timeout=60_000)
    with qtbot.waitSignal(runner.ended, timeout=10_000) as ended:
        QTest.keyClick(shown, Qt.Key.Key_Escape)
    assert ended.args == [True]
    assert shown.reason.text().startswith("Stopped. Finished rows are kept")
    shown.run_action.trigger()
    assert "Stopped" not in shown.reason.text()
    with qtbot.waitSignal(runner.ended, timeout=10_000):
        runner.stop()
    lines = (tmp_path / "s.results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == shown.figures.done < 800


@pytest.mark.slow
def test_closing_the_main_window_ends_a_sweep(
    qtbot: Any, window: MainWindow, opened: Callable[[Path], SweepWindow], tmp_path: Path
) -> None:
    path = tmp_path / "s.toml"
    path.write_text(f"seeds = {list(range(200))}\n{SWEEP}", encoding="utf-8")
    shown = opened(path)
    shown.run_action.trigger()
    qtbot.waitUntil(lambda: shown.figures.done > 0, timeout=60_000)
    window.close()
    assert not shown.isVisible()


@pytest.mark.slow
def test_a_sweep_that_is_dropped_is_opened(qtbot: Any, window: MainWindow, results: SweepTable, tmp_path: Path) -> None:
    write_sweep_json(results, tmp_path / "rows.json")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(tmp_path / "rows.json"))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(event)
    qtbot.waitUntil(lambda: window.sweeps.window is not None and window.sweeps.window.isVisible())


def dialog(qtbot: Any) -> QMessageBox:
    found: list[QMessageBox] = []

    def look() -> bool:
        found[:] = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMessageBox) and w.isVisible()]
        return len(found) == 1

    qtbot.waitUntil(look)
    return found[0]


@pytest.mark.slow
def test_a_sweep_that_is_wrong_is_a_sentence(qtbot: Any, bare_window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_text(SWEEP + "network.size = [1]\n", encoding="utf-8")
    bare_window.files.open(path)
    box = dialog(qtbot)
    assert "grid.network.size is not a known key" in box.text()
    box.close()
    assert bare_window.sweeps.window is None


@pytest.mark.slow
def test_code_that_a_sweep_names_is_asked_about(
    qtbot: Any, window: MainWindow, opened: Callable[[Path], SweepWindow], tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit\n", encoding="utf-8")
    path = tmp_path / "s.toml"
    path.write_text(SWEEP.replace('"onnx"', '"./mine.py"'), encoding="utf-8")
    shown = opened(path)
    shown.run_action.trigger()
    box = dialog(qtbot)
    assert str(tmp_path / "mine.py") in box.text()
    QTest.mouseClick(box.escapeButton(), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.reason.text() == "Not run: you declined to run code from the sweep.")
    assert shown.figures.done == 0
    assert window.sweeps.runner is not None
    assert not window.sweeps.runner.busy
