"""Memory and disk that a run needs, estimated before the run."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from rnnviz.core.byte_cache import clear_caches
from rnnviz.core.config import Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.gradients import OF_INPUT, OF_OUTPUT, gradient, gradient_names
from rnnviz.core.multiscale import values_in_levels
from rnnviz.core.trace import array_shapes
from rnnviz.frozen import dataclass

# How much of the widest layer lives in memory besides the parameters and the sequence: an engine's copy of its
# input, its gates and its output.
_WORKING_COPIES = 3

Gradients: TypeAlias = Literal["every", "hidden", ""]
"""The gradients over time that an engine gives at least: every one, those of h and out, or none."""

_Shapes: TypeAlias = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a run needs in memory, and on disk for its traces."""

    memory: int
    disk: int


def demand(config: Config, gradients: Mapping[str, Gradients] = MappingProxyType({})) -> MemoryEstimate:
    """Lower bound of the memory that a config with candidates needs, from its sizes and the engines' gradients."""
    network, sequence = config.network, config.sequence
    itemsize = 4 if network.dtype == "float32" else 8
    steps = sequence.timesteps * sequence.batch_size
    widest = network.directions * max(network.hidden_size, network.output_size)
    parameters = network.parameter_count * itemsize
    inputs = steps * network.input_size * itemsize
    layer = steps * (widest + network.layer_input_size(0)) * itemsize
    # Parameters are drawn in float64 before they are rounded, and every engine holds its own copy.
    memory = network.parameter_count * (8 + 2 * itemsize) + inputs + _WORKING_COPIES * layer
    shapes = {engine: _shapes(config, gradients.get(engine, "")) for engine in config.compare.engines}
    traces = itemsize * sum(prod(shape) for arrays in shapes.values() for shape in arrays.values())
    disk = traces + inputs + parameters + _pyramids(config, shapes, itemsize)
    if config.backward.enabled:
        loss = steps * network.directions * network.output_size
        # The loss gradients are drawn in float64, too.
        memory += loss * (8 + itemsize)
        disk += loss * itemsize
    return MemoryEstimate(memory, disk)


def _shapes(config: Config, given: Gradients) -> _Shapes:
    """Shapes of the arrays that an engine gives at least, by name."""
    network, sequence = config.network, config.sequence
    names: dict[str, tuple[str, ...]] = {"every": gradient_names(network), "hidden": (gradient("h"), OF_OUTPUT)}
    wanted = names.get(given, ()) if config.backward.enabled else ()
    symbols = network.kind.state_symbols
    shapes = array_shapes(network, sequence.timesteps, sequence.batch_size, (*symbols, *wanted))
    return {name: shape for name, shape in shapes.items() if not name.startswith("state.")}


def _pyramids(config: Config, shapes: Mapping[str, _Shapes], itemsize: int) -> int:
    """Bytes on disk of the coarser copies of a long run's arrays."""
    sequence = (1, 1, config.sequence.timesteps, config.sequence.batch_size, config.network.input_size)
    levels = {
        engine: {
            name: values_in_levels((1, 1, *shape) if name == OF_INPUT else shape)
            for name, shape in arrays.items()
            if name == OF_INPUT or len(shape) == len(sequence)
        }
        for engine, arrays in shapes.items()
    }
    reference, *candidates = levels.values()
    values = values_in_levels(sequence) + sum(sum(counts.values()) for counts in levels.values())
    compared = sum(count for counts in candidates for name, count in counts.items() if name in reference)
    # Minima and maxima of an engine's values and of x; of a candidate's differences, and its error ratios and marks.
    return values * 2 * itemsize + compared * (2 * itemsize + 4 + 1)


def check_demand(config: Config, folder: Path, gradients: Mapping[str, Gradients] = MappingProxyType({})) -> None:
    """Raises ConfigError, with the largest size, if the memory or the disk is too small for a run."""
    check_memory(config)
    needed, free = demand(config, gradients).disk, shutil.disk_usage(folder).free
    if needed > free:
        raise _refusal(config, "disk", f"{readable(needed)} of disk in {folder}", free)


def check_memory(config: Config) -> None:
    """Refuse a run that needs more memory than is available; raises a ConfigError as `check_demand` does."""
    needed, memory = demand(config).memory, available_memory()
    if memory is not None and needed > memory:
        # What caches take is available, too.
        clear_caches()
        memory = available_memory() or memory
    if memory is not None and needed > memory:
        raise _refusal(config, "memory", f"{readable(needed)} of memory", memory)


def available_memory() -> int | None:
    """Bytes that a new process can use, or None where the system does not show."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def readable(count: float) -> str:
    """Bytes as a person reads them: 3.2 GB."""
    if count < 1000:
        return f"{count:.0f} bytes"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} PB"


def _refusal(config: Config, kind: str, needed: str, there_is: int) -> ConfigError:
    """The error of a config that needs more than there is of a `kind` of a `MemoryEstimate`."""
    sizes = {
        "network.input_size": config.network.input_size,
        "network.hidden_size": config.network.hidden_size,
        "sequence.timesteps": config.sequence.timesteps,
        "sequence.batch_size": config.sequence.batch_size,
        "network.num_layers": config.network.num_layers,
    }
    key = max(sizes, key=lambda name: sizes[name])
    sentence = (
        f"This run would take {needed}, but {readable(there_is)} are available: "
        f"reduce {key} = {sizes[key]:,}, the largest of its sizes"
    )
    if config.backward.enabled:
        without = demand(replace(config, backward=replace(config.backward, enabled=False)))
        sentence += f", or set backward.enabled = false, which takes {readable(getattr(without, kind))}"
    return ConfigError(key, f"{sentence}.")
