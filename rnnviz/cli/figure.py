"""rnnviz figure: write a figure of a run for a paper, as PDF, SVG or PNG."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

from rnnviz.cli.run import check_place
from rnnviz.cli.terminal import (
    AGREE,
    Answer,
    Commands,
    add_cell_to,
    add_input_to,
    engine_names,
    load,
    progress_bar,
    with_cell,
    with_input,
)
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.io.export.paper import PAPERS, VIEWS


def add_to(commands: Commands) -> None:
    figure = commands.add_parser("figure", help="write a figure of a run for a paper, as PDF, SVG or PNG")
    figure.add_argument("config", type=Path, help="a TOML config, or a session or capture (.rnnviz)")
    figure.add_argument(
        "-o", "--output", type=Path, metavar="PATH", required=True, help="file that ends in .pdf, .svg or .png"
    )
    figure.add_argument(
        "--view",
        choices=VIEWS,
        default="lanes",
        help="all lanes, a unit over time, the error over time, a histogram of error ratios, or the norms of gradients",
    )
    figure.add_argument(
        "--quantity",
        metavar="NAME",
        help="lanes: h, c, a gate such as i, pre_i, change, norm, difference, error_ratio or a gradient (grad.h); "
        "units: h, c or a gradient; error: error_ratio, error, mismatched or audit; gradient-flow: h or c",
    )
    figure.add_argument("--engine", metavar="ENGINE", help="engine whose values are shown; default: the reference")
    size = figure.add_argument_group("size and colors")
    size.add_argument("--width", default="85mm", metavar="LENGTH", help="in mm, cm, in, pt or px; default: 85mm")
    size.add_argument("--height", metavar="LENGTH", help="default: that of the content")
    size.add_argument("--theme", choices=PAPERS, default="print", help="default: print, black on white")
    size.add_argument("--resolution", type=int, default=300, metavar="DPI", help="of a PNG; default: 300")
    size.add_argument("--title", default="", metavar="TEXT", help="line above the figure; default: none")
    place = figure.add_argument_group("place")
    place.add_argument("--layer", type=int, metavar="K", help="layer of a unit, from 0; default: 0")
    place.add_argument("--direction", choices=DIRECTIONS, help="direction of a unit; default: forward")
    place.add_argument("--unit", type=int, metavar="U", help="unit, from 0; default: 0")
    place.add_argument("--sample", type=int, metavar="N", help="sample, from 0; default: 0")
    run = figure.add_argument_group("run")
    run.add_argument("--engines", metavar="ENGINE,...", help="engines to run; the first is the reference")
    add_cell_to(run)
    add_input_to(run)
    run.add_argument("--quiet", action="store_true", help="print no progress bar")
    figure.set_defaults(answer=_figure, timestep=None)


def _figure(options: Namespace) -> Answer:
    from rnnviz.execution.supervisor import run
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.export.paper import figure_place, paper_figure
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.outputs import check_outputs

    names = ("view", "width", "height", "quantity", "engine", "theme", "resolution", "title")
    figure = paper_figure(options.output, **{name: getattr(options, name) for name in names}, dashes="--")
    config = with_input(with_cell(load(options.config), options.cell), options.input)
    named = engine_names(options.engines) or ()
    if named:
        config = config.with_engines(named)
    if options.view == "gradient-flow" or (options.quantity or "").startswith("grad."):
        config = replace(config, backward=replace(config.backward, enabled=True))
    check_place(config, options)
    check_outputs({"-o": options.output}, {"the config": options.config, **files_read(config)})
    _check_platform()
    with progress_bar(options.quiet) as notify:
        result = run(config, load_inputs, notify, "auto", frozenset((*named, options.cell or "")))
    where = figure_place(config.network, options.layer, options.direction, options.sample, options.unit)
    from rnnviz.gui.export.paper import write_figure

    write_figure(result, options.output, replace(figure, where=where))
    return AGREE, ""


def _check_platform() -> None:
    from rnnviz.gui.app import PlatformError, check_platform

    try:
        check_platform({"QT_QPA_PLATFORM": "offscreen"})
    except PlatformError as error:
        raise InputError(f"rnnviz figure draws a picture. {error}") from error
