"""Parts of the window by the names that lessons use, and the frame around the one that a step speaks of."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from PySide6.QtCore import QEvent, QObject, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QRegion
from PySide6.QtWidgets import QWidget

from rnnviz.core.trace_index import Lane
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.commands.navigation import NavigationHistory
from rnnviz.gui.commands.playback_bar import PlaybackBar
from rnnviz.gui.commands.top_line import TopLine
from rnnviz.gui.document import Document
from rnnviz.gui.export.exporter import ExportCommands
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.main_layout import SETTINGS, TABS, TOP_LINE, VALUE, VERDICT, MainLayout
from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.value.card import ValueCard
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.lessons.content import LessonStep, links_in

_LINE = 2

Area = Callable[[], QRect]
"""Returns a rectangle in a widget's coordinates."""


class PartFrame(QWidget):
    """A frame over a widget, at its edges or around an area of it. It moves and hides with the widget."""

    def __init__(self, target: QWidget, area: Area | None, theme: Theme) -> None:
        super().__init__(target)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setAccessibleName("Frame of the part that the lesson speaks of")
        self.target, self._area, self._theme = target, area or target.rect, theme
        target.installEventFilter(self)
        self.refresh()
        self.show()
        self.raise_()

    def refresh(self) -> None:
        """Follow the area."""
        self.setGeometry(self._area().intersected(self.target.rect()))
        # What is below the inside is not painted again during playback.
        inside = self.rect().adjusted(2 * _LINE, 2 * _LINE, -2 * _LINE, -2 * _LINE)
        self.setMask(QRegion(self.rect()) - QRegion(inside))

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.update()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.refresh()
        return False

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(self._theme.color("accent"), _LINE))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.0, 1.0, -1.0, -1.0), 4.0, 4.0)
        painter.end()


TAB_OF = {
    "units": "Units over time",
    "errors": "Error over time",
    "checks": "Checks",
    "mismatches": "Different values",
    "audit": "Step audit",
    "gradient-flow": "Gradient flow",
    "error-histogram": "Error over time",
    "known-bugs": "Known bugs",
    "problems": "Step audit",
    "parameters": "Parameters",
}
"""Titles of the views in tabs, by the names that lessons use."""
VALUE_PAGES = {"arithmetic": "Value", "gradient": "Gradient", "vector": "Vector", "state-map": "Output"}
"""Pages of the value card, by the names that lessons use."""
SECTION_OF = {
    "panel.network": "network",
    "panel.sequence": "sequence",
    "panel.parameters": "parameters",
    "panel.initial-state": "initial_state",
    "panel.comparison": "compare",
    "panel.backward": "backward",
}
"""Config sections of the settings, by the names that lessons use."""
_TALL_TAB = 340
"""Height in pixels of curves to read."""


class LessonHost(Protocol):
    """The window as lessons see it."""

    session: Session
    document: Document
    files: FileCommands
    main_layout: MainLayout
    control: RunControl
    exports: ExportCommands
    panel: ConfigPanel
    runner: Runner
    playback: PlaybackBar
    top_line: TopLine
    lanes: UnrolledView
    navigation: NavigationHistory
    verdict: VerdictBar
    value: ValueCard
    views: list[ResultView]


def bars_needed(step: LessonStep, *, asking: bool) -> set[str]:
    """The parts around the lanes that a step speaks of: a task needs the settings or the sample, a table the tabs.

    While a step is `asking` its question, its task and the reason are not there.
    """
    asked = (step.prose, step.question.text, step.question.hint) if asking and step.question is not None else ()
    named = {step.look.part, *links_in("\n".join(asked or step.texts))}
    task = None if asking else step.task
    tried = task is not None and (bool(task.changes) or "sample" in task.selection)
    needed = {TABS for part in named if part in TAB_OF}
    needed |= {VERDICT} & named
    settings = {
        part for part in named if part is not None and part.split(".")[0] in ("panel", "run", "sample", "export")
    }
    return needed | ({TOP_LINE} if tried or settings else set())


def view_of(views: Iterable[ResultView], part: str) -> ResultView | None:
    """The view of the curves, the table or the verdict that a step speaks of; None of other parts."""
    title = {"verdict": "Verdict", **TAB_OF}.get(part)
    return next((view for view in views if view.title == title), None)


def open_part(window: LessonHost, part: str) -> tuple[QWidget, Area | None]:
    """Make a part visible, one of `rnnviz.lessons.index.PARTS`, and return its widget and area."""
    layout = window.main_layout
    if part in ("arithmetic", "gradient"):
        window.navigation.explain(gradient=part == "gradient")
    if part in TAB_OF:
        layout.select_tab(TAB_OF[part])
        if part == "units":
            show_quantity(window)
        if part == "gradient-flow":
            layout.set_tabs_height(max(layout.tabs.height(), scaled(_TALL_TAB)))
        return layout.tabs, None
    if part in VALUE_PAGES:
        layout.docks.open(VALUE)
        window.value.choose(VALUE_PAGES[part])
        return layout.docks[VALUE].whole, None
    if part.startswith("panel"):
        layout.docks.open(SETTINGS)
    if part in SECTION_OF:
        return window.panel.reveal_section(SECTION_OF[part]), None
    if part == "lane":
        return window.lanes.canvas, partial(_lane_area, window)
    return _OTHERS[part](window), None


def _lane_area(window: LessonHost) -> QRect:
    """The selected lane with its label in the canvas's coordinates, or the whole canvas without a result."""
    where = window.session.location
    return window.lanes.lane_area(Lane(where.layer, where.direction))


_OTHERS: dict[str, Callable[[LessonHost], QWidget]] = {
    "lanes": lambda window: window.lanes,
    "verdict": lambda window: window.verdict,
    "panel": lambda window: window.main_layout.docks[SETTINGS].whole,
    "panel.shapes": lambda window: window.panel.reveal_shapes(),
    "run": lambda window: window.top_line.run_button,
    "transport": lambda window: window.playback.play_button,
    "sample": lambda window: window.top_line.sample,
    "colors": lambda window: window.lanes.head.colors,
    "export": lambda window: window.top_line.export,
}


def show_quantity(window: LessonHost) -> None:
    """Show the quantity of the lanes in the units over time."""
    from rnnviz.gui.views.units_plot import UnitsPlot

    for view in window.views:
        if isinstance(view, UnitsPlot):
            # Later on, the array of the lanes is not a new one.
            view.follow_array(window.session.array)
            view.show_quantity(window.session.color_by)
