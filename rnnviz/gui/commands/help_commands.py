"""Commands of the Help menu."""

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

import rnnviz
from rnnviz.gui.commands.shortcuts_dialog import ShortcutsDialog
from rnnviz.gui.help.commands import GuideCommands
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.theme.theme_manager import ThemeManager

_ABOUT = f"<b>rnnviz {rnnviz.__version__}</b><p>See and check every value in a recurrent network."


class HelpCommands(QObject):
    """Guide, keyboard shortcuts, bug report and version."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, window: QWidget, control: RunControl, theme_manager: ThemeManager) -> None:
        super().__init__(window)
        self.guide = GuideCommands(window, theme_manager)
        self._window = window
        self._control = control

    def close(self) -> None:
        """Close the guide."""
        self.guide.close()

    def show_keys(self) -> None:
        """Open the list of keyboard shortcuts."""
        ShortcutsDialog(self._window).open()

    def report_problem(self) -> None:
        """Show the text of a bug report: versions, engines, last failure, end of the log."""
        # Imported on demand: it queries the system.
        from rnnviz.execution.log import bug_report, log_tail
        from rnnviz.gui.recovery.bug_report_dialog import BugReportDialog

        failure = self._control.last_failure
        last = "" if failure is None else f"\nLast failure\n  {failure.sentence}\n{failure.traceback}"
        dialog = BugReportDialog(self._window, f"{bug_report()}{last}\nLog\n{log_tail() or '  empty'}")
        dialog.message.connect(self.message)
        dialog.open()

    def show_about(self) -> None:
        """Show the version."""
        box = QMessageBox(QMessageBox.Icon.NoIcon, "About rnnviz", _ABOUT, parent=self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIconPixmap(QApplication.windowIcon().pixmap(64, 64))
        box.open()
