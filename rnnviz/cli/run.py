"""rnnviz run and figure: compute a config, compare its engines and write the results, or draw one for a paper."""

import os
from argparse import Namespace
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

from rnnviz.cli import terminal
from rnnviz.cli.explain import check_place, next_commands
from rnnviz.cli.terminal import AGREE, DISAGREE, WRONG_INPUT, Answer, Parser, option
from rnnviz.core.config import Compare, Config
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import InputError
from rnnviz.core.naming import names_of_file, with_parameters
from rnnviz.core.schema import declarations, display_value
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.gui.export.outputs import RUN_OUTPUTS, OutputEntry, named_function
from rnnviz.io.export.paper import ENDINGS, PAPERS, VIEWS
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict


def add_run_options(parser: Parser) -> None:
    option(parser, "config")
    option(parser, "--input FILE")
    comparison = parser.add_argument_group("comparison")
    option(comparison, "--engines ENGINE,...")
    option(comparison, "--reference ENGINE", "the reference, if it is not the first engine")
    option(comparison, "--cell CELL")
    option(comparison, "--rtol FLOAT", "relative tolerance")
    option(comparison, "--atol FLOAT", "absolute tolerance")
    audit = "steps to audit: none, a subset of a large run, or all"
    option(comparison, "--audit", audit, choices=("off", "auto", "full"), default="auto")
    option(comparison, "--backward", "also compute and compare gradients")
    option(comparison, "--strict", "also exit with 1 on numerical drift")
    output = parser.add_argument_group("output")
    for entry in RUN_OUTPUTS:
        # "-" is standard output.
        names = " ".join(f"--{name}" for name in (entry.key, entry.alias) if name)
        option(output, f"{names} PATH", entry.option, type=str if entry.key == "json" else Path)
    option(
        output,
        "--gates",
        "also write gates, cell states and pre-activations to --csv and --npz, recomputed in float64 from each "
        "engine's states",
    )
    option(output, "--quiet", "print neither a progress bar nor the verdict")


def run(options: Namespace) -> Answer:
    config, asked = _with_options(terminal.config_of(options), options), vars(options)
    outputs = [(entry, Path(path)) for entry in RUN_OUTPUTS if (path := asked[entry.key]) not in (None, "-")]
    if options.gates and options.csv is None and options.npz is None:
        raise InputError("--gates needs --csv or --npz.")
    if options.picture is not None and options.picture.suffix.lower() not in ENDINGS:
        raise InputError(f"--picture must end in .pdf, .svg or .png (got {display_value(str(options.picture))}).")
    drawn = next((f"--{entry.key}" for entry, _ in outputs if entry.drawn), "")
    terminal.check_files(config, options, {f"--{entry.key}": path for entry, path in outputs}, drawn)
    reading = None
    for entry, _ in outputs:
        if entry.check:
            from rnnviz.io.inputs import load_inputs, load_within

            reading = partial(load_within, load=reading or load_inputs, check=named_function(entry.check))
    result = terminal.run_config(config, options, reading, options.audit)
    options.next = partial(next_commands, result, options=options)
    written = terminal.all_written(partial(_write, entry, path, result, options) for entry, path in outputs)
    verdict = result.overall_verdict
    failed = verdict is Verdict.DISAGREE or (options.strict and verdict is not Verdict.AGREE)
    return DISAGREE if failed else AGREE if written else WRONG_INPUT, _text(result, options)


def _text(result: RunResult, options: Namespace) -> str:
    if options.json == "-":
        from rnnviz.io.export.data import json_text

        return json_text(result, options.next)
    if options.quiet:
        return ""
    from rnnviz.text.verdict_text import report

    printed = (f"\n{display_name(engine)} printed:\n{text.rstrip()}\n" for engine, text in result.printed.items())
    commands = chain.from_iterable(map(options.next, result.by_importance))
    advice = (f"Next: {command}\n" for command in islice(commands, 1))
    verdict = with_parameters(report(result), names_of_file(result.config.parameters.path))
    return "".join((f"{verdict}\n", *printed, *advice))


