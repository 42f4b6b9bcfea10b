"""rnnviz port: a program of the user checked step by step, and its smallest failure."""

import os
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnviz.cli import terminal
from rnnviz.cli.models import opened, with_cell_file
from rnnviz.cli.terminal import AGREE, DISAGREE, Answer, Parser, option
from rnnviz.core.config import Backward, Compare, Config
from rnnviz.core.engine_spec import EXEC, RECORDING
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.words import plural
from rnnviz.io.export.junit import Case, write_junit
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

if TYPE_CHECKING:
    from rnnviz.ports.check import PortFacts

FAILURE = "port-failure"
_SECONDS = 3600.0


def add_port_options(parser: Parser) -> None:
    option(parser, "model", "a model file, a TOML config, or a session", nargs="?", type=Path, metavar="MODEL")
    option(parser, "--run COMMAND", "the program, run as COMMAND IN OUT without a shell")
    option(parser, "--out DIR", "folder OUT that a program wrote elsewhere, such as on a board", type=Path)
    option(parser, "--export DIR", "write the folder IN for a program that cannot be run here", type=Path)
    option(parser, "--header", "print rnnport.h, a C99 header that reads IN and writes OUT")
    option(parser, "--entry NAME", "recurrent network in the model file, if it contains several")
    option(parser, "--cell CELL")
    option(parser, "--timesteps T", "number of time steps; default: 16", type=int)
    option(parser, "--samples N", "number of samples; default: 3", type=int)
    option(parser, "--lengths", "give the samples different lengths")
    option(parser, "--vectors", "also run the test vectors of the cell; see rnnviz vectors")
    option(parser, "--json PATH", "write the result as JSON; - writes it to standard output", type=str)
    option(parser, "--junit PATH", "write the result as JUnit XML", type=Path)
    option(parser, "--quiet", "print nothing but errors")


def port(options: Namespace) -> Answer:
    from rnnviz.ports import files

    if options.header:
        return AGREE, files.header()
    if options.model is None:
        raise InputError("The model is missing: rnnviz port MODEL --run COMMAND.")
    chosen = [name for name in ("run", "out", "export") if getattr(options, name) is not None]
    if len(chosen) != 1:
        raise InputError("rnnviz port needs one of --run COMMAND, --out DIR and --export DIR.")
    config = _config(options)
    if options.export is not None:
        return AGREE, terminal.in_lines(_exported(config, options.export, options.model), options)
    engine = f"{EXEC}{options.run}" if options.run is not None else f"{RECORDING}{options.out}"
    config = replace(config, compare=Compare("manual", (engine,), config.compare.rtol, config.compare.atol))
    config = config.with_program_folder(os.getcwd()).checked()
    options.engines, options.reference = engine, None
    try:
        result = terminal.run_config(config, options)
    except EngineError as error:
        if options.junit is not None:
            write_junit(options.junit, [Case("port.runs", error=str(error))])
        raise
    facts = _facts(config, result, options) if options.run is not None else None
    content = _json(result, facts)
    if options.junit is not None:
        write_junit(options.junit, list(_cases(result, facts)))
    text = terminal.answer_json(content, options.json) if options.json is not None else ""
    failed = facts is not None and any(own.failure for own in facts.vectors)
    code = DISAGREE if failed or result.overall_verdict is Verdict.DISAGREE else AGREE
    return code, text or terminal.in_lines(_report(config, result, facts), options)


def _config(options: Namespace) -> Config:
    """The network and its weights on a random input, from random states."""
    from rnnviz.io.model_formats.load import config_of

    own = opened(options.model, options.entry, "--entry")
    if isinstance(own, Config):
        config = with_cell_file(own, options.cell, options.model)
        if config.initial_state.source == "zeros":
            # Zeros hide a port that does not read the initial state.
            config = replace(config, initial_state=replace(config.initial_state, source="uniform"))
    else:
        start = "uniform" if own.leaves_initial_state_open else None
        config = config_of(options.model, own, options.cell, start)
    drawn = config.sequence.source in ("normal", "uniform")
    sizes: dict[str, Any] = {"batch_size": options.samples, "timesteps": options.timesteps}
    sizes = {key: size for key, size in sizes.items() if size is not None}
    if sizes and not drawn:
        raise InputError("--timesteps and --samples need a random input, but the config reads a file or a text.")
    source = replace(config.sequence, **sizes)
    if options.lengths:
        source = replace(source, lengths="uniform")
    return replace(config, sequence=source, backward=Backward()).checked()


