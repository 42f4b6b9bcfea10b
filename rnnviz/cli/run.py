"""rnnviz run and explain: compute a config, compare its engines and write the results; the arithmetic of one value."""

import re
from argparse import Action, Namespace
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cli.next_command import next_commands
from rnnviz.cli.terminal import (
    AGREE,
    DISAGREE,
    WRONG_INPUT,
    Answer,
    Commands,
    add_cell_to,
    add_input_to,
    all_written,
    answer_json,
    engine_names,
    load,
    print_answer,
    progress_bar,
    with_cell,
    with_input,
)
from rnnviz.core.config import Compare, Config
from rnnviz.core.engine_spec import is_own
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.gradients import OF_PARAMETERS, gradient
from rnnviz.core.naming import gluon_name, names_of_file, with_parameters_in_columns
from rnnviz.core.schema import declarations, display_value
from rnnviz.core.trace_index import DIRECTIONS, Location, check_index, first_timestep, state_row
from rnnviz.core.words import join_words, suggest
from rnnviz.gui.export.outputs import RUN_OUTPUTS, OutputEntry, named_function
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

if TYPE_CHECKING:
    from rnnviz.core.inputs import Load
    from rnnviz.core.places import Place
    from rnnviz.execution.events import AuditMode


def add_run_to(commands: Commands) -> None:
    run = commands.add_parser("run", help="run a config or a session and compare its engines")
    run.add_argument("config", type=Path, help="a TOML config, or a session or capture (.rnnviz)")
    add_input_to(run)
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
    comparison.add_argument("--backward", action="store_true", help="also compute and compare gradients")
    comparison.add_argument("--strict", action="store_true", help="also exit with 1 on numerical drift")
    output = run.add_argument_group("output")
    for entry in RUN_OUTPUTS:
        # "-" is standard output.
        kind = str if entry.key == "json" else Path
        output.add_argument(f"--{entry.key}", type=kind, metavar="PATH", help=entry.option)
    output.add_argument(
        "--gates",
        action="store_true",
        help="also write gates, cell states and pre-activations to --csv and --npz, recomputed in float64 from each "
        "engine's states",
    )
    output.add_argument("--quiet", action="store_true", help="print neither a progress bar nor the verdict")
    run.set_defaults(answer=_run)


def _run(options: Namespace) -> Answer:
    from rnnviz.execution.supervisor import run
    from rnnviz.io.inputs import load_inputs

    config = _with_options(load(options.config), options)
    _check_outputs(config, options)
    reading: Load = load_inputs
    for entry, _ in _outputs(options):
        if entry.load:
            reading = partial(named_function(entry.load), load=reading)
    with progress_bar(options.quiet) as notify:
        result = run(config, reading, notify, options.audit, _asked_for(options))
    options.next = partial(next_commands, result, options=options)
    written = all_written(partial(_write, entry, path, result, options) for entry, path in _outputs(options))
    verdict = result.overall_verdict
    failed = verdict is Verdict.DISAGREE or (options.strict and verdict is not Verdict.AGREE)
    return DISAGREE if failed else AGREE if written else WRONG_INPUT, _text(result, options)


def _text(result: RunResult, options: Namespace) -> str:
    if options.json == "-":
        from rnnviz.io.export.data import json_text

        return json_text(result, options.next)
    if options.quiet:
        return ""
    from rnnviz.core.engine_spec import display_name
    from rnnviz.results.tables import report

    printed = (f"\n{display_name(engine)} printed:\n{text.rstrip()}\n" for engine, text in result.printed.items())
    commands = chain.from_iterable(map(options.next, result.by_importance))
    advice = (f"Next: {command}\n" for command in islice(commands, 1))
    return "".join((f"{report(result)}\n", *printed, *advice))


def _with_options(config: Config, options: Namespace) -> Config:
    config = with_input(with_cell(config, options.cell), options.input)
    compare = config.compare
    if options.engines is not None or options.reference is not None:
        named = engine_names(options.engines, options.reference)
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
    return replace(config, compare=compare, backward=backward)


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
    if options.png is not None and options.png.suffix.lower() != ".png":
        raise InputError(f"--png must end in .png (got {display_value(str(options.png))}).")
    outputs = _outputs(options)
    check_outputs(
        {f"--{entry.key}": path for entry, path in outputs}, {"the config": options.config, **files_read(config)}
    )
    drawn = [f"--{entry.key}" for entry, _ in outputs if entry.drawn]
    if drawn:
        from rnnviz.gui.app import PlatformError, check_platform

        try:
            check_platform({"QT_QPA_PLATFORM": "offscreen"})
        except PlatformError as error:
            raise InputError(f"{drawn[0]} draws a picture. {error}") from error