def _with_options(config: Config, options: Namespace) -> Config:
    compare = config.compare
    if options.engines is not None or options.reference is not None:
        named = terminal.engine_names(options.engines, options.reference)
        if named is None and compare.candidates is None:
            compare = replace(compare, reference=options.reference)
        else:
            compare = config.with_engines(named or compare.engines, options.reference).compare
    limits = declarations(Compare)
    for name in ("rtol", "atol"):
        value = getattr(options, name)
        if value is not None:
            compare = replace(compare, **{name: limits[name].check(f"--{name}", value)})
    backward = replace(config.backward, enabled=config.backward.enabled or options.backward)
    folder = os.path.dirname(os.path.abspath(options.config)) if config.engines.folder is None else ""
    return replace(config, compare=compare, backward=backward).with_program_folder(folder)


def _write(entry: OutputEntry, path: Path, result: RunResult, options: Namespace) -> None:
    # A bar for a writer that reports no progress would only flicker.
    with terminal.progress_bar(options.quiet or "progress" not in entry.takes) as notify:
        given = {"gates": options.gates, "commands": options.next}
        entry.written(result, path, progress=lambda done: notify(f"writing {path}", done), **given)


def add_figure_options(parser: Parser) -> None:
    option(parser, "config")
    option(parser, "-o --output PATH", "file that ends in .pdf, .svg or .png", required=True)
    views = "all lanes, a unit over time, the error over time, a histogram of error ratios, or the norms of gradients"
    option(parser, "--view", views, choices=VIEWS, default="lanes")
    option(
        parser,
        "--quantity NAME",
        "lanes: h, c, a gate such as i, pre_i, change, norm, difference, error_ratio or a gradient (grad.h); "
        "units: h, c or a gradient; error: error_ratio, error, mismatched or audit; gradient-flow: h or c",
    )
    option(parser, "--engine ENGINE", "engine whose values are shown; default: the reference")
    size = parser.add_argument_group("size and colors")
    option(size, "--width LENGTH", "in mm, cm, in, pt or px; default: 85mm", default="85mm")
    option(size, "--height LENGTH", "default: as high as the content")
    option(size, "--theme", "default: print, black on white", choices=PAPERS, default="print")
    option(size, "--resolution DPI", "of a PNG; default: 300", default=300)
    option(size, "--title TEXT", "line above the figure; default: none", default="")
    place = parser.add_argument_group("place")
    option(place, "--layer K", "layer of a unit, from 0; default: 0")
    option(place, "--direction", "direction of a unit; default: forward", choices=DIRECTIONS)
    option(place, "--unit U", "unit, from 0; default: 0")
    option(place, "--sample N", "sample, from 0; default: 0")
    run = parser.add_argument_group("run")
    for shared in ("--engines ENGINE,...", "--cell CELL", "--input FILE"):
        option(run, shared)
    option(run, "--quiet", "print no progress bar")
    parser.set_defaults(timestep=None)


def figure(options: Namespace) -> Answer:
    from rnnviz.io.export.paper import figure_place, paper_figure

    names = ("view", "width", "height", "quantity", "engine", "theme", "resolution", "title")
    asked = paper_figure(options.output, **{name: getattr(options, name) for name in names}, dashes="--")
    config = terminal.config_of(options)
    if options.view == "gradient-flow" or (options.quantity or "").startswith("grad."):
        config = replace(config, backward=replace(config.backward, enabled=True))
    check_place(config, options)
    terminal.check_files(config, options, {"-o": options.output}, "rnnviz figure")
    result = terminal.run_config(config, options)
    where = figure_place(config.network, options.layer, options.direction, options.sample, options.unit)
    from rnnviz.gui.export.paper import write_figure

    write_figure(result, options.output, replace(asked, where=where))
    return AGREE, ""
