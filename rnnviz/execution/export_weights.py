"""Weights written to a model file, which is read back and run before it is kept."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.progress import stage
from rnnviz.execution.roundtrip_check import RoundtripCheck, check_roundtrip

_LOADED, _WRITTEN, _READ_BACK = 0.2, 0.3, 0.5
"""The fraction that is done after each stage; the check takes the rest."""


class Form(Protocol):
    """A format of weight files."""

    @property
    def library(self) -> str | None:
        """The engine that can run files of this format, if there is one."""
        ...

    def write(self, network: Network, parameters: Parameters, path: Path) -> None:
        """Write the weights; may raise an InputError or an OSError."""
        ...

    def read(self, network: Network, path: Path) -> Parameters:
        """Read the weights back; raises an InputError if the file contains something else."""
        ...


def write_verified(load: Callable[[], Inputs], form: Form, temporary: Path, shown: Path) -> RoundtripCheck:
    """Write parameters to a file, read them back and run them; to be called in a subprocess.

    Parameters
    ----------
    load : callable
        Loads the inputs of a run. All inputs are loaded, because the sequence may decide the network's size.
    form : Form
        The format of the file.
    temporary : Path
        The file to write.
    shown : Path
        The final path, which error messages name.

    Returns
    -------
    RoundtripCheck
        The result of the round trip.

    Raises
    ------
    InputError
        If the inputs cannot be loaded, or the file cannot be written.
    EngineError
        If the file does not pass the check. It must not be kept then.
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
            check = check_roundtrip(network, parameters, temporary, found, form.library)
            return replace(check, assumptions=inputs.assumptions)
    except (InputError, EngineError) as error:
        why = str(error).replace(str(temporary), shown.name)
        raise EngineError(f"{shown} was not written, because its check failed: {why}") from error
