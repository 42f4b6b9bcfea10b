"""From nothing to a window: what is imported, what comes first, and what is said where no window can be."""

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtTest import QTest

from rnnviz.gui.app import NO_WINDOW, DisplayMissingError, main
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.theme.theme_manager import ThemeManager
from tests.cases import cases
from tests.programs import python

HEAVY = """
importlib.metadata jinja2 logging.handlers matplotlib multiprocessing.spawn mxnet onnx onnxruntime pandas platformdirs
psutil pyqtgraph scipy torch tqdm rnnviz.execution.child_process rnnviz.execution.supervisor rnnviz.io.inputs
rnnviz.io.model_formats.formats rnnviz.io.session rnnviz.gui.views.checks rnnviz.gui.views.different_values
rnnviz.gui.views.unrolled.view rnnviz.sweeps.grid
"""


BUILD = cases(__file__)["build"]


@pytest.mark.slow
def test_nothing_heavy_is_imported_before_the_window_is_painted(tmp_path):
    done = python("-X", "faulthandler", "-c", BUILD, tmp_path / "settings.ini", *HEAVY.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


SEARCH = cases(__file__)["search"]


@pytest.mark.slow
def test_the_program_collects_garbage_on_the_thread_of_its_window_alone(tmp_path):
    config = tmp_path / "lstm.toml"
    network = 'network = { cell = "lstm", input_size = 3, hidden_size = 4 }'
    config.write_text(f'{network}\ncompare = {{ reference = "manual", candidates = ["bug:no-h2h-bias"] }}\n')
    done = python("-X", "faulthandler", "-c", SEARCH, tmp_path / "settings.ini", config)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["0", "True", "True"]


@pytest.fixture
def window(qtbot, settings, supervisor):
    """A window that has not been shown yet."""
    window = MainWindow(settings, ThemeManager("light"), Runner(supervisor))
    yield window
    window.close()
    window.deleteLater()
    QTest.qWait(0)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.slow
def test_a_window_that_is_closed_early_starts_nothing_any_more(qtbot, window, turns):
    order: list[str] = []
    window.usable.connect(lambda: order.append("usable"))
    window.lazy_views.made.connect(lambda _view: order.append("view"))
    window.closed.connect(lambda: order.append("closed"))

    def close(left):
        if left:
            QTimer.singleShot(0, lambda: close(left - 1))
        else:
            window.close()

    window.first_painted.connect(lambda: close(turns))
    with qtbot.waitSignal(window.closed):
        window.show()
    QTest.qWait(0)
    assert order[-1] == "closed"


def test_qt_is_not_imported_before_it_is_known_that_it_can_start():
    done = python("-c", "import sys, rnnviz.gui.app; print('PySide6' in sys.modules)")
    assert done.stdout.strip() == "False"


PARTS = cases(__file__)["parts"]


@pytest.mark.slow
def test_what_needs_no_qt_is_imported_before_it():
    qt, *after = python("-c", PARTS).stdout.split()
    assert qt == "False"
    assert len([name for name in after if not name.startswith("rnnviz.gui")]) <= 5


def test_where_no_window_can_be_opened_one_sentence_has_the_reason(monkeypatch, capsys):
    def fail():
        raise DisplayMissingError("DISPLAY is not set")

    monkeypatch.setattr("rnnviz.gui.app.check_platform", fail)
    assert main(None) == NO_WINDOW
    assert capsys.readouterr().err.count("\n") == 1
