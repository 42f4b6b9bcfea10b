"""The quantity of the lanes that follows the selection while it is switched on.

It is the influence on the selected value, or the contributions of the time steps to the gradient of the selected
parameter.
"""

from typing import TYPE_CHECKING, TypeAlias

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.core import number_format
from rnnviz.core.errors import InputError
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.core.words import plural
from rnnviz.explain.value_sources import notation
from rnnviz.gui.app_state import Followed, Session
from rnnviz.gui.kit.tasks import BusyObject, Check, LatestTask

if TYPE_CHECKING:
    from rnnviz.dependence.influence import Influence
    from rnnviz.reading.parameter_gradients import Contributions

    Found: TypeAlias = Influence | Contributions

Key: TypeAlias = tuple[str | None, Location | Place]
"""The engine, and the value or the parameter."""

_AFTER = 120
"""Milliseconds from the last change of the selection to the computation."""
_SHOWN: dict[Followed | None, str] = {
    "influence": "The strips show the influence on the selected value.",
    "contributions": "The lane shows contributions to {name}, summed over {samples}.",
}
_OFF: dict[Followed | None, str] = {"influence": "Influence is off.", "contributions": "Contributions are off."}
_COMPUTING = "Computing contributions to {name}: {percent}."
_NO_GRADIENTS = "Contributions need a backward pass: Run > Compute gradients (Shift+G)."
_NO_PARAMETER = "Contributions need the gradient of a parameter: select an entry in the tab Parameters."


def without_parameter(session: Session) -> str:
    """A sentence that says what contributions need, while no parameter is selected."""
    inputs = session.state.inputs
    return _NO_GRADIENTS if inputs is None or inputs.loss is None else _NO_PARAMETER


class LaneQuantityFollower(BusyObject):
    """Computes the quantity for the shown engine on a thread, and puts it into the state."""

    progressed = Signal(float)
    """The fraction that is done."""
    refused = Signal(str)
    """Why the quantity of the selection is not known."""
    message = Signal(str)
    """A text for the status bar."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._settled = QTimer(self, interval=_AFTER, singleShot=True)
        self._settled.timeout.connect(self._begin)
        self._task = LatestTask("lane quantity", self)
        self._task.done.connect(self._take)
        self.progressed.connect(self._tell_progress)
        session.on_change(self._follow, "following", "result", "location", "engine", "parameter")

    def toggle(self, quantity: Followed) -> None:
        """Show a quantity, which follows the selection, or stop."""
        session = self._session
        if session.following == quantity:
            session.set_following(None)
            self.message.emit(_OFF[quantity])
        elif quantity == "contributions" and session.parameter is None:
            self.message.emit(without_parameter(session))
        else:
            session.set_following(quantity)
            if quantity == "influence":
                self.message.emit(_SHOWN[quantity])

    def show_influence(self, wanted: bool) -> None:
        """Show the influence on the selected value, or stop showing it."""
        if wanted != (self._session.following == "influence"):
            self._session.set_following("influence" if wanted else None)

    def close(self) -> None:
        self._settled.stop()
        self._task.stop()

    @property
    def _wanted(self) -> Key | None:
        session = self._session
        of = session.parameter if session.following == "contributions" else session.location
        return None if session.following is None or session.result is None or of is None else (session.engine, of)

    @property
    def _known(self) -> Key | None:
        influence, contributions = self._session.influence, self._session.contributions
        if influence is not None:
            return influence.engine, influence.where
        return None if contributions is None else (contributions.engine, contributions.parameter)

    def _follow(self) -> None:
        if self._wanted is None:
            self._settled.stop()
            self._task.cancel()
            self._set_busy(False)
        elif self._wanted != self._known:
            self._task.cancel()
            self._set_busy(True)
            self._settled.start()

    def _begin(self) -> None:
        result, wanted = self._session.result, self._wanted
        if result is None or wanted is None or wanted[0] is None:
            return
        engine, of = wanted[0], wanted[1]

        def work(check: Check) -> "Found | str":
            def report(fraction: float) -> None:
                check()
                self.progressed.emit(fraction)

            try:
                if isinstance(of, Place):
                    from rnnviz.reading.parameter_gradients import contributions

                    return contributions(result, of, engine, report)
                from rnnviz.dependence.influence import influence

                return influence(result, of, engine, report)
            except (InputError, OSError) as error:
                return str(error)

        self._task.ask(work)

    def _take(self, found: "Found | str") -> None:
        self._set_busy(False)
        if isinstance(found, str):
            # Another value may be known, but not another step of the same engine.
            influence = self._session.following == "influence"
            self._session.set_following("influence" if influence else None)
            self.refused.emit(found)
            self.message.emit(found)
            return
        self._session.set_followed(found)
        contributions = self._session.contributions
        if contributions is not None:
            samples = plural(contributions.samples, "sample")
            self.message.emit(_SHOWN["contributions"].format(name=contributions.name, samples=samples))

    def _tell_progress(self, fraction: float) -> None:
        parameter = self._session.parameter
        if self.busy and parameter is not None and self._session.following == "contributions":
            name, percent = notation(parameter.gradient), number_format.percent(fraction)
            self.message.emit(_COMPUTING.format(name=name, percent=percent))
