"""Encoded animations, decoded again."""

import numpy as np
from PIL import Image

from rnnviz.io.export.pictures import SharedPalette, write_gif


def frame_of(number: int, size: tuple[int, int] = (40, 64)) -> np.ndarray:
    """White, with a red square at the place of the frame."""
    frame = np.full((*size, 3), 255, np.uint8)
    frame[8:16, 5 * number : 5 * number + 8] = (200, 16, 33)
    return frame


def test_a_gif_has_every_frame_with_its_exact_colors_and_repeats(tmp_path):
    frames = [frame_of(0), frame_of(1), frame_of(1), frame_of(5)]
    write_gif(frames, frames[:2], 0.125, tmp_path / "a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (4, (64, 40), 0)
        durations = []
        for number, frame in enumerate(frames):
            image.seek(number)
            durations.append(image.info["duration"])
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), frame)
    assert sum(durations) == 500, "rounding errors do not add up"
    assert set(durations) == {120, 130}


def test_colors_beyond_a_palette_are_near_and_frequent_ones_are_exact():
    generator = np.random.default_rng(0)
    frame = generator.integers(0, 256, (64, 64, 3), np.uint8)
    frame[:32] = (12, 34, 56)
    palette = SharedPalette([frame])
    assert len(palette.colors) <= 255
    indices = palette.indices(frame)
    np.testing.assert_array_equal(palette.colors[indices[:32]], frame[:32])
    apart = palette.colors[indices].astype(int) - frame
    assert np.abs(apart).mean() < 30
    np.testing.assert_array_equal(palette.indices(frame), indices)
