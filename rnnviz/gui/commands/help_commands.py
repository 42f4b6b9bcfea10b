"""What the Help menu does."""

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

import rnnviz
from rnnviz.gui.commands.shortcuts_dialog import HelpSheet
from rnnviz.gui.help.commands import GuideCommands
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.theme.theme_manager import Appearance

_ABOUT = f"<b>rnnviz {rnnviz.__version__}</b><p>See and check every value in a recurrent network."


class HelpCommands(QObject):
    """The guide, the keys, the version, and what a bug report needs."""

    noted = Signal(str)
    """A passing remark."""

    def __init__(self, window: QWidget, control: RunControl, appearance: Appearance) -> None:
        super().__init__(window)
        self.guide = GuideCommands(window, appearance)
        self._window = window
        self._control = control

    def close(self) -> None:
        """Close what stands beside the window."""
        self.guide.close()

    def show_keys(self) -> None:
        """List every key."""
        HelpSheet(self._window).open()

    def report_problem(self) -> None:
        """Show versions, engines, the last failure and the end of the log, to be copied."""
        # Asks the system about much that a window does not need before it is seen.
        from rnnviz.execution.doctor import report
        from rnnviz.execution.log import log_tail
        from rnnviz.gui.recovery.bug_report_dialog import ProblemDialog

        failure = self._control.last_failure
        last = "" if failure is None else f"\nLast failure\n  {failure.sentence}\n{failure.traceback}"
        dialog = ProblemDialog(self._window, f"{report()}{last}\nLog\n{log_tail() or '  empty'}")
        dialog.noted.connect(self.noted)
        dialog.open()

    def show_about(self) -> None:
        """Say which version this is."""
        box = QMessageBox(QMessageBox.Icon.NoIcon, "About rnnviz", _ABOUT, parent=self._window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIconPixmap(QApplication.windowIcon().pixmap(64, 64))
        box.open()
