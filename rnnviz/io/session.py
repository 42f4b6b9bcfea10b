"""Sessions as zip archives: `manifest.json`, `config.toml`, and copies of files as they are; none is trusted."""

import json
import os
import re
import shutil
import stat
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import IO, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import rnnviz
from rnnviz.cells import CellError, CellSpec
from rnnviz.core.bounded_read import LARGEST_TEXT, ZIP_DAMAGE, read_plain_text, reading
from rnnviz.core.cell_json import cell_from_json, cell_to_json
from rnnviz.core.config import Config
from rnnviz.core.engine_spec import engine_file, is_own, is_recording
from rnnviz.core.errors import InputError, check_regular, file_errors
from rnnviz.core.schema import (
    LARGEST_SIZE,
    config_field,
    display_key,
    display_value,
    section_from_mapping,
    section_to_mapping,
)
from rnnviz.core.trace_index import Location
from rnnviz.frozen import dataclass
from rnnviz.io import ENDING
from rnnviz.io.config_toml import (
    UNPACKED,
    check_paths,
    dump_config,
    files_read,
    load_config,
    parse_config,
    parse_toml,
    with_paths,
)
from rnnviz.io.model_formats.formats import files_beside, model_in
from rnnviz.io.outputs import Progress, atomic_write
from rnnviz.reading.quantities import color_names
from rnnviz.reading.units import ORDERS

FORMAT = 1
MANIFEST, CONFIG = "manifest.json", "config.toml"
_MOST_FILES, _MOST_MEMBERS = 10_000, 20_000
_MOST_CHOICES, _LONGEST_CHOICE = 100, 100
_COPY = re.compile(r"files/\d{1,5}(/[^/\\:\x00-\x1f\x7f]{1,255})+")
_CHUNK = 1 << 20
_LONGEST_PREFIX = 60
_UNSAFE = re.compile(r"[^\w. +()\-]")
_PLACE = {"minimum": 0, "maximum": LARGEST_SIZE}
_SHARE = {"minimum": 0.0, "maximum": 1.0}


@dataclass(frozen=True)
class SavedViewState:
    """The selection and the layout of the window, in columns of time and pixels. None: that of a new window."""

    layer: int = config_field("int", "Layer of the selected value.", 0, **_PLACE)
    direction: int = config_field("int", "0 is forward, 1 backward.", 0, minimum=0, maximum=1)
    timestep: int = config_field("int", "Time step of the selected value.", 0, **_PLACE)
    sample: int = config_field("int", "Sample of the selected value.", 0, **_PLACE)
    unit: int = config_field("int", "Unit of the selected value.", 0, **_PLACE)
    colors: str = config_field("text", "Quantity that colors the lanes.", "value")
    order: str = config_field("choice", "The order of the units.", "index", choices=tuple(ORDERS))
    engine: str | None = config_field("text", "Whose values are drawn.", None)
    candidate: str | None = config_field("text", "Engine that is compared with the reference.", None)
    swiping: bool = config_field("bool", "Whether two engines share the lanes.", False)
    start: float | None = config_field("float", "The first column of time in view.", None)
    span: float | None = config_field("float", "How many columns of time are in view.", None, above=0.0)
    zoom: float | None = config_field("float", "How many times as tall the lanes are as when all fit.", None, above=0.0)
    scroll: float | None = config_field("float", "How far the lanes are scrolled.", None, minimum=0.0)
    tab: str | None = config_field("text", "The view in front.", None)
    whole: float | None = config_field("float", "The share of the left column.", None, **_SHARE)
    upper: float | None = config_field("float", "The share above the tabs.", None, **_SHARE)
    middle: float | None = config_field("float", "The share of the lanes.", None, **_SHARE)
    side: float | None = config_field("float", "The share of the vector.", None, **_SHARE)
    width: int | None = config_field("int", "The window's width.", None, minimum=1, maximum=100_000)
    height: int | None = config_field("int", "The window's height.", None, minimum=1, maximum=100_000)

    @property
    def location(self) -> Location:
        return Location(self.layer, self.direction, self.timestep, self.sample, self.unit)


