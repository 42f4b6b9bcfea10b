"""Recently opened or saved files, and their menu."""

import os
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QMenu, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.settings import Settings

MOST = 10


class RecentFiles(QObject):
    """At most ten paths, latest first. Missing files are dropped."""

    used = Signal(object)
    """The `Path` of a file that was opened or saved."""

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings

    def paths(self) -> list[Path]:
        """Existing files, latest first."""
        return [path for path in map(Path, self._settings.recent) if os.path.isfile(path)][:MOST]

    def add(self, path: Path) -> None:
        """Move or add a file to the front."""
        path = path.absolute()
        others = [other for other in self.paths() if other != path]
        self._settings.recent = tuple(str(p) for p in [path, *others][:MOST])
        self.used.emit(path)

    def folder(self, kind: str) -> str:
        """Folder of the last file of a kind, else of the last file of any kind, else ""."""
        last = self._settings.folder(kind)
        if os.path.isdir(last):
            return last
        return next((str(path.parent) for path in self.paths()), "")

    def use_folder(self, kind: str, path: Path) -> None:
        """Start the next dialog for this kind in the folder of a chosen file."""
        self._settings.set_folder(kind, str(path.absolute().parent))

    def clear(self) -> None:
        """Remove all entries."""
        self._settings.recent = ()


def recent_files_beside(widget: QWidget | None) -> RecentFiles | None:
    """The recent files of the window that contains a widget, or None."""
    while widget is not None:
        found = widget.findChild(RecentFiles, options=Qt.FindChildOption.FindDirectChildrenOnly)
        if found is not None:
            return found
        widget = widget.parentWidget()
    return None


class RecentMenu(QMenu):
    """Menu of recent files, filled when it opens so that it lists existing files only."""

    chosen = Signal(object)
    """The `Path` of the chosen file."""

    def __init__(self, files: RecentFiles, parent: QWidget | None = None) -> None:
        super().__init__("Open &recent", parent)
        self.setToolTipsVisible(True)
        self._files = files
        self.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        self.clear()
        paths = self._files.paths()
        for number, path in enumerate(paths, start=1):
            action = self.addAction(f"&{number % 10}  {path.name.replace('&', '&&')}")
            action.setToolTip(wrapped(str(path)))
            action.setData(path)
            action.triggered.connect(self._choose)
        if not paths:
            self.addAction("No recent files").setEnabled(False)
            return
        self.addSeparator()
        clear = self.addAction("&Clear list")
        clear.setToolTip("Remove all entries. No file is deleted.")
        clear.triggered.connect(self._files.clear)

    def _choose(self) -> None:
        action = self.sender()
        self.chosen.emit(action.data())  # type: ignore[attr-defined]
