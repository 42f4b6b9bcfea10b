"""Colors of heat map cells."""

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor

from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.views.cell_painter import blend
from rnnviz.sweeps.results import COMPUTED_PLACES, Cells, ColorRange

STEPS = 256
_PALE = 0.5
"""Share of the warning color just above the limit."""


def colors(theme: Theme, *, limit: bool) -> NDArray[np.uint8]:
    """Color table from smallest to largest value, of shape (256, 3).

    With a limit, colors are pale below it and change hue above, so that the limit is visible as an edge.
    """
    shares = np.linspace(0.0, 1.0, STEPS)
    if not limit:
        return _between([QColor(stop) for stop in theme.sequential], shares)
    calm = [QColor(stop) for stop in theme.sequential[: len(theme.sequential) // 2 + 1]]
    alarm = [blend(theme, "wrong", _PALE), theme.color("wrong")]
    below = _between(calm, shares * 2.0)
    above = _between(alarm, shares * 2.0 - 1.0)
    found: NDArray[np.uint8] = np.where((shares > 0.5)[:, None], above, below)
    return found


def pixels(cells: Cells, color_range: ColorRange, theme: Theme) -> NDArray[np.uint8]:
    """Cell colors of shape (D, A, 3). Cells without a value have the background color."""
    table = colors(theme, limit=color_range.limit is not None)
    fractions = color_range.fractions(cells.values)
    # What is at the limit is still right, and has the last of the calm colors.
    places = np.floor(np.nan_to_num(fractions) * (STEPS - 1)).astype(np.intp)
    found: NDArray[np.uint8] = table[places]
    found[np.isnan(fractions)] = _rgb(theme.color("base"))
    computed = np.isin(cells.verdicts, COMPUTED_PLACES)
    found[np.isnan(fractions) & ~computed & (cells.counts > 0)] = _rgb(theme.color("raised"))
    found[np.isinf(cells.values)] = _rgb(theme.color("infinite"))
    found[cells.nan] = _rgb(theme.color("nan"))
    return found


def _between(stops: list[QColor], shares: NDArray[np.float64]) -> NDArray[np.uint8]:
    at = np.linspace(0.0, 1.0, len(stops))
    channels = [np.interp(shares, at, [_rgb(stop)[channel] for stop in stops]) for channel in range(3)]
    return np.round(np.stack(channels, axis=1)).astype(np.uint8)


def _rgb(color: QColor) -> tuple[int, int, int]:
    return color.red(), color.green(), color.blue()
