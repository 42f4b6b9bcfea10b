"""Frame around the widget that a lesson refers to, and the widgets by the names that lessons use."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from PySide6.QtCore import (
    QEasingCurve,
    QEvent,
    QObject,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    Qt,
    QTimer,
    QVariantAnimation,
    Signal,
)
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QAction,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPen,
    QRegion,
    QShortcut,
)
from PySide6.QtWidgets import QApplication, QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.frozen import dataclass
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.navigation import NavigationHistory
from rnnviz.gui.commands.toolbar import ToolBar
from rnnviz.gui.lessons.questions import PartCovers
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.settings import Settings
from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.tab_order import UNFOLDED
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import motion_reduced, scaled
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.output_map import OutputMap
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.lessons.index import PARTS

_GLOW = 7
"""Width of the glow outside the line, in pixels."""
_LINE = 2.0
_AWAY = 3
"""Distance of the line from the widget, because texts reach its edges."""
_FADE_MS = 240
_FOLLOWED = (
    QEvent.Type.Resize,
    QEvent.Type.Move,
    QEvent.Type.Show,
    QEvent.Type.Hide,
    QEvent.Type.LayoutRequest,
)

Area = Callable[[], QRect]
"""Returns the rectangle to highlight in the widget's coordinates."""


class Spotlight(QWidget):
    """Overlay of the window that only draws the frame. Mouse events pass through it."""

    changed = Signal(bool)
    """Whether a widget is highlighted."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Spotlight")
        self._window = window
        self._theme = LIGHT
        self.target: QWidget | None = None
        self._area: Area = QRect
        self._watched: list[QWidget] = []
        self._strength = 1.0
        self.fade = QVariantAnimation(self, startValue=0.0, endValue=1.0, duration=_FADE_MS)
        self.fade.setEasingCurve(QEasingCurve.Type.OutCubic)
        self.fade.valueChanged.connect(self._set_strength)
        self.hide()

    @property
    def highlighted(self) -> QRect:
        target = self.target
        return QRect() if target is None else _shown(target, self._area(), self._window)

    def highlight(self, target: QWidget, area: Area | None = None, words: str = "") -> None:
        """Highlight a widget, or an area of it. `words` is announced to a screen reader."""
        self._release()
        self.target = target
        self._area = target.rect if area is None else area
        # What moves any of these moves the part.
        widget: QWidget | None = target
        while widget is not None and widget is not self._window.parentWidget():
            widget.installEventFilter(self)
            self._watched.append(widget)
            widget = widget.parentWidget()
        target.destroyed.connect(self.clear)
        if words:
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(target, words))
        self.refresh()
        # Later on, what was opened over the panes stays above.
        self.raise_()
        self.fade.stop()
        if motion_reduced():
            self._set_strength(1.0)
        else:
            self.fade.start()
        self.changed.emit(True)

    def clear(self) -> None:
        if self.target is not None:
            self._release()
            self.fade.stop()
            self.hide()
            self.changed.emit(False)

    def refresh(self) -> None:
        highlighted = self.highlighted
        if highlighted.isEmpty():
            self.hide()
            return
        around = highlighted.adjusted(-_GLOW, -_GLOW, _GLOW, _GLOW).intersected(self._window.rect())
        self.setGeometry(around)
        # The mask excludes the inside, so that widgets below are not painted twice during playback.
        inner = highlighted.translated(-around.topLeft()).adjusted(_GLOW, _GLOW, -_GLOW, -_GLOW)
        self.setMask(QRegion(self.rect()) - QRegion(inner))
        self.show()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in _FOLLOWED and watched is not self:
            self.refresh()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line = QRectF(self.highlighted.translated(-self.geometry().topLeft())).adjusted(-_AWAY, -_AWAY, _AWAY, _AWAY)
        # The frame of a widget at the window's edge stays visible.
        line = line.intersected(QRectF(self.rect()).adjusted(_LINE, _LINE, -_LINE, -_LINE))
        color = self._theme.color("accent")
        for width, alpha in ((2.0 * _GLOW, 0.10), (_GLOW + 1.0, 0.16), (_LINE, 1.0)):
            color.setAlphaF(alpha * self._strength)
            painter.setPen(QPen(color, width))
            painter.drawRoundedRect(line, 5.0, 5.0)
        painter.end()

    def _set_strength(self, strength: float) -> None:
        self._strength = strength
        self.update()

    def _release(self) -> None:
        if self.target is not None:
            self.target.destroyed.disconnect(self.clear)
        for widget in self._watched:
            widget.removeEventFilter(self)
        self._watched.clear()
        self.target = None


def _shown(widget: QWidget, area: QRect, window: QWidget) -> QRect:
    """The visible part of an area of a widget, in the window's coordinates; empty for a hidden widget."""
    if not widget.isVisible():
        return QRect()
    around: QWidget | None = widget
    # A widget in a scrolled panel is visible only as far as the panel is.
    while around is not None and around is not window:
        area = area.intersected(around.rect()).translated(around.pos())
        around = around.parentWidget()
    return area


