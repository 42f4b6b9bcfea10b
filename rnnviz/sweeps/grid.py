"""A sweep: the same run over a grid of config keys, seeds and engines, validated once, here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from rnnviz.core.config import SECTIONS, Compare, Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import LARGEST_SEED, FieldSpec, declarations, display_key, display_value

MOST_ROWS = 100_000
SEED, ENGINE = "seed", "engine"
"""Axes of a row other than config keys."""

SEED_KEYS = ("sequence.seed", "parameters.seed", "initial_state.seed")
"""The keys that one seed of a sweep sets, all to the same number."""

AUDITS = ("off", "auto", "full")
KEYS = (*SECTIONS, "grid", "seeds", "engines", "audit")
"""The keys of a sweep: the tables of the common config, and the axes."""

_SEED = FieldSpec("int", "One draw of input, parameters and initial state.", minimum=0, maximum=LARGEST_SEED)
_ENGINE = FieldSpec("text", "Engine that is compared with the reference.")
_AUDIT = FieldSpec("choice", "Which steps of each row are audited.", choices=AUDITS)
_CANDIDATES = "compare.candidates"


@dataclass(frozen=True)
class Axis:
    """One thing that differs between rows: a dotted config key, "seed" or "engine", and its values."""

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Point:
    """One row that is asked for: a value for each axis, and the config they make.

    `config` is None if the values do not make a valid config; `refusal` is then the reason.
    """

    index: int
    values: tuple[Any, ...]
    config: Config | None
    refusal: str = ""


@dataclass(frozen=True)
class Sweep:
    """Every combination of the axes' values, each put into the tables `base` of a config.

    The last axis is "engine": each engine alone is compared with the reference.
    """

    base: Mapping[str, Any]
    axes: tuple[Axis, ...]
    audit: str = "auto"

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the axes, which identify a row."""
        return tuple(axis.key for axis in self.axes)

    @property
    def engines(self) -> tuple[str, ...]:
        """The candidates."""
        return self.axes[-1].values

    @property
    def size(self) -> int:
        """Number of rows."""
        return prod(len(axis.values) for axis in self.axes)

    def points(self) -> Iterator[Point]:
        """The rows in the order of the axes, the last of which changes fastest."""
        known: dict[Any, Any] = {}
        for index, values in enumerate(product(*(axis.values for axis in self.axes))):
            try:
                config = Config.from_mapping(self._tables(values))
                # Rows share what they have in common: thousands of equal objects would be felt.
                parts = {name: known.setdefault(part, part) for name, part in vars(config).items()}
                yield Point(index, values, Config(**parts))
            except ConfigError as error:
                yield Point(index, values, None, error.sentence)

    def _tables(self, values: tuple[Any, ...]) -> dict[str, Any]:
        tables: dict[str, Any] = {
            name: dict(table) if isinstance(table, Mapping) else table for name, table in self.base.items()
        }
        for key, value in zip(self.keys, values, strict=True):
            for name in SEED_KEYS if key == SEED else (_CANDIDATES,) if key == ENGINE else (key,):
                section, _, field = name.partition(".")
                table = tables.setdefault(section, {})
                if isinstance(table, dict):  # else the table itself is the error
                    table[field] = [value] if key == ENGINE else value
        return tables

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Sweep":
        """Validate a mapping: tables of a config, `grid` with a list for each dotted key, `seeds`, `engines`, `audit`.

        Raises
        ------
        ConfigError
            If a key is unknown, a list empty or with a repetition, a value not allowed, or the rows are too many;
            and if not one combination of the values is a config.
        """
        for name in values:
            if name not in KEYS:
                raise ConfigError(
                    name, f"{display_key(name)} is not a known key: a sweep may hold base, {', '.join(KEYS)}."
                )
        base = {name: values[name] for name in SECTIONS if name in values}
        axes = tuple(_axis(key, listed) for key, listed in _grid(values.get("grid", {})).items())
        if "seeds" in values:
            taken = next((axis.key for axis in axes if axis.key in SEED_KEYS), None)
            if taken is not None:
                raise ConfigError(f"grid.{taken}", f"grid.{taken} and seeds both set {taken}: leave one of them out.")
            axes += (Axis(SEED, _checked_values("seeds", values["seeds"], _SEED)),)
        axes += (Axis(ENGINE, _engines(values)),)
        sweep = cls(base, axes, _AUDIT.check("audit", values.get("audit", "auto")))
        if sweep.size > MOST_ROWS:
            longest = max(axes, key=lambda axis: len(axis.values))
            raise ConfigError(
                "grid",
                f"This sweep has {sweep.size:,} rows, but at most {MOST_ROWS:,} are allowed: "
                f"{longest.key} has the most values, {len(longest.values):,}; name fewer.",
            )
        sweep._check_some_config()
        return sweep

    def _check_some_config(self) -> None:
        """Refuse a sweep of which every row would say that it is not a config."""
        for point in self.points():
            if point.config is not None:
                return
        Config.from_mapping(self._tables(tuple(axis.values[0] for axis in self.axes)))


