"""Encoded animations, decoded again."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rnnviz.core.errors import InputError
from rnnviz.io.export.animation import SharedPalette, write_gif, write_mp4
from tests.needs import needs

FFMPEG = shutil.which("ffmpeg")


def frame_of(number: int, size: tuple[int, int] = (40, 64)) -> np.ndarray:
    """White, with a red square at the place of the frame."""
    frame = np.full((*size, 3), 255, np.uint8)
    frame[8:16, 5 * number : 5 * number + 8] = (200, 16, 33)
    return frame


def test_a_gif_has_every_frame_with_its_exact_colors_and_repeats(tmp_path: Path) -> None:
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


def test_colors_beyond_a_palette_are_near_and_frequent_ones_are_exact() -> None:
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


def test_a_gif_that_is_stopped_keeps_the_file_that_it_was_to_replace(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    path.write_text("kept")

    def frames():
        yield frame_of(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_gif(frames(), [frame_of(0)], 0.1, path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.gif", "kept")]


def program(folder: Path, text: str) -> str:
    """An executable file that runs Python text in place of ffmpeg."""
    # A first line of `#!` could not name a Python in a folder with spaces.
    path, code = folder / "ffmpeg", folder / "ffmpeg.py"
    code.write_text(text)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{code}" "$@"\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.skipif(os.name != "posix", reason="it needs executable scripts")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import sys; sys.exit('Unknown encoder.')", "Unknown encoder"),
        ("import sys; sys.stdin.buffer.read(); sys.exit(3)", "exit code 3"),
        (None, "cannot be started"),
    ],
)
def test_a_failed_ffmpeg_is_a_sentence_and_leaves_nothing(tmp_path: Path, text: str | None, reason: str) -> None:
    (tmp_path / "out").mkdir()
    ffmpeg = str(tmp_path / "gone") if text is None else program(tmp_path, text)
    frames = [frame_of(number, (400, 640)) for number in range(4)]
    with pytest.raises(InputError, match=reason):
        write_mp4(frames, 0.5, tmp_path / "out" / "a.mp4", ffmpeg, lambda: None)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="it needs executable scripts")
def test_an_ffmpeg_that_reads_nothing_is_killed_when_the_export_is_canceled(tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    text = f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(60)"

    def check() -> None:
        if pids.exists() and pids.read_text():
            raise KeyboardInterrupt

    frames = [frame_of(number, (800, 1200)) for number in range(4)]
    with pytest.raises(KeyboardInterrupt):
        write_mp4(frames, 0.5, tmp_path / "a.mp4", program(tmp_path, text), check)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pids.read_text()), 0)
    assert not (tmp_path / "a.mp4").exists()


@needs("ffmpeg")
def test_an_mp4_has_every_frame_with_its_colors(tmp_path: Path) -> None:
    assert FFMPEG is not None
    frames = [frame_of(number) for number in range(4)]
    write_mp4(frames, 0.5, tmp_path / "a.mp4", FFMPEG, lambda: None)
    command = [FFMPEG, "-loglevel", "error", "-i", str(tmp_path / "a.mp4"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.uint8)
    shown = decoded.reshape(-1, 40, 64, 3)
    assert len(shown) == 20, "each frame is repeated five times: 0.5 s at ten frames per second"
    for number, frame in enumerate(frames):
        place = 12, 5 * number + 4
        np.testing.assert_allclose(shown[5 * number + 2][place].astype(int), frame[place], atol=12)
        np.testing.assert_allclose(shown[5 * number + 2][30, 40].astype(int), frame[30, 40], atol=4)
