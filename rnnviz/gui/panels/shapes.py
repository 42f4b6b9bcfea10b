"""What a config makes of the network, in words: how many parameters, which shapes, how much memory."""

from dataclasses import replace

from rnnviz.model.config import Config, Network
from rnnviz.model.memory import demand, readable

_NOTABLE = 100_000_000
"""Bytes from which on a run's demand is worth a line."""

_UNKNOWN = {-1: "T", -2: "N"}


def output_words(config: Config) -> str:
    """The shape of out, with letters for what only the file knows."""
    timesteps, batch_size = _steps(config)
    return _shape(config.network.output_shape(timesteps, batch_size))


def state_words(config: Config) -> str:
    """The shape of the final state: one array, or two in a list."""
    names = config.network.kind.state_names
    shape = _shape(config.network.state_shape(_steps(config)[1]))
    return shape if len(names) == 1 else f"[{', '.join(names)}], each {shape}"


def demand_words(config: Config) -> str:
    """The memory and the disk that a large run takes; nothing for a small one, or if only a file knows its size."""
    if config.sequence.source == "file":
        return ""
    needed = demand(config)
    parts = [f"{readable(needed.memory)} of memory"] if needed.memory >= _NOTABLE else []
    parts += [f"{readable(needed.disk)} of disk"] if needed.disk >= _NOTABLE else []
    return ", ".join(parts)


def parameter_rows(network: Network) -> list[tuple[str, str]]:
    """Gluon's parameter names with their shapes; layers beyond the second, which are all alike, in one last row."""
    rows = [
        (name, str(shape))
        for name, shape in replace(network, num_layers=min(2, network.num_layers)).parameter_shapes().items()
    ]
    if network.num_layers == 3:
        rows.append(("layer 2", "as layer 1"))
    elif network.num_layers > 3:
        rows.append((f"layers 2 to {network.num_layers - 1}", "as layer 1"))
    return rows


def _steps(config: Config) -> tuple[int, int]:
    """(T, N), as placeholders where they come from a file."""
    if config.sequence.source == "file":
        return -1, -2
    return config.sequence.timesteps, config.sequence.batch_size


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(_UNKNOWN.get(size, str(size)) for size in shape)})"
