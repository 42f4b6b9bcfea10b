"""rnnviz: see every number of a recurrent network, and prove every number.

The Python face of the program::

    config = rnnviz.load_config("x.toml")
    run = rnnviz.run(config)
    run["gluon"].hidden  # (L, D, T, N, H), read-only
    run.comparison("manual").first_mismatch
    rnnviz.show(run)

Nothing heavy is imported before it is used.
"""

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from rnnviz.analysis.result import RunResult
    from rnnviz.model.config import Config

__version__ = "0.1.0"
__all__ = ["__version__", "load_config", "run", "show"]


def load_config(path: str | PathLike[str]) -> "Config":
    """Read and validate a TOML config; the paths in it are relative to its own folder.

    Raises
    ------
    rnnviz.model.errors.InputError
        If the file cannot be read, or a key is unknown, missing, of a wrong type or out of range.
    """
    from rnnviz.files.config_toml import load_config

    return load_config(path)


def run(config: "Config", trusted: "Collection[str]" = ()) -> "RunResult":
    """Run every engine of the config in a process of its own, and compare them.

    The arrays of the result are read-only maps of files that vanish with the result. An engine that is a file of
    one's own runs only if its name is in `trusted`.

    Raises
    ------
    rnnviz.model.errors.InputError
        If a file that the config names is wrong, or the machine cannot hold the run.
    rnnviz.model.errors.EngineError
        If an engine is missing, failed or died.
    """
    from rnnviz.files.inputs import load_inputs
    from rnnviz.runs.supervisor import run

    return run(config, load_inputs, trusted=frozenset(trusted))


def show(run: "RunResult") -> None:
    """Open the window on a finished run; returns when it is closed, or at once where Qt's event loop runs already."""
    from rnnviz.gui.app import show

    show(run)
