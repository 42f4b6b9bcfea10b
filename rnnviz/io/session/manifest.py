"""The manifest of a session: JSON that is checked key by key before anything else is read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import rnnviz
from rnnviz.cells import CellError, CellSpec
from rnnviz.core.cell_json import cell_from_json, cell_to_json
from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.schema import LARGEST_SIZE, config_field, display_key, display_value, section_from_mapping
from rnnviz.core.trace_index import Location
from rnnviz.quantities.gates import color_names
from rnnviz.quantities.units import ORDERS

ENDING = ".rnnviz"
_PLACE = {"minimum": 0, "maximum": LARGEST_SIZE}
_SHARE = {"minimum": 0.0, "maximum": 1.0, "optional": True}
FORMAT = 1
_MOST_FILES = 10_000
_MOST_CHOICES, _LONGEST_CHOICE = 100, 100


@dataclass(frozen=True)
class SavedViewState:
    """The selection and the layout of the window. None: the default of a new window.

    The part of the lanes in view is `span` columns of time from `start` on, of lanes that are `zoom` times as tall as
    when all of them fit and scrolled by `scroll` pixels. Of each divided part of the window the share of its first half
    is given, `width` and `height` are the window's in pixels.
    """

    layer: int = config_field("int", "Layer of the selected value.", 0, **_PLACE)
    direction: int = config_field("int", "0 is forward, 1 backward.", 0, minimum=0, maximum=1)
    timestep: int = config_field("int", "Time step of the selected value.", 0, **_PLACE)
    sample: int = config_field("int", "Sample of the selected value.", 0, **_PLACE)
    unit: int = config_field("int", "Unit of the selected value.", 0, **_PLACE)
    colors: str = config_field("text", "Quantity that colors the lanes.", "value")
    order: str = config_field("choice", "The order of the units.", "index", choices=tuple(ORDERS))
    engine: str | None = config_field("text", "Whose values are drawn.", None, optional=True)
    candidate: str | None = config_field("text", "Engine that is compared with the reference.", None, optional=True)
    swiping: bool = config_field("bool", "Whether two engines share the lanes.", False)
    start: float | None = config_field("float", "The first column of time in view.", None, optional=True)
    span: float | None = config_field("float", "How many columns of time are in view.", None, above=0.0, optional=True)
    zoom: float | None = config_field("float", "How tall the lanes are.", None, above=0.0, optional=True)
    scroll: float | None = config_field("float", "How far the lanes are scrolled.", None, minimum=0.0, optional=True)
    tab: str | None = config_field("text", "The view in front.", None, optional=True)
    whole: float | None = config_field("float", "The share of the left column.", None, **_SHARE)
    upper: float | None = config_field("float", "The share above the tabs.", None, **_SHARE)
    middle: float | None = config_field("float", "The share of the lanes.", None, **_SHARE)
    side: float | None = config_field("float", "The share of the vector.", None, **_SHARE)
    width: int | None = config_field("int", "The window's width.", None, minimum=1, maximum=100_000, optional=True)
    height: int | None = config_field("int", "The window's height.", None, minimum=1, maximum=100_000, optional=True)

    @property
    def location(self) -> Location:
        """The selected value."""
        return Location(self.layer, self.direction, self.timestep, self.sample, self.unit)


@dataclass(frozen=True)
class SavedDocument:
    """Source of the config: its title, and the user's file, if there is one."""

    title: str = config_field("text", "Name of the config in the window.")
    path: str | None = config_field("path", "The user's file.", None, optional=True)
    modified: bool = config_field("bool", "Whether the config is another one than that file's.", False)


@dataclass(frozen=True)
class StoredFile:
    """A file, or a folder, that the config names.

    `path` is the path in the stored config: that of a copy in the archive, or how the file is reached from the
    session's folder. `absolute` is where it was when the session was written, and is given of a reference alone.
    """

    path: str = config_field("path", "How the stored config names it.")
    copied: bool = config_field("bool", "Whether the session holds a copy.", False)
    absolute: str | None = config_field("path", "Where it was.", None, optional=True)


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


@dataclass(frozen=True)
class _Head:
    """The keys that are checked first."""

    format: int = config_field("int", "The version of the format.", minimum=1)
    program: str = config_field("text", "The version of the program that wrote it.")


@dataclass(frozen=True)
class Manifest:
    """The content of a session in addition to its config.

    `cell` is the definition of a custom cell, once its file is read: data, which runs no code.
    """

    document: SavedDocument
    look: SavedViewState
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[StoredFile, ...] = ()
    cell: CellSpec | None = None


def dump_manifest(manifest: Manifest) -> str:
    """The manifest as JSON; keys that are None are left out."""
    tables = {
        "format": FORMAT,
        "program": rnnviz.__version__,
        "document": _given(manifest.document),
        "look": _given(manifest.look),
        "choices": {view: list(words) for view, words in manifest.choices.items()},
        "files": [_given(file) for file in manifest.files],
        **({} if manifest.cell is None else {"cell": json.loads(cell_to_json(manifest.cell))}),
    }
    return json.dumps(tables, indent=2, ensure_ascii=False)


def parse_manifest(text: str) -> Manifest:
    """Read a manifest."""
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise InputError("its manifest is nested too deep.") from error
    except ValueError as error:
        raise InputError(f"its manifest is not JSON: {error}.") from error
    if not isinstance(values, dict):
        raise InputError("its manifest contains no table.")
    version = values.get("format")
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        raise InputError(
            f"a newer rnnviz wrote it, in format {display_value(version)}, and this one reads format "
            f"{FORMAT}: update rnnviz."
        )
    known = {"document", "look", "choices", "files", "cell"}
    section_from_mapping(_Head, "manifest", {key: value for key, value in values.items() if key not in known})
    files = values.get("files", [])
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
    return Manifest(
        section_from_mapping(SavedDocument, "document", values.get("document", {})),
        look,
        _choices(values.get("choices", {})),
        tuple(section_from_mapping(StoredFile, f"files[{place}]", file) for place, file in enumerate(files)),
        cell,
    )


def _choices(views: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(views, dict) or len(views) > _MOST_CHOICES:
        raise InputError(f"choices = {display_value(views)} must be a table of at most {_MOST_CHOICES} views.")
    for view, words in views.items():
        if (
            not isinstance(words, list)
            or len(words) > _MOST_CHOICES
            or not all(isinstance(word, str) and len(word) <= _LONGEST_CHOICE for word in words)
        ):
            raise InputError(
                f"choices.{display_key(view)} = {display_value(words)} must be a list of at most {_MOST_CHOICES} texts "
                f"of at most {_LONGEST_CHOICE} characters."
            )
    return {view: tuple(words) for view, words in views.items()}


def _given(section: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(section).items() if value is not None}
