"""The manifest of a session: JSON that is checked key by key before anything else is read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import rnnviz
from rnnviz.core.errors import InputError
from rnnviz.core.schema import config_field, display_key, display_value, section_from_mapping
from rnnviz.io.session.types import SavedDocument, SavedViewState, StoredFile

FORMAT = 1
_MOST_FILES = 10_000
_MOST_CHOICES, _LONGEST_CHOICE = 100, 100


@dataclass(frozen=True)
class _Head:
    """The keys that are checked first."""

    format: int = config_field("int", "The version of the format.", minimum=1)
    program: str = config_field("text", "The version of the program that wrote it.")


@dataclass(frozen=True)
class Manifest:
    """The content of a session in addition to its config."""

    document: SavedDocument
    look: SavedViewState
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[StoredFile, ...] = ()


def dump_manifest(manifest: Manifest) -> str:
    """The manifest as JSON; keys that are None are left out."""
    tables = {
        "format": FORMAT,
        "program": rnnviz.__version__,
        "document": _given(manifest.document),
        "look": _given(manifest.look),
        "choices": {view: list(words) for view, words in manifest.choices.items()},
        "files": [_given(file) for file in manifest.files],
    }
    return json.dumps(tables, indent=2, ensure_ascii=False)


def parse_manifest(text: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    InputError
        If it is not JSON, of another version, or a key is unknown, missing, of a wrong type or out of range.
    """
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
    known = {"document", "look", "choices", "files"}
    section_from_mapping(_Head, "manifest", {key: value for key, value in values.items() if key not in known})
    files = values.get("files", [])
    if not isinstance(files, list) or len(files) > _MOST_FILES:
        raise InputError(f"files = {display_value(files)} must be a list of at most {_MOST_FILES:,} files.")
    return Manifest(
        section_from_mapping(SavedDocument, "document", values.get("document", {})),
        section_from_mapping(SavedViewState, "look", values.get("look", {})),
        _choices(values.get("choices", {})),
        tuple(section_from_mapping(StoredFile, f"files[{place}]", file) for place, file in enumerate(files)),
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
