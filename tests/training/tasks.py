"""Small training tasks, and their steps."""

from typing import Any

import numpy as np

from rnnviz.core.config import Network, ParameterSource
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import draw_parameters
from rnnviz.training.loop import StepDone, TrainingLoop
from rnnviz.training.task import TrainingTask


def task_of(
    kind: str = "adding",
    *,
    network: dict[str, Any] | None = None,
    problem: dict[str, Any] | None = None,
    **training: Any,
) -> TrainingTask:
    """A task in float64 with T = 13, N = 5 and H = 6."""
    sizes: dict[str, Any] = {"hidden_size": 6, "dtype": "float64", **(network or {})}
    return TrainingTask.from_mapping(
        {
            "problem": {"kind": kind, "timesteps": 13, "batch_size": 5, **(problem or {})},
            "network": sizes,
            "training": {"steps": 6, **training},
        }
    )


def steps_of(task: TrainingTask) -> list[StepDone]:
    return [event for event in TrainingLoop(task) if isinstance(event, StepDone)]


def character_arrays(network: Network) -> dict[str, FloatArray]:
    """Random weights of a network that predicts the characters that it reads."""
    generator = np.random.default_rng(3)
    linear = {
        "linear_weight": generator.normal(size=(network.input_size, network.hidden_size)).astype(network.dtype),
        "linear_bias": generator.normal(size=network.input_size).astype(network.dtype),
    }
    return dict(draw_parameters(network, ParameterSource())) | linear
