"""A sweep: the same run over a grid of config keys, seeds and engines, validated once, here; and its TOML file."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from rnnviz.core.config import SECTIONS as OF_CONFIG
from rnnviz.core.config import Compare, Config, refuse_other_kind
from rnnviz.core.engine_spec import with_file
from rnnviz.core.errors import ConfigError, InputError, check_regular
from rnnviz.core.schema import LARGEST_SEED, FieldSpec, declarations, display_key, display_value, dotted
from rnnviz.engines.registry import with_candidates
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import read_toml

MOST_ROWS = 100_000
SEED, ENGINE = "seed", "engine"
"""Axes of a row other than config keys."""

SEED_KEYS = ("sequence.seed", "parameters.seed", "initial_state.seed")
"""The keys that one seed of a sweep sets, all to the same number."""

SECTIONS = {name: kind for name, kind in OF_CONFIG.items() if name != "engines"}
"""The tables of a config that a sweep has; its `engines` is a list."""

KEYS = (*SECTIONS, "grid", "seeds", "engines", "audit")
"""The keys of a sweep: the tables of the common config, and the axes."""

_SEED = FieldSpec("int", "One draw of input, parameters and initial state.", minimum=0, maximum=LARGEST_SEED)
_ENGINE = FieldSpec("text", "Engine that is compared with the reference.")
_AUDIT = FieldSpec("choice", "Which steps of each row are audited.", choices=("off", "auto", "full"))
_CANDIDATES = "compare.candidates"


@dataclass(frozen=True)
class Point:
    """One row: a value for each axis, and the config that they make, or None for the reason `refusal`."""

    index: int
    values: tuple[Any, ...]
    config: Config | None
    refusal: str = ""


@dataclass(frozen=True)
class Sweep:
    """Every combination of the values of the axes, each put into the tables `base` of a config.

    An axis is a dotted config key, "seed" or, last, "engine", compared alone with the reference, which is only audited.
    """

    base: Mapping[str, Any]
    axes: Mapping[str, tuple[Any, ...]]
    audit: str = "auto"

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.axes)

    @property
    def engines(self) -> tuple[str, ...]:
        return self.axes[ENGINE]

    @property
    def size(self) -> int:
        return prod(map(len, self.axes.values()))

    def points(self) -> Iterator[Point]:
        """The rows in the order of the axes, the last of which changes fastest."""
        known: dict[Any, Any] = {}
        for index, values in enumerate(product(*self.axes.values())):
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
                    alone = key == ENGINE and value == table.get("reference", Compare().reference)
                    table[field] = value if key != ENGINE else [] if alone else [value]
        return tables

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Sweep":
        """Validate the tables of a sweep file. At least one combination of the values must be a config."""
        refuse_other_kind(values, "sweep", "config")
        for name in values:
            if name not in KEYS:
                raise ConfigError(
                    name, f"{display_key(name)} is not a known key: a sweep may hold base, {', '.join(KEYS)}."
                )
        base = {name: values[name] for name in SECTIONS if name in values}
        grid = values.get("grid", {})
        if not isinstance(grid, Mapping):
            raise ConfigError("grid", "grid is not allowed as a single value: it must be a table, written [grid].")
        axes = {key: _axis(key, listed) for key, listed in grid.items()}
        if "seeds" in values:
            taken = next((key for key in axes if key in SEED_KEYS), None)
            if taken is not None:
                raise ConfigError(f"grid.{taken}", f"grid.{taken} and seeds both set {taken}: leave one of them out.")
            axes[SEED] = _checked_values("seeds", values["seeds"], _SEED)
        audit = _AUDIT.check("audit", values.get("audit", "auto"))
        axes[ENGINE] = _engines(values) or cls(base, dict(axes), audit)._default_engines()
        sweep = cls(base, axes, audit)
        if sweep.size > MOST_ROWS:
            longest = max(axes, key=lambda key: len(axes[key]))
            raise ConfigError(
                "grid",
                f"This sweep has {sweep.size:,} rows, but at most {MOST_ROWS:,} are allowed: "
                f"{longest} has the most values, {len(axes[longest]):,}; name fewer.",
            )
        if all(point.config is None for point in sweep.points()):
            # Every row would say what this one raises.
            Config.from_mapping(sweep._tables(tuple(listed[0] for listed in axes.values())))
        return sweep

    def _default_engines(self) -> tuple[str, ...]:
        """The default candidate of the first row that is a config, or the reference alone."""
        config = next((point.config for point in self.points() if point.config is not None), None)
        engines = (Compare().reference,) if config is None else with_candidates(config).compare.engines
        return engines[1:] or engines


def declaration(key: str) -> FieldSpec | None:
    section, _, field = key.partition(".")
    return declarations(SECTIONS[section]).get(field) if section in SECTIONS else None


def key_spec(key: str) -> FieldSpec:
    """The declaration of a key of a row: a config key, "seed" or "engine". Raises a ValueError for any other."""
    spec = {SEED: _SEED, ENGINE: _ENGINE}.get(key) or declaration(key)
    if spec is None:
        raise ValueError(f"{key} is not a key of a sweep")
    return spec


def _axis(key: str, listed: Any) -> tuple[Any, ...]:
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
    return _checked_values(f"grid.{key}", listed, config_field)


def _engines(values: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The engines that a sweep names; None if it names none."""
    config_field = declarations(Compare)["candidates"]
    key, engines = "engines", values.get("engines")
    if engines is None:
        compare = values.get("compare", {})
        key, engines = _CANDIDATES, compare.get("candidates") if isinstance(compare, Mapping) else None
    checked: tuple[str, ...] | None = config_field.check(key, engines)
    if checked == ():
        raise ConfigError(key, f"{key} = [] is not allowed: name at least one engine.")
    return checked