def _facts(config: Config, result: RunResult, options: Namespace) -> "PortFacts":
    from rnnviz.io.inputs import load_inputs
    from rnnviz.ports.check import check_port

    wrong = result.overall_verdict is Verdict.DISAGREE
    return terminal.call_with_bar(
        *(check_port, load_inputs, config, FAILURE if wrong else None, options.vectors),
        stage="shrinking the failure" if wrong else "running the program again",
        what=f"{options.run} could not be checked",
        quiet=options.quiet,
        seconds=_SECONDS,
    )


_README = """IN is the run of {model} for a program that cannot be run here.
The page Check a port of the guide lists its files.
Write the arrays that the program computes into {out}, as .bin or .txt, and compare them:

    rnnviz port {model} --out {out}{options}
"""


def _exported(config: Config, folder: Path, model: Path) -> Iterator[str]:
    from rnnviz.engines.port.protocol import write_inputs
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.outputs import write_text
    from rnnviz.ports import files

    inputs = load_inputs(config)
    write_inputs(inputs, folder / "IN")
    write_text(folder / "rnnport.h", files.header())
    sizes = f" --timesteps {inputs.timesteps} --samples {inputs.batch_size}"
    sizes += " --lengths" if config.sequence.lengths == "uniform" else ""
    options = sizes if config.sequence.source in ("normal", "uniform") else ""
    write_text(folder / "README.txt", _README.format(model=model, out=folder / "OUT", options=options))
    yield f"Wrote {folder / 'IN'}, rnnport.h and README.txt, which has the next command."


def _json(result: RunResult, facts: "PortFacts | None") -> dict[str, Any]:
    from rnnviz.io.export.data import summary

    content = summary(result)
    if facts is not None:
        known = {name: value for name, value in vars(facts).items() if name not in ("smallest", "vectors")}
        skipped = [own.name for own in facts.vectors if own.skipped]
        content["port"] = {**known, "arrays": list(facts.arrays), "skipped": skipped}
        if facts.vectors:
            content["vectors"] = {own.name: own.failure or own.skipped or "passed" for own in facts.vectors}
        content["smallest"] = None if facts.smallest is None else dict(vars(facts.smallest))
    return content


def _cases(result: RunResult, facts: "PortFacts | None") -> Iterator[Case]:
    """The checks of a port as test cases."""
    from rnnviz.text.verdict_text import report

    if facts is not None:
        yield Case("port.runs", facts.seconds)
        other = "Two runs of the same input give other numbers." if not facts.deterministic else ""
        yield Case("port.deterministic", failure=other)
    failed = report(result) if result.overall_verdict is Verdict.DISAGREE else ""
    if failed and facts is not None and facts.smallest is not None:
        failed += f"\nSmallest case: {facts.smallest.folder}"
    yield Case("port.every-step", failure=failed)
    for own in () if facts is None else facts.vectors:
        yield Case(f"vectors.{own.name}", failure=own.failure, skipped=own.skipped)


def _report(config: Config, result: RunResult, facts: "PortFacts | None") -> Iterator[str]:
    from rnnviz.text.verdict_text import report

    inputs = result.inputs
    sizes = f"{plural(inputs.timesteps, 'time step')}, {plural(inputs.batch_size, 'sample')}"
    yield f"Input: {sizes}, {plural(config.network.input_size, 'feature')}; {_state_words(config)}."
    if facts is not None:
        yield f"Program: {facts.command}, {facts.seconds:.2f} s; it wrote {', '.join(facts.arrays)}."
        if not facts.deterministic:
            yield "Two runs of the same input give other numbers: the program uses memory before it is written."
        if not facts.reads_weights:
            yield "Other weights give the same numbers: the program does not read IN/weights."
    yield report(result)
    if facts is not None and facts.smallest is not None:
        found = facts.smallest
        shown = ", ".join(f"{name} = {size}" for name, size in found.sizes.items())
        yield f"Smallest case: {shown} ({plural(found.runs, 'run')}); rnnviz {found.folder}/config.toml opens it."
        if found.test:
            yield f"Test in C: {found.test}"
    for own in () if facts is None else facts.vectors:
        yield f"Vector {own.name}: {own.failure or own.skipped or 'every step is within rounding'}."


def _state_words(config: Config) -> str:
    return f"{'random' if config.initial_state.path is None else 'given'} initial states"
