"""Announcements to screen readers: selected values, verdicts, ends of runs, messages and errors."""

from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QMainWindow

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import VERDICT, masks_any
from rnnviz.core.sequence import timestep_in_words
from rnnviz.core.trace_index import Location
from rnnviz.explain.value_sources import quantity_place
from rnnviz.gui.app_state import Field, Session
from rnnviz.gui.commands.playback import Player
from rnnviz.gui.regions import VectorKind, vector_at
from rnnviz.text.verdict_text import verdict_sentence
from rnnviz.verify.result import RunResult

_AFTER_MS = 300
"""Rest after which a selection is announced: while keys repeat, only the last one is."""
_KINDS: dict[str, VectorKind] = {"h": "hidden", "c": "cell", "grad.h": "gradient"}


def announce(source: QObject, text: str, *, urgent: bool = False) -> None:
    """Say a text by the screen reader, if one is in use; an urgent one interrupts others."""
    if not text or not QAccessible.isActive():
        return
    event = QAccessibleAnnouncementEvent(source, text)
    politeness = QAccessible.AnnouncementPoliteness
    event.setPoliteness(politeness.Assertive if urgent else politeness.Polite)
    QAccessible.updateAccessibility(event)


class Announcer(QObject):
    """Announces what changes in a window without the keyboard's focus.

    A selection is announced once it rests, and not during playback. A run is announced by its verdict.
    """

    def __init__(self, window: QMainWindow, session: Session, player: Player) -> None:
        super().__init__(window)
        self._window, self._session, self._player = window, session, player
        self._changed: set[Field] = set()
        """Fields that changed since the last announcement."""
        self._spoken = ""
        """The last verdict: the audit, which comes after the comparison, may not change it."""
        self._rest = QTimer(self, singleShot=True, interval=_AFTER_MS)
        self._rest.timeout.connect(self._speak)
        session.changed.connect(self._on_change)
        player.playing_changed.connect(self._rest.start)
        window.statusBar().messageChanged.connect(lambda text: announce(window, text))

    @property
    def pending(self) -> bool:
        """Whether a change waits to be announced."""
        return self._rest.isActive()

    def show_error(self, sentence: str | None) -> None:
        """Announce why there is no result; None clears the error."""
        announce(self._window, sentence or "", urgent=True)

    def _on_change(self, changed: frozenset[Field]) -> None:
        if "inputs" in changed:
            self._spoken = ""
        # Another result moves the selection, too.
        spoken: set[Field] = {"result"} if "result" in changed else {"location", "engine", "color_by"}
        if changed & spoken:
            self._changed |= changed & spoken
            self._rest.start()

    def _speak(self) -> None:
        result, session = self._session.result, self._session
        if result is None or self._player.playing:
            return
        changed, self._changed = self._changed, set()
        if "result" in changed and not masks_any(session.masked, VERDICT):
            verdict = str(verdict_sentence(result, session.candidate))
            if verdict != self._spoken:
                announce(self._window, verdict)
            self._spoken = verdict
        if changed != {"result"}:
            announce(self._window, selection_in_words(session, result))


def selection_in_words(session: Session, result: RunResult) -> str:
    """The selected value: "layer 1 forward, t = 6, unit 2, h = 0.185"; "?" while a question asks for it."""
    where, quantity = session.location, session.quantity
    array = quantity if quantity in _KINDS else "h"
    vector = vector_at(result, session.candidate, where, _KINDS[array])
    engine = session.engine or result.reference.engine
    columns = dict(vector.columns)
    if engine not in columns:
        return f"{place_in_words(result, where)}, {array} not recorded"
    if session.is_masked(quantity_place(where, array)):
        return f"{place_in_words(result, where)}, {array} = ?"
    value = number_format.true_minus(number_format.short(columns[engine][where.unit]))
    text = f"{place_in_words(result, where)}, {array} = {value}"
    if vector.difference is not None and vector.difference.mismatched[where.unit]:
        pair = [name for name in (result.reference.engine, session.candidate) if name and name != engine]
        others = (
            f"{number_format.true_minus(number_format.short(columns[n][where.unit]))} in {display_name(n)}"
            for n in pair
        )
        text += f", differs: {', '.join(others)}"
    return text


def place_in_words(result: RunResult, where: Location) -> str:
    """The place of a selected value: "layer 1 forward, t = 6, unit 2"."""
    network = result.inputs.network
    directed = network.bidirectional or network.reverse
    lane = f"layer {where.layer}" + (f" {'backward' if where.backward else 'forward'}" if directed else "")
    step = timestep_in_words(result.inputs.names.of_sample(where.sample), where.timestep)
    sample = f", sample {where.sample}" if result.inputs.batch_size > 1 else ""
    return f"{lane}, {step}{sample}, unit {where.unit}"
