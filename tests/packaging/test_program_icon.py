"""The icons of Windows and macOS: files that hold the one picture in every size."""

from struct import unpack_from

import program_icon
import pytest
from PySide6.QtGui import QImage


def is_the_picture(image: QImage, size: int) -> bool:
    """Whether it has the size, nothing in its corner and the color of a node in its place."""
    node = image.pixelColor(size * 24 // 64, size * 41 // 64)
    return image.size().toTuple() == (size, size) and image.pixelColor(0, 0).alpha() == 0 and node.blue() > 150


def test_an_ico_is_a_directory_of_pngs_that_fill_it():
    content = program_icon.ico()
    reserved, kind, count = unpack_from("<HHH", content)
    assert (reserved, kind) == (0, 1)
    end = 6 + 16 * count
    sizes = []
    for number in range(count):
        side, _, _, _, _, bits, length, offset = unpack_from("<BBBBHHII", content, 6 + 16 * number)
        assert (bits, offset) == (32, end)
        sizes.append(side or 256)
        assert is_the_picture(QImage.fromData(content[offset : offset + length], "PNG"), sizes[-1])
        end += length
    assert end == len(content)
    assert {16, 32, 48, 256} <= set(sizes)


def test_an_icns_is_pieces_of_pngs_that_fill_it():
    content = program_icon.icns()
    magic, length = unpack_from(">4sI", content)
    assert (magic, length) == (b"icns", len(content))
    place, sizes = 8, set()
    while place < len(content):
        _, piece = unpack_from(">4sI", content, place)
        image = QImage.fromData(content[place + 8 : place + piece], "PNG")
        assert is_the_picture(image, image.width())
        sizes.add(image.width())
        place += piece
    assert place == len(content)
    assert {16, 32, 128, 256, 512, 1024} <= sizes


@pytest.mark.qt_log_ignore("Cannot read file")
def test_a_picture_that_is_none_is_named(tmp_path):
    (tmp_path / "broken.svg").write_text("<svg", encoding="utf-8")
    with pytest.raises(ValueError, match=r"broken\.svg is not an SVG"):
        program_icon.png(16, tmp_path / "broken.svg")
