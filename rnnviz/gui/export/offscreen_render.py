"""Pictures of a finished run without a window: verdict and lanes."""

import sys
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QMessageLogContext, Qt, QtMsgType, qInstallMessageHandler
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QAbstractButton, QApplication, QVBoxLayout, QWidget

from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.export.picture import png_of, render_widget, write_picture
from rnnviz.gui.theme.fonts import use_fonts
from rnnviz.gui.theme.palettes import THEMES, ThemeName
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.io.export.pictures import LANES_IN_WORDS, ReportPicture
from rnnviz.verify.result import RunResult

_WIDTH, _HEIGHT = 1600, 1000


def save_png(
    result: RunResult,
    path: Path,
    theme: ThemeName = "light",
    width: int = _WIDTH,
    height: int = _HEIGHT,
    scale: int = 1,
) -> None:
    """Write a picture of a result as a PNG of width · scale by height · scale pixels.

    The first mismatch, if any, is selected. No display is needed.

    Raises InputError if the file cannot be written.
    """
    running = application()
    write_picture(_draw(result, theme, width, height, scale), path)
    del running


def save_report(result: RunResult, path: Path) -> None:
    """Write the report of a run with a picture of it."""
    from rnnviz.io.export.report import write_report

    write_report(result, path, [report_picture(result)])


def report_picture(result: RunResult) -> ReportPicture:
    """The picture for a report, in light and dark."""
    running = application()
    light, dark = (png_of(_draw(result, theme, _WIDTH, _HEIGHT, 1)) for theme in ("light", "dark"))
    del running
    return ReportPicture("The verdict, and the lanes below it.", LANES_IN_WORDS, _WIDTH, light, dark)


def _draw(result: RunResult, theme: str, width: int, height: int, scale: int) -> QImage:
    colors = THEMES[theme]
    sheet = QWidget()
    sheet.setAttribute(Qt.WidgetAttribute.WA_DontShowOnScreen)
    sheet.setAutoFillBackground(True)
    sheet.setPalette(colors.palette())
    layout = QVBoxLayout(sheet)
    shown = max(result.comparisons, key=lambda comparison: comparison.mismatched, default=None)
    first = None if shown is None else shown.first_mismatch
    lanes = UnrolledView(Session(result.config))
    for view, stretch in ((VerdictBar(), 0), (lanes, 1)):
        layout.addWidget(view, stretch)
        view.apply_theme(colors)
        view.show_result(result, None if shown is None else shown.candidate)
        view.show_location(Location() if first is None else first.where)
    lanes.hide_controls()
    for button in sheet.findChildren(QAbstractButton):
        # Buttons have no function in a picture.
        button.hide()
    sheet.resize(width, height)
    sheet.show()
    try:
        return render_widget(sheet, scale)
    finally:
        # A graphics view that lives until interpreter exit crashes the process.
        sheet.close()
        sheet.deleteLater()
        QCoreApplication.sendPostedEvents(sheet, QEvent.Type.DeferredDelete)


def application() -> QApplication:
    running = QApplication.instance()
    if isinstance(running, QApplication):
        return running
    qInstallMessageHandler(print_message)
    application = QApplication([sys.argv[0] or "rnnviz", "-platform", "offscreen"])
    use_fonts(application)
    return application


def print_message(_kind: QtMsgType, _context: QMessageLogContext, message: str) -> None:
    """Print Qt's messages, except those that the offscreen platform prints for every window."""
    if not message.startswith("This plugin does not support"):
        print(message, file=sys.stderr)
