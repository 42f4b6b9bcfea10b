"""Sizes of a network as text: number of parameters, shapes, memory."""

from dataclasses import replace

from rnnviz.core.config import Config
from rnnviz.core.memory_budget import demand, readable
from rnnviz.gui.naming import named

_NOTABLE = 100_000_000
"""Bytes of memory or disk from which a run's needs are displayed."""

_T, _N, _I = -1, -2, -3
_UNKNOWN = {_T: "T", _N: "N", _I: "I"}
"""Letters for sizes known only from files."""


def output_words(config: Config) -> str:
    """Shape of out, with letters for sizes known only from the file."""
    timesteps, batch_size = _steps(config)
    return _shape(config.network.output_shape(timesteps, batch_size))


def state_words(config: Config) -> str:
    """Shape of the final state: one array, or two in a list."""
    names = config.network.kind.state_symbols
    shapes = [_shape(config.network.state_shape(_steps(config)[1], name)) for name in names]
    if len(names) == 1:
        return shapes[0]
    if len(set(shapes)) == 1:
        return f"[{', '.join(names)}], each {shapes[0]}"
    return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))


def parameter_words(config: Config) -> str:
    """Number of parameters, as a function of I if I is known only from a file."""
    network = config.network
    if not config.sequence.brings_input_size:
        return f"{network.parameter_count:,}"
    per_feature = network.directions * network.kind.gate_count * network.hidden_size
    return f"{network.parameter_count - per_feature * network.input_size:,} + {per_feature:,}·I"


def demand_words(config: Config) -> str:
    """Memory and disk space of a large run; "" for a small one or an unknown size."""
    if config.sequence.source == "file" or config.sequence.brings_input_size:
        return ""
    needed = demand(config)
    parts = [f"{readable(needed.memory)} of memory"] if needed.memory >= _NOTABLE else []
    parts += [f"{readable(needed.disk)} of disk"] if needed.disk >= _NOTABLE else []
    return ", ".join(parts)


def parameter_rows(config: Config) -> list[tuple[str, str]]:
    """Parameter names with their shapes. Layers above the second share one row."""
    network = config.network
    if config.sequence.brings_input_size:
        network = replace(network, input_size=_I)
    rows = [
        (named(name), _shape(shape))
        for name, shape in replace(network, num_layers=min(2, network.num_layers)).parameter_shapes().items()
    ]
    if network.num_layers == 3:
        rows.append(("layer 2", "same as layer 1"))
    elif network.num_layers > 3:
        rows.append((f"layers 2 to {network.num_layers - 1}", "same as layer 1"))
    return rows


def _steps(config: Config) -> tuple[int, int]:
    """(T, N), or placeholders if they come from a file."""
    if config.sequence.source == "file":
        return _T, _N
    return config.sequence.timesteps, config.sequence.batch_size


def _shape(shape: tuple[int, ...]) -> str:
    inner = ", ".join(_UNKNOWN.get(size, str(size)) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
