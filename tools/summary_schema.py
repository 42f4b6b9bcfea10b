"""Write the JSON schema of a summary, which follows from its records: python -m tools.summary_schema."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.results.file_comparison import FilesSummary
from rnnviz.results.model_calls import ChunksSummary, SizesSummary
from rnnviz.results.summary import BESIDE, AnyPlace, CandidateSummary, ReferenceSummary, RunSummary

PATH = Path(__file__).parents[1] / "resources" / "schemas" / "summary.schema.json"
NUMBER = {
    "description": "A number; NaN and infinity are strings.",
    "oneOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}],
}
COUNT = {"type": "integer", "minimum": 0}
PLACE = {
    **dict.fromkeys(("layer", "timestep", "sample", "unit", "feature"), COUNT),
    "direction": {"enum": list(DIRECTIONS)},
    "index": {"type": "array", "items": COUNT, "description": "Index of an entry of a parameter."},
}
LIMITS: Mapping[str, Mapping[str, int]] = {
    ">= 0": {"minimum": 0},
    ">= 1": {"minimum": 1},
    "0 to 1": {"minimum": 0, "maximum": 1},
}


class Definitions:
    """The schemas of records by name, as far as they are referred to."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {"number": NUMBER}

    def of(self, hint: Any) -> dict[str, Any]:
        if get_origin(hint) is Annotated:
            return self._annotated(*get_args(hint))
        if get_origin(hint) in (Union, UnionType):
            return {"oneOf": [self.of(own) for own in get_args(hint)]}
        if get_origin(hint) is tuple:
            return {"type": "array", "items": self.of(get_args(hint)[0])}
        if isinstance(get_origin(hint), type) and issubclass(get_origin(hint), Mapping):
            return {"type": "object", "additionalProperties": self.of(get_args(hint)[1])}
        if is_dataclass(hint):
            return {"$ref": f"#/$defs/{self._record(hint)}"}
        if issubclass(hint, StrEnum):
            return {"enum": [str(own) for own in hint]}
        if hint is float:
            return {"$ref": "#/$defs/number"}
        return {"type": {str: "string", int: "integer", bool: "boolean", NoneType: "null"}[hint]}

    def _annotated(self, hint: Any, *notes: Any) -> dict[str, Any]:
        found = self.of(hint)
        for note in notes:
            if isinstance(note, tuple):
                found = {"enum": list(note)}
            elif note in LIMITS and "oneOf" in found:
                found = {
                    "oneOf": [{**own, **LIMITS[note]} if own != {"type": "null"} else own for own in found["oneOf"]]
                }
            elif note in LIMITS:
                found = {"type": "number", **LIMITS[note]} if hint is float else {**found, **LIMITS[note]}
            else:
                found = {**found, "description": note}
        return found

    def _record(self, kind: type) -> str:
        name = kind.__name__.removesuffix("Summary").lower()
        if name not in self.found:
            self.found[name] = {}
            self.found[name] = self.object(kind)
        return name

    def object(self, kind: type, **figures: type) -> dict[str, Any]:
        """The schema of a record; `figures` replaces the types of fields."""
        properties, required = self.properties(kind, **figures)
        return {
            "type": "object",
            "description": " ".join((kind.__doc__ or "").split()),
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def properties(self, kind: type, **figures: type) -> tuple[dict[str, Any], list[str]]:
        """The schemas of the keys of a record, and the keys that are always there."""
        found: dict[str, Any] = {}
        required: list[str] = []
        hints = get_type_hints(kind, include_extras=True) | figures
        for own in fields(kind):  # type: ignore[arg-type]
            hint = hints[own.name]
            if hint == AnyPlace:
                found |= PLACE
            elif own.name in BESIDE:
                inner, always = self.properties(hint)
                found, required = {**found, **inner}, [*required, *always]
            else:
                found[own.name] = self.of(hint)
                if own.default is MISSING:
                    required.append(own.name)
        return found, required


def schema() -> dict[str, Any]:
    definitions = Definitions()
    kinds = [definitions.object(RunSummary, figures=kind) for kind in (CandidateSummary, ReferenceSummary)]
    kinds += [definitions.object(kind) for kind in (FilesSummary, ChunksSummary, SizesSummary)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rnnviz summary",
        "oneOf": kinds,
        "$defs": definitions.found,
    }


if __name__ == "__main__":
    PATH.write_text(json.dumps(schema(), indent=2) + "\n", encoding="utf-8")
