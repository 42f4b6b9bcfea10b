"""rnnviz explain: the arithmetic of one hidden value, or the compiled program of a cell."""

from argparse import Action, Namespace
from pathlib import Path
from typing import Any, NoReturn

from rnnviz.cells import CELLS
from rnnviz.cli.parser import Commands, add_cell_to, engine_names, load, with_cell
from rnnviz.cli.terminal import AGREE, Answer, answer_json, print_answer, progress_bar
from rnnviz.core.config import Config
from rnnviz.core.engine_spec import is_own
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.schema import display_value
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import suggest


class _PrintProgram(Action):
    """Print a cell's lines and the calls that compute them, and exit."""

    def __call__(self, _parser: object, _namespace: Namespace, cell: Any, _option: str | None = None) -> NoReturn:
        raise SystemExit(print_answer(AGREE, _program(cell) + "\n"))


def _program(cell: str) -> str:
    """The listing of a cell; that of a custom one is made by the process that runs its file."""
    if is_own(cell):
        from rnnviz.engines.user_code.parent import custom_program

        try:
            return custom_program(cell)
        except EngineError as error:
            raise InputError(str(error)) from error
    from rnnviz.cells.interpreters.program_source import listing

    if cell not in CELLS:
        raise InputError(
            f"--program must be one of {', '.join(CELLS)}, or the path of a .py file (got {display_value(cell)})."
            f"{suggest(cell, CELLS)}"
        )
    return listing(CELLS[cell])


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    explain = commands.add_parser("explain", help="print the arithmetic of one hidden value")
    explain.add_argument("config", type=Path, help="a TOML config")
    explain.add_argument("--layer", type=int, required=True, metavar="K", help="layer, from 0 at the bottom")
    explain.add_argument("--direction", choices=DIRECTIONS, help="default: forward, or backward with network.reverse")
    explain.add_argument("--timestep", type=int, required=True, metavar="T", help="time step, from 0")
    explain.add_argument("--unit", type=int, required=True, metavar="U", help="unit, from 0")
    explain.add_argument("--sample", type=int, default=0, metavar="N", help="sample, from 0; default: 0")
    explain.add_argument("--engines", metavar="ENGINE,...", help="engines to run; the first is the reference")
    add_cell_to(explain)
    explain.add_argument("--json", metavar="PATH", help="write all terms as JSON; - writes them to standard output")
    explain.add_argument("--top", type=int, metavar="K", help="show only the K largest terms of each gate")
    program = "print the lines of a cell, or of a .py file, with the NumPy calls that compute them, and exit"
    explain.add_argument("--program", action=_PrintProgram, metavar="CELL", help=program)
    explain.add_argument("--quiet", action="store_true", help="print neither a progress bar nor the arithmetic")
    explain.set_defaults(answer=_explain)


def _explain(options: Namespace) -> Answer:
    from rnnviz.execution.supervisor import run
    from rnnviz.explain.explanation import explain_value
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.outputs import check_outputs

    config = with_cell(load(options.config, options.engines), options.cell)
    named = engine_names(options.engines) or ()
    if named:
        config = config.with_engines(named)
    where = _location(config, options)
    if config.sequence.source != "file":
        _check_sequence(config, where)
    if options.top is not None and options.top < 1:
        raise InputError(f"--top must be at least 1 (got {options.top}).")
    json_path = None if options.json == "-" else options.json
    check_outputs({"--json": json_path}, {"the config": options.config, **files_read(config)})
    with progress_bar(options.quiet) as notify:
        result = run(config, load_inputs, notify, "off", frozenset((*named, options.cell or "")))
    _check_sequence(result.config, where)
    explanation = explain_value(result, where)
    if options.json is not None:
        from rnnviz.explain.report import to_json

        figures = {**to_json(explanation), **({"assumptions": list(result.assumptions)} if result.assumptions else {})}
        text = answer_json(figures, options.json)
        if text:
            return AGREE, text
    if options.quiet:
        return AGREE, ""
    from rnnviz.explain.report import report
    from rnnviz.text.verdict_details import assumptions

    lines = (report(explanation, options.top), *assumptions(result))
    return AGREE, "".join(f"{line}\n" for line in lines)


def _location(config: Config, options: Namespace) -> Location:
    network = config.network
    if options.direction == "forward" and network.reverse:
        raise InputError("--direction forward needs a forward direction, but network.reverse is true.")
    if options.direction == "backward" and not (network.bidirectional or network.reverse):
        raise InputError("--direction backward needs a bidirectional network, but network.bidirectional is false.")
    direction = int(options.direction == "backward" and network.bidirectional)
    _check("--layer", options.layer, network.num_layers, "layer")
    _check("--unit", options.unit, network.output_size, "unit")
    return Location(options.layer, direction, options.timestep, options.sample, options.unit, reverse=network.reverse)


def _check_sequence(config: Config, where: Location) -> None:
    """Check the time step and the sample; the size of a sequence file is known only after it was read."""
    sequence = config.sequence
    _check("--timestep", where.timestep, sequence.timesteps, "time step")
    _check("--sample", where.sample, sequence.batch_size, "sample")


def _check(option: str, value: int, count: int, noun: str) -> None:
    if not 0 <= value < count:
        allowed = "0" if count == 1 else f"from 0 to {count - 1}"
        there_are = f"there is 1 {noun}" if count == 1 else f"there are {count:,} {noun}s"
        raise InputError(f"{option} must be {allowed} (got {value}): {there_are}.")