def _outputs(options: Namespace) -> list[tuple[OutputEntry, Path]]:
    """The files that options ask for, with their ways to write them."""
    given = ((entry, getattr(options, entry.key)) for entry in RUN_OUTPUTS)
    return [(entry, Path(path)) for entry, path in given if path not in (None, "-")]


def _write(entry: OutputEntry, path: Path, result: RunResult, options: Namespace) -> None:
    given = {"gates": options.gates, "commands": options.next}
    if "progress" not in entry.takes:
        entry.written(result, path, **given)
        return
    with progress_bar(options.quiet) as notify:
        entry.written(result, path, progress=lambda done: notify(f"writing {path}", done), **given)


class _PrintProgram(Action):
    """Print a cell's lines and the calls that compute them, and exit."""

    def __call__(self, _parser: object, _namespace: Namespace, cell: Any, _option: str | None = None) -> NoReturn:
        raise SystemExit(print_answer(AGREE, _program(cell) + "\n"))


def _program(cell: str) -> str:
    """The listing of a cell; that of a custom one is made by the process that runs its file."""
    if is_own(cell):
        from rnnviz.engines.custom_code.parent import custom_program

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


def add_explain_to(commands: Commands) -> None:
    explain = commands.add_parser("explain", help="print the arithmetic of one hidden value, or of a gradient")
    explain.add_argument("config", type=Path, help="a TOML config, or a session or capture (.rnnviz)")
    add_input_to(explain)
    explain.add_argument(
        "--layer",
        type=int,
        metavar="K",
        help="layer, from 0 at the bottom; without --layer, --timestep and --unit the first wrong step or mismatch",
    )
    explain.add_argument("--direction", choices=DIRECTIONS, help="default: forward, or backward with network.reverse")
    explain.add_argument("--timestep", type=int, metavar="T", help="time step, from 0")
    explain.add_argument("--unit", type=int, metavar="U", help="unit, from 0")
    explain.add_argument("--sample", type=int, metavar="N", help="sample, from 0; default: 0")
    explain.add_argument("--engines", metavar="ENGINE,...", help="engines to run; the first is the reference")
    add_cell_to(explain)
    of = explain.add_mutually_exclusive_group()
    of.add_argument(
        "--value",
        metavar="NAME",
        help="the value whose unit is meant, where units of h and of the cell differ, as with a projection: a state or "
        "a gate, such as c, i or m; default: h",
    )
    of.add_argument(
        "--gradient",
        nargs="?",
        const="h",
        metavar="NAME",
        help="print the terms of the gradients of a step, by the name of a state (h, c), of a gate (i) or of the "
        "output (out); of an initial state (h0, c0), of an input x[I], or of a parameter's number, such as "
        "l0_i2h_weight[3,2]; default: h",
    )
    explain.add_argument("--json", metavar="PATH", help="write all terms as JSON; - writes them to standard output")
    explain.add_argument(
        "--csv", type=Path, metavar="PATH", help="write what each time step contributes to a parameter's --gradient"
    )
    explain.add_argument("--top", type=int, metavar="K", help="show only the K largest terms of each gate")
    program = "print the lines of a cell, or of a .py file, with the NumPy calls that compute them, and exit"
    explain.add_argument("--program", action=_PrintProgram, metavar="CELL", help=program)
    explain.add_argument("--quiet", action="store_true", help="print neither a progress bar nor the arithmetic")
    explain.set_defaults(answer=_explain)


