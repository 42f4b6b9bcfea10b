"""Base class of the views."""

from collections.abc import Sequence
from typing import Self

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.trace_index import Location
from rnnviz.gui.theme.palettes import Theme
from rnnviz.quantities.steps import Region
from rnnviz.verify.result import RunResult


class ResultView(QWidget):
    """One view of a result at a location.

    A view computes nothing slow and has no selection. It shows a result and a location, and emits
    `location_requested` (a `Location`) when the user selects another place.
    """

    location_requested = Signal(object)

    explanation_requested = Signal(object)
    """A `Place` of `rnnviz.explain.provenance`, whose arithmetic is to be shown."""

    highlight_requested = Signal(object)
    """A tuple of `Region`: the regions that the pointer highlights, empty to clear them."""

    title = ""
    """Title of the view: text of its tab, accessible name, and file name of its picture."""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        """Show a finished run, with `candidate` compared with the reference; None clears the view."""
        raise NotImplementedError

    def show_location(self, location: Location) -> None:
        """Show a location, always inside the result. May take a few milliseconds at most."""
        raise NotImplementedError

    def show_highlight(self, highlighted: Sequence[Region]) -> None:
        """Highlight the regions that the view shows, if any."""

    def finish_pending(self) -> None:
        """Finish pending updates at once, as before a picture is taken."""

    def duplicate(self) -> Self:
        """A new view with the same options, for a picture of another size. It shows no result yet."""
        return type(self)()

    def show_part_of(self, view: Self) -> None:
        """Show the part of the time axis that another view shows, which has the same result."""

    def hide_selection(self) -> None:
        """Leave out the marks of the selection, as in a picture for a paper."""

    def show_legend(self, shown: bool) -> None:
        """Show or hide the legend of the colors, if the view has one."""

    def save_state(self) -> tuple[str, ...] | None:
        """State of this view for a session, as text; None without any."""
        return None

    def restore_state(self, choices: Sequence[str]) -> None:
        """Restore the state of a session; unknown entries are ignored."""

    def apply_theme(self, theme: Theme) -> None:
        """Use the colors of a theme."""
        raise NotImplementedError
