"""Animations of playback: the lanes step by step or stage by stage, as GIF."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import ClassVar, get_args

from PySide6.QtCore import QPoint, QRectF, Qt
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import QDoubleSpinBox, QLabel, QWidget

from rnnviz.core import number_format
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Lane, Location
from rnnviz.frozen import dataclass
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.playback import ORDERS, STAGE_MS, Player, speed
from rnnviz.gui.export.figure import ExportDialog, ExportOptions
from rnnviz.gui.export.lanes_figure import LanesFigure
from rnnviz.gui.export.paper import Layout
from rnnviz.gui.export.picture import pixels_of
from rnnviz.gui.export.sheet import EM, PAPERS, PER_INCH, POINT, Sheet, elided
from rnnviz.gui.regions import Order, Region, Stage, Traversal, stage_regions, stage_text
from rnnviz.gui.theme.palettes import THEMES, ThemeName
from rnnviz.gui.views.unrolled.render_state import RenderState
from rnnviz.io.export.paper import PaperFigure
from rnnviz.io.export.pictures import Frame, write_gif
from rnnviz.io.outputs import Progress
from rnnviz.verify.result import RunResult

SIDES, SCALES, SECONDS = (160, 3840), (1, 2), (0.5, 600.0)
"""Smallest and largest width or height in pixels; pixels for each pixel of the screen; durations."""
_FRAMES_PER_SECOND = 25.0
_USUAL_SECONDS = 10.0
"""Longest duration of an animation of which no duration was chosen."""
_SAMPLES = 8
"""Frames that give a GIF its colors."""
_TEXT_PIXELS = 13
"""Height of the text at scale 1."""
_PARTS = {"read": ("accent", ()), "carried": ("accent", (3, 2)), "next": ("accent", (3, 2))}
"""Color and dashes of the frame of a region; a computed value has the color of the text."""


@dataclass(frozen=True)
class AnimationOptions(ExportOptions):
    """Choices for an animation that are kept: width and height in pixels, scale of the text, colors."""

    CHOICES: ClassVar = {"scale": SCALES, "theme": tuple(THEMES)}
    LIMITS: ClassVar = {"width": SIDES, "height": SIDES}

    width: int = 960
    height: int = 600
    scale: int = 1
    theme: ThemeName = "light"


class FrameSequence:
    """The step of each frame, in the order of computation, and its stage, or None for a whole step."""

    def __init__(
        self, walk: Traversal, times: range, here: Location, *, stages: bool, seconds: float | None = None
    ) -> None:
        """`times` are the time steps of each lane; `here` gives the lane, if there is only one.

        `seconds` is the duration of all frames; by default a stage has time to be read, and steps that of playback.
        """
        self._walk, self._first, self._here = replace(walk, timesteps=len(times)), times.start, here
        self._stages: tuple[Stage | None, ...] = walk.stages if stages else (None,)
        count = self._walk.count()
        usual = count * len(self._stages) * STAGE_MS / 1000.0 if stages else min(count / speed(count), _USUAL_SECONDS)
        self.seconds = usual if seconds is None else seconds
        """Duration of the animation."""
        # A fast animation skips steps.
        self._stride = 1 if stages else max(1, ceil(count / (self.seconds * _FRAMES_PER_SECOND)))
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


def reads_stages(walk: Traversal, times: range) -> bool:
    """Whether an animation in stages is short enough for each to be read."""
    return replace(walk, timesteps=len(times)).count() * len(walk.stages) * STAGE_MS / 1000.0 <= _USUAL_SECONDS


class Animation:
    """Draws one frame of a sequence after the other on a picture of the lanes, on any thread."""

    def __init__(
        self,
        result: RunResult,
        shown: RenderState,
        frames: FrameSequence,
        options: AnimationOptions,
        title: str = "",
        hide_future: Order | None = None,
    ) -> None:
        """With `hide_future` values that are computed later than the step of a frame in this order are hidden."""
        self.frames, self.options = frames, options
        self._result, self._hide_future = result, hide_future
        unit = EM / _TEXT_PIXELS / options.scale
        self._theme = PAPERS[options.theme]
        self._caption_height = 2.0 * EM
        height = options.height * unit - self._caption_height
        figure = PaperFigure(width=options.width * unit, height=height, theme=options.theme, title=title)
        self._lanes = LanesFigure(result, figure, self._theme, shown)
        self._layout = Layout.of(figure, self._lanes)
        self._unit = unit
        self._base: QImage | None = None

    def draw(self, number: int) -> QImage:
        """A frame."""
        (where, stage), base = self.frames[number], self._picture()
        image = base.copy()
        painter = QPainter(image)
        painter.scale(1.0 / self._unit, 1.0 / self._unit)
        sheet = Sheet(painter, self._theme, image.width() * self._unit, image.height() * self._unit)
        network, length = self._result.inputs.network, self._result.inputs.length(where.sample)
        gradients = self.frames.gradients
        if self._hide_future is not None:
            self._cover(sheet, where)
        step = range(where.timestep, where.timestep + 1)
        regions: tuple[Region, ...] = (Region(Lane(where.layer, where.direction), step, range(network.output_size)),)
        if stage is not None:
            regions = stage_regions(network, where, length, stage, gradients=gradients)
            text = stage_text(network, where, length, stage, gradients=gradients)
            sheet.text(sheet.width / 2.0, sheet.height - 0.7 * EM, elided(text, sheet.width), at=0.5)
        for region in regions:
            place = self._lanes.place_of(region.lane, region.times, region.units)
            if place is not None:
                color, dashes = _PARTS.get(region.part, ("text", ()))
                _frame(sheet, place, color, dashes)
        painter.end()
        return image

    def place_of(self, lane: Lane, times: range) -> QPoint:
        """The middle of some time steps of a lane, in pixels of a frame that was drawn."""
        place = self._lanes.place_of(lane, times, range(self._result.shape[4]))
        assert place is not None
        return QPoint(round(place.center().x() / self._unit), round(place.center().y() / self._unit))

    def _picture(self) -> QImage:
        """The lanes without marks, with room for a line of text."""
        if self._base is None:
            options = self.options
            base = QImage(options.width, options.height, QImage.Format.Format_RGB32)
            base.fill(self._theme.color("base"))
            painter = QPainter(base)
            painter.scale(1.0 / self._unit, 1.0 / self._unit)
            figure = self._layout.figure
            sheet = Sheet(painter, self._theme, figure.width, self._layout.height, PER_INCH / self._unit)
            self._layout.draw(sheet)
            painter.end()
            self._base = base
        return self._base

    def _cover(self, sheet: Sheet, where: Location) -> None:
        """Hide what is computed after the step of a frame."""
        network, length = self._result.inputs.network, self._result.inputs.length(where.sample)
        layers, lane = (Traversal(network, length, order, self.frames.gradients) for order in get_args(Order)[::-1])

        def turn(place: Location) -> tuple[int, ...]:
            """When a step is computed: of one lane, all lanes of a layer go on together."""
            if self._hide_future == "layers":
                return (layers.index_of(place),)
            layer = -place.layer if self.frames.gradients else place.layer
            return (layer * network.bidirectional, lane.index_of(place))

        for shown in self._lanes.lanes:
            if shown.layer is not None:
                steps = (where.moved(layer=shown.layer, direction=shown.direction, timestep=t) for t in range(length))
                hidden = [step.timestep for step in steps if turn(step) > turn(where)]
                times = range(min(hidden, default=0), max(hidden, default=-1) + 1)
                place = self._lanes.place_of(shown, times, range(network.output_size))
                if place is not None:
                    sheet.box(place, self._theme.color("raised"))


def _frame(sheet: Sheet, place: QRectF, color: str, dashes: Sequence[float]) -> None:
    corners = [place.topLeft(), place.topRight(), place.bottomRight(), place.bottomLeft(), place.topLeft()]
    points = [(corner.x(), corner.y()) for corner in corners]
    sheet.line(*points, color="base", width=3.4 * POINT)
    sheet.line(*points, color=color, width=1.6 * POINT, dash=dashes)


def write_animation(animation: Animation, path: Path, progress: Progress) -> str:
    """Write an animation as GIF, and return a summary. `progress` may raise to cancel."""
    frames = animation.frames
    samples = sorted({round(part * (len(frames) - 1) / (_SAMPLES - 1)) for part in range(_SAMPLES)})

    def drawn() -> Iterator[Frame]:
        for number in range(len(frames)):
            progress(number / len(frames))
            yield pixels_of(animation.draw(number))

    write_gif(drawn(), [pixels_of(animation.draw(number)) for number in samples], frames.seconds / len(frames), path)
    return f"{number_format.count(len(frames))} frames, {frames.seconds:.1f} s"


class AnimationDialog(ExportDialog):
    """Asks for the time steps, stages, duration, size, colors and title of an animation."""

    def __init__(
        self,
        parent: QWidget,
        session: Session,
        shown: RenderState,
        player: Player,
        options: AnimationOptions,
        save: Callable[[Animation], object],
    ) -> None:
        """`shown` are the lanes as the window has them; `save` receives the animation."""
        super().__init__(parent, "Export animation", session)
        assert session.result is not None
        self._result, self._shown, self._save = session.result, shown, save
        last, times = session.length - 1, player.loop_range() or range(session.length)
        self.first = self._number("First time step", "The first time step of each lane.", (0, last), times.start)
        self.last = self._number("Last time step", "The last time step of each lane.", (0, last), times.stop - 1)
        self._row("&Time steps", self.first, self.last)
        orders = ((text.replace("&", ""), order) for order, (text, _) in ORDERS.items())
        why = "Lanes to animate: the selected one, or all, layer by layer."
        self.order = self._choice("&Lanes", why, orders, player.order)
        why = "Each frame shows a stage of a step, or a whole time step."
        self.stages = self._choice("F&rames", why, _FRAME_CHOICES)
        seconds = QDoubleSpinBox()
        seconds.setDecimals(1)
        seconds.setRange(*SECONDS)
        seconds.setSuffix(" s")
        why = "Seconds from the first frame to the last."
        self.duration = self._added(seconds, "&Duration", why, seconds.valueChanged)
        why = "Hide values that are computed after the selected step."
        self.hide_future = self._check("&Hide future", why, on=player.revealing)
        self.width_ = self._number("Width", "Width in pixels.", SIDES, options.width, " px")
        self.height_ = self._number("Height", "Height in pixels.", SIDES, options.height, " px")
        self._row("Si&ze", self.width_, self.height_)
        scales, themes = ((f"{scale}×", scale) for scale in SCALES), ((theme.capitalize(), theme) for theme in THEMES)
        self.scale = self._choice("Text &size", "Scale of texts and lines.", scales, options.scale)
        self.theme = self._choice("&Colors", "The colors of the lanes.", themes, options.theme)
        self.title = self._line("T&itle", "A line above the lanes; may be empty.")
        self.summary = QLabel()
        self.summary.setAccessibleName("Frames and duration")
        self._form.addRow("", self.summary)
        self._take_usual_frames()
        self._summarize()
        self._lay_out()
        for box in (self.first, self.last):
            box.valueChanged.connect(self._take_usual_frames)
        self.order.currentIndexChanged.connect(self._take_usual_frames)
        self.stages.currentIndexChanged.connect(self._take_usual_duration)

    @property
    def options(self) -> AnimationOptions:
        sizes = self.width_.value(), self.height_.value()
        return AnimationOptions(*sizes, self.scale.currentData(), self.theme.currentData())

    @property
    def _walk(self) -> tuple[Traversal, range]:
        session, (first, last) = self._session, sorted((self.first.value(), self.last.value()))
        order: Order = self.order.currentData()
        walk = Traversal(self._result.inputs.network, session.length, order, session.in_backward_pass)
        return walk, range(first, last + 1)

    def _frames(self, seconds: float | None) -> FrameSequence:
        return FrameSequence(*self._walk, self._session.location, stages=self.stages.currentData(), seconds=seconds)

    @property
    def animation(self) -> Animation:
        """The animation of the present choices. Raises InputError if it is too small."""
        order = self.order.currentData() if self.hide_future.isChecked() else None
        frames = self._frames(self.duration.value())
        return Animation(self._result, self._shown, frames, self.options, self.title.text(), order)

    def _take_usual_frames(self) -> None:
        """Show stages where there is time to read each."""
        self.stages.setCurrentIndex(0 if reads_stages(*self._walk) else 1)
        self._take_usual_duration()

    def _take_usual_duration(self) -> None:
        self.duration.setValue(self._frames(None).seconds)

    def _summarize(self) -> None:
        count, options = number_format.count(len(self._frames(self.duration.value()))), self.options
        self.summary.setText(f"{count} frames, {options.width} × {options.height} pixels")

    def accept(self) -> None:
        try:
            animation = self.animation
        except InputError as error:
            self._show(str(error))
            return
        super().accept()
        self._save(animation)

    def look(self) -> None:
        self._summarize()
        try:
            animation = self.animation
            image = animation.draw(len(animation.frames) // 2)
        except InputError as error:
            self._show(str(error))
            return
        fitting = self._resolution(image.width(), image.height()) / PER_INCH
        self._show(image.scaledToWidth(round(image.width() * fitting), Qt.TransformationMode.SmoothTransformation))


_FRAME_CHOICES = (("Stages", True), ("Time steps", False))