@dataclass(frozen=True)
class SavedDocument:
    """Source of the config: its title, and the user's file, if there is one."""

    title: str = config_field("text", "Name of the config in the window.")
    path: str | None = config_field("path", "The user's file.", None)
    modified: bool = config_field("bool", "Whether the config is another one than that file's.", False)


@dataclass(frozen=True)
class StoredFile:
    """A file or folder that the config names: a copy in the archive, or a reference from the session's folder."""

    path: str = config_field("path", "How the stored config names it.")
    copied: bool = config_field("bool", "Whether the session holds a copy.", False)
    absolute: str | None = config_field("path", "Where a reference was when the session was written.", None)


@dataclass(frozen=True)
class SavedSession:
    """One session; the paths in the config are absolute. `unpacked` is the folder of the copies, if there are any.

    `choices` are the options of single views, as text, by the views' titles.
    """

    config: Config
    document: SavedDocument
    look: SavedViewState = field(default_factory=SavedViewState)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unpacked: Path | None = None
    captured: bool = False
    """Whether it is a capture, whose document has the title of the recorded layer."""
    training: Path | None = None
    """The file of a training that it holds."""

    @property
    def holds_inputs(self) -> bool:
        """Whether it has copies of files that its config names."""
        unpacked = self.unpacked
        return unpacked is not None and any(Path(path).is_relative_to(unpacked) for path in paths_in(self.config))


@dataclass(frozen=True)
class _Head:
    format: int = config_field("int", "The version of the format.", minimum=1)
    program: str = config_field("text", "The version of the program that wrote it.")


@dataclass(frozen=True)
class Manifest:
    """The content of a session in addition to its config; `cell` defines a custom cell, and runs no code."""

    document: SavedDocument
    look: SavedViewState
    choices: Mapping[str, tuple[str, ...]]
    files: tuple[StoredFile, ...]
    cell: CellSpec | None
    captured: bool
    training: str | None = None
    """The copy that is a training."""


def dump_manifest(session: SavedSession, files: Iterable[StoredFile] = (), training: str | None = None) -> str:
    """The manifest as JSON; keys that are None are left out."""
    cell = session.config.network.custom
    tables = {
        "format": FORMAT,
        "program": rnnviz.__version__,
        "document": section_to_mapping(session.document),
        "look": section_to_mapping(session.look),
        "choices": {view: list(words) for view, words in session.choices.items()},
        "files": [section_to_mapping(file) for file in files],
        **({} if training is None else {"training": training}),
        **({} if cell is None else {"cell": json.loads(cell_to_json(cell))}),
    }
    return json.dumps(tables, indent=2, ensure_ascii=False)


