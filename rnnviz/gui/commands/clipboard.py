"""Text for the clipboard: content of the focused view, or the selected values."""

from PySide6.QtWidgets import QWidget

from rnnviz.core.trace_index import Location
from rnnviz.verify.result import RunResult


def text_of_focused(focused: QWidget | None) -> str | None:
    """Text of the focused view, or None if it has nothing to copy.

    A view with text to copy has a method `copy_text() -> str`.
    """
    widget = focused
    while widget is not None:
        offer = getattr(widget, "copy_text", None)
        if offer is not None:
            text = str(offer())
            return text or None
        widget = widget.parentWidget()
    return None


def text_of_location(result: RunResult, location: Location) -> str:
    """Selected values of all engines as a tab-separated table, in full precision."""
    rows = [("engine", *location.to_json(), "value")]
    place = [str(value) for value in location.to_json().values()]
    rows += [
        (name, *place, str(trace.hidden[location.index]) if trace.holds(*location.index[:3]) else "")
        for name, trace in result.traces.items()
    ]
    return "\n".join("\t".join(row) for row in rows) + "\n"