def _explain(options: Namespace) -> Answer:
    from rnnviz.execution.supervisor import run
    from rnnviz.explain.explanation import explain
    from rnnviz.explain.report import report, to_json
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.outputs import check_outputs

    config = with_input(with_cell(load(options.config), options.cell), options.input)
    named = engine_names(options.engines) or ()
    if named:
        config = config.with_engines(named)
    if options.gradient is not None:
        options.gradient = gluon_name(options.gradient)
        config = replace(config, backward=replace(config.backward, enabled=True))
    placed = _check_place(config, options)
    if options.top is not None and options.top < 1:
        raise InputError(f"--top must be at least 1 (got {options.top}).")
    json_path = None if options.json == "-" else options.json
    if options.csv is not None and not _names_parameter(options.gradient or ""):
        raise InputError("--csv needs --gradient with a number of a parameter, such as l0_i2h_weight[3,2].")
    check_outputs({"--json": json_path, "--csv": options.csv}, {"the config": options.config, **files_read(config)})
    with progress_bar(options.quiet) as notify:
        audit: AuditMode = "off" if placed else "auto"
        result = run(config, load_inputs, notify, audit, frozenset((*named, options.cell or "")))
    where, why = _place(result, options) if placed else _first_place(result, options)
    if options.gradient is None:
        explained = explain(result, _value(result.config.network.kind, where, options.value))
    else:
        explained = explain(result, _gradient(result, where, options.gradient))
    if options.csv is not None:
        from rnnviz.io.export.data import write_contributions

        parameter = _gradient(result, where, str(options.gradient)).of
        with progress_bar(options.quiet) as notify:
            write_contributions(result, options.csv, parameter, lambda done: notify(f"writing {options.csv}", done))
    if options.json is not None:
        figures = {
            **to_json(explained),
            **({"chosen": why} if why else {}),
            **({"assumptions": list(result.assumptions)} if result.assumptions else {}),
        }
        text = answer_json(figures, options.json)
        if text:
            return AGREE, text
    if options.quiet:
        return AGREE, ""
    from rnnviz.text.verdict_details import assumptions

    text = with_parameters_in_columns(report(explained, options.top), names_of_file(config.parameters.path))
    lines = (*([f"{why}\n"] if why else []), text, *assumptions(result))
    return AGREE, "".join(f"{line}\n" for line in lines)


_INDEXED = re.compile(r"(?P<name>\w+)\[(?P<index>\d+(\s*,\s*\d+)?)\]")


def _value(kind: CellSpec, where: Location, name: str | None) -> "Place":
    """The place of --value NAME."""
    from rnnviz.explain.value_sources import value_place

    values = graph_of(kind).values
    if name is not None and name not in values:
        raise InputError(f"--value must be one of {', '.join(values)} (got {name}).{suggest(name, values)}")
    return value_place(kind, where, name or "h")


def _gradient(result: RunResult, where: Location, name: str) -> "Place":
    """The place of --gradient NAME."""
    from rnnviz.core.places import INPUT_VALUES, Place, entry_place
    from rnnviz.explain.backward_symbols import gate_name

    network, parameters = result.config.network, result.inputs.parameters
    kind = network.kind
    # "u" is the pre-activation of an RNN, whose only gate is its state.
    gates = [gate_name(kind, gate) for gate in kind.gate_symbols]
    if name in gates or name in graph_of(kind).values or name == "out":
        return Place.at(gradient(name), where)
    initial = [f"{symbol}0" for symbol in kind.state_symbols]
    if name in initial:
        return entry_place(network, gradient(name), (state_row(network, where), where.sample, where.unit))
    found = _INDEXED.fullmatch(name)
    index = tuple(map(int, found["index"].split(","))) if found else ()
    if found and found["name"] in ("x", "input") and len(index) == 1:
        check_index(f"--gradient {found['name']}[I]", index[0], network.input_size, "feature")
        names = result.inputs.names.of_sample(where.sample)
        return Place(gradient(INPUT_VALUES), (where.timestep, where.sample, index[0]), names=names)
    if found and found["name"] in parameters:
        shape = parameters[found["name"]].shape
        if len(index) != len(shape) or any(k >= size for k, size in zip(index, shape, strict=True)):
            raise InputError(f"--gradient {name} is outside the parameter: its shape is {shape}.")
        return entry_place(network, f"{OF_PARAMETERS}{found['name']}", index)
    if name in ("x", "input"):
        raise InputError(f"--gradient {name} needs a feature, such as {name}[0]: there are {network.input_size}.")
    if name in parameters:
        shape = parameters[name].shape
        example = f"{name}[{','.join('0' * len(shape))}]"
        raise InputError(f"--gradient {name} needs an index, such as {example}: its shape is {shape}.")
    names_of_steps = dict.fromkeys((*graph_of(kind).values, *gates, "out", *initial))
    expected = f"{', '.join(names_of_steps)}, x[I] or a parameter with its index, such as {next(iter(parameters))}[0,0]"
    known = (*names_of_steps, *parameters)
    raise InputError(f"--gradient must be {expected} (got {name}).{suggest(name, known)}")


_PLACE = ("layer", "timestep", "unit")
"""The options that say which value is meant, besides those that have a default."""


