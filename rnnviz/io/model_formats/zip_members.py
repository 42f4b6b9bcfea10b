"""The members of a zip archive: no size in it is believed before it is compared with the bytes that are there."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rnnviz.core.errors import InputError, damaged
from rnnviz.core.npz import ZIP_DAMAGE
from rnnviz.io.readers.chunked_read import read_pieces

_DAMAGE = (*ZIP_DAMAGE, KeyError)


class ZipMembers:
    """An archive of the format `kind`; whatever is damaged in it becomes an InputError."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind
        with self._opened() as archive:
            members = archive.infolist()
            self.sizes = {member.filename: member.file_size for member in members}
            # PyTorch writes 0 for every checksum where torch.serialization.set_crc32_options(False) was called.
            self._without_checksums = not any(member.CRC for member in members)

    def read(self, name: str, size: int) -> bytearray:
        """The bytes of a member, which must have exactly `size`; its checksum is compared."""
        with self._opened() as archive:
            member = archive.getinfo(name)
            there = member.file_size
            if there != size:
                raise damaged(self.path, self.kind, f"{name} has {there} bytes instead of {size}")
            if self._without_checksums:
                # Without the attribute, zipfile compares nothing.
                del member.CRC
            with archive.open(member) as file:
                content = read_pieces(file, size)
                # The checksum is compared where a file ends.
                if file.read(1):
                    raise damaged(self.path, self.kind, f"{name} has more than {size} bytes")
        # A directory that lists an empty member has the checksum of nothing.
        if len(content) != size:
            raise damaged(self.path, self.kind, f"{name} has {len(content)} bytes instead of {size}")
        return content

    def read_up_to(self, name: str, most: int) -> bytearray:
        """The bytes of a member of at most `most`."""
        size = self.sizes[name]
        if size > most:
            raise damaged(self.path, self.kind, f"{name} would have {size} bytes")
        return self.read(name, size)

    @contextmanager
    def _opened(self) -> Iterator[zipfile.ZipFile]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                yield archive
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror or error}.") from error
        except _DAMAGE as error:
            raise damaged(self.path, self.kind, str(error) or type(error).__name__) from error
