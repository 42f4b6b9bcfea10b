"""Commands of the Help menu, and the page of the guide for the focused pane."""

from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

import rnnviz
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.theme_manager import ThemeManager

if TYPE_CHECKING:
    from rnnviz.gui.help.window import GuideWindow

Child = TypeVar("Child", bound=QObject)
_ABOUT = f"<b>rnnviz {rnnviz.__version__}</b><p>See and check every value in a recurrent network."
FIRST_STEPS = "first-steps"

PAGES = {
    "FirstScreen": FIRST_STEPS,
    "LessonPane": "window#lessons",
    "ToolBar": "window#toolbar",
    "ConfigPanel": "configs",
    "ModelDialog": "models",
    "SweepWindow": "sweeps",
    "TrainingWindow": "training",
    "GenerateWindow": "generate",
    "ShortcutsDialog": "keys",
}
"""Page, optionally with "#" and a heading, for widgets of a class that declares no `help_page`, and their children.

Keys are class names, so that no widget is imported for this table.
"""


class HelpCommands(QObject):
    """Guide, bug report and version. The guide window is created on first use."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, window: QWidget, control: RunControl, theme_manager: ThemeManager) -> None:
        super().__init__(window)
        self.window, self._control, self._theme_manager = window, control, theme_manager
        self.guide: GuideWindow | None = None
        theme_manager.add(self._apply_theme)

    def open_for_focus(self) -> None:
        self.open(page_for(QApplication.focusWidget()))

    def open(self, where: str = FIRST_STEPS) -> None:
        """Open the guide at a page, or with "#" at a heading on it."""
        if self.guide is None:
            from rnnviz.gui.help.window import GuideWindow

            self.guide = GuideWindow(self.window)
            self.guide.apply_theme(self._theme_manager.theme)
        page, _, anchor = where.partition("#")
        self.guide.show()
        self.guide.raise_()
        self.guide.activateWindow()
        self.guide.open(page, anchor)
        self.guide.browser.setFocus()

    def close(self) -> None:
        if self.guide is not None:
            self.guide.close()

    def report_problem(self) -> None:
        """Show the text of a bug report: versions, engines, last failure, end of the log."""
        # Imported on demand: it queries the system.
        from rnnviz.execution.log import bug_report
        from rnnviz.gui.recovery.log_file import log_tail
        from rnnviz.gui.recovery.report_dialogs import BugReportDialog

        failure = self._control.last_failure
        last = "" if failure is None else f"\nLast failure\n  {failure.sentence}\n{failure.traceback}"
        dialog = BugReportDialog(self.window, f"{bug_report()}{last}\nLog\n{log_tail() or '  empty'}")
        dialog.message.connect(self.message)
        dialog.open()

    def show_about(self) -> None:
        box = QMessageBox(QMessageBox.Icon.NoIcon, "About rnnviz", _ABOUT, parent=self.window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIconPixmap(QApplication.windowIcon().pixmap(64, 64))
        box.open()

    def _apply_theme(self, theme: Theme) -> None:
        if self.guide is not None:
            self.guide.apply_theme(theme)


def child_beside(widget: QWidget | None, kind: type[Child]) -> Child | None:
    """The direct child of a kind of the widget, or of its nearest ancestor that has one."""
    while widget is not None:
        found = widget.findChild(kind, options=Qt.FindChildOption.FindDirectChildrenOnly)
        if found is not None:
            return found
        widget = widget.parentWidget()
    return None


def page_for(widget: QWidget | None) -> str:
    """The page for a widget, or for its nearest ancestor that has one."""
    while widget is not None:
        page = getattr(widget, "help_page", "") or PAGES.get(type(widget).__name__, "")
        if page:
            return str(page)
        widget = widget.parentWidget()
    return FIRST_STEPS