def _check_place(config: Config, options: Namespace) -> bool:
    """Check the options of the place as far as the config says what it may be; False if none names a place."""
    needed = _needed(options.gradient or "")
    missing = [name for name in needed if getattr(options, name) is None]
    given = [name for name in (*_PLACE, "direction", "sample") if getattr(options, name) is not None]
    if needed and not given:
        return False
    if missing:
        raise InputError(
            _MISSING.format(options=_options(missing), be="is" if len(missing) == 1 else "are", needed=_options(needed))
        )
    check_place(config, options)
    return True


def check_place(config: Config, options: Namespace) -> None:
    """Check a place as far as the config says what it may be; what is not named is 0."""
    network = config.network
    if options.direction == "forward" and network.reverse:
        raise InputError("This network has a backward direction only: leave out --direction forward.")
    if options.direction == "backward" and not (network.bidirectional or network.reverse):
        raise InputError("This network has a forward direction only: leave out --direction backward.")
    for name in ("layer", "timestep", "sample", "unit"):
        if getattr(options, name) is None:
            setattr(options, name, 0)
    check_index("--layer", options.layer, network.num_layers, "layer")
    # A file may have other time steps, and a name another number of units.
    check_index("--unit", options.unit, max(network.output_size, network.hidden_size), "unit")
    if config.sequence.source != "file":
        _check_sequence(config, options)


_MISSING = "{options} {be} missing: {needed} name the value, and without all of them the first wrong one is explained."


def _options(names: Sequence[str]) -> str:
    return join_words([f"--{name}" for name in names])


def _place(result: RunResult, options: Namespace) -> tuple[Location, str]:
    """The place that the options name, in the run."""
    network = result.config.network
    _check_sequence(result.config, options)
    direction = int(options.direction == "backward" and network.bidirectional)
    at = options.layer, direction, options.timestep, options.sample, options.unit
    where = Location(*at, reverse=network.reverse)
    if "unit" in _needed(options.gradient or ""):
        of = _value(network.kind, where, options.value) if options.gradient is None else None
        check_index("--unit", options.unit, _units(result, of or _gradient(result, where, options.gradient)), "unit")
    return where, ""


def _units(result: RunResult, place: "Place") -> int:
    """How many units there are of the kind of a place."""
    from rnnviz.explain.value_sources import unit_size

    network = result.config.network
    return network.sizes(0).of(unit_size(network.kind, place))


_FIRST_WRONG = "First wrong step of {engine}: {place}."
_FIRST_MISMATCH = "First mismatch of {engine}: {place}."
_FIRST_VALUE = "No value differs; the first one is explained: {place}."


def _first_place(result: RunResult, options: Namespace) -> tuple[Location, str]:
    """The first wrong step or mismatch of the verdict, or the first value, and a sentence that says which."""
    from rnnviz.core.engine_spec import display_name

    network, symbol = result.config.network, options.gradient or options.value or "h"
    array = gradient(symbol) if options.gradient is not None else symbol
    start = Location(timestep=first_timestep(network.reverse, result.inputs.length(0)), reverse=network.reverse)
    own = [(c.candidate, c.of(array).first_mismatch) for c in result.comparisons if c.of(array).name == array]
    differing = next(((engine, first.where) for engine, first in own if first is not None), None)
    fault = result.first_fault
    found = fault if fault is not None and array == "h" else differing or fault
    if found is None:
        return start, _FIRST_VALUE.format(place=start)
    engine, where = found
    of = _gradient(result, where, symbol) if options.gradient is not None else _value(network.kind, where, symbol)
    if where.unit >= _units(result, of) or (found is fault and _units(result, of) != network.output_size):
        where = where.moved(unit=0)
    template = _FIRST_WRONG if found is fault and result.wrong(engine) else _FIRST_MISMATCH
    return where, template.format(engine=display_name(engine), place=where)


def _names_parameter(gradient: str) -> bool:
    """Whether --gradient names a number of a parameter."""
    return "[" in gradient and not gradient.startswith(("x[", "input["))


def _needed(gradient: str) -> tuple[str, ...]:
    """The options that say which value is meant."""
    if gradient.startswith(("x[", "input[")):
        return ("timestep",)
    if _names_parameter(gradient):
        return ()
    return ("layer", "unit") if gradient.endswith("0") else _PLACE


def _check_sequence(config: Config, options: Namespace) -> None:
    """Check the time step and the sample; the size of a sequence file is known only after it was read."""
    sequence = config.sequence
    check_index("--timestep", options.timestep, sequence.timesteps, "time step")
    check_index("--sample", options.sample, sequence.batch_size, "sample")