_DIMMED = 0.55
"""Opacity of the cover."""


class Dimmer(QWidget):
    """Translucent cover of the panes that a step does not name. Mouse events pass through it.

    It leaves out the pane with the keyboard focus, tabs once one is chosen, and the selected value. It is hidden with
    reduced motion and during a presentation.
    """

    def __init__(self, window: "HighlightTarget", parent: QWidget, settings: Settings, pane: QWidget) -> None:
        """`pane` is that of the lesson."""
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Dimmed panes")
        self._target, self._window, self._settings, self._pane = window, parent, settings, pane
        self._named: set[str] = set()
        self._tabs_used = False
        """Whether a tab was chosen since the step was opened."""
        self._also: str | None = None
        self._theme = LIGHT
        self._watched: list[QWidget] = []
        # Many panes move at once.
        self._later = QTimer(self, interval=0, singleShot=True)
        self._later.timeout.connect(self.refresh)
        self.hide()
        window.session.on_change(self._later.start, "location", "result")
        window.lanes.moved.connect(self._later.start)
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.focusChanged.connect(self._later.start)
        tabs = window.main_layout.tabs
        for used in (tabs.view_chosen, tabs.tabBarClicked, window.verdict.undetectable_requested):
            used.connect(self._use_tabs)

    def name_parts(self, parts: Iterable[str]) -> None:
        """Set the parts that the step names, of `rnnviz.lessons.index.PARTS`."""
        self._named, self._tabs_used = set(parts), False
        self._later.start()

    def _use_tabs(self) -> None:
        self._tabs_used = True
        self._later.start()

    def show_around(self, part: str | None) -> None:
        """Cover the panes around the named parts and the highlighted one, or nothing."""
        self._also = part
        self._watch()
        self.refresh()
        # Later on, what was opened over the panes stays above.
        self.raise_()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def refresh(self) -> None:
        region = self._region() if self._also is not None else QRegion()
        if region.isEmpty():
            self.hide()
            return
        self.setGeometry(self._window.rect())
        self.setMask(region)
        self.show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in _FOLLOWED:
            self._later.start()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        color = self._theme.color("window")
        color.setAlphaF(_DIMMED)
        painter.fillRect(event.rect(), color)
        painter.end()

    def _region(self) -> QRegion:
        off = motion_reduced() or self._settings.dimming == "off"
        if off or self._target.main_layout.covered or not self._pane.isVisible():
            return QRegion()
        focused = QApplication.focusWidget()
        named = [self._pane, *(_pane_of(self._target, part) for part in (*self._named, self._also))]
        if self._tabs_used:
            named.append(self._target.main_layout.tabs)
        lanes = self._target.lanes
        covered, free = QRegion(), QRegion(_shown(lanes.canvas, lanes.selection_area, self._window))
        for part in self._target.main_layout.parts:
            area = QRegion(_shown(part, part.rect(), self._window))
            if part in named or (focused is not None and (part is focused or part.isAncestorOf(focused))):
                free += area
            else:
                covered += area
        return covered - free

    def _watch(self) -> None:
        for widget in self._watched:
            widget.removeEventFilter(self)
        self._watched = [] if self._also is None else [self._window, *self._target.main_layout.parts]
        for widget in self._watched:
            widget.installEventFilter(self)


