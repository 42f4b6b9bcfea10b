"""rnnviz: inspect and compare every value inside recurrent networks.

The Python API::

    config = rnnviz.load_config("x.toml")
    run = rnnviz.run(config)
    run["gluon"].hidden  # (L, D, T, N, H), read-only
    run.comparison("manual").first_mismatch
    rnnviz.show(run)  # in the window
    rnnviz.view(run)  # in a notebook

    with rnnviz.capture(model) as captured:  # of PyTorch, Keras or Gluon
        model(x)
    captured[0].show()

Nothing heavy is imported before it is used.
"""

from os import PathLike

TYPE_CHECKING = False  # typing's own would make an import of the package, and so a start of the program, a third longer
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from typing import Any

    from rnnviz.captures.rnn_capture import Capture, CapturedSequence, capture
    from rnnviz.core.config import Config
    from rnnviz.core.errors import ConfigError, EngineError, InputError
    from rnnviz.core.trace import Trace
    from rnnviz.core.trace_index import Location
    from rnnviz.dependence.gradient_flow import gradient_flow
    from rnnviz.dependence.influence import influence
    from rnnviz.explain.explanation import explain_gradient
    from rnnviz.notebooks.view import View
    from rnnviz.verify.compare import Comparison, Mismatch
    from rnnviz.verify.result import RunResult

__version__ = "0.1.0"
__all__ = ["Capture", "CapturedSequence", "Comparison", "Config", "ConfigError", "EngineError"]
__all__ += ["InputError", "Location", "Mismatch", "RunResult", "Trace"]
__all__ += ["__version__", "capture", "close", "explain_gradient", "figure", "gradient_flow"]
__all__ += ["influence", "load_config", "run", "show", "view", "write_page"]

_MODULES = {
    "Capture": "captures.rnn_capture",
    "CapturedSequence": "captures.rnn_capture",
    "Comparison": "verify.compare",
    "Config": "core.config",
    "ConfigError": "core.errors",
    "EngineError": "core.errors",
    "InputError": "core.errors",
    "Location": "core.trace_index",
    "Mismatch": "verify.compare",
    "RunResult": "verify.result",
    "Trace": "core.trace",
    "capture": "captures.rnn_capture",
    "explain_gradient": "explain.explanation",
    "gradient_flow": "dependence.gradient_flow",
    "influence": "dependence.influence",
}

