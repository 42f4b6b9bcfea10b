"""The ways to write a run: options of `rnnviz run`, and entries of the window's Export menu.

Only records: the module of a writer is imported when a file is written.
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from importlib import import_module
from pathlib import Path
from typing import Any

from rnnviz.frozen import dataclass
from rnnviz.verify.result import RunResult

_GATES = "gates, cell states and pre-activations,\nrecomputed in float64 from each engine's own states."


@dataclass(frozen=True)
class OutputEntry:
    """One way to write a run.

    `write` is the module and the name of a function of the result, the path and some of the arguments that `takes`
    names; `fixed` are values of some. `option` is the help of the option of this `key`, and `title` the entry in the
    menu, with `why` as its tooltip; "" if there is none. `kind` names such files in a dialog, and `summary` is a
    template of what was written. `check` names the function of a config, T and N that refuses a run that is too large
    for it. `drawn` is whether Qt draws a picture for it. `alias` is another name of the option.
    """

    key: str
    write: str
    ending: str = ""
    option: str = ""
    title: str = ""
    why: str = ""
    kind: str = ""
    summary: str = ""
    takes: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)
    check: str = ""
    drawn: bool = False
    alias: str = ""

    def written(self, result: RunResult, path: Path, **given: Any) -> str:
        """Write the run, and return a summary of the file; arguments that the writer does not take are left out."""
        arguments = {name: value for name, value in {**given, **self.fixed}.items() if name in self.takes}
        return self.summary.format(named_function(self.write)(result, path, **arguments))


def named_function(name: str) -> Callable[..., Any]:
    """The function that an entry names."""
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"rnnviz.{module}"), function)
    return found


OUTPUTS = (
    OutputEntry(
        "page",
        "io.export.interactive_page:write_page",
        "html",
        "write an interactive HTML page",
        "&Interactive page…",
        "One HTML file with lanes, arithmetic and playback for any browser, without a network.",
        "Interactive pages",
        "{:,} bytes",
        ("start",),
        check="io.export.interactive_page:check_size",
    ),
    OutputEntry(
        "notebook",
        "io.export.notebook:write_notebook",
        "ipynb",
        "write a Jupyter notebook that repeats the run",
        "Note&book…",
        "A Jupyter notebook that recomputes this run with Gluon and with NumPy.",
        "Notebooks",
        "{:,} cells",
        check="io.export.notebook:check_size",
    ),
    OutputEntry(
        "csv",
        "io.export.data:write_csv",
        "csv",
        "write each hidden value as a row",
        "Table (&CSV)…",
        "One row for each hidden value.",
        "Tables",
        "{:,} rows",
        ("progress", "gates"),
    ),
    OutputEntry(
        "csv_gates",
        "io.export.data:write_csv",
        "csv",
        "",
        "Table with &gates and cell states (CSV)…",
        f"One row for each hidden value, with {_GATES}",
        "Tables",
        "{:,} rows",
        ("progress", "gates"),
        {"gates": True},
    ),
    OutputEntry(
        "csv_contributions",
        "io.export.data:write_contributions",
        "csv",
        "",
        "Table of contrib&utions (CSV)…",
        "One row for each time step and unit: contributions to the gradient of the selected parameter.",
        "Tables",
        "{:,} rows",
        ("progress", "parameter"),
    ),
    OutputEntry(
        "npz",
        "io.export.data:write_npz",
        "npz",
        "write all arrays",
        "Arrays (&NPZ)…",
        "Arrays of every engine, inputs and config.",
        "Arrays",
        "{:,} arrays",
        ("progress", "gates"),
    ),
    OutputEntry(
        "npz_gates",
        "io.export.data:write_npz",
        "npz",
        "",
        "Arrays with gates and cell s&tates (NPZ)…",
        f"Arrays of every engine, inputs and config, with {_GATES}",
        "Arrays",
        "{:,} arrays",
        ("progress", "gates"),
        {"gates": True},
    ),
    OutputEntry(
        "json",
        "io.export.data:write_json",
        "json",
        "write a summary as JSON; - writes it to standard output",
        "Summary (&JSON)…",
        "Verdict, figures and checks.",
        "Summaries",
        "verdict and figures",
        ("commands",),
    ),
    OutputEntry(
        "picture",
        "gui.export.paper:save_picture",
        "png",
        "draw the lanes, as .png, .svg or .pdf",
        alias="png",
        drawn=True,
    ),
    OutputEntry("report", "gui.export.paper:save_report", "html", "write an HTML report", drawn=True),
    OutputEntry(
        "weights",
        "gui.export.exporter:write_weights",
        title="Weights as a mode&l file…",
        why="Weights of this run for Gluon, PyTorch, ONNX Runtime or NumPy.\n"
        "rnnviz reads the file back and verifies it.",
        summary="{}",
        takes=("progress",),
    ),
)

RUN_OUTPUTS = tuple(entry for entry in OUTPUTS if entry.option)
MENU_OUTPUTS = tuple(entry for entry in OUTPUTS if entry.title)
