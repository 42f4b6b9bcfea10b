"""Dialogs for files and errors, which report through a callback, and the recent files where they start."""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.errors import InputError
from rnnviz.core.model_formats import patterns
from rnnviz.core.resources import resource_path
from rnnviz.gui.help.commands import HelpCommands, child_beside
from rnnviz.gui.kit.questions import MessageBox
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.scaling import space_dialog

MOST = 10


class RecentFiles(QObject):
    """At most ten paths, latest first. Missing files are dropped."""

    used = Signal(object)
    """The `Path` of a file that was opened or saved."""

    def __init__(self, settings: Settings, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = settings

    def paths(self) -> list[Path]:
        return [path for path in map(Path, self._settings.recent) if os.path.isfile(path)][:MOST]

    def add(self, path: Path) -> None:
        path = path.absolute()
        others = [other for other in self.paths() if other != path]
        self._settings.recent = tuple(str(p) for p in [path, *others][:MOST])
        self.used.emit(path)

    def folder(self, kind: str) -> str:
        """Folder of the last file of a kind, or of any kind, or else the user's; never the program's."""
        folders = self._settings.folder(kind), *(str(path.parent) for path in self.paths()), str(Path.home())
        program = resource_path()
        return next((f for f in folders if os.path.isdir(f) and not Path(f).is_relative_to(program)), "")

    def use_folder(self, kind: str, path: Path) -> None:
        """Start the next dialog for this kind in the folder of a chosen file."""
        self._settings.set_folder(kind, str(path.absolute().parent))

    def clear(self) -> None:
        self._settings.recent = ()


CONFIGS = "Configs (*.toml)"
STATES = "Initial states (*.npz)"
RECURRENCES = "Custom steps (*.py)"
CELLS = "Custom cells (*.py)"
RECORDINGS = "Recorded outputs (*.npz *.npy *.csv *.rnnviz)"
ALL_FILES = "All files (*)"


def sequences() -> str:
    """The filter of the files that a sequence is read from."""
    from rnnviz.io.readers import ENDINGS

    return f"Sequences ({' '.join(f'*{ending}' for ending in ENDINGS)})"


def openable_files() -> str:
    """The filter of all files that define a network."""
    from rnnviz.io import ENDING

    return f"Configs, sessions and models (*.toml *{ENDING} {patterns()})"


def ask_file(
    parent: QWidget, title: str, filters: str, chosen: Callable[[Path], None], folder: Path | None = None
) -> QFileDialog:
    """Ask for an existing file, starting in `folder` or that of the last file of its kind.

    The dialog cannot rename or delete files.
    """
    dialog = _file_dialog(parent, title, filters, chosen)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setOption(QFileDialog.Option.ReadOnly)
    if folder is not None:
        dialog.setDirectory(str(folder))
    dialog.open()
    return dialog


class AskedFile(NamedTuple):
    """A row of a `FilesDialog`: its label, the filter of its files, what it is, and whether a choice can do without."""

    label: str
    filters: str
    note: str
    needed: Callable[[Sequence[Path | None]], bool] = lambda _paths: True


class FilesDialog(QDialog):
    """Asks for several files at once. `chosen` gets a path for each row, or None for an empty one."""

    def __init__(self, parent: QWidget, title: str, rows: Sequence[AskedFile], chosen: Callable[..., None]) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._rows, self._chosen = rows, chosen
        form = QFormLayout()
        self.fields = [QLineEdit() for _ in rows]
        for row, field in zip(rows, self.fields, strict=True):
            field.setPlaceholderText(row.note)
            field.setMinimumWidth(field.fontMetrics().averageCharWidth() * 56)
            field.textChanged.connect(self._update)
            browse = QPushButton("Browse…")
            browse.setAutoDefault(False)
            browse.setAccessibleName(f"Browse for {row.label.replace('&', '')}")
            browse.clicked.connect(partial(self._browse, row, field))
            line = QHBoxLayout()
            line.addWidget(field, 1)
            line.addWidget(browse)
            label = QLabel(row.label)
            label.setBuddy(field)
            form.addRow(label, line)
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setText(f"&{title.split()[0]}")
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._buttons)
        space_dialog(layout)
        self._update()

    def paths(self) -> list[Path | None]:
        """The file of each row, or None."""
        return [Path(text).expanduser() if (text := field.text().strip()) else None for field in self.fields]

    def accept(self) -> None:
        super().accept()
        self._chosen(*self.paths())

    def _update(self) -> None:
        paths = self.paths()
        complete = all(
            not row.needed(paths) if path is None else path.is_file()
            for row, path in zip(self._rows, paths, strict=True)
        )
        self._buttons.button(QDialogButtonBox.StandardButton.Ok).setEnabled(complete)

    def _browse(self, row: AskedFile, field: QLineEdit) -> None:
        last = next((path.parent for path in reversed(self.paths()) if path is not None), None)
        title = f"{self.windowTitle()}: {row.label.replace('&', '')}"
        ask_file(self, title, row.filters, lambda path: field.setText(str(path)), last)