def _pane_of(window: "HighlightTarget", part: str | None) -> QWidget | None:
    """The pane that contains a part; None for parts of the toolbar."""
    if part in TAB_OF or part == "tabs":
        return window.main_layout.tabs
    if part in VIEW_OF:
        return next(view for view in window.views if view.title == VIEW_OF[part])
    return window.panel if str(part).startswith("panel") else window.lanes if part in ("lanes", "lane") else None


TAB_OF = {
    "arithmetic": "Arithmetic",
    "gradient": "Arithmetic",
    "units": "Units over time",
    "errors": "Error over time",
    "checks": "Checks",
    "mismatches": "Different values",
    "audit": "Step audit",
    "gradient-flow": "Gradient flow",
    "error-histogram": "Error histogram",
    "known-bugs": "Known bugs",
}
"""Titles of the views in tabs, by the names that lessons use."""
VIEW_OF = {"vector": "Selected hidden state", "state-map": "Output and state", "verdict": "Verdict"}
"""Titles of the views outside tabs, by the names that lessons use."""
SECTION_OF = {
    "panel.network": "network",
    "panel.sequence": "sequence",
    "panel.parameters": "parameters",
    "panel.initial-state": "initial_state",
    "panel.comparison": "compare",
    "panel.backward": "backward",
}
"""Config sections of the panel's forms, by the names that lessons use."""


class HighlightTarget(Protocol):
    """The window as the lookup sees it."""

    session: Session
    main_layout: MainLayout
    panel: ConfigPanel
    toolbar: ToolBar
    lanes: UnrolledView
    navigation: NavigationHistory
    verdict: VerdictBar
    views: list[ResultView]


@dataclass(frozen=True)
class Target:
    """A widget to highlight, and optionally an area of it."""

    widget: QWidget
    area: Area | None = None


def target_of(window: HighlightTarget, part: str) -> Target:
    """Make the widget of a name visible and return it. `part` is one of `rnnviz.lessons.index.PARTS`."""
    if part in ("arithmetic", "gradient"):
        window.navigation.explain(gradient=part == "gradient")
    if part in TAB_OF:
        window.main_layout.select_tab(TAB_OF[part])
        return Target(window.main_layout.tabs)
    pane = "settings" if part.startswith("panel") else "side" if part in ("vector", "state-map") else None
    if pane is not None:
        window.main_layout.fold(pane, folded=False)
    if part in VIEW_OF:
        return Target(next(view for view in window.views if view.title == VIEW_OF[part]))
    if part in SECTION_OF:
        return Target(window.panel.reveal_section(SECTION_OF[part]))
    return _SIMPLE[part](window)


def _lane_area(window: HighlightTarget) -> QRect:
    """The selected lane with its header in the canvas's coordinates, or the whole canvas without a result."""
    lanes, where = window.lanes, window.session.location
    geometry = lanes.geometry_in_view
    if geometry is None:
        return QRect(lanes.canvas.rect())
    lane_rect = geometry.stack.lane_rect(Lane(where.layer, where.direction))
    top = geometry.top_of(lane_rect)
    corners = (QPointF(0.0, top), QPointF(geometry.width, top + lane_rect.height))
    first, last = (lanes.canvas.mapFromScene(lanes.box.mapToScene(corner)) for corner in corners)
    # A frame at the left edge of the lane would be over the numbers of its units.
    return QRect(QPoint(0, first.y()), last)


_SIMPLE: dict[str, Callable[[HighlightTarget], Target]] = {
    "lanes": lambda window: Target(window.lanes),
    "lane": lambda window: Target(window.lanes.canvas, partial(_lane_area, window)),
    "panel": lambda window: Target(window.panel),
    "panel.shapes": lambda window: Target(window.panel.reveal_shapes()),
    "run": lambda window: Target(window.toolbar.widgetForAction(window.toolbar.actions()[0])),
    "transport": lambda window: Target(window.toolbar.transport),
    "sample": lambda window: Target(window.toolbar.sample),
    "colors": lambda window: Target(window.toolbar.colors),
    "lesson-box": lambda window: Target(window.toolbar.lesson),
    "export": lambda window: Target(window.toolbar.export),
}


