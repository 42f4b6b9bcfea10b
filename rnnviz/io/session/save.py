"""Sessions are written as a zip: `manifest.json`, `config.toml`, and copies of files as they are."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from rnnviz.core.errors import InputError
from rnnviz.io.atomic import atomic_write
from rnnviz.io.config_toml import check_paths, dump_config, with_paths
from rnnviz.io.readers.plain_text import LARGEST_TEXT
from rnnviz.io.session.file_refs import NamedFile, paths_in
from rnnviz.io.session.load import CONFIG, MANIFEST, is_safe_name
from rnnviz.io.session.manifest import Manifest, dump_manifest
from rnnviz.io.session.types import SavedSession, StoredFile

_CHUNK = 1 << 20
_UNSAFE = re.compile(r"[^\w. +()\-]")
_PRIVATE = 0o600 << 16


def write_session(
    session: SavedSession,
    path: Path,
    copies: Sequence[NamedFile] | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> int:
    """Write a session with `copies` of the files that its config names, or with references to them; return its bytes.

    Copies are stored as they are, so that nothing unpacks to more than the archive's size. `progress` may raise to stop
    the writing; an existing file is then left as it was.

    Raises
    ------
    InputError
        If the session or a file for it cannot be written or read.
    """
    stored = _references(session, path.parent) if copies is None else _copied(copies)
    config = with_paths(session.config, lambda named: stored[named].path)
    check_paths(config)
    manifest = dump_manifest(Manifest(session.document, session.look, session.choices, tuple(stored.values())))
    with atomic_write(path) as temporary, ZipFile(temporary, "w", allowZip64=True) as archive:
        for name, text in ((MANIFEST, manifest), (CONFIG, dump_config(config))):
            content = text.encode("utf-8")
            if len(content) > LARGEST_TEXT:
                raise InputError(f"{path} cannot be written: the config's text has more than {LARGEST_TEXT:,} bytes.")
            archive.writestr(_info(name), content, ZIP_DEFLATED)
        _copy_all(archive, copies or (), stored, progress)
    return path.stat().st_size


def _references(session: SavedSession, folder: Path) -> dict[str, StoredFile]:
    stored = {}
    for path in paths_in(session.config):
        try:
            relative = os.path.relpath(path, folder.absolute())
        except ValueError:  # on another drive
            relative = path
        stored[path] = StoredFile(Path(relative).as_posix(), absolute=path)
    return stored


def _copied(files: Sequence[NamedFile]) -> dict[str, StoredFile]:
    return {
        str(file.path): StoredFile(f"files/{place}/{_safe(file, file.path.name)}", copied=True)
        for place, file in enumerate(files)
    }


def _safe(file: NamedFile, name: str) -> str:
    """A name that every system can have; those of several files that know each other must stay as they are."""
    if len(file.parts) > 1 or name != file.path.name:
        if not is_safe_name(f"files/0/{name}"):
            raise InputError(f'{file.path} cannot be copied: "{name}" is not a valid file name on every system.')
        return name
    return _UNSAFE.sub("_", name).lstrip(".") or "file"


def _copy_all(
    archive: ZipFile, files: Sequence[NamedFile], stored: Mapping[str, StoredFile], notify: Callable[[float], None]
) -> None:
    total, done = max(sum(size for file in files for _, size in file.parts), 1), 0
    for file in files:
        folder = stored[str(file.path)].path.rpartition("/")[0]
        for name, _ in file.parts:
            source = file.path.parent / name
            info = _info(f"{folder}/{_safe(file, name)}")
            try:
                opened = source.open("rb")
            except OSError as error:
                raise InputError(f"{source} cannot be copied: {error.strerror or error}.") from error
            with opened, archive.open(info, "w", force_zip64=True) as target:
                for written in _pieces(opened, target):
                    done += written
                    notify(min(done / total, 1.0))


def _pieces(source: IO[bytes], target: IO[bytes]) -> Iterator[int]:
    while piece := source.read(_CHUNK):
        yield target.write(piece)


def _info(name: str) -> ZipInfo:
    # Without the present time: a clock that is off by decades has times that a zip cannot store.
    info = ZipInfo(name)
    info.compress_type = ZIP_STORED
    info.external_attr = _PRIVATE
    return info
