"""Playing: every step of a short sequence, and of a long one those that the clock says."""

from itertools import count

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QToolButton

from rnnviz.core.trace_index import Location
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.playback import Player, speed
from rnnviz.gui.regions import STAGE_NAMES, STAGES
from rnnviz.reading.units import Query
from rnnviz.verify.result import RunResult
from tests.factories import make_result


def session_on(result: RunResult) -> Session:
    session = Session(result.config)
    session.set_result(result)
    return session


def test_a_sequence_is_played_in_twelve_seconds_or_at_two_steps_a_second():
    assert speed(2) == 2.0
    assert speed(120) == pytest.approx(10.0)
    assert speed(1_200_000) == pytest.approx(100_000.0)


def test_no_step_is_skipped_while_there_is_a_frame_for_each(qtbot):
    session = session_on(make_result(timesteps=400))
    # A clock that says that every frame is late.
    player = Player(session, clock=count(0.0, 0.5).__next__)
    seen: list[int] = []
    session.on_change(lambda: seen.append(session.location.timestep), "location")
    player.toggle()
    qtbot.waitUntil(lambda: len(seen) >= 4)
    player.pause()
    assert seen == list(range(1, len(seen) + 1))


def test_playing_stops_at_the_end_and_restarts_at_the_start(qtbot):
    session = session_on(make_result(timesteps=12_000, batch_size=1, hidden_size=1))
    player = Player(session, clock=count(0.0, 5.0).__next__)
    with qtbot.waitSignal(player.playing_changed, check_params_cb=lambda playing: not playing):
        player.toggle()
    assert session.location.timestep == 11_999
    player.toggle()
    assert player.playing
    assert session.location.timestep == 0
    session.set_result(make_result())
    assert not player.playing


@pytest.mark.slow
def test_a_short_sequence_is_played_by_stages_in_words_and_highlights(qtbot, monkeypatch):
    monkeypatch.setattr("rnnviz.gui.commands.playback.STAGE_MS", 100)
    session = session_on(make_result(cell="lstm", timesteps=2, bidirectional=True))
    session.set_location(Location(0, 1, 1, 1, 2))
    player = Player(session)
    player.set_factor(2.0)
    told: list[str] = []
    parts: list[set[str]] = []
    player.stepper.status_changed.connect(told.append)
    session.on_change(lambda: parts.append({region.part for region in session.highlighted}), "highlighted")
    player.toggle()
    assert told == ["reads x[t=1] for the input part of layer 0 ←"]
    with qtbot.waitSignal(player.playing_changed):
        pass
    step = ["reads x", "reads h", "compute", "reads c"]
    assert [words[:7] for words in told] == [*step, "h[t=1] ", *step, "h[t=0] "]
    step = [{"read"}, {"read"}, {"read", "gates"}, {"read", "computed"}]
    assert parts == [*step, {"carried", "next"}, *step, {"carried"}]
    assert session.location == Location(0, 1, 0, 1, 2)


def test_stages_step_back_in_reverse_and_a_moved_selection_clears_the_highlights():
    session = session_on(make_result(timesteps=3, num_layers=2))
    player = Player(session)
    player.set_order("layers")
    told: list[str] = []
    player.stepper.status_changed.connect(told.append)
    for _ in range(19):
        player.step(1)
    assert session.location == Location(1, 0, 0)
    forth = list(told)
    for _ in range(18):
        player.step(-1)
    assert told[19:] == forth[-2::-1]
    session.set_location(Location(0, 0, 2))
    assert session.highlighted == ()
    assert told[-1] == ""
    assert player.stepper.stage is None


def test_a_loop_repeats_its_range_in_either_direction_with_and_without_stages(qtbot):
    session = session_on(make_result(timesteps=12, bidirectional=True))
    player = Player(session)
    player.toggle_loop()
    session.set_range(Query(str(session.engine), 0, 0, 0, range(3, 6)))
    seen: list[int] = []
    session.on_change(lambda: seen.append(session.location.timestep), "location")
    for by, direction, expected in ((1, 0, [3, 4, 5]), (-1, 0, [5, 4, 3]), (1, 1, [5, 4, 3])):
        for stages in (1, len(STAGES)):
            session.set_location(Location(direction=direction, timestep=expected[0]))
            player.set_factor(1.0 if stages > 1 else 16.0)
            player.toggle(backward=by < 0)
            seen.clear()
            for _ in range(7 * stages):
                player.timer.timeout.emit()
            assert seen[:6] == (expected * 3)[1:7], (by, direction, stages)
            assert player.playing
            player.pause()
            player.stepper.stop()


@pytest.mark.slow
def test_the_bar_opens_with_the_first_stage_and_closes_by_escape(qtbot, run_config, window, press):
    run_config({"cell": "lstm", "input_size": 2, "hidden_size": 3}, sequence={"timesteps": 3})
    bar, stepper = window.playback, window.player.stepper
    assert bar.isHidden()
    assert bar.play_button.isVisible()
    press(Qt.Key.Key_Period)
    assert (stepper.stage, bar.isVisible()) == ("input", True)
    buttons = {button.text(): button for button in bar.stages.findChildren(QToolButton)}
    assert buttons["input part"].isChecked()
    for stage in (*STAGES, None):
        button = buttons["whole step" if stage is None else STAGE_NAMES[stage]]
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert (stepper.stage, button.isChecked()) == (stage, True)
        assert bool(window.session.highlighted) == (stage is not None)
    bar.speed.setCurrentIndex(bar.speed.findData(4.0))
    bar.speed.activated.emit(bar.speed.currentIndex())
    press(Qt.Key.Key_L)
    assert (window.player.factor, window.player.looping) == (4.0, True)
    press(Qt.Key.Key_L)
    press(Qt.Key.Key_Space)
    assert (window.player.playing, window.actions_["play"].text()) == (True, "&Pause")
    press(Qt.Key.Key_Escape)
    assert window.actions_["play"].text() == "&Play"
    assert (window.player.playing, bar.isVisible(), stepper.stage) == (False, False, None)
    window.player.set_factor(1.0)


def test_gradients_play_in_the_order_of_the_backward_pass(qtbot):
    session = session_on(make_result(gradients=("gluon", "manual"), num_layers=2, timesteps=4))
    player = Player(session)
    player.set_order("layers")
    session.set_color_by("grad.h")
    session.set_location(Location())
    player.toggle()
    assert (session.location.index[:3], player.stepper.stage) == ((1, 0, 3), "output")
    seen = []
    player.pause()
    for _ in range(6):
        seen.append((player.stepper.stage, session.location.layer, session.location.timestep))
        player.step(1)
    assert seen[:6] == [(stage, 1, 3) for stage in STAGES[::-1]] + [("output", 1, 2)]
    session.set_color_by("value")
    assert (player.stepper.stage, session.highlighted) == (None, ())
    session.set_location(Location(1, 0, 3))
    player.toggle()
    assert session.location == Location()
    player.pause()
