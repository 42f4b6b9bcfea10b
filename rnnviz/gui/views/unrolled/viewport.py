"""Which part of the sequence and of the lanes is looked at, and how it moves."""

from dataclasses import dataclass, replace

FEWEST_STEPS = 3.0
"""How many time steps are left when the time axis is zoomed in all the way."""


@dataclass(frozen=True)
class Room:
    """How far the camera may go.

    `width` and `height` of the picture in pixels; `before` and `after` are 1 where the initial state is
    as a separate column left of t = 0 or right of t = T-1; `pitch` is how many pixels this kind of column needs.
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
        """Whether there is room for the initial state's column with that many columns in view."""
        return span * self.pitch <= self.width * (1.0 + 1e-9)

    @property
    def whole(self) -> float:
        """How many columns the whole sequence has, with the initial state's where there is room for them."""
        columns = float(self.timesteps + self.before + self.after)
        return columns if self.fits_initial(columns) else float(self.timesteps)


@dataclass(frozen=True)
class Camera:
    """The time axis shows `span` columns from `start` on, where time step t lies from t - 0.5 to t + 0.5.

    Lanes are `zoom` times as tall as they are when all of them fit, and scrolled down by `scroll` pixels.
    """

    start: float = -0.5
    span: float = 1.0
    zoom: float = 1.0
    scroll: float = 0.0

    def fitted(self, room: Room) -> "Camera":
        """The whole sequence, from the top of the lanes."""
        return Camera(span=room.whole, zoom=self.zoom).within(room)

    def zoomed_time(self, factor: float, around: float, room: Room) -> "Camera":
        """`factor` times as large, with the time `around` kept in its place."""
        span = min(max(self.span / factor, min(FEWEST_STEPS, room.whole)), room.whole)
        share = (around - self.start) / self.span
        return replace(self, span=span, start=around - share * span).within(room)

    def panned(self, columns: float, pixels: float, room: Room) -> "Camera":
        """Moved by a number of columns later and of pixels down."""
        return replace(self, start=self.start + columns, scroll=self.scroll + pixels).within(room)

    def zoomed_lanes(self, factor: float, room: Room) -> "Camera":
        """Lanes `factor` times as tall, within what makes sense."""
        return replace(self, zoom=min(max(self.zoom * factor, 1.0), max(room.deepest, 1.0)))

    def showing(self, timestep: int, room: Room) -> "Camera":
        """Where it is if a time step is in view, else moved until it is, with a little of what lies around it."""
        if self.start <= timestep - 0.5 and timestep + 0.5 <= self.start + self.span:
            return self
        margin = min(1.0, (self.span - 1.0) / 2.0)
        low, high = timestep - 0.5 - margin, timestep + 0.5 + margin
        start = min(self.start, low)
        if start + self.span < high:
            start = high - self.span
        return replace(self, start=start).within(room)

    def within(self, room: Room) -> "Camera":
        """The nearest camera that looks at nothing beyond the data."""
        span = min(self.span, room.whole)
        low, high = -0.5, room.timesteps - 0.5
        if room.fits_initial(span):
            low, high = low - room.before, high + room.after
        start = max(min(self.start, high - span), low)
        scroll = max(min(self.scroll, room.content - room.height), 0.0)
        return replace(self, span=span, start=start, scroll=scroll)
