"""The manifest of a session: JSON that is checked key by key before anything else is read."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import rnnviz
from rnnviz.files.session.contents import Document, Look, StoredFile
from rnnviz.model.errors import InputError
from rnnviz.model.fields import declared, section_from_mapping, shown

FORMAT = 1
_MOST_FILES = 10_000


@dataclass(frozen=True)
class _Head:
    """What is looked at first."""

    format: int = declared("int", "The version of the format.", minimum=1)
    program: str = declared("text", "The version of the program that wrote it.")


@dataclass(frozen=True)
class Manifest:
    """What a session holds beside its config."""

    document: Document
    look: Look
    files: tuple[StoredFile, ...] = ()


def dump_manifest(manifest: Manifest) -> str:
    """The manifest as JSON; keys that are None are left out."""
    tables = {
        "format": FORMAT,
        "program": rnnviz.__version__,
        "document": _given(manifest.document),
        "look": _given(manifest.look),
        "files": [_given(file) for file in manifest.files],
    }
    return json.dumps(tables, indent=2, ensure_ascii=False)


def parse_manifest(text: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    InputError
        If it is no JSON, of another version, or a key is unknown, missing, of a wrong type or out of range.
    """
    try:
        values = json.loads(text)
    except RecursionError as error:
        raise InputError("its manifest is nested too deep.") from error
    except ValueError as error:
        raise InputError(f"its manifest is no JSON: {error}.") from error
    if not isinstance(values, dict):
        raise InputError("its manifest holds no table.")
    version = values.get("format")
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT:
        raise InputError(
            f"a newer rnnviz wrote it, in format {shown(version)}, and this one reads format {FORMAT}: update rnnviz."
        )
    known = {"document", "look", "files"}
    section_from_mapping(_Head, "manifest", {key: value for key, value in values.items() if key not in known})
    files = values.get("files", [])
    if not isinstance(files, list) or len(files) > _MOST_FILES:
        raise InputError(f"files = {shown(files)} must be a list of at most {_MOST_FILES:,} files.")
    return Manifest(
        section_from_mapping(Document, "document", values.get("document", {})),
        section_from_mapping(Look, "look", values.get("look", {})),
        tuple(section_from_mapping(StoredFile, f"files[{place}]", file) for place, file in enumerate(files)),
    )


def _given(section: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(section).items() if value is not None}
