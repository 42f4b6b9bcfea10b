"""Combo boxes: the list shows every entry whole, whatever the width of the box; one kind elides long names."""

from collections.abc import Iterable
from typing import Any

from PySide6.QtCore import QEvent, QSignalBlocker, QSize, Qt
from PySide6.QtGui import QPaintEvent, QPalette, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QLabel,
    QSizePolicy,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from rnnviz.gui.tooltips import wrapped

_LONGEST = 40
"""Characters that the size hint allows for. No built-in engine has a longer name."""
_MARGINS = 40
"""Pixels of a popup list around its texts."""

_MOST_ROWS = 16
"""Rows of a list that does not scroll."""


class ComboBox(QComboBox):
    """Its list is as wide as its longest entry, with rows that are easy to hit; a screen reader knows its name."""

    def __init__(self, parent: QWidget | None = None, name: str = "", why: str = "") -> None:
        """`name` is for screen readers, `why` the tooltip."""
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(wrapped(why))
        # Qt's delegate of combo boxes takes no height of rows from the style sheet.
        self.setItemDelegate(QStyledItemDelegate(self))
        self.setMaxVisibleItems(_MOST_ROWS)

    def show_entries(self, entries: Iterable[tuple[str, Any]], current: Any) -> None:
        """List entries of a text and data, and select the one with these data, without a signal."""
        listed = list(entries)
        with QSignalBlocker(self):
            if listed != [(self.itemText(place), self.itemData(place)) for place in range(self.count())]:
                self.clear()
                for text, data in listed:
                    self.addItem(text, data)
            self.setCurrentIndex(self.findData(current))

    def showPopup(self) -> None:
        widest = max((self.fontMetrics().horizontalAdvance(self.itemText(i)) for i in range(self.count())), default=0)
        self.view().setMinimumWidth(widest + _MARGINS)
        # A list that exists before the style sheet has none.
        self.view().setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        super().showPopup()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        # On Linux, Qt gives the current entry as the name of a combo box, and its label as what it is about.
        parent = self.parentWidget()
        if parent is not None and not any(label.buddy() is self for label in parent.findChildren(QLabel)):
            label = QLabel(self.accessibleName(), parent)
            label.setBuddy(self)
            label.hide()


class ElidedComboBox(ComboBox):
    """The tooltip shows the full name and the purpose. `mode` says which part of a name is left out."""

    mode = Qt.TextElideMode.ElideMiddle
    """Names of one kind share a prefix, such as known bugs, so the end stays visible."""

    def __init__(self, name: str, why: str, least: int) -> None:
        """`least` is the minimum width in characters."""
        super().__init__(None, name, why)
        self._why = why
        self.setMinimumContentsLength(least)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        hint, least = super().sizeHint(), self.minimumSizeHint()
        longest = self.fontMetrics().averageCharWidth() * (_LONGEST - self.minimumContentsLength())
        return QSize(min(hint.width(), least.width() + longest), hint.height())

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip:
            self.setToolTip(wrapped("\n".join(filter(None, (self.currentText(), self._why)))))
        return bool(super().event(event))

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QStylePainter(self)
        option = self._option()
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        option.currentText = self._fitted(option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def _option(self) -> Any:
        # The stubs lack the fields of an option.
        option: Any = QStyleOptionComboBox()
        self.initStyleOption(option)
        if self.currentIndex() < 0:
            option.currentText = self.placeholderText()
            option.palette.setBrush(QPalette.ColorRole.ButtonText, option.palette.placeholderText())
        return option

    def _fitted(self, option: Any) -> str:
        part = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, part, self).width()
        return self.fontMetrics().elidedText(option.currentText, self.mode, room - 2)
