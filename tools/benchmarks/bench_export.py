"""How fast a run leaves as files, and how much memory that takes: tables, arrays, and a picture of the whole window.

A value of a table is a number that an engine computed: rows times engines.
"""

import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from rnnviz.gui.export.picture import render_widget, write_picture
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.io.export.data import write_csv, write_npz
from rnnviz.verify.result import RunResult
from tools.benchmarks.large_results import large_result
from tools.benchmarks.private_memory import MEGABYTE, watched
from tools.benchmarks.table import Row, Table

ROUNDS = 3
UNITS = 256
SIZES = 4_000, 64_000
"""Time steps: about three million values, and fifty million."""

VALUES_A_SECOND = 5.0
MOST_MEMORY = 150.0
PICTURE_SECONDS = 2.0


def bench_files(table: Table, quick: bool) -> None:
    """CSV and NPZ of two sizes, in a process that does nothing else."""
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        for timesteps in SIZES[:1] if quick else SIZES:
            table.add(*process.submit(file_rows, timesteps).result())


def file_rows(timesteps: int) -> list[Row]:
    """The rows of one size: the median speed of some rounds, and the most memory of any."""
    # The result holds a third engine, which is the second one by another name.
    with (
        tempfile.TemporaryDirectory(prefix="rnnviz-export-") as name,
        large_result(timesteps, UNITS, 1, 1, 1) as result,
    ):
        folder = Path(name)
        values = result.reference.hidden.size * len(result.traces)
        csv_seconds, csv_memory = _measured(lambda: write_csv(result, folder / "values.csv"))
        npz_seconds, npz_memory = _measured(lambda: write_npz(result, folder / "values.npz"))
        size = (folder / "values.npz").stat().st_size
    what = f"of {values / 1e6:.0f} million values"
    return [
        Row("export", f"CSV {what}", values / csv_seconds / 1e6, "M values/s", VALUES_A_SECOND, ">="),
        Row("export", f"memory of a CSV {what}", csv_memory, "MB", MOST_MEMORY),
        Row("export", f"NPZ {what}", size / npz_seconds / 1e6, "MB/s"),
        Row("export", f"memory of an NPZ {what}", npz_memory, "MB", MOST_MEMORY),
    ]


def bench_picture(qapp: QApplication, tmp_path: Path, table: Table, quick: bool) -> None:
    """The whole window at 4 x, of a large result: drawn on the window's thread, encoded on another."""
    with large_result(*((500, 64, 1, 1, 1) if quick else (10_000, 1024, 4, 2, 1))) as result:
        for width, height in ((1600, 1000), (2560, 1440)):
            drawn, written = picture_seconds(qapp, result, width, height, tmp_path)
            where = f"window of {width} x {height} at 4 x"
            target = PICTURE_SECONDS if width == 1600 else None
            table.add(
                Row("export", f"PNG, {where}", drawn + written, "s", target),
                Row("export", f"drawing alone, {where}", drawn, "s"),
            )


def picture_seconds(
    qapp: QApplication, result: RunResult, width: int, height: int, folder: Path
) -> tuple[float, float]:
    """Seconds to draw and to write: the medians of some rounds, each with lanes that were never drawn so finely."""
    settings = Settings(QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat))
    drawn, written = [], []
    for _ in range(ROUNDS):
        window = MainWindow(settings, ThemeManager("light"))
        try:
            window.resize(width, height)
            window.show()
            _until(qapp, lambda window=window: hasattr(window, "lanes"))
            window.show_result(result)
            _settle(qapp)
            began = perf_counter()
            image = render_widget(window, 4)
            done = perf_counter()
            write_picture(image, folder / "window.png")
            drawn.append(done - began)
            written.append(perf_counter() - done)
        finally:
            window.close()
            window.deleteLater()
            _settle(qapp)
    return median(drawn), median(written)


def _until(qapp: QApplication, holds: Callable[[], bool]) -> None:
    while not holds():
        qapp.processEvents()


def _settle(qapp: QApplication) -> None:
    """Let the window do what it still has to, for a second."""
    over = perf_counter() + 1.0
    _until(qapp, lambda: perf_counter() > over)


def _measured(write: Callable[[], object]) -> tuple[float, float]:
    """Median seconds, and the most megabytes above the start; the first round warms up."""
    seconds, memory = [], []
    for turn in range(ROUNDS + 1):
        began = perf_counter()
        with watched() as peak:
            write()
        if turn:
            seconds.append(perf_counter() - began)
            memory.append(peak.above / MEGABYTE)
    return median(seconds), max(memory)