def ask_new_file(
    parent: QWidget, title: str, filters: str, suffix: str, suggestion: str, chosen: Callable[[Path], None]
) -> QFileDialog:
    """Ask for a file to write, with `suffix` until another filter is selected.

    The dialog asks before it replaces a file.
    """
    dialog = _file_dialog(parent, title, filters, chosen)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix(suffix)
    dialog.filterSelected.connect(lambda named: dialog.setDefaultSuffix(suffix_of(named)))
    dialog.selectFile(suggestion)
    dialog.open()
    return dialog


def suffix_of(filters: str) -> str:
    """The first ending of the first filter, without its dot."""
    return re.split(r"[ )]", filters.partition("*.")[2], maxsplit=1)[0]


def _file_dialog(parent: QWidget, title: str, filters: str, chosen: Callable[[Path], None]) -> QFileDialog:
    """A dialog that starts in the folder of the last file of its kind, the first word of the filters."""
    kind = re.split(r"\W", filters, maxsplit=1)[0].lower()
    recent = child_beside(parent, RecentFiles)
    dialog = QFileDialog(parent, title, "" if recent is None else recent.folder(kind), filters)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)

    def answer(name: str) -> None:
        if recent is not None:
            recent.use_folder(kind, Path(name))
        chosen(Path(name))

    dialog.fileSelected.connect(answer)
    return dialog


def show_error_dialog(
    parent: QWidget,
    title: str,
    error: InputError | str,
    advice: str = "troubleshooting",
    *,
    in_background: bool = False,
) -> QMessageBox:
    """Show an error sentence, with a button that opens the guide.

    `advice` is a page of the guide, optionally with "#" and a heading. An error of a task `in_background` does not take
    the keyboard while the user types or uses another window.
    """
    box = MessageBox(parent, title, str(error), QMessageBox.Icon.Warning)
    box.setStandardButtons(QMessageBox.StandardButton.Ok)
    # With a second button, Qt would find none for Esc.
    box.setEscapeButton(QMessageBox.StandardButton.Ok)
    box.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    guide = child_beside(parent, HelpCommands)
    if guide is not None:
        button = box.addButton("&Help with this error", QMessageBox.ButtonRole.HelpRole)
        button.setToolTip("Open the guide at this error.")
        box.finished.connect(lambda _result: guide.open(advice) if box.clickedButton() is button else None)
    if in_background and (QApplication.activeWindow() is not parent.window() or _is_typing(QApplication.focusWidget())):
        box.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        box.setModal(False)
        box.show()
    else:
        box.open()
    return box


def _is_typing(focused: QWidget | None) -> bool:
    """Whether the widget with the keyboard takes text."""
    return isinstance(focused, QLineEdit | QAbstractSpinBox | QTextEdit | QPlainTextEdit)
