"""Pictures of the controls of a window in each of their states, and of its open menus and lists.

They are found in its tree of widgets, so a new control, menu or list appears without a change here.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QSignalBlocker, Qt, QTimer
from PySide6.QtGui import QAction, QContextMenuEvent, QHoverEvent, QImage, QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QMainWindow,
    QMenu,
    QMenuBar,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QScrollBar,
    QSplitterHandle,
    QTabBar,
    QToolTip,
    QWidget,
)

_PROPERTIES = "heading", "muted", "stale"
"""Of widgets, which the style sheet has rules for."""
AROUND = 5
_LARGEST = 900, 260
"""Of a table or text, the corner that is shown."""
_PARTS = QAbstractButton | QAbstractSlider | QAbstractSpinBox | QComboBox | QHeaderView | QLabel | QLineEdit
_PARTS |= QMenuBar | QProgressBar | QSplitterHandle | QTabBar


@dataclass(frozen=True)
class Shot:
    """A control in a state."""

    control: str
    state: str
    picture: QImage
    widget: QWidget


def is_control(widget: QWidget) -> bool:
    """Whether a widget has states of its own: controls and what takes the keyboard."""
    takes_keys = bool(widget.focusPolicy() & Qt.FocusPolicy.TabFocus) and widget.focusProxy() is None
    picture = isinstance(widget.parentWidget(), QLineEdit)
    return (isinstance(widget, _PARTS) and not picture) or takes_keys


def kind_of(widget: QWidget) -> tuple[object, ...]:
    """What a style and a style sheet tell apart: widgets of one kind look alike."""
    parent = widget.parentWidget()
    dynamic = tuple(str(widget.property(name)) for name in _PROPERTIES)
    kind: tuple[object, ...] = (type(widget), widget.objectName(), type(parent), *dynamic, widget.styleSheet())
    kind += (widget.isEnabled(),)
    if isinstance(widget, QAbstractButton):
        kind += (bool(widget.text()), widget.icon().isNull(), widget.isCheckable())
    if isinstance(widget, QLabel):
        kind += (widget.foregroundRole(), widget.palette().color(widget.foregroundRole()).name())
    return kind


def name_of(widget: QWidget) -> str:
    """The class of a control and its words."""
    text = widget.text() if isinstance(widget, QAbstractButton | QLabel) else ""
    words = " ".join((widget.accessibleName() or text or widget.objectName()).replace("&", "").split())
    return f"{type(widget).__name__} {words[:40]}".strip()


def controls(window: QWidget) -> list[QWidget]:
    """One visible control of each kind, and each that takes the keyboard."""
    found: dict[tuple[object, ...], QWidget] = {}
    for widget in window.findChildren(QWidget):
        shown = widget.isVisible() and widget.window() is window and not widget.visibleRegion().isEmpty()
        if shown and is_control(widget) and min(widget.width(), widget.height()) > 2:
            found.setdefault(kind_of(widget), widget)
    return list(found.values())


def picture(widget: QWidget) -> QImage:
    """What is seen of a widget and around it."""
    window = widget.window()
    place = QRect(widget.mapTo(window, QPoint()), widget.size())
    if not isinstance(widget, QAbstractButton):
        place.setSize(place.size().boundedTo(QRect(0, 0, *_LARGEST).size()))
    around = place.adjusted(-AROUND, -AROUND, AROUND, AROUND)
    return window.grab(around.intersected(window.rect())).toImage()


def _show(widget: QWidget) -> None:
    parent = widget.parentWidget()
    while parent is not None:
        if isinstance(parent, QScrollArea):
            parent.ensureWidgetVisible(widget)
        parent = parent.parentWidget()


def _hover_point(widget: QWidget) -> QPoint:
    """Where a pointer shows most: on a tab that is not selected, or on the upper arrow of a number."""
    if isinstance(widget, QTabBar):
        others = [
            place for place in range(widget.count()) if place != widget.currentIndex() and widget.isTabVisible(place)
        ]
        return widget.tabRect(others[0]).center() if others else widget.rect().center()
    if isinstance(widget, QAbstractSpinBox):
        return QPoint(widget.width() - 8, 5)
    if isinstance(widget, QMenuBar):
        return widget.actionGeometry(widget.actions()[0]).center()
    return widget.rect().center()


@contextmanager
def hovered(widget: QWidget) -> Iterator[None]:
    """With the pointer on a widget."""
    if isinstance(widget, QAbstractItemView):
        # Each row of a list is drawn for itself.
        with hovered(widget.viewport()):
            yield
        return
    at, away = QPointF(_hover_point(widget)), QPointF(-1, -1)
    there = QPointF(widget.mapToGlobal(at.toPoint()))
    widget.setAttribute(Qt.WidgetAttribute.WA_UnderMouse)
    for kind in (QEvent.Type.HoverEnter, QEvent.Type.HoverMove):
        QApplication.sendEvent(widget, QHoverEvent(kind, at, there, away))
    if isinstance(widget, QPushButton):
        # It knows from this event whether the pointer is within its shape.
        none = Qt.MouseButton.NoButton, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
        QApplication.sendEvent(widget, QMouseEvent(QEvent.Type.MouseMove, at, there, *none))
    try:
        yield
    finally:
        widget.setAttribute(Qt.WidgetAttribute.WA_UnderMouse, False)
        QApplication.sendEvent(widget, QHoverEvent(QEvent.Type.HoverLeave, away, there, at))


@contextmanager
def pressed(button: QAbstractButton | QAbstractSlider) -> Iterator[None]:
    """With the mouse button down on it."""
    press = button.setDown if isinstance(button, QAbstractButton) else button.setSliderDown
    with QSignalBlocker(button):
        press(True)
        try:
            yield
        finally:
            press(False)


@contextmanager
def focused(widget: QWidget) -> Iterator[None]:
    """With the keyboard, as after Tab."""
    widget.setFocus(Qt.FocusReason.TabFocusReason)
    try:
        yield
    finally:
        widget.clearFocus()


@contextmanager
def toggled(button: QAbstractButton) -> Iterator[None]:
    """Checked if it is not, and the other way around."""
    group = button.group()
    exclusive = group is not None and group.exclusive()
    blocked = [QSignalBlocker(button)]
    if exclusive:
        group.setExclusive(False)
        blocked.append(QSignalBlocker(group))
    auto = button.autoExclusive()
    button.setAutoExclusive(False)
    checked = button.isChecked()
    button.setChecked(not checked)
    try:
        yield
    finally:
        button.setChecked(checked)
        button.setAutoExclusive(auto)
        if exclusive:
            group.setExclusive(True)


@contextmanager
def disabled(widget: QWidget) -> Iterator[None]:
    """Not usable now."""
    # A part of a disabled control is not disabled by itself.
    was, itself = widget.isEnabled(), widget.testAttribute(Qt.WidgetAttribute.WA_ForceDisabled)
    widget.setEnabled(not was)
    try:
        yield
    finally:
        widget.setEnabled(not itself)


@contextmanager
def emptied(line: QLineEdit) -> Iterator[None]:
    """Without a text, as its placeholder is seen."""
    text = line.text()
    with QSignalBlocker(line):
        line.clear()
        try:
            yield
        finally:
            line.setText(text)


@contextmanager
def marked(line: QLineEdit) -> Iterator[None]:
    """With its whole text selected."""
    with focused(line):
        line.selectAll()
        try:
            yield
        finally:
            line.deselect()


def states(widget: QWidget) -> Iterator[Shot]:
    """A control in each of its states."""
    _show(widget)
    name = name_of(widget)
    yield Shot(name, "normal" if widget.isEnabled() else "disabled", picture(widget), widget)
    if isinstance(widget, QLabel):
        return
    made: list[tuple[str, Callable[[], AbstractContextManager[None]]]] = []
    if widget.isEnabled():
        made.append(("hover", lambda: hovered(widget)))
        if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
            made.append(("focus", lambda: focused(widget)))
        if isinstance(widget, QAbstractSlider) or (isinstance(widget, QAbstractButton) and not widget.isDown()):
            made.append(("pressed", lambda: pressed(widget)))
    if isinstance(widget, QAbstractButton) and widget.isCheckable():
        made.append(("unchecked" if widget.isChecked() else "checked", lambda: toggled(widget)))
    if isinstance(widget, QLineEdit) and widget.isEnabled():
        made.append(("selected text", lambda: marked(widget)))
        if widget.placeholderText():
            made.append(("empty", lambda: emptied(widget)))
    if not isinstance(widget, QScrollBar | QSplitterHandle | QHeaderView | QMenuBar):
        made.append(("disabled" if widget.isEnabled() else "enabled", lambda: disabled(widget)))
    for state, make in made:
        with make():
            yield Shot(name, state, picture(widget), widget)
    if isinstance(widget, QAbstractItemView) and widget.isEnabled():
        yield from _rows(widget, name)


def _rows(view: QAbstractItemView, name: str) -> Iterator[Shot]:
    """A table or list with a selected row, with and without the keyboard."""
    model = view.model()
    if model is None or not model.rowCount():
        return
    index, before = model.index(min(1, model.rowCount() - 1), 0), view.currentIndex()
    if not index.flags() & Qt.ItemFlag.ItemIsSelectable:
        return
    with QSignalBlocker(view.selectionModel()), QSignalBlocker(view):
        view.setCurrentIndex(index)
        with focused(view):
            yield Shot(name, "selected row, focus", picture(view), view)
        yield Shot(name, "selected row", picture(view), view)
        view.setCurrentIndex(before)


def kinds_of_entries(menu: QMenu, submenus: list[QAction]) -> list[QAction]:
    """One entry of each kind: an icon, a check mark or an arrow may not be seen on another color."""
    shown = [action for action in menu.actions() if action.isEnabled() and not action.isSeparator()]
    return list({(a.icon().isNull(), a.isChecked(), a in submenus): a for a in shown}.values())


def menu_states(menu: QMenu, submenus: list[QAction]) -> Iterator[Shot]:
    """An open menu with an entry of each kind highlighted."""
    menu.popup(QPoint())
    title = (menu.title() or menu.accessibleName() or menu.objectName()).replace("&", "") or "Menu"
    entries = kinds_of_entries(menu, submenus)
    for action in entries or [None]:
        menu.setActiveAction(action)
        words = "closed" if action is None else action.text().replace("&", "")
        yield Shot(f"Menu {title}", words, menu.grab().toImage(), menu)
    menu.close()


def menus(window: QWidget) -> Iterator[Shot]:
    """Every menu of a window, its menu bar and its buttons."""
    made = window.findChildren(QMenu)
    # Not by `QAction.menu`, which passes the ownership of a menu to Python.
    submenus = [menu.menuAction() for menu in made]
    for menu in made:
        if menu.window() is menu:
            yield from menu_states(menu, submenus)


def menu_bars(window: QWidget) -> Iterator[Shot]:
    """The menu bar with a highlighted menu."""
    if isinstance(window, QMainWindow):
        bar = window.menuBar()
        bar.setActiveAction(bar.actions()[1])
        yield Shot("Menu bar", "highlighted", picture(bar), bar)
        bar.setActiveAction(None)


def open_lists(window: QWidget) -> Iterator[tuple[QComboBox, QAbstractItemView]]:
    """Each choice of a window while its list is open, with another entry highlighted than the chosen one."""
    for box in window.findChildren(QComboBox):
        if not box.isVisible() or box.window() is not window or not box.isEnabled() or not box.count():
            continue
        _show(box)
        with QSignalBlocker(box):
            box.showPopup()
            model, view = box.model(), box.view()
            free = [row for row in range(box.count()) if model.index(row, 0).flags() & Qt.ItemFlag.ItemIsEnabled]
            other = next((row for row in free if row != box.currentIndex()), box.currentIndex())
            view.setCurrentIndex(model.index(other, box.modelColumn()))
            yield box, view
            box.hidePopup()
        QTest.qWait(0)


def drop_downs(window: QWidget) -> Iterator[Shot]:
    """The open list of each choice."""
    for box, view in open_lists(window):
        yield Shot(name_of(box), "open", view.window().grab().toImage(), box)


def context_menus(window: QWidget) -> Iterator[Shot]:
    """The menu that a click with the right button opens, of one widget of each kind."""
    taken: list[Shot] = []

    def take(widget: QWidget) -> None:
        menu = QApplication.activePopupWidget()
        if isinstance(menu, QMenu):
            entries = kinds_of_entries(menu, [])
            menu.setActiveAction(entries[0] if entries else None)
            taken.append(Shot(f"Context menu of {name_of(widget)}", "highlighted", menu.grab().toImage(), menu))
        if menu is not None:
            menu.close()

    for widget in controls(window):
        at = widget.rect().center()
        target = widget.viewport() if isinstance(widget, QAbstractItemView) else widget
        event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, target.mapToGlobal(at))
        # Some menus of Qt return only when they are closed.
        QTimer.singleShot(0, widget, lambda widget=widget: take(widget))
        QApplication.sendEvent(target, event)
        QTest.qWait(0)
    yield from taken


def tooltips(window: QWidget, most: int = 14) -> Iterator[Shot]:
    """The longest tooltips of a window, open."""
    words = {widget.toolTip(): widget for widget in window.findChildren(QWidget) if widget.toolTip()}
    for text in sorted(words, key=len, reverse=True)[:most]:
        QToolTip.showText(QPoint(100, 100), text, words[text])
        tip = next((w for w in QApplication.topLevelWidgets() if w.isVisible() and w.inherits("QTipLabel")), None)
        if tip is not None:
            yield Shot("Tooltip", name_of(words[text]), tip.grab().toImage(), tip)
        QToolTip.hideText()
        if tip is not None:
            tip.hide()


def all_states(window: QWidget) -> Iterator[Shot]:
    """Everything that a window can show of its controls."""
    for widget in controls(window):
        yield from states(widget)
    for shots in (menu_bars, menus, drop_downs, context_menus, tooltips):
        yield from shots(window)
