"""A session with any numbers, words and types in its record opens, or is refused in a sentence; the window goes on."""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from rnnviz.core.errors import InputError
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.recovery.session_commands import ViewStateRestorer
from rnnviz.gui.views.unrolled.geometry import limits_of
from rnnviz.io.config_toml import dump_config
from rnnviz.io.session import CONFIG, MANIFEST, SavedDocument, SavedSession, dump_manifest, read_session
from tests.io.session.session_factories import LOOK, never
from tests.profiles import examples

NUMBERS = (
    st.sampled_from([0, -1, 1, 3, 7, 10**9, 2**63, -(2**70), 1e300, -1e300, 1e-300, 5e-324, 1e20, 0.5, 1.0])
    | st.floats()
    | st.integers()
)
VALUES = (
    NUMBERS
    | st.sampled_from([None, True, False, "", "9" * 100, "\u202e", "x" * 5_000, [], {}, [[[[]]]], {"a": {"b": [1]}}])
    | st.text(max_size=12)
)
WORDS = (
    *(("lanes", word) for word in ("range 1 0 2 4 0.25", "range 0 0 1 3 -1e-3 onset")),
    *(("lanes", word) for word in ("colors fixed -1.0 2.0 log", "colors lane 1.0 1.0")),
    *(("Value", word) for word in ("page Vector", "tab cell", "tab hidden", "f")),
    *(("Units over time", word) for word in ("0", "3", "error_ratio", "c")),
    *(("playback", word) for word in ("speed 2", "order layers", "loop", "stage 0", "hide future")),
    *(("open panes", word) for word in ("Settings", "tabs", "Value", "nothing")),
)
"""Words of the views' states, whose numbers are replaced by others."""
DIGITS = ("0", "1", "7", "99", "1e999", "1e300", "1e-300", "9" * 50, "-1", "nan", "inf", "\u0663")


def real_record(window: MainWindow) -> dict[str, Any]:
    """The record of a session, with a word for every choice of every view."""
    choices = {view.title: view.save_state() or () for view in window.views}
    choices |= {"playback": window.player.save_state(), "open panes": ("Value",)}
    record: dict[str, Any] = json.loads(
        dump_manifest(SavedSession(window.session.config, SavedDocument("mine.toml", "/x.toml"), LOOK, choices))
    )
    return record


def replaced(word: str, number: str, place: int) -> str:
    found = list(re.finditer(r"\d[\d.]*(e-?\d+)?", word))[:place]
    return f"{word[: found[-1].start()]}{number}{word[found[-1].end() :]}" if found else word


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[dict[str, Any]], None]:
    """Replaces up to four values of a record, and words of the views' states."""
    tab = draw(
        st.sampled_from(("Units over time", "Units over time", "Arithmetic", "Gradient flow", "Error over time"))
    )
    values = draw(st.lists(st.tuples(st.integers(0, 10**6), VALUES), max_size=4))
    words = draw(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(DIGITS), st.integers(1, 6)), max_size=3))

    def mutate(record: dict[str, Any]) -> None:
        look = record["look"]
        look["tab"] = tab
        for (view, word), number, place in words:
            record["choices"][view].append(replaced(word, number, place))
        for place, value in values:
            # Most are of the view: a record with other values of the rest is refused before it is shown.
            table = record if place % 8 == 0 else look
            table[sorted(table)[place % len(table)]] = value

    return mutate


def write(path: Path, record: dict[str, Any], config: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MANIFEST, json.dumps(record))
        archive.writestr(CONFIG, config)


def restore(window: MainWindow, path: Path) -> bool:
    """Restore a session's view state as after its run. Returns False if it is refused."""
    try:
        session = read_session(path, never)
    except InputError as error:
        sentence = str(error)
    else:
        sentence = ""
    if sentence:
        assert sentence.startswith(f"{path} cannot be opened as a session: ")
        assert "\n" not in sentence
        assert len(sentence) < 1_000
        return False
    restorer = ViewStateRestorer(window, window)
    try:
        restorer.begin(session.look, session.choices)
        restorer.restore_now()
        # Sizes, then the viewport, follow in other turns of the event loop.
        QTest.qWait(0)
        QTest.qWait(0)
        window.lanes.grab()
        window.main_layout.tabs.front.grab()
    finally:
        restorer.deleteLater()
    return True


def assert_usable(window: MainWindow) -> None:
    """Everything is where the user could have brought it, and follows the keyboard."""
    assert window.session.location == window.session.location.within(window.session.result.shape)
    geometry = window.lanes.geometry_in_view
    if geometry is not None:
        room, camera = limits_of(geometry), geometry.camera
        assert camera == camera.within(room)
    assert window.lanes.isVisible()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Plus, Qt.Key.Key_0):
        QTest.keyClick(window.lanes, key)


@pytest.mark.slow
@pytest.mark.parametrize("count", [examples(64), pytest.param(400, marks=pytest.mark.nightly)], ids=["few", "many"])
def test_any_record_of_a_session_opens_or_is_refused(count, window, tmp_path):
    path = tmp_path / "a.rnnviz"
    config = dump_config(window.session.config)
    record = json.dumps(real_record(window))
    outcomes = []

    @settings(max_examples=count, suppress_health_check=list(HealthCheck))
    @given(mutations())
    def check(mutate):
        changed = json.loads(record)
        mutate(changed)
        write(path, changed, config)
        outcomes.append(restore(window, path))
        assert_usable(window)

    check()
    assert any(outcomes)
