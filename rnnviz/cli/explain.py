"""rnnviz explain: the arithmetic of one value or gradient, and the command that explains the first wrong one."""

import os
import re
import shlex
import subprocess
import sys
from argparse import Action, Namespace
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from shutil import which
from typing import Any, NoReturn

from rnnviz.cells import CELLS
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cli import terminal
from rnnviz.cli.terminal import AGREE, Answer, Parser, option
from rnnviz.core.config import Config
from rnnviz.core.engine_spec import display_name, is_own, listed_engines
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import GRADIENT, OF_INPUT, OF_PARAMETERS, gradient
from rnnviz.core.naming import gluon_name, names_of_file, with_parameters_in_columns
from rnnviz.core.places import INPUT_VALUES, Place, entry_place
from rnnviz.core.schema import display_value
from rnnviz.core.trace_index import DIRECTIONS, Location, check_index, state_row
from rnnviz.core.words import join_words, suggest
from rnnviz.explain.value_sources import unit_size, value_place
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict


def add_options(parser: Parser) -> None:
    option(parser, "config")
    option(parser, "--input FILE")
    layer = "layer, from 0 at the bottom; without --layer, --timestep and --unit the first wrong step or mismatch"
    option(parser, "--layer K", layer)
    option(parser, "--direction", "default: forward, or backward with network.reverse", choices=DIRECTIONS)
    option(parser, "--timestep T", "time step, from 0")
    option(parser, "--unit U", "unit, from 0")
    option(parser, "--sample N", "sample, from 0; default: 0")
    option(parser, "--engines ENGINE,...")
    option(parser, "--cell CELL")
    of = parser.add_mutually_exclusive_group()
    option(
        of,
        "--value NAME",
        "the value whose unit is meant, where units of h and of the cell differ, as with a projection: a state or "
        "a gate, such as c, i or m; default: h",
    )
    option(
        of,
        "--gradient NAME",
        "print the terms of the gradients of a step, by the name of a state (h, c), of a gate (i) or of the "
        "output (out); of an initial state (h0, c0), of an input x[I], or of a parameter's number, such as "
        "l0_i2h_weight[3,2]; default: h",
        nargs="?",
        const="h",
    )
    option(parser, "--json PATH", "write all terms as JSON; - writes them to standard output", type=str)
    option(parser, "--csv PATH", "write what each time step contributes to a parameter's --gradient")
    option(parser, "--top K", "show only the K largest terms of each gate")
    program = "print the lines of a cell, or of a .py file, with the NumPy calls that compute them, and exit"
    option(parser, "--program CELL", program, action=_PrintProgram)
    option(parser, "--quiet", "print neither a progress bar nor the arithmetic")


def explain(options: Namespace) -> Answer:
    from rnnviz.explain.explanation import explain
    from rnnviz.explain.report import report, to_json

    config = terminal.config_of(options)
    if options.gradient is not None:
        options.gradient = gluon_name(options.gradient)
        config = replace(config, backward=replace(config.backward, enabled=True))
    placed = _check_place(config, options)
    if options.top is not None and options.top < 1:
        raise InputError(f"--top must be at least 1 (got {options.top}).")
    named = options.gradient or ""
    if options.csv is not None and ("[" not in named or named.startswith(_OF_INPUT)):
        raise InputError("--csv needs --gradient with a number of a parameter, such as l0_i2h_weight[3,2].")
    terminal.check_files(config, options, {"--json": options.json, "--csv": options.csv})
    result = terminal.run_config(config, options)
    where, why = (_place(result, options), "") if placed else _first_place(result, options)
    place = _place_of(result, where, options)
    explained = explain(result, place)
    if options.csv is not None:
        from rnnviz.io.export.data import write_contributions

        with terminal.progress_bar(options.quiet) as notify:
            write_contributions(result, options.csv, place.of, lambda done: notify(f"writing {options.csv}", done))
    if options.json is not None:
        further = {"chosen": why, "assumptions": list(result.assumptions)}
        content = {**to_json(explained), **{key: value for key, value in further.items() if value}}
        text = terminal.answer_json(content, options.json)
        if text:
            return AGREE, text
    from rnnviz.text.verdict_details import assumptions

    text = with_parameters_in_columns(report(explained, options.top), names_of_file(config.parameters.path))
    lines = (*([f"{why}\n"] if why else []), text, *assumptions(result))
    return AGREE, terminal.in_lines(lines, options)


