"""Declarations of config keys: the validation of a TOML file and the forms of the window are made from these."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, field, fields
from math import isfinite
from typing import Any, TypeVar

from rnnviz.cells.activations import ACTIVATIONS, Activation
from rnnviz.core.errors import ConfigError, printable
from rnnviz.core.words import suggest
from rnnviz.frozen import dataclass

# Beyond this no array of that length exists on any machine that runs the program, and products of sizes
# still fit a 64-bit integer.
LARGEST_SIZE = 10**9
LARGEST_SEED = 2**63 - 1
_LISTED = 12

_ALLOWED = {
    "bool": "true or false",
    "text": "a non-empty text",
    "path": "the path of a file",
    "names": "a list of engine names without repetition",
    "texts": "a list of non-empty texts",
    "paths": "a list of the paths of files",
    "activations": f'a list of activations, such as "leaky_relu(0.1)", from {", ".join(ACTIVATIONS)}',
}
"""Allowed values of the kinds that have no limits, in words that end an error sentence."""

Section = TypeVar("Section")


@dataclass(frozen=True)
class FieldSpec:
    """Declaration of one config key; `why` is the tooltip of the form's field.

    `choices` belongs to "choice" and "counts", `suffix` to a choice that may also be the path of a file. Numbers have
    `minimum` and `maximum` (inclusive) and `above`; `count` is the length of "indices", integers from 0. `optional`
    keys may be None, which TOML writes by leaving the key out.
    """

    kind: str
    why: str
    choices: tuple[str, ...] = ()
    suffix: str = ""
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    optional: bool = False
    count: int = 0

    @property
    def allowed(self) -> str:
        """Allowed values in words that end an error sentence."""
        match self.kind:
            case "choice":
                names = "one of " + ", ".join(f'"{c}"' for c in self.choices)
                return f"{names}, or the path of a {self.suffix} file" if self.suffix else names
            case "int":
                return f"an integer from {int(self.minimum or 0):,} to {int(self.largest or 0):,}"
            case "float":
                least = "" if self.minimum is None else f"of at least {self.minimum:,.12g}"
                least = least if self.above is None else f"above {self.above:g}"
                most = "" if self.maximum is None else f"at most {self.maximum:,.12g}"
                return f"a finite number {' and '.join(filter(None, (least, most)))}".rstrip()
            case "counts":
                others = f", {' or '.join(map(display_value, self.choices))}" if self.choices else ""
                return f"a list of integers of at least 1{others}"
            case "indices":
                return f"a list of {self.count} integers of at least 0"
        return _ALLOWED[self.kind]

    @property
    def largest(self) -> float | None:
        """`maximum`; a whole number without one is a size."""
        return LARGEST_SIZE if self.maximum is None and self.kind == "int" else self.maximum

    def check(self, key: str, value: Any) -> Any:
        """The value as the dataclass holds it. Raises ConfigError with the allowed values if it is none of them."""
        if value is None and self.optional:
            return None
        checked = self._accept(value)
        if checked is None:
            sentence = f"{key} = {display_value(value)} is not allowed: it must be {self.allowed}."
            raise ConfigError(key, sentence + (suggest(value, self.choices) if isinstance(value, str) else ""))
        return checked

    def is_path(self, value: object) -> bool:
        """Whether a value of the key is the path of a file."""
        if self.kind == "choice":
            return bool(self.suffix) and isinstance(value, str) and value.endswith(self.suffix) and "\0" not in value
        return self.kind == "path" and isinstance(value, str)

    def paths_in(self, value: object) -> tuple[str, ...]:
        """The paths of files in a valid value of the key."""
        if self.kind == "paths":
            return tuple(value) if isinstance(value, tuple) else ()
        return (value,) if isinstance(value, str) and self.is_path(value) else ()

    def with_paths(self, value: Any, change: Callable[[Any], Any]) -> Any:
        """A value of the key, with `change` applied to each path."""
        if self.kind == "paths":
            return tuple(map(change, value)) if isinstance(value, list | tuple) else value
        return change(value) if self.is_path(value) else value

    def _accept(self, value: Any) -> Any:
        """The value as the dataclass holds it; None if it is not allowed."""
        match self.kind:
            case "bool":
                good = isinstance(value, bool)
            case "int":
                good = _is_whole(value) and self._in_range(value)
            case "float":
                return float(value) if _is_finite(value) and self._in_range(value) else None
            case "path" | "text":
                good = _is_text(value) and not (self.kind == "path" and "\0" in value)
            case _ if isinstance(value, str):
                good = value in self.choices or self.is_path(value)
            case _ if isinstance(value, list | tuple) and self.kind in _ITEMS:
                counts = {"names": len(set(map(str, value))), "indices": self.count}
                good = all(map(_ITEMS[self.kind], value)) and len(value) == counts.get(self.kind, max(1, len(value)))
                return tuple(value) if good else None
            case _:
                return None
        return value if good else None

    def _in_range(self, value: float) -> bool:
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.largest is None or value <= self.largest)
            and (self.above is None or value > self.above)
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_activation(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(parse_activation(value))
    except ValueError:
        return False


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    except OverflowError:  # a whole number beyond the largest float
        return False


_ITEMS: dict[str, Callable[[Any], bool]] = {
    "names": _is_text,
    "texts": _is_text,
    "paths": lambda value: _is_text(value) and "\0" not in value,
    "activations": _is_activation,
    "counts": lambda value: _is_whole(value) and value >= 1,
    "indices": lambda value: _is_whole(value) and 0 <= value <= LARGEST_SIZE,
}
"""The check of each value of a list, by the list's kind."""


