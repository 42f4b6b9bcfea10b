"""Base class of the views, and their layouts."""

from collections.abc import Container, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QHBoxLayout,
    QLayout,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from rnnviz.core.gradients import OF_INPUT
from rnnviz.core.masks import Mask
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.gui.regions import Region
from rnnviz.gui.theme.elided_combo import ComboBox
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.labels import muted_palette
from rnnviz.verify.compare import Comparison, LaneComparison
from rnnviz.verify.result import RunResult

if TYPE_CHECKING:
    from rnnviz.dependence.influence import Influence

Part: TypeAlias = QWidget | QLayout | tuple[QWidget | QLayout, int] | int | None
"""A part of a layout, in a tuple with its stretch factor; a gap in pixels; or None, a stretch."""
_Box = TypeVar("_Box", bound=QBoxLayout)


class Themed(Protocol):
    """A part of a view that has colors."""

    def apply_theme(self, theme: Theme) -> None:
        """Use the colors of a theme."""


class FollowsLanes(Protocol):
    """A choice of an array that follows the lanes until another one is selected."""

    def follow(self, name: str) -> bool:
        """Select the array of the lanes, "h" or a gradient, if they show another one than before. Returns whether."""


class ViewHost(Protocol):
    """The parts of the window to which a view connects itself. Those that know views are Any, as imports go one way."""

    session: Any
    lanes: Any
    main_layout: Any
    navigation: Any
    results: Any
    lane_quantity: Any
    verdict: Any


@dataclass(frozen=True)
class Note:
    """Remark at the name of a view in its tab: a count, or an icon."""

    text: str = ""
    role: str = "muted"
    icon: str = ""


NO_NOTE, AGREES = Note(), Note(role="right", icon="check")


class ResultView(QWidget):
    """One view of a result at a location.

    A view computes nothing slow and has no selection. It shows a result and a location, and emits
    `location_requested` (a `Location`) when the user selects another place. It declares its title, the tab that holds
    it, its page of the guide, and connects itself to the window in `bind`.
    """

    location_requested = Signal(object)

    explanation_requested = Signal(object)
    """A `Place` of `rnnviz.explain.value_sources`, whose arithmetic is to be shown."""

    highlight_requested = Signal(object)
    """A tuple of `Region`: the regions that the pointer highlights, empty to clear them."""

    state_changed = Signal()
    """A part of `save_state` changed that is not in the application state."""

    title = ""
    """Title of the view: its name in the list of commands, accessible name, and file name of its picture."""

    group = ""
    """Title of the tab that holds the view; empty if the view is in no tab."""

    label = ""
    """Name of the view in this tab, if it is shorter than the title."""

    help_page = ""
    """Page of the guide, optionally with "#" and a heading."""

    follows_hidden = False
    """Whether the view shows every result while it is hidden, not only when it appears."""

    tool_row: QBoxLayout | None = None
    """The row of the view's controls, in which a tab puts the segments that choose the view."""

    muted: tuple[QWidget, ...] = ()
    """Widgets whose text has the muted color."""

    array: FollowsLanes | None = None
    """The choice of the array, which follows the lanes."""

    themed: tuple[Themed, ...] = ()
    """Parts that have the theme's colors."""

    @classmethod
    def has_content(cls, result: RunResult | None) -> bool:
        """Whether the view exists for a result; None before the first run."""
        return True

    @classmethod
    def tab_note(cls, result: RunResult, candidate: str | None, array: str) -> Note:
        """The note at the view's name, from a result of which nothing large is read."""
        return NO_NOTE

    def bind(self, window: ViewHost) -> None:
        """Connect the view to further parts of the window than the selection."""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        """Show a finished run, with `candidate` compared with the reference; None clears the view."""
        raise NotImplementedError

    def show_location(self, location: Location) -> None:
        """Show a location, always inside the result, if the view depends on it. May take a few milliseconds at most."""

    def follow_array(self, name: str) -> bool:
        """Take the array of the lanes, "h" or a gradient. Returns whether the view has to show its result again."""
        return self.array is not None and self.array.follow(name)

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        """Highlight the regions that the view shows, if any."""

    def show_influence(self, influence: "Influence | None", *, followed: bool) -> None:
        """Show the influence on a value, None until it is computed; `followed` is whether it is wanted."""

    def show_masked(self, masked: Sequence[Mask]) -> None:
        """Show "?" in place of numbers that a question asks for, also in copies. Called before the next result."""

    def finish_pending(self) -> None:
        """Finish pending updates at once, as before a picture is taken."""

    def save_state(self) -> tuple[str, ...] | None:
        """State of this view for a session, as text; None without any."""
        return None

    def restore_state(self, choices: Sequence[str]) -> None:
        """Restore the state of a session; unknown entries are ignored."""

    def apply_theme(self, theme: Theme) -> None:
        """Use the colors of a theme."""
        palette = muted_palette(theme)
        for widget in self.muted:
            widget.setPalette(palette)
        for part in self.themed:
            part.apply_theme(theme)


