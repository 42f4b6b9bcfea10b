"""Sweeps as TOML files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnviz.core.config import SECTIONS
from rnnviz.core.engine_spec import with_file
from rnnviz.core.errors import ConfigError, InputError
from rnnviz.core.schema import display_value
from rnnviz.io.config_toml import Complete, unchanged
from rnnviz.io.readers.plain_text import read_plain_text
from rnnviz.io.toml_text import parse_toml
from rnnviz.sweeps.grid import Sweep, declaration

_ONLY_IN_SWEEPS = ("base", "grid", "seeds", "engines")


def load_sweep(
    path: Path,
    engines: Sequence[str] | None = None,
    complete: Complete = unchanged,
    cells: Sequence[str] | None = None,
) -> Sweep:
    """Read and validate a sweep; `engines` and `cells` replace those that the file names; `complete` as for a config.

    `base` names a config that the rows start from; the sweep's own tables change single keys of it. Paths in either
    file are relative to its own folder.

    Raises
    ------
    InputError
        If a file cannot be read or is not TOML.
    ConfigError
        As `Sweep.from_mapping` does.
    """
    values = _read(path)
    folder = path.absolute().parent
    own = {name: _table(name, value, folder) for name, value in values.items() if name != "base"}
    if "base" in values:
        own |= _merged(_read_base(values["base"], folder), own)
    if isinstance(own.get("engines"), list):
        own["engines"] = [_engine(name, folder) for name in own["engines"]]
    if isinstance(own.get("grid"), Mapping):
        own["grid"] = _grid(own["grid"], folder)
    if engines is not None:
        own["engines"] = list(engines)
    if cells is not None:
        own |= _with_cells(own, cells)
    return _with_reference(own, Sweep.from_mapping(own), complete)


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
    base = _read(path).get("base")
    return {"the config that base names": path.absolute().parent / base} if isinstance(base, str) else {}


def is_sweep(path: Path) -> bool:
    """Whether a TOML file is a sweep, as opposed to a config; a file that cannot be read is neither."""
    try:
        values = _read(path)
    except InputError:
        return False
    return any(key in values for key in _ONLY_IN_SWEEPS)


def _read(path: Path) -> dict[str, Any]:
    return parse_toml(read_plain_text(path, "TOML"), str(path))


def _with_reference(values: dict[str, Any], sweep: Sweep, complete: Complete) -> Sweep:
    """The sweep by the reference that can run its first row beside all its engines, if none is named."""
    compare = values.get("compare", {})
    if "reference" in compare or "compare.reference" in sweep.keys:
        return sweep
    first = next(point.config for point in sweep.points() if point.config is not None)
    beside = replace(first, compare=replace(first.compare, candidates=sweep.engines))
    reference = complete(beside).compare.reference
    if reference == first.compare.reference:
        return sweep
    return Sweep.from_mapping({**values, "compare": {**compare, "reference": reference}})


def _read_base(name: Any, folder: Path) -> dict[str, Any]:
    if not isinstance(name, str) or not name:
        raise ConfigError("base", f"base = {display_value(name)} is not allowed: it must be the path of a config.")
    path = folder / name
    values = _read(path)
    for key in values:
        if key not in SECTIONS:
            raise ConfigError(
                "base", f"{path}, which base names, is not a config: {key} is not one of {', '.join(SECTIONS)}."
            )
    return {key: _table(key, value, path.parent) for key, value in values.items()}


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of `base` with the keys that the sweep itself sets."""
    tables = dict(base)
    for name in SECTIONS:
        if name in own:
            both = isinstance(base.get(name), Mapping) and isinstance(own[name], Mapping)
            tables[name] = {**base[name], **own[name]} if both else own[name]
    return tables


def _table(name: str, value: Any, folder: Path) -> Any:
    """A table of a config with absolute paths; any other value unchanged."""
    if name not in SECTIONS or not isinstance(value, Mapping):
        return value
    table = {key: _in_folder(f"{name}.{key}", inner, folder) for key, inner in value.items()}
    if name == "compare" and isinstance(table.get("candidates"), list):
        table["candidates"] = [_engine(engine, folder) for engine in table["candidates"]]
    return table


def _grid(grid: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The lists of a grid by dotted key, with the paths in them made absolute."""
    found: dict[str, Any] = {}
    for key, value in _leaves(grid, ""):
        if key in found:
            raise ConfigError(f"grid.{key}", f"grid.{key} is given twice: leave one of them out.")
        found[key] = [_in_folder(key, one, folder) for one in value] if isinstance(value, list) else value
    return found


def _in_folder(key: str, value: Any, folder: Path) -> Any:
    """A value of a dotted key, made absolute if it is a path."""
    if key == "compare.reference":
        return _engine(value, folder)
    config_field = declaration(key)
    return _absolute(value, folder) if config_field is not None and config_field.is_path(value) else value


def _leaves(grid: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """The lists by dotted key, whether the key is quoted or nested tables."""
    for name, value in grid.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _absolute(path: Any, folder: Path) -> Any:
    return str(folder / path) if isinstance(path, str) and path else path


def _engine(name: Any, folder: Path) -> Any:
    return with_file(name, lambda path: _absolute(path, folder)) if isinstance(name, str) else name
