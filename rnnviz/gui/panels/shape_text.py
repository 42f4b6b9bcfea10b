"""What a config makes of the network, in words: how many parameters, which shapes, how much memory."""

from dataclasses import replace

from rnnviz.core.config import Config
from rnnviz.core.memory_budget import demand, readable

_NOTABLE = 100_000_000
"""Bytes from which on a run's demand is worth a line."""

_T, _N, _I = -1, -2, -3
_UNKNOWN = {_T: "T", _N: "N", _I: "I"}
"""The letters of sizes that only files tell."""


def output_words(config: Config) -> str:
    """The shape of out, with letters for what only the file knows."""
    timesteps, batch_size = _steps(config)
    return _shape(config.network.output_shape(timesteps, batch_size))


def state_words(config: Config) -> str:
    """The shape of the final state: one array, or two in a list."""
    names = config.network.kind.state_names
    shape = _shape(config.network.state_shape(_steps(config)[1]))
    return shape if len(names) == 1 else f"[{', '.join(names)}], each {shape}"


def parameter_words(config: Config) -> str:
    """How many numbers the parameters are, in terms of I where only a file tells it."""
    network = config.network
    if not config.sequence.brings_input_size:
        return f"{network.parameter_count:,}"
    per_feature = network.directions * network.kind.gate_count * network.hidden_size
    return f"{network.parameter_count - per_feature * network.input_size:,} + {per_feature:,}·I"


def demand_words(config: Config) -> str:
    """The memory and the disk that a large run takes; nothing for a small one, or if only a file knows its size."""
    if config.sequence.source == "file" or config.sequence.brings_input_size:
        return ""
    needed = demand(config)
    parts = [f"{readable(needed.memory)} of memory"] if needed.memory >= _NOTABLE else []
    parts += [f"{readable(needed.disk)} of disk"] if needed.disk >= _NOTABLE else []
    return ", ".join(parts)


def parameter_rows(config: Config) -> list[tuple[str, str]]:
    """Gluon's parameter names with their shapes; layers beyond the second, which are all alike, in one last row."""
    network = config.network
    if config.sequence.brings_input_size:
        network = replace(network, input_size=_I)
    rows = [
        (name, _shape(shape))
        for name, shape in replace(network, num_layers=min(2, network.num_layers)).parameter_shapes().items()
    ]
    if network.num_layers == 3:
        rows.append(("layer 2", "same as layer 1"))
    elif network.num_layers > 3:
        rows.append((f"layers 2 to {network.num_layers - 1}", "same as layer 1"))
    return rows


def _steps(config: Config) -> tuple[int, int]:
    """(T, N), as placeholders where they come from a file."""
    if config.sequence.source == "file":
        return _T, _N
    return config.sequence.timesteps, config.sequence.batch_size


def _shape(shape: tuple[int, ...]) -> str:
    inner = ", ".join(_UNKNOWN.get(size, str(size)) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
