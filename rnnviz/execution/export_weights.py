"""Weights written to a file, which counts as written only once it has been proved to hold them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.progress import stage
from rnnviz.execution.roundtrip_check import Proof, prove

_LOADED, _WRITTEN, _READ_BACK = 0.2, 0.3, 0.5
"""How far the work is after each stage; the proof takes the rest."""


class Form(Protocol):
    """A format of files of weights."""

    @property
    def library(self) -> str | None:
        """The engine whose framework the files are for, if there is one."""
        ...

    def write(self, network: Network, parameters: Parameters, path: Path) -> None:
        """Write the weights; may raise an InputError or an OSError."""
        ...

    def read(self, network: Network, path: Path) -> Parameters:
        """Read them again; raises an InputError if the file holds something else."""
        ...


def write_proved(load: Callable[[], Inputs], form: Form, temporary: Path, shown: Path) -> Proof:
    """Write the parameters of what `load` gives to `temporary`, read them back and run them.

    Call it in a process of its own. `shown` is the path that sentences name, where the file will stand. The whole of a
    run's inputs is loaded, because a sequence may decide the network's size.

    Raises
    ------
    InputError
        If the inputs cannot be loaded, or the file cannot be written.
    EngineError
        If the file is not proved to hold them; nobody should get it then.
    """
    with stage(0.0, _LOADED):
        inputs = load()
    network, parameters = inputs.network, inputs.parameters
    try:
        with stage(_LOADED, _WRITTEN):
            form.write(network, parameters, temporary)
    except OSError as error:
        raise InputError(f"{shown} cannot be written: {error.strerror or error}.") from error
    try:
        with stage(_WRITTEN, _READ_BACK):
            found = form.read(network, temporary)
        with stage(_READ_BACK, 1.0):
            proof = prove(network, parameters, temporary, found, form.library)
            return replace(proof, assumptions=inputs.assumptions)
    except (InputError, EngineError) as error:
        why = str(error).replace(str(temporary), shown.name)
        raise EngineError(f"{shown} was not written, because its proof failed: {why}") from error
