"""Commands of the Help menu, and the page of the guide for the focused pane."""

from typing import TYPE_CHECKING, TypeVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

import rnnviz
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.theme_manager import ThemeManager

if TYPE_CHECKING:
    from rnnviz.gui.help.panel import GuidePanel

Child = TypeVar("Child", bound=QObject)
_ABOUT = f"<b>rnnviz {rnnviz.__version__}</b><p>See and check every value in a recurrent network."
FIRST_STEPS = "first-steps"


class HelpCommands(QObject):
    """Guide, bug report and version. The panel with the guide is created on first use."""

    message = Signal(str)
    """A text for the status bar."""
    panel_wanted = Signal(object)
    """A `Panel` that the window has to show in front."""

    def __init__(self, window: QWidget, control: RunControl, theme_manager: ThemeManager) -> None:
        super().__init__(window)
        self.window, self._control, self._theme_manager = window, control, theme_manager
        self.guide: GuidePanel | None = None
        theme_manager.add(self._apply_theme)

    def open_for_focus(self) -> None:
        self.open(page_for(QApplication.focusWidget()))

    def open(self, where: str = FIRST_STEPS) -> None:
        """Open the guide at a page, or with "#" at a heading on it."""
        if self.guide is None:
            from rnnviz.gui.help.panel import GuidePanel

            self.guide = GuidePanel()
            self.guide.apply_theme(self._theme_manager.theme)
        page, _, anchor = where.partition("#")
        self.panel_wanted.emit(self.guide)
        self.guide.open(page, anchor)
        self.guide.view.setFocus()

    def report_problem(self) -> None:
        """Show the text of a bug report: versions, engines, last failure, end of the log."""
        # Imported on demand: it queries the system.
        from rnnviz.execution.log import bug_report
        from rnnviz.gui.recovery.crashes import BugReportDialog
        from rnnviz.gui.recovery.log_file import log_tail

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
        page = getattr(widget, "help_page", "")
        if page:
            return str(page)
        widget = widget.parentWidget()
    return FIRST_STEPS
