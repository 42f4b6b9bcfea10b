"""Animations: their steps, their frames as the window shows them, and exports that fail or are stopped."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from time import sleep

import numpy as np
import pytest
from PIL import Image
from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QMessageBox

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Lane, Location
from rnnviz.gui.export.animation import AnimationDialog, AnimationExport, AnimationOptions, FrameSequence
from rnnviz.gui.regions import STAGES, Traversal
from rnnviz.gui.views.unrolled.geometry import CellGeometry
from rnnviz.gui.views.unrolled.view import UnrolledView


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
    backward = FrameSequence(walk, range(1, 4), Location(1, 1, 0, 0, 2), 1.0, stages=True)
    assert [backward[n] for n in range(len(backward))] == [
        (Location(1, 1, t, 0, 2), stage) for t in (3, 2, 1) for stage in STAGES
    ]
    assert backward.seconds == 0.8
    gradients = FrameSequence(replace(walk, gradients=True), range(1, 4), Location(1, 0, 0, 0, 2), 1.0, stages=True)
    assert [gradients[number][0].timestep for number in range(0, len(gradients), len(STAGES))] == [3, 2, 1]
    assert [gradients[number][1] for number in range(len(STAGES))] == list(STAGES[::-1])
    every = FrameSequence(Traversal(BOTH, 6, "layers"), range(1, 3), Location(), 2.0, stages=False)
    places = [(every[n][0].layer, every[n][0].direction, every[n][0].timestep) for n in range(len(every))]
    assert places == [(0, 0, 1), (0, 0, 2), (0, 1, 2), (0, 1, 1), (1, 0, 1), (1, 0, 2), (1, 1, 2), (1, 1, 1)]
    assert every[0][1] is None


def color_at(view: UnrolledView, picture: Callable[[int, int], tuple[int, ...]], cell: CellGeometry) -> tuple[int, ...]:
    """The color of a value in a picture of the window that the lanes are in."""
    x, y, width, _ = view.geometry_in_view.rect(cell)
    place = view.canvas.mapFromScene(view.box.mapToScene(QPointF(x + width / 2.0, y + 2.0)))
    within = view.canvas.mapTo(view.window(), place)
    return picture(within.x(), within.y())


@pytest.mark.slow
def test_a_gif_shows_each_stage_in_the_colors_of_the_lanes(qtbot, window, tmp_path):
    window.session.set_location(Location(timestep=3, unit=1))
    dialog = opened(qtbot, window)
    assert dialog.options == AnimationOptions(width=480, height=400)
    assert (dialog.first.value(), dialog.last.value()) == (0, window.session.result.shape[2] - 1)
    dialog.last.setValue(1)
    dialog.factor.setCurrentIndex(dialog.factor.findData(4.0))
    dialog.title.setText("Two steps")
    dialog.update_figure()
    assert "10 frames, 2.0 s, 480 × 400 pixels" in dialog.summary.text()
    animation, shown = dialog.animation, window.grab().toImage()
    lanes = animation.figure.copy
    cells = [CellGeometry(Lane(0, 0), timestep, unit) for timestep in (0, 1) for unit in (0, 1)]
    places: list[tuple[int, int]] = []
    for cell in cells:
        color_at(lanes, lambda x, y: places.append((x, y)) or (), cell)
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
    for number, picture in enumerate(pictures):
        assert tuple(picture[1, 1]) == (255, 255, 255)
        for (x, y), cell in zip(places, cells, strict=True):
            if cell.timestep == number // len(STAGES):
                continue  # tinted as the selected time step
            expected = color_at(window.lanes, lambda x, y: shown.pixelColor(x, y).getRgb()[:3], cell)
            assert tuple(picture[y, x]) == expected
    assert all((one != other).any() for one, other in pairwise(pictures))
    assert window.session.location == Location(timestep=3, unit=1), "the window stays where it is"
    assert AnimationOptions.of(window.settings.animation).height == 400
    qtbot.waitUntil(lambda: not window.exports.findChildren(AnimationExport))


@pytest.mark.slow
def test_the_range_and_order_of_playback_are_offered(qtbot, window, monkeypatch):
    monkeypatch.setattr(window.player, "loop_range", lambda: range(1, 3))
    monkeypatch.setattr(window.player.stepper, "order", "layers")
    dialog = opened(qtbot, window)
    assert (dialog.first.value(), dialog.last.value(), dialog.order.currentData()) == (1, 2, "layers")
    dialog.reject()


@pytest.mark.slow
def test_an_animation_that_fails_or_is_stopped_leaves_no_file_and_no_figure(qtbot, window, monkeypatch, tmp_path):
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
        qtbot.waitUntil(lambda: not window.exports.findChildren(AnimationExport))
        assert list((tmp_path / "out").iterdir()) == []
        for box in window.findChildren(QMessageBox):
            assert "No palette" in box.text()
            box.accept()
