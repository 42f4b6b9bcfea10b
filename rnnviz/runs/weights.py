"""Weights written to a file, which counts as written only once it has been proved to hold them."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from rnnviz.model.config import Network
from rnnviz.model.errors import EngineError, InputError
from rnnviz.model.parameters import Parameters
from rnnviz.model.stored_inputs import open_inputs
from rnnviz.runs.proof import Proof, prove


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


def write_proved(network: Network, load: Callable[[], Parameters], form: Form, temporary: Path, shown: Path) -> Proof:
    """Write what `load` gives to `temporary`, read it back and run it; call it in a process of its own.

    `shown` is the path that sentences name, where the file will stand.

    Raises
    ------
    InputError
        If the weights cannot be read, or the file cannot be written.
    EngineError
        If the file is not proved to hold them; nobody should get it then.
    """
    parameters = load()
    try:
        form.write(network, parameters, temporary)
    except OSError as error:
        raise InputError(f"{shown} cannot be written: {error.strerror or error}.") from error
    try:
        return prove(network, parameters, temporary, form.read(network, temporary), form.library)
    except (InputError, EngineError) as error:
        why = str(error).replace(str(temporary), shown.name)
        raise EngineError(f"{shown} was not written, because its proof failed: {why}") from error


def stored_parameters(folder: Path) -> Parameters:
    """The parameters of a run whose inputs lie in `folder`.

    Raises
    ------
    InputError
        If the folder is gone.
    """
    try:
        return open_inputs(folder).parameters
    except (OSError, ValueError) as error:
        raise InputError(f"The weights of the run cannot be read again: {error}.") from error