def parse_manifest(text: str) -> Manifest:
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise InputError("its manifest is nested too deep.") from error
    except ValueError as error:
        raise InputError(f"its manifest is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise InputError("its manifest contains no table.")
    version = values.get("format")
    if type(version) is int and version > FORMAT:
        raise InputError(
            f"a newer rnnviz wrote it, in format {display_value(version)}, and this one reads format "
            f"{FORMAT}: update rnnviz."
        )
    known = {"document", "look", "choices", "files", "cell", "training"}
    head = section_from_mapping(_Head, "manifest", {key: value for key, value in values.items() if key not in known})
    files, choices = values.get("files", []), values.get("choices", {})
    if not isinstance(files, list) or len(files) > _MOST_FILES:
        raise InputError(f"files = {display_value(files)} must be a list of at most {_MOST_FILES:,} files.")
    try:
        cell = cell_from_json(json.dumps(values["cell"])) if "cell" in values else None
    except CellError as error:
        raise InputError(f"cell: {error}") from error
    look = section_from_mapping(SavedViewState, "look", values.get("look", {}))
    if look.colors not in color_names(cell):
        names = ", ".join(color_names(cell))
        raise InputError(f"look.colors = {display_value(look.colors)} is not allowed: it must be one of {names}.")
    if not isinstance(choices, dict) or len(choices) > _MOST_CHOICES:
        raise InputError(f"choices = {display_value(choices)} must be a table of at most {_MOST_CHOICES} views.")
    for view, words in choices.items():
        few = isinstance(words, list) and len(words) <= _MOST_CHOICES
        if not few or not all(isinstance(word, str) and len(word) <= _LONGEST_CHOICE for word in words):
            raise InputError(
                f"choices.{display_key(view)} = {display_value(words)} must be a list of at most {_MOST_CHOICES} texts "
                f"of at most {_LONGEST_CHOICE} characters."
            )
    training = values.get("training")
    if training is not None and training not in [file.get("path") for file in files if isinstance(file, dict)]:
        raise InputError(f"training = {display_value(training)} must be one of its files.")
    return Manifest(
        section_from_mapping(SavedDocument, "document", values.get("document", {})),
        look,
        {view: tuple(words) for view, words in choices.items()},
        tuple(section_from_mapping(StoredFile, f"files[{place}]", file) for place, file in enumerate(files)),
        cell,
        head.program == "rnn_capture",
        training,
    )


class NamedFile(NamedTuple):
    """A file or folder by its absolute path; `parts` are the files to copy, relative to its parent, and their sizes."""

    path: Path
    parts: tuple[tuple[str, int], ...]


def paths_in(config: Config) -> list[str]:
    return list(dict.fromkeys(files_read(config).values()))


def size_of(files: Iterable[NamedFile]) -> int:
    return sum(size for file in files for _, size in file.parts)


def files_to_copy(config: Config) -> list[NamedFile]:
    """The files that a copy of each named file needs; values are not read."""
    recorded = {engine_file(name) for name in config.compare.engines if is_recording(name)}
    return [_named(Path(path), recorded=path in recorded) for path in paths_in(config)]


def _named(path: Path, *, recorded: bool = False) -> NamedFile:
    """The file; of a folder its model, or all files of recorded outputs."""
    with file_errors(path, "copied"):
        model = path if recorded else model_in(path)
        if recorded and path.is_dir():
            files = [file for file in sorted(path.iterdir()) if file.is_file()]
        elif model.is_dir():
            files = [file for file in sorted(model.glob("*.npy")) if file.is_file()]
        else:
            files = [model, *(model.parent / name for name in files_beside(model)), *_weights_of(model)]
        parts = tuple((file.relative_to(path.parent).as_posix(), file.stat().st_size) for file in files)
    return NamedFile(path, parts)


def _weights_of(path: Path) -> list[Path]:
    """The files from which a copied config or session, an engine `model:FILE`, reads its weights.

    Raises an InputError if a copy would not find them.
    """
    named: str | None = None
    if path.suffix.lower() == ".toml":
        # As it is written: a relative path means the same in the copy.
        named = (
            load_config(path).parameters.path
            and parse_toml(read_plain_text(path, "TOML"), str(path))["parameters"]["path"]
        )
    elif path.suffix.lower() == ENDING:
        with _opened(path) as (archive, members, manifest):
            config = parse_config(_text(archive, members, CONFIG), Path(), "its config")
            copied = {file.path for file in manifest.files if file.copied}
            named = None if config.parameters.path in copied else config.parameters.path
    if named is None:
        return []
    whole = Path(os.path.normpath(path.absolute().parent / named))
    if path.suffix.lower() == ENDING or Path(named).is_absolute() or not whole.is_relative_to(path.absolute().parent):
        raise InputError(
            f"{path} reads its weights from {whole}, which a copy would not find: name that file, model:{whole}."
        )
    return [whole.parent / name for name, _ in _named(whole).parts]


def is_safe_name(name: str) -> bool:
    """Whether a copy may have this name in a session: it leads nowhere but below the folder that it is unpacked to."""
    return _COPY.fullmatch(name) is not None and not any(part.strip(". ") == "" for part in name.split("/"))


def read_session(path: Path, folder: Callable[[], Path], progress: Progress = lambda fraction: None) -> SavedSession:
    """Read a session, and unpack its copies into a new folder within `folder()`, which is not asked for without any.

    `progress` may raise to stop it; unpacked files are then removed.
    """
    with _opened(path) as (archive, members, manifest):
        with _refusals(path):
            copies = _copies(manifest, members)
            config = parse_config(_text(archive, members, CONFIG), Path(), "its config")
            if is_own(config.network.cell):
                config = config.with_custom_cell(manifest.cell)
            stored = {file.path: file for file in manifest.files}
            for named in paths_in(config):
                if Path(named).as_posix() not in stored:
                    raise InputError(f'its config reads "{named}", which its manifest does not name.')
        unpacked = _unpack(archive, copies, folder, path, progress) if copies else None
    absolute = path.absolute().parent

    def found(named: str) -> str:
        file = stored[Path(named).as_posix()]
        if file.copied:
            assert unpacked is not None
            return str(unpacked / file.path)
        beside = absolute / file.path
        # Where it was when the session was written counts only if it is not where it would be from here.
        return str(beside.resolve() if os.path.exists(beside) or file.absolute is None else file.absolute)

    document, look, choices = manifest.document, manifest.look, manifest.choices
    training = None if manifest.training is None or unpacked is None else unpacked / manifest.training
    return SavedSession(with_paths(config, found), document, look, choices, unpacked, manifest.captured, training)


def read_config(path: str | os.PathLike[str], folder: Callable[[], Path]) -> Config:
    """Read a config from a TOML file, or from a session, which is a .rnnviz file. Raises an InputError."""
    if Path(path).suffix.lower() != ENDING:
        return load_config(path)
    return read_session(Path(path), folder).config


def read_document(path: Path) -> SavedDocument:
    """The name and origin of the config in a session; raises as `read_session` does."""
    with _opened(path) as (_, _, manifest):
        return manifest.document


@contextmanager
def _opened(path: Path) -> Iterator[tuple[ZipFile, dict[str, ZipInfo], Manifest]]:
    check_regular(path)
    with reading(path, "session", ZIP_DAMAGE), ZipFile(path) as archive:
        members = _members(archive, path.stat().st_size)
        with _refusals(path):
            manifest = parse_manifest(_text(archive, members, MANIFEST))
        yield archive, members, manifest


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise InputError(f"{path} cannot be opened as a session: {error}") from error


def _members(archive: ZipFile, size: int) -> dict[str, ZipInfo]:
    infos = archive.infolist()
    members = {info.filename: info for info in infos}
    damage = [f"{len(infos)} members"] if len(infos) > _MOST_MEMBERS else []
    for name, info in members.items():
        text = name in (MANIFEST, CONFIG)
        if not text and not is_safe_name(name):
            damage.append("a member of an unknown name")
        elif stat.S_ISLNK(info.external_attr >> 16) or info.flag_bits & 0x1:
            damage.append("a link, or an encrypted member")
        elif info.compress_type not in ((ZIP_STORED, ZIP_DEFLATED) if text else (ZIP_STORED,)):
            damage.append("a compressed copy")
        elif info.file_size > LARGEST_TEXT if text else info.file_size != info.compress_size:
            damage.append("a text that is too long" if text else "a copy of two sizes")
    # Members that lie on top of each other would unpack to more than there is.
    if len(members) != len(infos) or sum(info.compress_size for info in infos) > size:
        damage.append("members that share their bytes or names")
    if damage:
        raise BadZipFile(damage[0])
    return members


def _text(archive: ZipFile, members: Mapping[str, ZipInfo], name: str) -> str:
    if name not in members:
        raise InputError(f"{name} is missing in it.")
    with archive.open(members[name]) as file:
        content = file.read(LARGEST_TEXT + 1)
    if len(content) > LARGEST_TEXT:
        raise InputError(f"{name} in it has more than {LARGEST_TEXT:,} bytes.")
    return content.decode("utf-8")


def _copies(manifest: Manifest, members: Mapping[str, ZipInfo]) -> list[ZipInfo]:
    roots = [file.path for file in manifest.files if file.copied]
    names = sorted(members)
    for root in roots:
        # The files of a folder follow its name in the sorted list, so that thousands of files are fast.
        place = bisect_left(names, f"{root}/")
        inside = any(name.startswith(f"{root}/") for name in names[place : place + 1])
        if not is_safe_name(root) or not (root in members or inside):
            raise InputError(f'the copy "{root}" that its manifest names is missing in it.')
    folders = {"/".join(root.split("/")[:2]) for root in roots}
    copies = [info for name, info in members.items() if name not in (MANIFEST, CONFIG)]
    for info in copies:
        if "/".join(info.filename.split("/")[:2]) not in folders:
            raise InputError(f'"{info.filename}" in it belongs to no file that its manifest names.')
    return copies


def _unpack(archive: ZipFile, copies: list[ZipInfo], folder: Callable[[], Path], path: Path, notify: Progress) -> Path:
    copy = _copier(sum(info.file_size for info in copies), notify)
    with file_errors(path, "unpacked"):
        # Reports of the run have the name of the session.
        prefix = f"{UNPACKED}{_UNSAFE.sub('_', path.name)[:_LONGEST_PREFIX]}-"
        unpacked = Path(tempfile.mkdtemp(prefix=prefix, dir=folder()))
        try:
            for info in copies:
                file = unpacked / info.filename
                file.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, file.open("xb") as target:
                    copy(source, target)
                # The session's members have no time: the copy was saved when the session was.
                os.utime(file, ns=(path.stat().st_mtime_ns,) * 2)
        except BaseException:
            shutil.rmtree(unpacked, ignore_errors=True)
            raise
    return unpacked


def _copier(total: int, notify: Progress) -> Callable[[IO[bytes], IO[bytes]], None]:
    """A function that copies one file after another, and says how much of all is done."""
    done = 0

    def copy(source: IO[bytes], target: IO[bytes]) -> None:
        nonlocal done
        while piece := source.read(_CHUNK):
            done += target.write(piece)
            notify(min(done / max(total, 1), 1.0))

    return copy


def write_session(
    session: SavedSession,
    path: Path,
    copies: Sequence[NamedFile] | None = None,
    progress: Progress = lambda fraction: None,
) -> int:
    """Write a session with `copies` of the files that its config names, or with references to them; return its bytes.

    The file of its training is always copied.

    Copies are not compressed, so that nothing unpacks to more than the archive's size.
    """
    stored: dict[str, StoredFile] = {}
    training = None if session.training is None else _named(session.training)
    copied = [*(copies or ()), *([training] if training is not None else ())]
    for place, file in enumerate(copied):
        stored[str(file.path)] = StoredFile(f"files/{place}/{_safe(file, file.path.name)}", copied=True)
    for named in paths_in(session.config) if copies is None else ():
        try:
            relative = os.path.relpath(named, path.parent.absolute())
        except ValueError:  # on another drive
            relative = named
        stored[named] = StoredFile(Path(relative).as_posix(), absolute=named)
    config = with_paths(session.config, lambda named: stored[named].path)
    check_paths(config)
    held = None if training is None else stored[str(training.path)].path
    manifest = dump_manifest(session, stored.values(), held)
    with atomic_write(path) as temporary, ZipFile(temporary, "w", allowZip64=True) as archive:
        for name, text in ((MANIFEST, manifest), (CONFIG, dump_config(config))):
            content = text.encode("utf-8")
            if len(content) > LARGEST_TEXT:
                raise InputError(f"{path} cannot be written: the config's text has more than {LARGEST_TEXT:,} bytes.")
            archive.writestr(_info(name), content, ZIP_DEFLATED)
        copy = _copier(size_of(copied), progress)
        for file in copied:
            folder = stored[str(file.path)].path.rpartition("/")[0]
            for name, _ in file.parts:
                source = file.path.parent / name
                with file_errors(source, "copied"):
                    opened = source.open("rb")
                info = _info(f"{folder}/{_safe(file, name)}")
                with opened, archive.open(info, "w", force_zip64=True) as target:
                    copy(opened, target)
    return path.stat().st_size


def _safe(file: NamedFile, name: str) -> str:
    """A name that every system can have; those of several files that know each other must stay as they are."""
    if len(file.parts) > 1 or name != file.path.name:
        if not is_safe_name(f"files/0/{name}"):
            raise InputError(f'{file.path} cannot be copied: "{name}" is not a valid file name on every system.')
        return name
    return _UNSAFE.sub("_", name).lstrip(".") or "file"


def _info(name: str) -> ZipInfo:
    # Without the present time: a clock that is off by decades has times that a zip cannot store.
    info = ZipInfo(name)
    info.compress_type = ZIP_STORED
    info.external_attr = 0o600 << 16
    return info
