"""Tab order of the controls: in reading order, row by row within each pane.

Qt's default is the order of creation, but tabs, lessons and cards are created late or repeatedly.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from PySide6.QtCore import QRect, Qt
from PySide6.QtWidgets import QAbstractScrollArea, QAbstractSpinBox, QApplication, QComboBox, QWidget

UNFOLDED, OVERLAY = "rnnviz-unfolded", "rnnviz-overlay"
"""Properties: the widget that a part unfolds over its neighbors, and the mark of that widget."""
_WHOLE_WITHIN = (QAbstractSpinBox, QComboBox)
"""Their child widgets take no focus."""


def move_focus(window: QWidget, *, forward: bool) -> bool:
    """Move keyboard focus to the next or previous control; False if there is none."""
    controls = list(controls_in_order(window))
    if not controls:
        return False
    present = _within(QApplication.focusWidget(), controls)
    at = controls.index(present) if present is not None else -1 if forward else 0
    reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
    controls[(at + (1 if forward else -1)) % len(controls)].setFocus(reason)
    return True


def move_to_part(parts: Sequence[QWidget], *, forward: bool) -> None:
    """Move keyboard focus to the next or previous pane: to its last focused control, else to its first."""
    shown = [(part, controls) for part in parts if part.isVisible() and (controls := _controls_of(part))]
    if not shown:
        return
    focused = QApplication.focusWidget()
    present = [place for place, (_, controls) in enumerate(shown) if _within(focused, controls) is not None]
    at = present[0] if present else -1 if forward else 0
    part, controls = shown[(at + (1 if forward else -1)) % len(shown)]
    before = _within(part.focusWidget(), controls)
    (before or controls[0]).setFocus(Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason)


def _controls_of(part: QWidget) -> list[QWidget]:
    return [*([part] if _takes_tab(part) else []), *controls_in_order(part)]


def controls_in_order(part: QWidget) -> Iterator[QWidget]:
    """The controls within a widget that take Tab focus, from top to bottom and from left to right.

    Controls of one container stay together, whatever the height of its neighbor.
    """
    for child in _in_rows(_seen_within(part)):
        if _takes_tab(child):
            yield child
        if not isinstance(child, _WHOLE_WITHIN):
            yield from controls_in_order(child)


def _seen_within(part: QWidget) -> list[QWidget]:
    children = part.children()
    if isinstance(part, QAbstractScrollArea):
        children = [part.viewport()]
    found = [cast(QWidget, child) for child in children if child.isWidgetType() and not child.property(OVERLAY)]
    unfolded = part.property(UNFOLDED)
    return [widget for widget in (*found, *([unfolded] if unfolded is not None else ())) if _is_seen(widget)]


def _is_seen(widget: QWidget) -> bool:
    # A folded pane has no height, and Qt keeps the tabs of a dock that is alone outside the window.
    placed = widget.geometry()
    return widget.isVisible() and not widget.isWindow() and not placed.isEmpty() and placed.bottom() > 0


def _takes_tab(widget: QWidget) -> bool:
    wants = widget.focusPolicy() & Qt.FocusPolicy.TabFocus
    return bool(wants) and widget.isEnabled() and widget.focusProxy() is None


def _in_rows(widgets: list[QWidget]) -> list[QWidget]:
    """Sort widgets by rows. A widget belongs to a row if its center is within the height of the row's first widget."""
    left = sorted(widgets, key=lambda widget: (widget.geometry().top(), widget.geometry().left()))
    ordered: list[QWidget] = []
    while left:
        first = left[0].geometry()
        row = [widget for widget in left if _beside(first, widget.geometry())]
        ordered += sorted(row, key=lambda widget: widget.geometry().left())
        left = [widget for widget in left if widget not in row]
    return ordered


def _beside(first: QRect, other: QRect) -> bool:
    return (
        first == other
        or first.top() <= other.center().y() <= first.bottom()
        or (other.top() <= first.center().y() <= other.bottom())
    )


def _within(widget: QWidget | None, controls: list[QWidget]) -> QWidget | None:
    """The widget or its nearest ancestor in `controls`."""
    while widget is not None:
        if widget in controls:
            return widget
        widget = widget.parentWidget()
    return None