class _PrintProgram(Action):
    """Print a cell's lines and the calls that compute them, and exit."""

    def __call__(self, _parser: object, _namespace: Namespace, cell: Any, _option: str | None = None) -> NoReturn:
        if cell in CELLS:
            from rnnviz.cells.interpreters.numpy_program import listing

            raise SystemExit(terminal.print_answer(AGREE, listing(CELLS[cell]) + "\n"))
        if not is_own(cell):
            known = f"{', '.join(CELLS)}, or the path of a .py file"
            raise InputError(f"--program must be one of {known} (got {display_value(cell)}).{suggest(cell, CELLS)}")
        from rnnviz.engines.custom_code.parent import custom_program

        # The process that runs the file of a custom cell makes its listing.
        raise SystemExit(terminal.print_answer(AGREE, custom_program(cell) + "\n"))


_INDEXED = re.compile(r"(?P<name>\w+)\[(?P<index>\d+(\s*,\s*\d+)?)\]")


def _place_of(result: RunResult, where: Location, options: Namespace) -> Place:
    if options.gradient is not None:
        return _gradient(result, where, options.gradient)
    kind, name = result.config.network.kind, options.value
    values = graph_of(kind).values
    if name is not None and name not in values:
        raise InputError(f"--value must be one of {', '.join(values)} (got {name}).{suggest(name, values)}")
    return value_place(kind, where, name or "h")


def _gradient(result: RunResult, where: Location, name: str) -> Place:
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
    of, index = (found["name"], tuple(map(int, found["index"].split(",")))) if found else (name, ())
    if of in ("x", "input") and len(index) < 2:
        if not index:
            raise InputError(f"--gradient {name} needs a feature, such as {name}[0]: there are {network.input_size}.")
        check_index(f"--gradient {of}[I]", index[0], network.input_size, "feature")
        names = result.inputs.names.of_sample(where.sample)
        return Place(gradient(INPUT_VALUES), (where.timestep, where.sample, index[0]), names=names)
    if of in parameters:
        shape = parameters[of].shape
        if not index:
            example = f"{name}[{','.join('0' * len(shape))}]"
            raise InputError(f"--gradient {name} needs an index, such as {example}: its shape is {shape}.")
        if len(index) != len(shape) or any(k >= size for k, size in zip(index, shape, strict=True)):
            raise InputError(f"--gradient {name} is outside the parameter: its shape is {shape}.")
        return entry_place(network, f"{OF_PARAMETERS}{of}", index)
    names_of_steps = dict.fromkeys((*graph_of(kind).values, *gates, "out", *initial))
    expected = f"{', '.join(names_of_steps)}, x[I] or a parameter with its index, such as {next(iter(parameters))}[0,0]"
    known = (*names_of_steps, *parameters)
    raise InputError(f"--gradient must be {expected} (got {name}).{suggest(name, known)}")


_OF_INPUT = ("x[", "input[")


def _check_place(config: Config, options: Namespace) -> bool:
    """Check the options of the place as far as the config says what it may be; False if none names a place."""
    needed = _needed(options.gradient or "")
    missing = [name for name in needed if getattr(options, name) is None]
    named = ("layer", "direction", "timestep", "sample", "unit")
    if needed and all(getattr(options, name) is None for name in named):
        return False
    if missing:
        lacking, every = (join_words([f"--{name}" for name in names]) for names in (missing, needed))
        be = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"{lacking} {be} missing: {every} name the value, and without all of them the first wrong one is explained."
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
        setattr(options, name, getattr(options, name) or 0)
    check_index("--layer", options.layer, network.num_layers, "layer")
    # A file may have other time steps, and a name another number of units.
    check_index("--unit", options.unit, max(network.output_size, network.hidden_size), "unit")
    if config.sequence.source != "file":
        _check_sequence(config, options)


def _place(result: RunResult, options: Namespace) -> Location:
    network = result.config.network
    _check_sequence(result.config, options)
    direction = int(options.direction == "backward" and network.bidirectional)
    at = options.layer, direction, options.timestep, options.sample, options.unit
    where = result.inputs.places.location(*at)
    if "unit" in _needed(options.gradient or ""):
        check_index("--unit", options.unit, _units(result, _place_of(result, where, options)), "unit")
    return where


def _units(result: RunResult, place: Place) -> int:
    network = result.config.network
    return network.sizes(0).of(unit_size(network.kind, place))


def _first_place(result: RunResult, options: Namespace) -> tuple[Location, str]:
    """The first wrong step or mismatch of the verdict, or the first value, and a sentence that says which."""
    network, symbol = result.config.network, options.gradient or options.value or "h"
    array = gradient(symbol) if options.gradient is not None else symbol
    start = result.inputs.places.location(0, 0, result.inputs.length(0) - 1 if network.reverse else 0)
    own = [(c.candidate, c.of(array).first_mismatch) for c in result.comparisons if c.of(array).name == array]
    differing = next(((engine, first.where) for engine, first in own if first is not None), None)
    fault = result.first_fault
    found = fault if fault is not None and array == "h" else differing or fault
    if found is None:
        return start, f"No value differs; the first one is explained: {start}."
    engine, where = found
    units = _units(result, _place_of(result, where, options))
    if where.unit >= units or (found is fault and units != network.output_size):
        where = where.moved(unit=0)
    first = "First wrong step" if found is fault and result.wrong(engine) else "First mismatch"
    return where, f"{first} of {display_name(engine)}: {where}."