if not TYPE_CHECKING:  # or a name that is not there would pass for one of any type

    def __getattr__(name: str) -> "Any":
        """Import a class when it is first asked for."""
        if name not in _MODULES:
            raise AttributeError(f"module 'rnnviz' has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"rnnviz.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def load_config(path: str | PathLike[str]) -> "Config":
    """Read and validate a TOML config, or that of a session or a capture.

    Copies of files in a session are unpacked into a temporary folder, which is removed when Python ends.

    Parameters
    ----------
    path : str or path-like
        The TOML file, or a .rnnviz file. Paths in it are relative to its folder.

    Returns
    -------
    Config
        The config, with absolute paths.

    Raises
    ------
    rnnviz.InputError
        If the file cannot be read, or a key is unknown, missing, of another type or out of range.
    """
    from rnnviz.execution.folders import storage
    from rnnviz.io.session import read_config

    return read_config(path, lambda: storage().folder)


def run(config: "Config", trusted: "Collection[str]" = ()) -> "RunResult":
    """Run every engine of the config in a separate process, and compare them.

    The process is started by the first run and serves all later ones, until `close` or the end of Python. It reads the
    environment, such as OPENBLAS_NUM_THREADS, when it starts: after a change call `close`. Runs of several threads take
    turns. Ctrl-C stops a run, and a forked process has a separate worker.

    Parameters
    ----------
    config : Config
        The network, its inputs and its engines.
    trusted : collection of str
        Paths of the custom steps and custom cells that may run, as the config names them.

    Returns
    -------
    RunResult
        Traces, comparisons and audits. The arrays are read-only maps of files that are removed with the result.

    Raises
    ------
    rnnviz.InputError
        If a file that the config names is not valid, or the machine cannot hold the run.
    rnnviz.EngineError
        If an engine is missing, failed or died.
    """
    import rnnviz.notebooks  # noqa: F401 (gives results their HTML)
    from rnnviz.execution.supervisor import run
    from rnnviz.io.inputs import load_inputs

    return run(config, load_inputs, trusted=frozenset(trusted))


def close() -> None:
    """End the process that computes, and free its memory. Results stay valid, and the next run starts a new process.

    A run of another thread is stopped with an EngineError. Python calls it at its end. It may be called twice.
    """
    from rnnviz.execution.supervisor import close

    close()


def figure(
    run: "RunResult",
    path: str | PathLike[str],
    *,
    view: str = "lanes",
    width: str = "85mm",
    height: str | None = None,
    quantity: str | None = None,
    engine: str | None = None,
    theme: str = "print",
    resolution: int = 300,
    title: str = "",
    layer: int = 0,
    direction: str = "forward",
    sample: int = 0,
    unit: int = 0,
) -> None:
    """Write a figure of a run for a paper. It needs the extra `window`, but no display.

    Parameters
    ----------
    run : RunResult
        The run.
    path : str or path-like
        The file to write, which ends in .pdf, .svg or .png.
    view : str
        "lanes", "units" (a unit over time), "error", "histogram" or "gradient-flow".
    width, height : str
        Lengths in mm, cm, in, pt or px, such as "85mm". Without a height the figure has that of its content.
    quantity : str, optional
        Lanes: "h", "c", a gate, "difference", "error_ratio" or a gradient such as "grad.h". Units: a state or a
        gradient. Error: "error_ratio", "error", "mismatched" or "audit". Gradient flow: a state.
    engine : str, optional
        The engine whose values are shown; by default the reference.
    theme : str
        "print" (black on white), "light" or "dark".
    resolution : int
        Dots per inch of a PNG.
    title : str
        A line above the figure.
    layer, direction, sample, unit : int or str
        The place that the figure shows, each as far as the view has it.

    Raises
    ------
    rnnviz.InputError
        If an option is not valid, the run lacks what the figure shows, or Qt is not installed.
    """
    from dataclasses import replace
    from pathlib import Path

    from rnnviz.io.export.paper import figure_place, paper_figure

    options = {"view": view, "quantity": quantity, "engine": engine, "theme": theme, "resolution": resolution}
    checked = paper_figure(Path(path), width, height, title=title, **options)
    where = figure_place(run.config.network, layer, direction, sample, unit)
    from rnnviz.gui.export.paper import write_figure

    write_figure(run, Path(path), replace(checked, where=where))


def show(run: "RunResult") -> None:
    """Open the window on a finished run, and return when it is closed.

    If Qt's event loop already runs, as in Jupyter and IPython after `%gui qt`, the function returns at once.

    The window saves its changes after a second. If Python ends before the window is closed, the next window offers to
    restore them. Exceptions in the window are printed to the standard error. Native crashes are not logged.

    Parameters
    ----------
    run : RunResult
        The run.

    Raises
    ------
    RuntimeError
        If no window can be opened here; the sentence says why.
    """
    from rnnviz.gui.app import show

    show(run)


def view(run: "RunResult", selection: "Location | Iterable[int] | None" = None) -> "View":
    """Show the interactive page of a run in a notebook, with one selection in the page and in Python.

    The page works in Jupyter, VS Code, Colab and marimo. It needs the package anywidget, but no Qt.

    Parameters
    ----------
    run : RunResult
        The run.
    selection : Location or five ints, optional
        The value that is selected first: layer, direction, time step, sample, unit. By default the first mismatch.

    Returns
    -------
    View
        The widget: `selection`, which can be set and observed, and its `arithmetic` and `audit`.

    Raises
    ------
    rnnviz.InputError
        If the run is too large for a page, or `selection` is not a value of it.
    ModuleNotFoundError
        If anywidget is not installed.
    """
    from rnnviz.core.extras import missing

    if lacking := missing("anywidget"):
        raise ModuleNotFoundError(f"rnnviz.view {lacking}.", name="anywidget")

    from rnnviz.notebooks.view import View

    return View(run, selection)


def write_page(run: "RunResult", path: str | PathLike[str]) -> None:
    """Write a run as an interactive page: one HTML file that works in any browser, without a network.

    Parameters
    ----------
    run : RunResult
        The run. If it is too large, the page has its first samples, and says so.
    path : str or path-like
        The file, whose name should end in .html.

    Raises
    ------
    rnnviz.InputError
        If one sample of the run is larger than a page may be.
    OSError
        If the file cannot be written.
    """
    from pathlib import Path

    from rnnviz.io.export.interactive_page import write_page

    write_page(run, Path(path))
