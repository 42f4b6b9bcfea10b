"""Animations of playback: the lanes step by step, drawn without the window, as GIF."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from math import ceil
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import ClassVar

from PySide6.QtCore import QObject, QSize, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QWidget

from rnnviz.core import number_format
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.playback import FACTORS, ORDERS, STAGE_MS, Player, factor_text, speed
from rnnviz.gui.export.figure import ExportDialog, ExportOptions, Figure, check_box, choice_box, number_box
from rnnviz.gui.export.picture import IncrementalGrab, pixels_of
from rnnviz.gui.kit.tasks import Progress
from rnnviz.gui.regions import Order, Region, Stage, Traversal, stage_regions, stage_text
from rnnviz.gui.theme.palettes import THEMES, ThemeName
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.io.export.pictures import Frame, write_gif
from rnnviz.verify.result import RunResult

SIDES, SCALES = (160, 3840), (1, 2)
"""Smallest and largest width or height in pixels; pixels for each pixel of the screen."""
_FRAMES_PER_SECOND = 25.0
_SAMPLES = 8
"""Frames that give a GIF its colors."""


@dataclass(frozen=True)
class AnimationOptions(ExportOptions):
    """Choices for an animation: width and height in pixels; `factor` is a speed of playback."""

    CHOICES: ClassVar = {
        "stages": (True, False),
        "factor": FACTORS,
        "scale": SCALES,
        "theme": tuple(THEMES),
        "legend": (True, False),
    }
    LIMITS: ClassVar = {"width": SIDES, "height": SIDES}

    stages: bool = True
    factor: float = 1.0
    width: int = 960
    height: int = 600
    scale: int = 1
    theme: ThemeName = "light"
    legend: bool = True

    @property
    def size(self) -> QSize:
        """Size before it is scaled."""
        return QSize(self.width // self.scale, self.height // self.scale)


class FrameSequence:
    """The step of each frame, in the order of computation, and its stage, or None for a whole step."""

    def __init__(self, walk: Traversal, times: range, here: Location, factor: float, *, stages: bool) -> None:
        """`times` are the time steps of each lane; `here` gives the lane, if there is only one."""
        self._walk, self._first, self._here = replace(walk, timesteps=len(times)), times.start, here
        self._stages: tuple[Stage | None, ...] = walk.stages if stages else (None,)
        count = self._walk.count()
        rate = speed(count) * factor
        # As in playback, a fast animation skips steps.
        self._stride = 1 if stages else ceil(rate / _FRAMES_PER_SECOND)
        self.seconds = STAGE_MS / 1000.0 / factor if stages else self._stride / rate
        """Duration of a frame."""
        self._steps = 1 + ceil((count - 1) / self._stride)

    @property
    def gradients(self) -> bool:
        """Whether the steps are those of the backward pass."""
        return self._walk.gradients

    def __len__(self) -> int:
        return self._steps * len(self._stages)

    def __getitem__(self, number: int) -> tuple[Location, Stage | None]:
        step, stage = divmod(number, len(self._stages))
        where = self._walk.at(step * self._stride, self._here)
        return where.moved(timestep=self._first + where.timestep), self._stages[stage]


@dataclass(frozen=True)
class Animation:
    """A figure of the lanes that shows one frame of a sequence after the other."""

    figure: Figure
    frames: FrameSequence
    result: RunResult
    options: AnimationOptions

    def show(self, number: int) -> None:
        """Select the step of a frame, and highlight and describe its stage."""
        lanes = self.figure.copy
        assert isinstance(lanes, UnrolledView)
        (where, stage), gradients = self.frames[number], self.frames.gradients
        network, length = self.result.inputs.network, self.result.inputs.length(where.sample)
        lanes.show_location(where)
        regions: tuple[Region, ...] = ()
        caption = ""
        if stage is not None:
            regions = stage_regions(network, where, length, stage, gradients=gradients)
            caption = stage_text(network, where, length, stage, gradients=gradients)
        lanes.show_highlight(regions)
        lanes.show_caption(caption)


class AnimationDialog(ExportDialog):
    """Asks for the time steps, stages, speed, format, size, colors and texts of an animation."""

    def __init__(
        self,
        parent: QWidget,
        session: Session,
        lanes: UnrolledView,
        player: Player,
        options: AnimationOptions,
        save: Callable[[Animation], object],
    ) -> None:
        """`save` receives the animation, and closes its figure at the end."""
        super().__init__(parent, "Export animation", session, options.theme, legend=options.legend)
        result = session.result
        assert result is not None
        self._result, self._player, self._save = result, player, save
        length = session.length
        last, times = length - 1, player.loop_range() or range(length)
        self.first = number_box("First time step", "The first time step of each lane.", (0, last), times.start)
        self.last = number_box("Last time step", "The last time step of each lane.", (0, last), times.stop - 1)
        self.order = choice_box(
            "Lanes",
            "Lanes to animate: the selected one, or all, layer by layer.",
            [(text.replace("&", ""), order) for order, (text, _) in ORDERS.items()],
        )
        self.order.setCurrentIndex(self.order.findData(player.order))
        self.stages = choice_box("Frames", "Each frame shows a stage of a step, or a whole time step.", _FRAME_CHOICES)
        self.stages.setCurrentIndex(self.stages.findData(options.stages))
        self.factor = choice_box(
            "Speed", "The speed of playback. A fast animation skips time steps.", [(factor_text(f), f) for f in FACTORS]
        )
        self.factor.setCurrentIndex(FACTORS.index(options.factor))
        self.hide_future = check_box(
            "&Hide future", "Hide values that are computed after the selected step.", on=player.revealing
        )
        self.width_ = number_box("Width", "Width in pixels.", SIDES, options.width, " px")
        self.height_ = number_box("Height", "Height in pixels.", SIDES, options.height, " px")
        for side in (self.width_, self.height_):
            side.setSingleStep(4)
        self.scale = choice_box(
            "Scale",
            "Scale of texts and lines.",
            [(f"{scale}×", scale) for scale in SCALES],
        )
        self.scale.setCurrentIndex(SCALES.index(options.scale))
        self.summary = QLabel()
        self.summary.setAccessibleName("Frames and duration")
        self._add_rows(
            ("F&irst t", self.first),
            ("L&ast t", self.last),
            ("La&nes", self.order),
            ("F&rames", self.stages),
            ("&Speed", self.factor),
            ("", self.hide_future),
            ("&Width", self.width_),
            ("H&eight", self.height_),
            ("Sc&ale", self.scale),
        )
        self._form.addRow("", self.summary)
        self._show_figure(lanes)

    @property
    def options(self) -> AnimationOptions:
        return AnimationOptions(
            self.stages.currentData(),
            self.factor.currentData(),
            self.width_.value(),
            self.height_.value(),
            self.scale.currentData(),
            self.theme.currentData(),
            self.legend.isChecked(),
        )

    @property
    def animation(self) -> Animation:
        """The animation of the current choices."""
        assert self.figure is not None
        options, session = self.options, self._session
        walk = Traversal(
            self._result.inputs.network, session.length, self.order.currentData(), session.in_backward_pass
        )
        first, last = sorted((self.first.value(), self.last.value()))
        frames = FrameSequence(walk, range(first, last + 1), session.location, options.factor, stages=options.stages)
        return Animation(self.figure, frames, self._result, options)

    def accept(self) -> None:
        self.update_figure()
        animation = self.animation
        self._take_figure()
        super().accept()
        self._save(animation)

    def update_figure(self) -> None:
        animation, options = self.animation, self.options
        lanes, frames = animation.figure.copy, animation.frames
        assert isinstance(lanes, UnrolledView)
        animation.figure.arrange(options.size, options.theme, options.legend, self.title.text(), self.caption.text())
        order: Order = self.order.currentData()
        lanes.begin_animation(order if self.hide_future.isChecked() else None)
        animation.show(len(frames) // 2)
        size = options.size * options.scale
        self.summary.setText(
            f"{number_format.count(len(frames))} frames, {len(frames) * frames.seconds:.1f} s, "
            f"{size.width()} × {size.height()} pixels"
        )


_FRAME_CHOICES = (("Stages", True), ("Time steps", False))

_WAITING = 2
"""Frames that are drawn before they are encoded."""
_POLL_MS = 10
_POLL_SECONDS = 0.05


class AnimationExport(QObject):
    """Draws the frames in turns of the event loop, while `write` encodes them on a thread."""

    def __init__(self, animation: Animation, writing: Callable[[], bool], parent: QObject) -> None:
        """`writing` says whether the thread still works."""
        super().__init__(parent)
        self._animation, self._writing = animation, writing
        count = len(animation.frames)
        samples = sorted({round(part * (count - 1) / (_SAMPLES - 1)) for part in range(_SAMPLES)})
        self._samples = len(samples)
        self._total = self._samples + count
        self._numbers = chain(samples, range(count))
        self._drawn: Queue[QImage | InputError] = Queue(_WAITING)
        self._over = Event()
        self._closed = False
        self._turns = QTimer(self, singleShot=True, interval=0)
        self._turns.timeout.connect(self._draw)

    def start(self) -> None:
        self._turns.start()

    def close(self) -> None:
        """End, and delete the figure."""
        if not self._closed:
            self._closed = True
            self._turns.stop()
            self._animation.figure.close()
            self.deleteLater()

    def write(self, path: Path, progress: Progress) -> str:
        """Encode the frames as they come, on the thread of exports. `progress` may raise to cancel."""
        frames = self._animation.frames
        try:
            come = self._frames(progress)
            write_gif(come, [next(come) for _ in range(self._samples)], frames.seconds, path)
        finally:
            self._over.set()
        return f"{number_format.count(len(frames))} frames, {len(frames) * frames.seconds:.1f} s"

    def _frames(self, progress: Progress) -> Iterator[Frame]:
        for number in range(self._total):
            drawn = None
            while drawn is None:
                progress(number / self._total)
                try:
                    drawn = self._drawn.get(timeout=_POLL_SECONDS)
                except Empty:
                    continue
            if isinstance(drawn, InputError):
                raise drawn
            yield pixels_of(drawn)

    def _draw(self) -> None:
        if self._over.is_set() or not self._writing():
            self.close()
            return
        number = None if self._drawn.full() else next(self._numbers, None)
        if number is None:
            self._turns.start(_POLL_MS)
            return
        self._animation.show(number)
        try:
            IncrementalGrab(
                self._animation.figure, self._animation.options.scale, lambda: None, self._take, lambda: None
            )
        except InputError as error:
            self._take(error)

    def _take(self, drawn: QImage | InputError) -> None:
        self._drawn.put_nowait(drawn)
        self._turns.start(0)
