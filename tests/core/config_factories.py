"""Configs with the keys that are required, and how one is refused."""

from typing import Any

from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from tests.refusals import refused_key

REQUIRED = {"cell": "lstm", "input_size": 3, "hidden_size": 4}


def mapping(**tables: dict[str, Any]) -> dict[str, Any]:
    """A config's tables, with the required keys where they are not given."""
    network = {**REQUIRED, **tables.pop("network", {})}
    return {"network": network, **tables}


def config(**tables: dict[str, Any]) -> Config:
    return Config.from_mapping(mapping(**tables))


def refusal(values: Any) -> ConfigError:
    return refused_key(Config.from_mapping, values)