def declaration(key: str) -> FieldSpec | None:
    """The declaration of a dotted config key, or None if the key is unknown."""
    section, _, field = key.partition(".")
    return declarations(SECTIONS[section]).get(field) if section in SECTIONS else None


def checked_value(key: str, value: Any) -> Any:
    """The value of a row under one of its keys, as in the sweep.

    Raises
    ------
    ConfigError
        If the key may not hold this.
    KeyError
        If rows have no such key.
    """
    config_field = {SEED: _SEED, ENGINE: _ENGINE}.get(key) or declaration(key)
    if config_field is None:
        raise KeyError(key)
    return config_field.check(key, value)


def _grid(grid: Any) -> Mapping[str, Any]:
    if not isinstance(grid, Mapping):
        raise ConfigError("grid", "grid is not allowed as a single value: it must be a table, written [grid].")
    return grid


def _axis(key: str, listed: Any) -> Axis:
    config_field = declaration(key)
    if key == _CANDIDATES:
        raise ConfigError(
            f"grid.{key}", f"grid.{key} is not allowed: name the engines of a sweep in engines = [...], one row each."
        )
    if config_field is None:
        section = key.partition(".")[0]
        allowed = (
            ", ".join(f"{section}.{name}" for name in declarations(SECTIONS[section]))
            if section in SECTIONS
            else f"a table and a key of it, such as network.hidden_size; the tables are {', '.join(SECTIONS)}"
        )
        raise ConfigError(f"grid.{key}", f"grid.{display_key(key)} is not a known key: it must be one of {allowed}.")
    return Axis(key, _checked_values(f"grid.{key}", listed, config_field))


def _engines(values: Mapping[str, Any]) -> tuple[str, ...]:
    config_field = declarations(Compare)["candidates"]
    key, engines = "engines", values.get("engines")
    if engines is None:
        compare = values.get("compare", {})
        key, engines = _CANDIDATES, compare.get("candidates") if isinstance(compare, Mapping) else None
    checked: tuple[str, ...] = Compare().candidates if engines is None else config_field.check(key, engines)
    if not checked:
        raise ConfigError(key, f"{key} = [] is not allowed: name at least one engine.")
    return checked


def _checked_values(key: str, listed: Any, config_field: FieldSpec) -> tuple[Any, ...]:
    """The values of one axis, each checked, none of them twice."""
    if not isinstance(listed, list | tuple):
        raise ConfigError(
            key,
            f"{key} = {display_value(listed)} is not allowed: it must be a list of values, each "
            f"{config_field.allowed}.",
        )
    if not listed:
        raise ConfigError(key, f"{key} = [] is not allowed: it must hold at least one value, {config_field.allowed}.")
    checked = []
    for value in listed:
        one = config_field.check(key, value)
        if one in checked:
            raise ConfigError(key, f"{key} holds {display_value(value)} twice: every value must be given once.")
        checked.append(one)
    return tuple(checked)