def display_value(value: Any) -> str:
    """The value in one line, as TOML would show it, cut to a length that fits a sentence."""
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool):
        text = str(value).lower()
    else:
        try:
            text = str(list(value) if isinstance(value, tuple) else value)
        except ValueError:  # Python writes no whole number of more than 4,300 digits
            text = "a number of thousands of digits"
    return _cut(printable(text))


def display_key(key: object) -> str:
    """A key that no one knows, in one line and cut to a length that fits a sentence; as it is if it is a plain word."""
    return _cut(printable(str(key)))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def listed(names: Sequence[str]) -> str:
    """The names in quotes, in one line; of many the first, and how many more there are."""
    more = len(names) - _LISTED
    return ", ".join(display_value(name) for name in names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def dotted(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested tables by dotted key, whether the file has the key in quotes or as tables."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield from dotted(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config_field(kind: str, why: str, default: Any = ..., **limits: Any) -> Any:
    """A dataclass field that carries its declaration; a key without `default` is required, one with None optional."""
    metadata = {"declared": FieldSpec(kind, why, optional=default is None, **limits)}
    return field(metadata=metadata) if default is ... else field(default=default, metadata=metadata)


def declarations(section: type) -> dict[str, FieldSpec]:
    """The declarations of a section's keys, in order; fields without a declaration are not keys."""
    return {f.name: f.metadata["declared"] for f in fields(section) if "declared" in f.metadata}


def section_to_mapping(section: Any) -> dict[str, Any]:
    """The table of a TOML file with the same settings, without keys that are None."""
    values = {key: getattr(section, key) for key in declarations(type(section))}
    return {k: list(value) if isinstance(value, tuple) else value for k, value in values.items() if value is not None}


def section_from_mapping(section: type[Section], name: str, values: Any, **fixed: Any) -> Section:
    """One section of a config from a table. Raises ConfigError if a key is unknown, missing or not allowed."""
    if not isinstance(values, Mapping):
        raise ConfigError(
            name, f"{name} = {display_value(values)} is not allowed: it must be a table, written [{name}]."
        )
    keys = declarations(section)
    for key in values:
        if key not in keys:
            raise ConfigError(
                f"{name}.{key}",
                f"{name}.{display_key(key)} = {display_value(values[key])} is not a known key: [{name}] "
                f"may hold {', '.join(keys)}." + suggest(str(key), keys),
            )
    checked = {key: keys[key].check(f"{name}.{key}", value) for key, value in values.items()}
    for item in fields(section):  # type: ignore[arg-type]
        required = item.name in keys and item.default is MISSING
        if required and item.name not in checked and item.name not in fixed:
            raise ConfigError.of(
                f"{name}.{item.name}", f"is missing and has no default: it must be {keys[item.name].allowed}."
            )
    return section(**{**checked, **fixed})


_CALL = re.compile(r"(\w+)(?:\(([^()]*)\))?")


def parse_activation(text: str) -> Activation:
    """The activation of a name with or without its constants: "tanh", "leaky_relu(0.1)", "hard_sigmoid(0.2, 0.5)".

    Raises ValueError if no activation has the name, or the constants are not as many finite numbers as it has at most.
    """
    match = _CALL.fullmatch(text.strip())
    if match is None or match[1] not in ACTIVATIONS:
        raise ValueError(f"it must be one of {', '.join(ACTIVATIONS)}, with constants in brackets where it has some")
    activation = ACTIVATIONS[match[1]]
    if match[2] is None:
        return activation
    count = activation.constants
    try:
        constants = [float(part) for part in match[2].split(",")]
    except ValueError:
        constants = []
    if not 0 < len(constants) <= count or not all(map(isfinite, constants)):
        raise ValueError(f"{match[1]} has {count} constants, which must be finite numbers, such as leaky_relu(0.1)")
    return activation.with_constants(*constants)
