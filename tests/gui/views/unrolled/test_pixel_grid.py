"""Cells on pixels: where a cell is drawn, what a pixel shows and what a click hits agree."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rnnviz.gui.views.unrolled.geometry import Scale

SCALES = st.builds(Scale, st.floats(0.01, 60.0), st.integers(1, 400))


@given(SCALES)
def test_every_cell_is_shown_on_the_pixels_of_its_span(scale: Scale) -> None:
    bins = scale.bins(0, scale.pixels)
    assert bins.first == 0
    assert bins.stop == scale.cells
    ends = [*bins.starts[1:].tolist(), bins.stop]
    shown = [range(start, max(end, start + 1)) for start, end in zip(bins.starts.tolist(), ends, strict=True)]
    for cell in range(scale.cells):
        first, stop = scale.span(cell)
        assert first < stop
        assert all(cell in shown[pixel] for pixel in range(first, min(stop, len(shown))))


@given(SCALES)
def test_spans_are_adjacent_or_share_a_pixel(scale: Scale) -> None:
    spans = [scale.span(cell) for cell in range(scale.cells)]
    for (_, stop), (first, _) in pairwise(spans):
        assert first == stop or (scale.size < 1 and stop - 1 <= first)


@given(SCALES, st.data())
def test_a_click_on_a_cells_pixel_hits_it(scale: Scale, data: st.DataObject) -> None:
    cell = data.draw(st.integers(0, scale.cells - 1))
    first, stop = scale.span(cell)
    if scale.size >= 1:
        assert {scale.cell_at(pixel + 0.3) for pixel in range(first, stop)} == {cell}
    else:
        assert scale.span(scale.cell_at(first + 0.5))[0] in (first - 1, first, first + 1)


@given(SCALES, st.data())
def test_bins_of_a_part_equal_those_of_the_whole(scale: Scale, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, scale.pixels - 1))
    stop = data.draw(st.integers(first + 1, scale.pixels))
    whole, part = scale.bins(0, scale.pixels), scale.bins(first, stop)
    assert part.starts.tolist() == whole.starts[first:stop].tolist()


def test_a_place_beyond_the_ends_is_the_nearest_cell() -> None:
    scale = Scale(10.0, 4)
    assert (scale.cell_at(-5.0), scale.cell_at(1e9)) == (0, 3)