def across(*parts: Part, margins: tuple[int, int, int, int] = (0, 0, 0, 0), spacing: int = 8) -> QHBoxLayout:
    """A layout of parts from left to right."""
    return _filled(QHBoxLayout(), parts, margins, spacing)


def down(*parts: Part, margins: tuple[int, int, int, int] = (0, 0, 0, 0), spacing: int = 8) -> QVBoxLayout:
    """A layout of parts from top to bottom."""
    return _filled(QVBoxLayout(), parts, margins, spacing)


def pages(owner: QWidget | None, *parts: QWidget | QLayout) -> QStackedLayout:
    """Pages of `owner`, if any, of which one is shown."""
    stack = QStackedLayout() if owner is None else QStackedLayout(owner)
    for part in parts:
        page = QWidget() if isinstance(part, QLayout) else part
        if isinstance(part, QLayout):
            page.setLayout(part)
        stack.addWidget(page)
    return stack


def claims(event: QEvent, keys: Container[Qt.Key]) -> bool:
    """Whether an event offers one of a widget's keys before the window's shortcuts, which then do not get it."""
    if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent) or not is_plain(event, keys):
        return False
    event.accept()
    return True


def is_plain(event: QKeyEvent, keys: Container[Qt.Key]) -> bool:
    """Whether one of the keys is pressed without modifiers."""
    return not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier and event.key() in keys


def choice(name: str, entries: Iterable[tuple[str, str, str]]) -> QComboBox:
    """A combo box of (text, data, tooltip)."""
    box = ComboBox(None, name)
    for text, data, why in entries:
        box.addItem(text, data)
        box.setItemData(box.count() - 1, why, Qt.ItemDataRole.ToolTipRole)
    return box


class ArrayCombo(ComboBox):
    """Lists the arrays that two engines have in common with the units of h. Hidden while h is the only one.

    It follows the array that the lanes show, until another one is selected.
    """

    def __init__(self) -> None:
        why = "Array whose differences are shown: h, another state, or a gradient of the loss."
        super().__init__(None, "Compared array", why)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        self._wanted = self._followed = "h"
        self.currentTextChanged.connect(self._want)
        self.hide()

    def follow(self, name: str) -> bool:
        """Select the array of the lanes with the next result, if they show another one than before; whether so."""
        other = name != self._followed
        if other:
            self._wanted = self._followed = name
        return other

    def _want(self, name: str) -> None:
        self._wanted = name

    def offer(self, comparison: Comparison | None, *, mismatching: bool = False) -> LaneComparison | None:
        """List the arrays of the comparison of h. The wanted one is selected if it is among them.

        With `mismatching` one with mismatches replaces an array of the lanes that has none.
        """
        names = ["h"]
        if comparison is not None:
            units = comparison.error_ratio_by_column.shape
            both = {**comparison.arrays, **comparison.gradients_over_time}
            names += [n for n, own in both.items() if own.error_ratio_by_column.shape == units and n != OF_INPUT]
        wanted = self._wanted
        if mismatching and comparison is not None and wanted == self._followed:
            wanted = comparison.mismatching(wanted).name
        self.show_entries(zip(names, names, strict=True), wanted if wanted in names else names[0])
        self.setVisible(len(names) > 1)
        return self.of(comparison)

    def of(self, comparison: Comparison | None) -> LaneComparison | None:
        """The comparison of the selected array, from that of h."""
        return None if comparison is None else comparison.of(self.currentText())


def _filled(box: _Box, parts: Sequence[Part], margins: tuple[int, int, int, int], spacing: int) -> _Box:
    box.setContentsMargins(*margins)
    box.setSpacing(spacing)
    for part in parts:
        if part is None:
            box.addStretch()
        elif isinstance(part, int):
            box.addSpacing(part)
        else:
            content, stretch = part if isinstance(part, tuple) else (part, 0)
            if isinstance(content, QLayout):
                box.addLayout(content, stretch)
            else:
                box.addWidget(content, stretch)
    return box
