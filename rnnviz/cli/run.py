"""rnnviz run: compute a config, compare its engines, write the results."""

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.cli.parser import Commands, add_cell_to, engine_names, load, with_cell
from rnnviz.cli.terminal import AGREE, DISAGREE, WRONG_INPUT, Answer, all_written, progress_bar
from rnnviz.core.config import Compare, Config
from rnnviz.core.errors import InputError
from rnnviz.core.schema import declarations
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

if TYPE_CHECKING:
    from rnnviz.core.inputs import Load


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    run = commands.add_parser("run", help="run a config and compare its engines")
    run.add_argument("config", type=Path, help="a TOML config")
    comparison = run.add_argument_group("comparison")
    comparison.add_argument("--engines", metavar="ENGINE,...", help="engines to run; the first is the reference")
    comparison.add_argument("--reference", metavar="ENGINE", help="the reference, if it is not the first engine")
    add_cell_to(comparison)
    comparison.add_argument("--rtol", type=float, metavar="FLOAT", help="relative tolerance")
    comparison.add_argument("--atol", type=float, metavar="FLOAT", help="absolute tolerance")
    comparison.add_argument(
        "--audit",
        choices=("off", "auto", "full"),
        default="auto",
        help="steps to audit: none, a subset of a large run, or all",
    )
    comparison.add_argument("--strict", action="store_true", help="also exit with 1 on numerical drift")
    output = run.add_argument_group("output")
    output.add_argument("--json", metavar="PATH", help="write a summary as JSON; - writes it to standard output")
    output.add_argument("--csv", type=Path, metavar="PATH", help="write each hidden value as a row")
    output.add_argument("--npz", type=Path, metavar="PATH", help="write all arrays")
    output.add_argument(
        "--gates",
        action="store_true",
        help="also write gates, cell states and pre-activations to --csv and --npz, recomputed in float64 from each "
        "engine's states",
    )
    output.add_argument("--png", type=Path, metavar="PATH", help="draw the unrolled network")
    output.add_argument("--report", type=Path, metavar="PATH", help="write an HTML report")
    output.add_argument("--notebook", type=Path, metavar="PATH", help="write a Jupyter notebook that repeats the run")
    output.add_argument("--quiet", action="store_true", help="print neither a progress bar nor the verdict")
    run.set_defaults(answer=_run)


def _run(options: Namespace) -> Answer:
    from rnnviz.execution.supervisor import run
    from rnnviz.io.inputs import load_inputs

    config = _with_options(load(options.config, options.engines or options.reference), options)
    _check_outputs(config, options)
    reading: Load = load_inputs
    if options.notebook is not None:
        from rnnviz.io.export.notebook import load_for_notebook

        reading = load_for_notebook
    with progress_bar(options.quiet) as notify:
        result = run(config, reading, notify, options.audit, _asked_for(options))
    written = all_written(_writers(result, options))
    failed = result.verdict is Verdict.DISAGREE or (options.strict and result.verdict is not Verdict.AGREE)
    return DISAGREE if failed else AGREE if written else WRONG_INPUT, _text(result, options)


def _text(result: RunResult, options: Namespace) -> str:
    """The text for standard output."""
    if options.json == "-":
        from rnnviz.io.export.json_summary import json_text

        return json_text(result)
    if options.quiet:
        return ""
    from rnnviz.core.engine_spec import display_name
    from rnnviz.text.verdict_text import report

    printed = (f"\n{display_name(engine)} printed:\n{text.rstrip()}\n" for engine, text in result.printed.items())
    return "".join((f"{report(result)}\n", *printed))


def _with_options(config: Config, options: Namespace) -> Config:
    """The config with the options of the command line, which override the file."""
    config = with_cell(config, options.cell)
    compare = config.compare
    if options.engines is not None or options.reference is not None:
        engines = engine_names(options.engines, options.reference) or compare.engines
        compare = config.with_engines(engines, options.reference).compare
    limits = declarations(Compare)
    for name in ("rtol", "atol"):
        value = getattr(options, name)
        if value is not None:
            compare = replace(compare, **{name: limits[name].check(f"--{name}", value)})
    return replace(config, compare=compare)


def _asked_for(options: Namespace) -> frozenset[str]:
    """The engines and the cell that options name. Code of the user may run only if an option names it, not a config."""
    named = [] if options.engines is None else options.engines.split(",")
    return frozenset(name.strip() for name in [*named, options.reference or "", options.cell or ""])


def _check_outputs(config: Config, options: Namespace) -> None:
    """Check before a long run that its results can be written."""
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.outputs import check_outputs

    if options.gates and options.csv is None and options.npz is None:
        raise InputError("--gates needs --csv or --npz.")
    outputs = {f"--{kind}": getattr(options, kind) for kind in ("csv", "npz", "png", "report", "notebook", "json")}
    if options.json == "-":
        del outputs["--json"]
    check_outputs(outputs, {"the config": options.config, **files_read(config)})


def _writers(result: RunResult, options: Namespace) -> Iterator[Callable[[], object]]:
    if options.csv is not None:
        from rnnviz.io.export.csv import write_csv

        yield lambda: _with_bar(write_csv, result, options.csv, options)
    if options.npz is not None:
        from rnnviz.io.export.npz import write_npz

        yield lambda: _with_bar(write_npz, result, options.npz, options)
    if options.png is not None:
        from rnnviz.gui.export.offscreen_render import save_png

        yield lambda: save_png(result, options.png)
    if options.json not in (None, "-"):
        from rnnviz.io.export.json_summary import write_json

        yield lambda: write_json(result, Path(options.json))
    if options.report is not None:
        from rnnviz.gui.export.offscreen_render import report_picture
        from rnnviz.io.export.report import write_report

        yield lambda: write_report(result, options.report, [report_picture(result)])
    if options.notebook is not None:
        from rnnviz.io.export.notebook import write_notebook

        yield lambda: write_notebook(result, options.notebook)


def _with_bar(write: Callable[..., object], result: RunResult, path: Path, options: Namespace) -> None:
    with progress_bar(options.quiet) as notify:
        write(result, path, lambda done: notify(f"writing {path}", done), gates=options.gates)
