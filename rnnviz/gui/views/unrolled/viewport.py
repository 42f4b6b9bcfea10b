"""Viewport: the visible part of the sequence and of the lanes."""

from dataclasses import dataclass, replace

FEWEST_STEPS = 3.0
"""Number of visible time steps at the highest zoom."""


@dataclass(frozen=True)
class CameraLimits:
    """Limits of the camera.

    `width` and `height` are those of the picture in pixels. `before` and `after` are 1 if the initial state has a
    column left of t = 0 or right of t = T-1. `pitch` is the width in pixels that this column needs.
    """

    width: float
    height: float
    timesteps: int
    before: int
    after: int
    pitch: float
    content: float
    deepest: float

    def fits_initial(self, span: float) -> bool:
        """Whether the column of the initial state fits with `span` visible columns."""
        return span * self.pitch <= self.width * (1.0 + 1e-9)

    @property
    def whole(self) -> float:
        """Number of columns of the whole sequence, with the initial state's if they fit."""
        columns = float(self.timesteps + self.before + self.after)
        return columns if self.fits_initial(columns) else float(self.timesteps)


@dataclass(frozen=True)
class Camera:
    """`span` columns of the time axis from `start`; time step t extends from t - 0.5 to t + 0.5.

    Lanes are `zoom` times as tall as when all fit, and scrolled down by `scroll` pixels.
    """

    start: float = -0.5
    span: float = 1.0
    zoom: float = 1.0
    scroll: float = 0.0

    def fitted(self, room: CameraLimits) -> "Camera":
        """A camera on the whole sequence, at the top of the lanes."""
        return Camera(span=room.whole, zoom=self.zoom).within(room)

    def zoomed_time(self, factor: float, around: float, room: CameraLimits) -> "Camera":
        """Scale time by `factor`; the time `around` stays in place."""
        span = min(max(self.span / factor, min(FEWEST_STEPS, room.whole)), room.whole)
        share = (around - self.start) / self.span
        return replace(self, span=span, start=around - share * span).within(room)

    def panned(self, columns: float, pixels: float, room: CameraLimits) -> "Camera":
        """Move by columns to the right and by pixels down."""
        return replace(self, start=self.start + columns, scroll=self.scroll + pixels).within(room)

    def zoomed_lanes(self, factor: float, room: CameraLimits) -> "Camera":
        """Scale the height of the lanes by `factor`, within limits."""
        return replace(self, zoom=min(max(self.zoom * factor, 1.0), max(room.deepest, 1.0)))

    def showing(self, timestep: int, room: CameraLimits) -> "Camera":
        """Move only as far as needed to show a time step with some of its neighbors."""
        if self.start <= timestep - 0.5 and timestep + 0.5 <= self.start + self.span:
            return self
        margin = min(1.0, (self.span - 1.0) / 2.0)
        low, high = timestep - 0.5 - margin, timestep + 0.5 + margin
        start = min(self.start, low)
        if start + self.span < high:
            start = high - self.span
        return replace(self, start=start).within(room)

    def within(self, room: CameraLimits) -> "Camera":
        """The nearest camera inside the data."""
        span = min(self.span, room.whole)
        low, high = -0.5, room.timesteps - 0.5
        if room.fits_initial(span):
            low, high = low - room.before, high + room.after
        start = max(min(self.start, high - span), low)
        scroll = max(min(self.scroll, room.content - room.height), 0.0)
        return replace(self, span=span, start=start, scroll=scroll)
