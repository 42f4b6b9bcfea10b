"""Commands on the current result: mismatches, known bugs, gradients, copy."""

from dataclasses import replace

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication, QWidget

from rnnviz.core.trace_index import Location
from rnnviz.engines.registry import engines_of, is_known_bug
from rnnviz.gui.app_state import Session
from rnnviz.gui.document import Document
from rnnviz.gui.jobs.run_control import RunControl
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


def text_of_location(result: RunResult, location: Location, array: str = "h") -> str:
    """Selected values of all engines as a tab-separated table, in full precision: of h, or of a gradient."""
    rows = [("engine", *location.to_json(), "value" if array == "h" else array)]
    place = [str(value) for value in location.to_json().values()]
    for name, trace in result.traces.items():
        there = array in trace and (array != "h" or trace.holds(*location.index[:3]))
        rows.append((name, *place, str(trace[array][location.index]) if there else ""))
    return "\n".join("\t".join(row) for row in rows) + "\n"


class ResultCommands(QObject):
    """Each command reports its effect through `message`."""

    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, parent: QWidget, session: Session, document: Document, control: RunControl) -> None:
        super().__init__(parent)
        self._session, self._document, self._control = session, document, control

    def next_mismatch(self) -> None:
        self._visit(forward=True)

    def previous_mismatch(self) -> None:
        self._visit(forward=False)

    def compute_bug(self, engine: str) -> None:
        """Run the engine of a known bug, which replaces another known bug among the candidates, and select it."""
        self._session.set_candidate(engine)
        config = self._session.config
        reference, *candidates = engines_of(config)
        if engine not in (reference, *candidates):
            others = (name for name in candidates if not is_known_bug(name))
            self._document.edit(config.with_engines((reference, *others, engine)), f"comparing with {engine}")
        self._control.run()

    def compute_gradients(self) -> None:
        """Turn on the backward pass, color the lanes by its gradients and run."""
        config = self._session.config
        if not config.backward.enabled:
            self._document.edit(replace(config, backward=replace(config.backward, enabled=True)), "computing gradients")
        self._run_backward()

    def compute_gradient_of_selected(self) -> None:
        """Make the selected hidden value the loss, color the lanes by gradients and run."""
        config, where = self._session.config, self._session.location
        backward = replace(
            config.backward, enabled=True, loss="value", value=where.index, path=None, final_state="zeros"
        )
        self._document.edit(replace(config, backward=backward), "loss = selected value")
        self._run_backward()

    def _run_backward(self) -> None:
        if not self._session.in_backward_pass:
            self._session.set_color_by("grad.h")
        self._control.run()

    def copy(self) -> None:
        text = text_of_focused(QApplication.focusWidget())
        if text is None and self._session.result is not None:
            text = text_of_location(self._session.result, self._session.location, self._session.array)
        if text is None:
            self.message.emit("Nothing to copy: no results yet.")
        else:
            QApplication.clipboard().setText(text)
            self.message.emit("Copied.")

    def _visit(self, *, forward: bool) -> None:
        if not self._session.go_to_mismatch(forward=forward):
            self.message.emit("No mismatches.")
