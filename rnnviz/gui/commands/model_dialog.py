"""Which of the recurrent networks in a model file is to be run."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QHeaderView,
    QLabel,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from rnnviz.files.models.entry import Entry
from rnnviz.model.cells import CELLS

_HEADINGS = ("Network", "Cell", "Input", "Hidden", "Layers", "Directions", "Type")
_ONE_GATE = tuple(cell.name for cell in CELLS.values() if cell.gate_count == 1)
_NUMBERS = range(2, 6)
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_WHY_NOT = "Not to be run: "
_PADDING = 8
_HEIGHT_WITHOUT_ROWS, _ROW, _FEWEST_ROWS, _MOST_ROWS = 180, 22, 3, 16
_GAP = "  "


class ModelDialog(QDialog):
    """Lists the networks, those that cannot be run with the reason, and asks for a cell that the file does not tell."""

    def __init__(
        self, parent: QWidget, name: str, entries: Sequence[Entry], chosen: Callable[[Entry, str | None], None]
    ) -> None:
        """`chosen` gets the entry, and the cell if the file does not tell it."""
        super().__init__(parent)
        self._entries, self._chosen = entries, chosen
        self.setWindowTitle(f"Open {name}")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        alone = len(entries) == 1
        networks = "one recurrent network." if alone else f"{len(entries)} recurrent networks. Choose the one to run."
        says = QLabel(f"{name} holds {networks}")
        says.setTextFormat(Qt.TextFormat.PlainText)
        self.list = self._make_list()
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.note.setProperty("muted", True)
        self.cell = QComboBox()
        self.cell.setAccessibleName("Activation")
        self.cell.setToolTip("The file holds the weights alone, and they do not tell which activation they are for.")
        for cell in _ONE_GATE:
            self.cell.addItem(CELLS[cell].title, cell)
        self._form = QFormLayout()
        self._form.addRow("&Activation", self.cell)
        buttons = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(buttons.Open | buttons.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setSpacing(10)
        layout.addWidget(says)
        layout.addWidget(self.list, 1)
        layout.addWidget(self.note)
        layout.addLayout(self._form)
        layout.addWidget(self.buttons)
        self.resize(720, _HEIGHT_WITHOUT_ROWS + _ROW * min(max(len(entries), _FEWEST_ROWS), _MOST_ROWS))
        self.list.currentItemChanged.connect(self._show_choice)
        self.list.itemActivated.connect(lambda item: self.accept())
        first = next((number for number, entry in enumerate(entries) if entry.supported), 0)
        self.list.setCurrentIndex(self.list.model().index(first, 0))
        self._show_choice()

    @property
    def entry(self) -> Entry:
        """The one that is chosen."""
        return self._entries[self.list.indexOfTopLevelItem(self.list.currentItem())]

    def accept(self) -> None:
        """Hand over the choice, if it can be run."""
        entry = self.entry
        if entry.supported:
            super().accept()
            self._chosen(entry, self.cell.currentData() if entry.cell is None else None)

    def _make_list(self) -> QTreeWidget:
        made = QTreeWidget()
        made.setAccessibleName("Recurrent networks in the file")
        made.setToolTip("Those that cannot be run say why when they are chosen.")
        made.setRootIsDecorated(False)
        made.setAllColumnsShowFocus(True)
        made.setItemDelegate(_Roomy(made))
        made.setHeaderLabels(_HEADINGS)
        for column in _NUMBERS:
            made.headerItem().setTextAlignment(column, _RIGHT)
        for entry in self._entries:
            item = QTreeWidgetItem(made, _row(entry))
            for column in _NUMBERS:
                item.setTextAlignment(column, _RIGHT)
            if entry.reason:
                item.setToolTip(0, _note(entry))
            if not entry.supported:
                for column in range(len(_HEADINGS)):
                    item.setForeground(column, self.palette().placeholderText())
        header = made.header()
        header.setStretchLastSection(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        return made

    def _show_choice(self) -> None:
        entry = self.entry
        self.note.setText(_note(entry))
        self._form.setRowVisible(self.cell, entry.supported and entry.cell is None)
        self.buttons.button(QDialogButtonBox.StandardButton.Open).setEnabled(entry.supported)


class _Roomy(QStyledItemDelegate):
    """Leaves room between rows, and between a column's numbers and the next column's words."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        return super().sizeHint(option, index) + QSize(2 * _PADDING, _PADDING)

    def initStyleOption(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> None:
        super().initStyleOption(option, index)
        if index.column() == len(_HEADINGS) - 1:
            option.text = f"{_GAP}{option.text}"  # type: ignore[attr-defined]


def _row(entry: Entry) -> list[str]:
    directions = None if entry.bidirectional is None else 1 + entry.bidirectional
    sizes = (entry.input_size, entry.hidden_size, entry.num_layers, directions)
    cell = CELLS[entry.cell].title if entry.cell in CELLS else "RNN" if entry.supported else entry.cell or "?"
    name = entry.name if entry.supported else f"{entry.name} (not to be run)"
    return [name, cell, *("?" if size is None else str(size) for size in sizes), entry.dtype or "?"]


def _note(entry: Entry) -> str:
    if not entry.supported:
        return f"{_WHY_NOT}{entry.reason}."
    if entry.cell is None:
        return "The file does not tell the activation: choose it below."
    return f"{entry.reason[:1].upper()}{entry.reason[1:]}." if entry.reason else ""
