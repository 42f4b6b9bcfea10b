"""Sound: every encoding is scaled as it should be, and a damaged file is refused, never read as another."""

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from rnnviz.io.readers import open_wav
from tests.refusals import refused

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID_REST = bytes.fromhex("000000001000800000aa00389b71")


def wav(
    content: bytes,
    bits: int,
    channels: int = 1,
    encoding: int = PCM,
    *,
    extensible: bool = False,
    before: bytes = b"",
    block: int | None = None,
) -> bytes:
    """A constructed file, with chunks of another kind `before` the samples."""
    block = channels * bits // 8 if block is None else block
    written = EXTENSIBLE if extensible else encoding
    form = struct.pack("<HHIIHH", written, channels, 16_000, 16_000 * block, block, bits)
    if extensible:
        form += struct.pack("<HHIH", 22, bits, 0, encoding) + GUID_REST
    body = b"WAVE" + chunk(b"fmt ", form) + before + chunk(b"data", content)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def samples_of(path: Path) -> np.ndarray:
    return open_wav(path).read()


def integers(bits: int, count: int) -> list[int]:
    """Random integers, the extremes, zero and one among them."""
    least, most = -(1 << bits - 1), (1 << bits - 1) - 1
    drawn = np.random.default_rng(bits).integers(least, most, count - 4, endpoint=True)
    return [least, most, 0, 1, *map(int, drawn)]


@pytest.mark.parametrize(("bits", "channels"), [(8, 1), (16, 2), (24, 1), (24, 2), (32, 1)])
def test_files_written_by_python_are_read_as_fractions_of_full_scale(tmp_path, bits, channels):
    path, numbers = tmp_path / "x.wav", integers(bits, 10)
    shift = 128 if bits == 8 else 0
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(bits // 8)
        file.setframerate(16_000)
        file.writeframes(b"".join((n + shift).to_bytes(bits // 8, "little", signed=bits > 8) for n in numbers))
    sound = open_wav(path)
    assert (sound.channels, sound.count) == (channels, 10 // channels)
    expected = [n / 2 ** (bits - 1) for n in numbers]
    assert sound.read().ravel().tolist() == expected
    assert min(expected) == -1.0
    assert sound.read().shape == (10 // channels, channels)


@pytest.mark.parametrize(("bits", "letter"), [(32, "f"), (64, "d")])
@pytest.mark.parametrize("extensible", [False, True])
def test_floats_are_read_as_they_are(tmp_path, bits, letter, extensible):
    numbers = np.random.default_rng(0).normal(size=8).astype(f"f{bits // 8}")
    (tmp_path / "x.wav").write_bytes(
        wav(struct.pack(f"<8{letter}", *numbers), bits, 2, FLOAT, extensible=extensible, before=chunk(b"fact", b"1234"))
    )
    np.testing.assert_array_equal(open_wav(tmp_path / "x.wav").read(), numbers.reshape(4, 2))


def test_the_extensible_format_and_chunks_of_other_kinds_and_odd_lengths_change_nothing(tmp_path):
    content = b"".join(n.to_bytes(3, "little", signed=True) for n in integers(24, 6))
    (tmp_path / "plain.wav").write_bytes(wav(content, 24))
    (tmp_path / "other.wav").write_bytes(wav(content, 24, extensible=True, before=chunk(b"LIST", b"odd")) + b"LIST")
    np.testing.assert_array_equal(open_wav(tmp_path / "other.wav").read(), open_wav(tmp_path / "plain.wav").read())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it has no RIFF header"),
        (b"RIFX" + wav(b"\0\0", 16)[4:], "it has no RIFF header"),
        (wav(b"", 16), "contains no samples"),
        (wav(b"\0\0\0", 16), "end within one of them, 1 bytes after"),
        (wav(b"\0\0", 16, block=3), "1 channels of 16 bits do not make 3 bytes"),
        (wav(b"\0\0", 16, channels=0), "0 channels of 16 bits do not make 0 bytes"),
        (wav(b"\0\0", 12, block=2), "samples of 12 bits in the encoding 0x0001"),
        (wav(b"\0\0", 16, encoding=FLOAT), "samples of 16 bits in the encoding 0x0003"),
        (wav(b"\0\0", 16, encoding=0x11), "integers of 8, 16, 24 or 32 bits, or floats of 32 or 64"),
        (wav(b"\0\0", 8, encoding=7, extensible=True), "in the encoding 0x0007"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"data", b"\0\0"), "samples come before their description"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"\1\0"), "description of its samples is too short"),
        (b"RIFF\0\0\0\0WAVE", "it has no samples"),
        (wav(bytes(64), 16)[:40] + b"\xfe\xff\xff\xff" + bytes(64), "have 4,294,967,294 bytes, and 64 are left"),
    ],
)
def test_a_file_that_is_not_a_sound_is_refused(tmp_path, content, words):
    (tmp_path / "x.wav").write_bytes(content)
    assert words in refused(samples_of, tmp_path / "x.wav")


def test_a_file_that_ends_early_is_never_read_as_a_shorter_one(tmp_path):
    path, content = tmp_path / "x.wav", wav(bytes(range(64)), 16, 2)
    for length in range(len(content)):
        path.write_bytes(content[:length])
        refused(samples_of, path)
    assert "'data' should have 64 bytes, and 63 are left" in refused(samples_of, path)
