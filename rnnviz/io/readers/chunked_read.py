"""Long reads in chunks, with progress reports."""

from typing import IO

from rnnviz.core.progress import advance

PIECE_BYTES = 4 << 20


def read_pieces(file: IO[bytes], size: int) -> bytearray:
    """The next `size` bytes of a file, or fewer where it ends; no more memory is taken than for those.

    `size` must have been compared with the file's size.
    """
    content = bytearray(size)
    done = 0
    with memoryview(content) as room:
        while done < size and (piece := file.read(min(PIECE_BYTES, size - done))):
            room[done : done + len(piece)] = piece
            done += len(piece)
            advance(len(piece))
    del content[done:]
    return content
