"""The contract of every view: small, so that any view can be put anywhere and follows."""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from rnnviz.core.trace_index import Location
from rnnviz.gui.theme.palettes import Theme
from rnnviz.quantities.highlights import Region
from rnnviz.verify.result import RunResult


class ResultView(QWidget):
    """One picture of a result at a location.

    A view computes nothing that takes time and keeps no selection: it shows what it is given and
    sends `location_requested` (a `Location`) when the user points at another place.
    """

    location_requested = Signal(object)

    explanation_requested = Signal(object)
    """A place of `analysis.explain.provenance`: the user wants to see how its number was computed."""

    lit_requested = Signal(object)
    """A tuple of `Region`: what the user points at and what else is the same, or none of it."""

    title = ""
    """What the view shows, in words: its tab's text, its accessible name, and the name of its exported picture."""

    def show_result(self, result: RunResult | None, candidate: str | None) -> None:
        """Show a finished run, with `candidate` compared with the reference; None empties the view."""
        raise NotImplementedError

    def show_location(self, location: Location) -> None:
        """Move to a place, which always lies inside the shown result. Must take a few milliseconds at most."""
        raise NotImplementedError

    def show_highlight(self, lit: Sequence[Region]) -> None:
        """Light up what the view shows of these regions; views that show no part of a lane light up nothing."""

    def settle(self) -> None:
        """Show at once what is still on its way, as before a picture is taken."""

    def save_state(self) -> tuple[str, ...] | None:
        """What the user chose in this view alone, in words that `restore_state` understands: a session keeps it.

        None if nothing can be chosen in it.
        """
        return None

    def restore_state(self, choices: Sequence[str]) -> None:
        """Make a session's choices again; words that mean nothing here are passed over."""

    def apply_theme(self, theme: Theme) -> None:
        """Draw in these colors."""
        raise NotImplementedError
