"""Playing: every step of a short sequence, and of a long one those that the clock says."""

from itertools import count, pairwise
from typing import Any

import pytest

from rnnviz.analysis.result import RunResult
from rnnviz.gui.commands.cursor import Cursor
from rnnviz.gui.commands.player import Player, speed
from rnnviz.gui.session import Session
from tests.made_results import made_result


def session_on(result: RunResult) -> Session:
    session = Session(result.config)
    session.set_result(result)
    return session


def test_a_sequence_is_played_in_twelve_seconds_or_at_two_steps_a_second() -> None:
    assert speed(2) == 2.0
    assert speed(120) == pytest.approx(10.0)
    assert speed(1_200_000) == pytest.approx(100_000.0)


def test_no_step_is_skipped_while_there_is_a_frame_for_each(qtbot: Any) -> None:
    session = session_on(made_result(timesteps=400))
    # A clock that says that every frame is late.
    player = Player(session, Cursor(session), clock=count(0.0, 0.5).__next__)
    seen: list[int] = []
    session.location_changed.connect(lambda location: seen.append(location.timestep))
    player.toggle()
    qtbot.waitUntil(lambda: len(seen) >= 4)
    player.halt()
    assert seen == list(range(1, len(seen) + 1))


def test_a_late_frame_of_a_long_sequence_skips_steps_and_holds_the_pace(qtbot: Any) -> None:
    session = session_on(made_result(timesteps=12_000, batch_size=1, hidden_size=1))
    times = iter([0.0, 0.016, 0.032, 0.132, 0.148, *[0.148] * 1000])
    player = Player(session, Cursor(session), clock=times.__next__)
    seen = [0]
    session.location_changed.connect(lambda location: seen.append(location.timestep))
    player.toggle()
    qtbot.waitUntil(lambda: len(seen) >= 5)
    player.halt()
    assert [after - before for before, after in pairwise(seen)] == [16, 16, 100, 16]


def test_playing_ends_at_the_end_and_begins_again_at_the_start(qtbot: Any) -> None:
    session = session_on(made_result(timesteps=12_000, batch_size=1, hidden_size=1))
    player = Player(session, Cursor(session), clock=count(0.0, 5.0).__next__)
    with qtbot.waitSignal(player.playing_changed, check_params_cb=lambda playing: not playing):
        player.toggle()
    assert session.location.timestep == 11_999
    player.toggle()
    assert player.playing
    assert session.location.timestep == 0
    session.set_result(made_result())
    assert not player.playing
