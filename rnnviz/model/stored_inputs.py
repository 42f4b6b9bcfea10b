"""A run's inputs as a folder: `config.json` and one `.npy` file for each array."""

import json
from pathlib import Path

from rnnviz.model.arrays import FloatArray, open_mapped, store_mapped
from rnnviz.model.config import Config
from rnnviz.model.initial_state import State
from rnnviz.model.inputs import Inputs
from rnnviz.model.parameters import Parameters
from rnnviz.model.pyramid import open_pyramids


def save_inputs(folder: Path, inputs: Inputs) -> Inputs:
    """Write the inputs into a new folder and return them as they are mapped from there.

    Raises
    ------
    OSError
        If the folder exists or the disk is full.
    """
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(inputs.config.to_mapping()), encoding="utf-8")
    stored = {name: store_mapped(folder / f"{name}.npy", array) for name, array in _arrays(inputs).items()}
    parameters = Parameters(inputs.network, {name: stored[name] for name in inputs.parameters})
    state = State(*(stored[f"initial_state.{name}"] for name in inputs.network.kind.state_names))
    return Inputs(inputs.config, stored["input"], parameters, state, folder)


def open_inputs(folder: Path) -> Inputs:
    """The inputs that `save_inputs` wrote, read-only and mapped.

    Raises
    ------
    OSError, ValueError
        If the folder does not hold them.
    """
    config = Config.from_mapping(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    network = config.network
    parameters = {name: open_mapped(folder / f"{name}.npy") for name in network.parameter_shapes()}
    state = State(*(open_mapped(folder / f"initial_state.{name}.npy") for name in network.kind.state_names))
    sequence = open_mapped(folder / "input.npy")
    return Inputs(config, sequence, Parameters(network, parameters), state, folder, open_pyramids(folder))


def _arrays(inputs: Inputs) -> dict[str, FloatArray]:
    states = zip(inputs.network.kind.state_names, inputs.initial_state.arrays, strict=True)
    return {
        "input": inputs.sequence,
        **inputs.parameters,
        **{f"initial_state.{name}": array for name, array in states},
    }