_TALL_TAB = 340
"""Minimum height in pixels for a cell's equations, for the terms of a small network, or for curves to read."""


class Highlighter(QObject):
    """Owns the highlight frame of one window. Esc hides it."""

    def __init__(
        self, window: "HighlightTarget", parent: QWidget, stop: QAction, settings: Settings, pane: QWidget
    ) -> None:
        """`pane` is that of the lesson, which is never dimmed."""
        super().__init__(parent)
        self._window, self._stop = window, stop
        self._unfolded = False
        self.covers = PartCovers(self)
        self.dimmer = Dimmer(window, parent, settings, pane)
        self.spotlight = Spotlight(parent)
        self.spotlight.changed.connect(lambda shown: None if shown else self.dimmer.show_around(None))
        window.session.on_change(self.spotlight.refresh, "location", "result")
        # Esc stops a run while one goes on; else nothing but the light is there to go.
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), parent)
        self._escape.activated.connect(self.spotlight.clear)
        self.spotlight.changed.connect(self._enable_escape)
        self._stop.changed.connect(self._enable_escape)
        self._stop.triggered.connect(self.spotlight.clear)
        self._enable_escape()

    def highlight(self, part: str, line: str | None = None, quantity: str | None = None) -> None:
        """Make a widget visible and highlight it. `part` is one of `rnnviz.lessons.index.PARTS`.

        `line` is the symbol of the equation whose terms are shown, `quantity` the quantity of the units over time.
        """
        folded = self._window.main_layout.is_folded("settings")
        if part.startswith("panel"):
            self._unfolded = self._unfolded or folded
        elif self._unfolded:
            self._unfolded = False
            self._window.main_layout.fold("settings", folded=True)
        # A text that is about the arithmetic also leads to the panel: what it speaks of must not move then.
        if part in ("arithmetic", "gradient", "gradient-flow"):
            self._window.main_layout.expand_tabs(scaled(_TALL_TAB))
        elif not part.startswith("panel"):
            self._window.main_layout.restore_tabs()
        # Unfolded, the verdict covers parts, and would be below the frame.
        self._window.verdict.fold()
        target = target_of(self._window, part)
        if isinstance(target.widget, OutputMap):
            self._window.main_layout.expand_side(target.widget, target.widget.whole_height)
        if line is not None:
            self._choose(line)
        if part == "units" and quantity is not None:
            self._show_quantity(quantity)
        self.dimmer.show_around(part)
        self.spotlight.highlight(target.widget, target.area, f"Look at {PARTS[part]}.")

    def cover(self, parts: Iterable[str]) -> None:
        """Cover parts of the window, of `rnnviz.lessons.index.HIDEABLE`, and no others."""
        widgets: list[QWidget] = []
        for part in parts:
            pane = _pane_of(self._window, part)
            assert pane is not None, "each is a pane"
            widgets.append(pane)
            if isinstance(pane, VerdictBar):
                # Unfolded, it is over the views.
                widgets.append(pane.property(UNFOLDED))
        self.covers.cover(widgets)

    def apply_theme(self, theme: Theme) -> None:
        self.dimmer.apply_theme(theme)
        self.covers.apply_theme(theme)

    def _choose(self, line: str) -> None:
        from rnnviz.gui.views.arithmetic.view import ArithmeticView

        for view in self._window.views:
            if isinstance(view, ArithmeticView):
                view.choose_line(line)

    def _show_quantity(self, quantity: str) -> None:
        from rnnviz.gui.views.units_plot import UnitsPlot

        for view in self._window.views:
            if isinstance(view, UnitsPlot):
                # Later on, the array of the lanes is not a new one.
                view.follow_array(self._window.session.array)
                view.show_quantity(quantity)

    def _enable_escape(self) -> None:
        self._escape.setEnabled(self.spotlight.target is not None and not self._stop.isEnabled())
