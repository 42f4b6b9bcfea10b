"""The folders in which runs lie while they are used.

Each program run has one private folder in the system's temporary one, named by its process; what a crashed
program left behind is removed by the next one.
"""

import os
import shutil
import tempfile
import weakref
from functools import cache
from pathlib import Path

import numpy as np
import psutil

from rnnviz.model.arrays import FloatArray
from rnnviz.model.config import Config
from rnnviz.model.initial_state import State
from rnnviz.model.inputs import Inputs
from rnnviz.model.parameters import Parameters

_PREFIX = "rnnviz-"


class Storage:
    """A private folder (0700) for the runs of this process, which vanishes with it."""

    def __init__(self) -> None:
        _remove_abandoned(Path(tempfile.gettempdir()))
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        remove_with(self, self.folder)

    def run_folder(self, request_id: int) -> Path:
        """Where the run of that id lies; it does not exist yet."""
        return self.folder / f"run-{request_id}"


@cache
def storage() -> Storage:
    """The one storage of this process."""
    return Storage()


def remove_with(owner: object, folder: Path) -> None:
    """Remove `folder` when nobody uses `owner` any more, and at the latest when this process ends.

    Arrays that are still mapped from it stay readable.
    """
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def save_inputs(folder: Path, inputs: Inputs) -> None:
    """Write the arrays of a run's inputs as `.npy` files into a new folder."""
    folder.mkdir(parents=True)
    for name, array in _input_arrays(inputs).items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def open_inputs(folder: Path, config: Config) -> Inputs:
    """The inputs that `save_inputs` wrote, read-only and mapped."""

    def mapped(name: str) -> FloatArray:
        array: FloatArray = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return array

    network = config.network
    parameters = Parameters(network, {name: mapped(name) for name in network.parameter_shapes()})
    state = State(*(mapped(f"initial_state.{name}") for name in network.kind.state_names))
    return Inputs(config, mapped("input"), parameters, state)


def _input_arrays(inputs: Inputs) -> dict[str, FloatArray]:
    names = inputs.network.kind.state_names
    states = zip(names, inputs.initial_state.arrays, strict=True)
    return {
        "input": inputs.sequence,
        **inputs.parameters,
        **{f"initial_state.{name}": array for name, array in states},
    }
