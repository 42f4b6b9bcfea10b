"""A sweep in the window: opened, shown, run, stopped, and left for the run of one of its rows."""

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFileDialog

from rnnviz.gui.sweep.heatmap import HeatmapPanel
from rnnviz.gui.sweep.sweep_window import SweepWindow
from rnnviz.gui.theme.palettes import DARK
from rnnviz.io.inputs import load_inputs
from rnnviz.sweeps.driver import Journal, LocalScheduler, Sweeping
from rnnviz.sweeps.results import SweepTable, load_sweep_results, write_sweep_csv, write_sweep_json
from tests.cases import cases
from tests.profiles import nightly_except
from tests.sweeps.sweep_helpers import sweep

pytestmark = pytest.mark.slow

SWEEP = cases(__file__)["sweep"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Six rows: of each size one that agrees, one that does not, and one that is refused."""
    asked = sweep()
    path = tmp_path_factory.mktemp("sweep") / "j"
    with Journal(path) as journal, LocalScheduler(("onnx",), 1) as scheduler:
        sweeping = Sweeping(asked, tuple(asked.points()), {}, load_inputs)
        rows = [*sweeping.known, *sweeping.rows(scheduler, journal)]
    return SweepTable(asked.keys, tuple(sorted(rows, key=lambda row: row.point.index)))


@pytest.fixture
def window(window):
    yield window
    if window.sweeps.window is not None:
        window.sweeps.window.close()
        window.sweeps.window.deleteLater()
        window.sweeps.window = None


@pytest.fixture
def opened(qtbot, window):
    """Opens a file as File > Open does, and waits until the sweep's window shows it."""

    def open_(path):
        window.files.open(path)
        qtbot.waitUntil(lambda: window.sweeps.window is not None and window.sweeps.window.isVisible())
        qtbot.waitUntil(lambda: window.sweeps.window.opened.path == path)
        return window.sweeps.window

    return open_


@pytest.fixture
def shown(opened, results, tmp_path):
    write_sweep_csv(results, tmp_path / "rows.csv")
    return opened(tmp_path / "rows.csv")


def click_heading(shown: SweepWindow, heading: str) -> None:
    header = shown.table.horizontalHeader()
    column = [column.name for column in shown.model.columns].index(heading)
    shown.table.scrollTo(shown.model.index(0, column))
    at = QPoint(header.sectionViewportPosition(column) + header.sectionSize(column) // 2, header.height() // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=at)


def cell_rect(heat: HeatmapPanel, down: int, across: int) -> QRect:
    """Rectangle of a cell in the viewport of the map."""
    return heat.map.visualRect(heat.map.cells.index(down, across))


def texts(shown: SweepWindow, heading: str) -> list[str]:
    column = [column.name for column in shown.model.columns].index(heading)
    return [shown.model.index(row, column).data().strip() for row in range(shown.model.rowCount())]


def test_results_are_sorted_and_a_click_on_a_row_runs_its_config(qtbot, window, shown, results):
    assert shown.counts.text() == "✔ 2 agree · ✘ 2 disagree · – 2 refused"
    assert not shown.run_action.isEnabled()
    assert texts(shown, "hidden_size") == ["4", "4", "4", "6", "6", "6"]
    click_heading(shown, "error ratio")
    click_heading(shown, "error ratio")
    assert texts(shown, "verdict")[:4] == ["✘ disagree"] * 2 + ["✔ agree"] * 2
    worst = max((row for row in results.rows if row.finding), key=lambda row: row.finding.max_error_ratio or 0.0)
    shown.table.scrollTo(shown.model.index(0, 0))
    with qtbot.finished(window):
        qtbot.click(shown.table, shown.model.index(0, 0))
    assert window.session.config == worst.point.config
    assert window.session.result.config == worst.point.config
    assert window.windowTitle() == f"rows.csv, row {worst.point.index + 1}[*]"
    assert "bug:no-h2h-bias is wrong, first at layer 0" in shown.reason.text()
    window.document.undo()
    assert window.session.config == worst.point.config


@pytest.mark.parametrize("dark", nightly_except([False, True], False))
def test_the_heat_map_shows_number_and_verdict_of_each_cell(shown, dark):
    if dark:
        shown.apply_theme(DARK)
    heat = shown.heat
    assert (heat.across.currentText(), heat.down.currentText()) == ("engine", "hidden_size")
    cells = heat.map.cells
    assert [cells.text(0, column, number=False) for column in range(3)] == ["✔", "✘", "–"]
    assert cells.text(0, 0, number=True) == f"✔ {texts(shown, 'error ratio')[0]}"
    picture = heat.map.viewport().grab().toImage()
    corners = [cell_rect(heat, 0, column).topLeft() + QPoint(8, 8) for column in range(3)]
    right, wrong, refused = map(picture.pixelColor, corners)
    assert len({right.name(), wrong.name(), refused.name()}) == 3
    # Above the limit the hue is that of what is wrong.
    assert wrong.red() > wrong.green() + 60
    assert abs(right.red() - right.green()) < 30
    heat.quantity.setCurrentIndex(heat.quantity.findData("engine"))
    assert cells.text(0, 2, number=True) == "–"
    assert heat.scale.accessibleDescription().startswith("engine time in seconds")


def test_a_cell_is_chosen_by_keys_and_opened_by_a_click(qtbot, window, shown):
    heat = shown.heat
    heat.map.setFocus()
    QTest.keyClick(heat.map, Qt.Key.Key_Right)
    QTest.keyClick(heat.map, Qt.Key.Key_Down)
    assert heat.map.chosen_cell == (1, 1)
    assert heat.description.text().startswith("hidden_size 6, engine bug:no-h2h-bias: disagree, error ratio ")
    assert shown.model.row(shown.table.currentIndex().row()) == 4
    with qtbot.finished(window):
        at = cell_rect(heat, 0, 0).center()
        QTest.mouseClick(heat.map.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert window.session.config.compare.candidates == ("onnx",)
    assert window.session.config.network.hidden_size == 4
    # Unsaved changes of the main window are asked about.
    window.document.edit(window.session.config.with_engines(("manual", "bug:no-h2h-bias")))
    QTest.mouseClick(heat.map.viewport(), Qt.MouseButton.LeftButton, pos=at)
    qtbot.question(window)
    assert window.session.config.compare.candidates == ("bug:no-h2h-bias",)
    qtbot.answer(window, "Cancel")
    window.document.undo()


def test_a_sweep_is_run_and_opened_again_with_its_rows(qtbot, window, opened, tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(SWEEP, encoding="utf-8")
    shown = opened(path)
    assert shown.counts.text() == "no row yet · 4 waiting"
    shown.table.selectRow(0)
    waiting = shown.reason.text()
    with qtbot.waitSignal(window.sweeps.runner.ended):
        shown.run_action.trigger()
        assert not shown.run_action.isEnabled()
        assert shown.stop_action.isEnabled()
    assert shown.counts.text() == "✔ 2 agree · ✘ 2 disagree"
    assert shown.reason.text() != waiting
    assert not shown.stop_action.isEnabled()
    write_sweep_json(shown.figures.table, tmp_path / "rows.json")
    assert opened(tmp_path / "rows.json").counts.text() == "✔ 2 agree · ✘ 2 disagree"
    assert opened(path).counts.text() == "✔ 2 agree · ✘ 2 disagree"


@pytest.mark.parametrize("name", nightly_except(["saved.json", "saved.csv"], "saved.csv"))
def test_the_table_is_saved_in_the_format_of_its_ending(qtbot, window, shown, tmp_path, name):
    shown.save_action.trigger()
    dialog = shown.findChild(QFileDialog)
    with qtbot.waitSignal(window.jobs.done):
        dialog.fileSelected.emit(str(tmp_path / name))
        dialog.reject()
    saved = load_sweep_results(tmp_path / name)
    assert [row.finding for row in saved.rows] == [row.finding for row in shown.figures.rows]
    assert str(tmp_path / name) in shown.reason.text()


def test_stop_keeps_the_rows_that_are_done(qtbot, window, opened, tmp_path):
    path = tmp_path / "s.toml"
    path.write_text(f"seeds = {list(range(200))}\n{SWEEP}", encoding="utf-8")
    shown = opened(path)
    runner = window.sweeps.runner
    shown.run_action.trigger()
    qtbot.waitUntil(lambda: 0 < shown.figures.done < 800)
    with qtbot.waitSignal(runner.ended) as ended:
        QTest.keyClick(shown, Qt.Key.Key_Escape)
        assert shown.reason.text() == "Stopping…"
    assert ended.args == [True]
    assert shown.reason.text().startswith("Stopped. Finished rows are kept")
    shown.run_action.trigger()
    assert "Stopped" not in shown.reason.text()
    with qtbot.waitSignal(runner.ended):
        runner.stop()
    lines = (tmp_path / "s.results.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == shown.figures.done < 800
    shown.run_action.trigger()
    qtbot.waitUntil(lambda: shown.figures.done > len(lines))
    window.close()
    assert not shown.isVisible(), "the main window ends a sweep"


def test_a_key_closes_it(qtbot, shown):
    qtbot.activate(shown)
    QTest.keyClick(shown, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    assert not shown.isVisible()


def test_a_sweep_that_is_dropped_is_opened(qtbot, window, results, tmp_path):
    write_sweep_json(results, tmp_path / "rows.json")
    qtbot.drop(window, tmp_path / "rows.json")
    qtbot.waitUntil(lambda: window.sweeps.window is not None and window.sweeps.window.isVisible())


def test_code_that_a_sweep_names_is_asked_about(qtbot, window, opened, tmp_path):
    (tmp_path / "mine.py").write_text("raise SystemExit\n", encoding="utf-8")
    path = tmp_path / "s.toml"
    path.write_text(SWEEP.replace('"onnx"', '"./mine.py"'), encoding="utf-8")
    shown = opened(path)
    shown.run_action.trigger()
    box = qtbot.question(shown)
    assert box.parent() is shown
    assert "sweep" in box.text()
    assert str(tmp_path / "mine.py") in box.text()
    QTest.mouseClick(box.escapeButton(), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: shown.reason.text() == "Not run: you declined to run code from the sweep.")
    assert shown.figures.done == 0
    assert not window.sweeps.runner.busy