def _needed(gradient: str) -> tuple[str, ...]:
    """The options that say which value is meant, besides those that have a default."""
    if "[" in gradient:
        return ("timestep",) if gradient.startswith(_OF_INPUT) else ()
    return ("layer", "unit") if gradient.endswith("0") else ("layer", "timestep", "unit")


def _check_sequence(config: Config, options: Namespace) -> None:
    """Check the time step and the sample; the size of a sequence file is known only after it was read."""
    sequence = config.sequence
    check_index("--timestep", options.timestep, sequence.timesteps, "time step")
    check_index("--sample", options.sample, sequence.batch_size, "sample")


def next_commands(result: RunResult, comparison: Comparison, options: Namespace) -> list[str]:
    """The commands that explain the first wrong value and gradient of a candidate; [] where it agrees or drifts."""
    if result.candidate_verdict(comparison) is not Verdict.DISAGREE:
        return []
    words = [*_program(), "explain", *_options_of_run(result, options)]
    # Quoted for the shell of the system.
    quoted = subprocess.list2cmdline if os.name == "nt" else shlex.join
    return [quoted([*words, *place]) for place in _places(result, comparison)]


def _program() -> list[str]:
    """The words that start this program: as it was called where the shell does not find it by its name."""
    called = Path(sys.argv[0])
    if which("rnnviz") is None:
        if called.stem == "rnnviz":
            return [sys.argv[0]]
        if called.name == "__main__.py" and called.parent.name == "rnnviz":
            return [sys.executable, "-m", "rnnviz"]
    return ["rnnviz"]


def _options_of_run(result: RunResult, options: Namespace) -> list[str]:
    path, engines = str(options.config), None
    if options.engines is not None or options.reference is not None:
        named = result.config.compare.engines if options.engines is None else listed_engines(options.engines)
        first = [] if options.reference is None else [options.reference]
        names = dict.fromkeys([*first, *(name.strip() for name in named)])
        # A comma separates engines, so a path that has one cannot be named.
        engines = None if any("," in name for name in names) else ",".join(names)
    words = [os.path.join(os.curdir, path) if path.startswith("-") else path]
    for name, value in (("--engines", engines), ("--cell", options.cell), ("--input", options.input)):
        if value is not None:
            # A value that begins with a hyphen would be an option.
            words += [f"{name}={value}"] if value.startswith("-") else [name, value]
    return words


def _places(result: RunResult, comparison: Comparison) -> Iterator[list[str]]:
    """The options of explain that name the first wrong value, then the first wrong gradient."""
    if result.comparison_verdict(comparison) is Verdict.DISAGREE:
        fault = result.fault_in([comparison])
        if fault is not None:
            yield _of_value(result, fault[1])
    if result.gradients_verdict(comparison) is Verdict.DISAGREE:
        # The first wrong gradient of the candidate, else of the reference, else the first mismatch.
        audits, first = result.judged("backward").audits, comparison.first_gradient_mismatch
        engines = (engine for engine in (comparison.candidate, comparison.reference) if engine in audits)
        places = [wrong.where for engine in engines if (wrong := audits[engine].first_wrong) is not None]
        places += [] if first is None else [first.place]
        yield from (_of_gradient(result, place) for place in places[:1])


def _of_value(result: RunResult, where: Location) -> list[str]:
    """The place of a hidden value, or of a unit of the cell that h has not, as with a projection."""
    network, at = result.config.network, _of_place(result, where)
    if where.unit < network.output_size:
        return at
    values = ((name, value_place(network.kind, where, name)) for name in graph_of(network.kind).values)
    return [*at, "--value", next(name for name, place in values if where.unit < _units(result, place))]


def _of_gradient(result: RunResult, place: Place) -> list[str]:
    name = place.array.removeprefix(GRADIENT)
    if place.location is not None:
        return [*_of_place(result, place.location), "--gradient", name]
    if place.array == OF_INPUT:
        timestep, sample, feature = place.index
        return _words({"timestep": timestep, "sample": sample, "gradient": f"x[{feature}]"})
    if place.kind == "initial":
        return _words({**place.to_json(), "gradient": name})
    return _words({"gradient": f"{place.array.removeprefix(OF_PARAMETERS)}[{','.join(map(str, place.index))}]"})


def _of_place(result: RunResult, where: Location) -> list[str]:
    """The options of a place; those that have the default are left out."""
    at = where.to_json()
    if not result.config.network.bidirectional:
        del at["direction"]
    if result.inputs.batch_size == 1:
        del at["sample"]
    return _words(at)


def _words(options: Mapping[str, Any]) -> list[str]:
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]
