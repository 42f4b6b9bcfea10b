"""Mapping of cells to pixels along one axis."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from rnnviz.quantities.level_of_detail import Bins


@dataclass(frozen=True)
class Scale:
    """`cells` cells in a row, each `size` pixels long, from pixel 0.

    Every cell covers at least one pixel. A cell of at least one pixel covers the pixels whose centers are in it;
    smaller cells share the pixel in which they begin.
    """

    size: float
    cells: int

    @property
    def pixels(self) -> int:
        """Total length in pixels, at least one."""
        return max(1, self.span(self.cells - 1)[1])

    def cell_at(self, pixel: float) -> int:
        """The cell at a pixel, or the nearest one."""
        if self.size < 1:
            return min(max(floor(pixel / self.size), 0), self.cells - 1)
        whole = min(max(floor(pixel), 0), self.pixels - 1)
        return self.bins(whole, whole + 1).first

    def span(self, cell: int) -> tuple[int, int]:
        """First pixel of a cell, and the pixel after its last."""
        if self.size < 1:
            pixel = floor(cell * self.size)
            return pixel, pixel + 1
        return ceil(cell * self.size - 0.5), ceil((cell + 1) * self.size - 0.5)

    def bins(self, first: int, stop: int) -> Bins:
        """Cells of each pixel from `first` to before `stop`, all of which contain cells.

        A shared pixel shows all cells that begin in it.
        """
        pixels = np.arange(first, stop + 1, dtype=np.float64)
        if self.size < 1:
            edges = np.ceil(pixels / self.size).astype(np.int64)
            # A cell that begins at a pixel's edge may round up or down; `span` uses `floor`, too.
            edges += np.floor(edges * self.size) < pixels
            edges -= np.floor((edges - 1) * self.size) >= pixels
            edges = np.clip(edges, 0, self.cells)
            starts = np.minimum(edges[:-1], self.cells - 1)
            return Bins(starts, max(int(edges[-1]), int(starts[-1]) + 1))
        starts = np.floor((pixels[:-1] + 0.5) / self.size).astype(np.int64)
        # The same for a cell whose edge lies just on a pixel's center.
        starts += np.ceil((starts + 1) * self.size - 0.5) <= pixels[:-1]
        starts -= np.ceil(starts * self.size - 0.5) > pixels[:-1]
        starts = np.clip(starts, 0, self.cells - 1)
        return Bins(starts, int(starts[-1]) + 1)
