"""Small configs by single keys."""

from typing import Any

from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.schema import declarations

_SMALL = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "batch_size": 2, "timesteps": 5}


def config_of(*engines: str, **keys: Any) -> Config:
    """A small LSTM with other keys, or tables: `config_of("manual", "onnx", timesteps=3, backward={"enabled": True})`.

    The first engine is the reference. A key of several tables belongs to the first one.
    """
    tables: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for key, value in (_SMALL | keys).items():
        if key in SECTIONS:
            tables[key] |= value
        else:
            tables[next(name for name, kind in SECTIONS.items() if key in declarations(kind))][key] = value
    if engines:
        tables["compare"] |= {"reference": engines[0], "candidates": list(engines[1:])}
    return Config.from_mapping({name: table for name, table in tables.items() if table})