def _checked_values(key: str, listed: Any, config_field: FieldSpec) -> tuple[Any, ...]:
    """The values of one axis, each checked, none of them twice."""
    if not isinstance(listed, list | tuple) or not listed:
        raise ConfigError(
            key,
            f"{key} = {display_value(listed)} is not allowed: it must be a list of at least one value, each "
            f"{config_field.allowed}.",
        )
    checked = []
    for value in listed:
        one = config_field.check(key, value)
        if one in checked:
            raise ConfigError(key, f"{key} holds {display_value(value)} twice: every value must be given once.")
        checked.append(one)
    return tuple(checked)


def load_sweep(path: Path, engines: Sequence[str] | None = None, cells: Sequence[str] | None = None) -> Sweep:
    """Read and validate a sweep, of which `base` may name a config that its own tables change; paths are relative to
    their file. `engines` and `cells` replace those that the file names."""
    values = read_toml(path, "sweep")
    folder = path.absolute().parent
    own = {name: _table(name, value, folder) for name, value in values.items() if name != "base"}
    base = _read_base(values["base"], folder) if "base" in values else {}
    for name, table in base.items():
        both = isinstance(table, Mapping) and isinstance(own.get(name), Mapping)
        own[name] = {**table, **own[name]} if both else own.get(name, table)
    if "engines" in own:
        own["engines"] = _in_folder("engines", own["engines"], folder)
    if isinstance(own.get("grid"), Mapping):
        own["grid"] = _flat_grid(own["grid"], folder)
    if engines is not None:
        own["engines"] = list(engines)
    if cells is not None:
        own |= _with_cells(own, cells)
    return Sweep.from_mapping(own)


def _with_cells(values: Mapping[str, Any], cells: Sequence[str]) -> dict[str, Any]:
    """The tables that name the cells: [network], and [grid] for several."""
    network, grid = values.get("network", {}), values.get("grid", {})
    if isinstance(network, Mapping):
        network = {**network, "cell": cells[0]}
    if isinstance(grid, Mapping):
        grid = {key: value for key, value in grid.items() if key != "network.cell"}
        grid |= {"network.cell": list(cells)} if len(cells) > 1 else {}
    return {"network": network, "grid": grid}


def base_of(path: Path) -> dict[str, Path]:
    """The config that a sweep starts from, if it names one, by its name for `outputs.check_outputs`."""
    base = read_toml(path, "sweep").get("base")
    return {"the config that base names": path.absolute().parent / base} if isinstance(base, str) else {}


def is_sweep(path: Path) -> bool:
    """Whether a TOML file is a sweep, as opposed to a config; a file that cannot be read is neither."""
    try:
        values = read_toml(path, "sweep")
    except InputError:
        return False
    return not values.keys().isdisjoint(("base", "grid", "seeds", "engines"))


def _read_base(name: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(name, str) or not name:
        raise ConfigError("base", f"base = {display_value(name)} is not allowed: it must be the path of a config.")
    path = folder / name
    values = read_toml(path, "config")
    for key in values:
        if key not in SECTIONS:
            raise ConfigError(
                "base", f"{path}, which base names, is not a config: {key} is not one of {', '.join(SECTIONS)}."
            )
    return {key: _table(key, value, path.parent) for key, value in values.items()}


def _table(name: str, value: Any, folder: Path) -> Any:
    """A table of a config with absolute paths; any other value unchanged."""
    if name not in SECTIONS or not isinstance(value, Mapping):
        return value
    return {key: _in_folder(f"{name}.{key}", inner, folder) for key, inner in value.items()}


def _flat_grid(grid: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The lists of a grid by dotted key, with the paths in them made absolute."""
    found: dict[str, Any] = {}
    for key, value in dotted(grid):
        if key in found:
            raise ConfigError(f"grid.{key}", f"grid.{key} is given twice: leave one of them out.")
        found[key] = [_in_folder(key, one, folder) for one in value] if isinstance(value, list) else value
    return found


def _in_folder(key: str, value: Any, folder: Path) -> Any:
    """A value of a dotted key, or a list of engines, with absolute paths."""

    def absolute(path: Any) -> Any:
        return str(folder / path) if isinstance(path, str) and path else path

    if key in ("compare.reference", _CANDIDATES, "engines"):
        if isinstance(value, list):
            return [_in_folder(key, name, folder) for name in value]
        return with_file(value, absolute) if isinstance(value, str) else value
    spec = declaration(key)
    return value if spec is None else spec.with_paths(value, absolute)


def is_sweep_results(path: Path) -> bool:
    """Whether a .csv or .json file begins as one that a sweep has written."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            start = file.read(4096).decode("utf-8", "replace")
    except (OSError, InputError):
        return False
    if path.suffix.lower() == ".json":
        return '"rnnviz"' in start and '"keys"' in start
    head = start.partition("\n")[0].split(",")
    return {"verdict", "audit_worst_ratio", "reason"} <= set(head)
