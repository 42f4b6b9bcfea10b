"""Everything that a run reads, drawn or loaded once and handed to every engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from rnnviz.core.axis_labels import UNNAMED, Names
from rnnviz.core.config import Config, Network
from rnnviz.core.errors import InputError
from rnnviz.core.initial_state import State
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.multiscale import Pyramid
from rnnviz.core.parameters import Parameters


@dataclass(frozen=True)
class Inputs:
    """The numbers of one run: the same for every engine.

    `config` has the final sizes: a sequence from a file determines T and N.
    `sequence` is x of shape (T, N, I); the initial state's arrays are (L·D, N, H).
    `names` are those of its time steps and features, where they have some.
    `assumptions` are the clauses that a run of a model file takes for granted.
    `folder` is where they are mapped from, if they are; `pyramids` are coarser copies of a long sequence by name.
    """

    config: Config
    sequence: FloatArray
    parameters: Parameters
    initial_state: State
    folder: Path | None = None
    pyramids: Mapping[str, Pyramid] = field(default_factory=dict)
    names: Names = UNNAMED
    assumptions: tuple[str, ...] = ()

    @property
    def network(self) -> Network:
        """The network that is run."""
        return self.config.network

    @property
    def timesteps(self) -> int:
        """T."""
        return int(self.sequence.shape[0])

    @property
    def batch_size(self) -> int:
        """N."""
        return int(self.sequence.shape[1])

    @property
    def hidden_shape(self) -> tuple[int, int, int, int, int]:
        """(L, D, T, N, H)."""
        return self.network.hidden_shape(self.timesteps, self.batch_size)


Load: TypeAlias = Callable[[Config], Inputs]
"""A module-level function that draws or reads a run's inputs; it is called in the child process."""


def with_sequence_shape(config: Config, shape: tuple[int, int, int]) -> Config:
    """Set the sizes of a config to those of a sequence.

    Parameters
    ----------
    config : Config
        The config. Its I is kept unless files determine it.
    shape : tuple of int
        (T, N, I) of the sequence.

    Returns
    -------
    Config
        The config with T, N and I.

    Raises
    ------
    InputError
        If the sequence and the network differ in I; the sentence has both shapes.
    """
    timesteps, batch_size, features = shape
    if config.sequence.brings_input_size:
        config = replace(config, network=replace(config.network, input_size=features))
    if features != config.network.input_size:
        raise InputError(
            f"The input has {features} features, but network.input_size = {config.network.input_size}: set "
            f"network.input_size = {features} or use another file (shape (N, T, I) = "
            f"({batch_size}, {timesteps}, {features}))."
        )
    return replace(config, sequence=replace(config.sequence, batch_size=batch_size, timesteps=timesteps))
