"""Animations: their steps, their frames, and exports that fail or are stopped."""

from dataclasses import replace
from itertools import pairwise
from time import sleep

import numpy as np
import pytest
from PIL import Image
from PySide6.QtWidgets import QMessageBox

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.export.animation import Animation, AnimationDialog, AnimationOptions, FrameSequence, reads_stages
from rnnviz.gui.export.lanes_figure import state_of
from rnnviz.gui.regions import STAGES, Traversal
from rnnviz.gui.theme.palettes import LIGHT
from rnnviz.gui.theme.scaling import DialogScrollArea
from rnnviz.io.export.paper import PaperFigure
from tests.factories import make_result


@pytest.fixture
def window(qtbot, window):
    config = window.session.config
    sequence = replace(config.sequence, timesteps=4)
    with qtbot.finished(window):
        window.document.edit(replace(config, sequence=sequence))
        window.control.run()
    yield window
    for dialog in window.findChildren(AnimationDialog):
        dialog.reject()


def opened(qtbot, window) -> AnimationDialog:
    window.actions_["export_animation"].trigger()
    dialog = qtbot.shown(window, AnimationDialog)
    dialog.width_.setValue(480)
    dialog.height_.setValue(400)
    return dialog


BOTH = Network("gru", 2, 3, num_layers=2, bidirectional=True)


def test_frames_follow_the_order_of_computation_within_the_range():
    walk = Traversal(BOTH, 6, "lane")
    backward = FrameSequence(walk, range(1, 4), Location(1, 1, 0, 0, 2), stages=True)
    assert [backward[n] for n in range(len(backward))] == [
        (Location(1, 1, t, 0, 2), stage) for t in (3, 2, 1) for stage in STAGES
    ]
    assert backward.seconds == pytest.approx(0.8 * 15)
    gradients = FrameSequence(replace(walk, gradients=True), range(1, 4), Location(1, 0, 0, 0, 2), stages=True)
    assert [gradients[number][0].timestep for number in range(0, len(gradients), len(STAGES))] == [3, 2, 1]
    assert [gradients[number][1] for number in range(len(STAGES))] == list(STAGES[::-1])
    every = FrameSequence(Traversal(BOTH, 6, "layers"), range(1, 3), Location(), stages=False)
    places = [(every[n][0].layer, every[n][0].direction, every[n][0].timestep) for n in range(len(every))]
    assert places == [(0, 0, 1), (0, 0, 2), (0, 1, 2), (0, 1, 1), (1, 0, 1), (1, 0, 2), (1, 1, 2), (1, 1, 1)]
    assert every[0][1] is None


@pytest.mark.parametrize(("timesteps", "stages"), [(2, True), (3, False), (30, False), (10_000, False)])
def test_an_animation_lasts_ten_seconds_at_most_and_shows_stages_only_if_they_can_be_read(timesteps, stages):
    walk, times = Traversal(BOTH, timesteps, "lane"), range(timesteps)
    assert reads_stages(walk, times) == stages
    frames = FrameSequence(walk, times, Location(), stages=stages)
    assert frames.seconds <= 10.0
    assert len(frames) == (10 if stages else min(timesteps, 251))


@pytest.mark.slow
def test_a_gif_shows_each_stage_on_the_values_of_the_lanes(qtbot, window, tmp_path):
    window.session.set_location(Location(timestep=3, unit=1))
    dialog = opened(qtbot, window)
    assert dialog.options == AnimationOptions(width=480, height=400)
    form = dialog.findChild(DialogScrollArea)
    assert not form.horizontalScrollBar().isVisible()
    assert not form.verticalScrollBar().isVisible()
    assert (dialog.first.value(), dialog.last.value(), dialog.stages.currentData()) == (0, 3, False)
    dialog.last.setValue(1)
    assert dialog.stages.currentData()
    dialog.duration.setValue(2.0)
    dialog.title.setText("Two steps")
    dialog.look()
    assert "10 frames, 480 × 400 pixels" in dialog.summary.text()
    with qtbot.waitSignal(window.jobs.done):
        dialog.accept()
        qtbot.choose_file(window, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.n_frames, image.size) == (10, (480, 400))
        durations, pictures = [], []
        for number in range(10):
            image.seek(number)
            durations.append(image.info["duration"])
            pictures.append(np.asarray(image.convert("RGB")))
    assert sum(durations) == 2000
    assert all(tuple(picture[1, 1]) == (255, 255, 255) for picture in pictures)
    assert all((one != other).any() for one, other in pairwise(pictures))
    assert window.session.location == Location(timestep=3, unit=1), "the window stays where it is"
    assert AnimationOptions.of(window.settings.animation).height == 400


def test_the_future_of_a_frame_is_hidden(qapp):
    result = make_result(timesteps=4, num_layers=2)
    walk = Traversal(result.inputs.network, 4, "lane")
    frames = FrameSequence(walk, range(4), Location(), stages=False)
    shown = state_of(result, PaperFigure(), LIGHT)
    options = AnimationOptions(width=400, height=400)
    hidden = [Animation(result, shown, frames, options, hide_future=order) for order in (None, "lane", "layers")]
    for step in range(4):
        pictures = [animation.draw(step) for animation in hidden]
        place = hidden[0].place_of(Lane(0), range(3, 4))
        colors = [picture.pixelColor(place) for picture in pictures]
        assert (colors[0] == colors[1], colors[0] == colors[2]) == (step == 3, step == 3)
        place = hidden[0].place_of(Lane(1), range(1))
        colors = [picture.pixelColor(place) for picture in pictures]
        assert colors[0] == colors[1] != colors[2]


@pytest.mark.slow
def test_the_range_and_order_of_playback_are_offered(qtbot, window, monkeypatch):
    monkeypatch.setattr(window.player, "loop_range", lambda: range(1, 3))
    monkeypatch.setattr(window.player.stepper, "order", "layers")
    dialog = opened(qtbot, window)
    assert (dialog.first.value(), dialog.last.value(), dialog.order.currentData()) == (1, 2, "layers")
    dialog.reject()


@pytest.mark.slow
def test_an_animation_that_fails_or_is_stopped_leaves_no_file(qtbot, window, monkeypatch, tmp_path):
    (tmp_path / "out").mkdir()

    def write(frames, _samples, _seconds, _path):
        if ended == "failed":
            raise InputError("No palette.")
        for _ in frames:
            sleep(0.2)

    monkeypatch.setattr("rnnviz.gui.export.animation.write_gif", write)
    for ended in ("failed", "stopped"):
        dialog = opened(qtbot, window)
        with qtbot.waitSignal(getattr(window.jobs, ended)):
            dialog.accept()
            qtbot.choose_file(window, tmp_path / "out" / "a.gif")
            if ended == "stopped":
                qtbot.waitUntil(lambda: window.exporting.text != "")
                window.stop()
        assert list((tmp_path / "out").iterdir()) == []
        for box in window.findChildren(QMessageBox):
            assert "No palette" in box.text()
            box.accept()
