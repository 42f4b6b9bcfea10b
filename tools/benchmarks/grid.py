"""The grid on which speed is measured."""

import tomllib
from pathlib import Path

from rnnviz.core.config import Config

GRID = Path(__file__).with_name("grid.toml")


def grid() -> dict[str, Config]:
    """The grid's configs by a short name."""
    table = tomllib.loads(GRID.read_text(encoding="utf-8"))
    configs = {}
    for size in table["sizes"]:
        for cell in table["cells"]:
            network = {
                "cell": cell,
                "dtype": table["dtype"],
                "input_size": size["input"],
                "hidden_size": size["hidden"],
                "num_layers": size["layers"],
                "bidirectional": size["bidirectional"],
            }
            sequence = {"batch_size": size["batch"], "timesteps": size["timesteps"]}
            directions = 2 if size["bidirectional"] else 1
            name = f"{cell} N{size['batch']} T{size['timesteps']} H{size['hidden']} L{size['layers']} D{directions}"
            configs[name] = Config.from_mapping(
                {"network": network, "sequence": sequence, "initial_state": {"source": "normal"}}
            )
    return configs
