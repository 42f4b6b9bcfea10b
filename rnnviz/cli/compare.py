"""rnnviz compare: the networks in two files compared, from their structure to the first divergence of their values."""

from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.cli import terminal
from rnnviz.cli.models import opened, with_cell_file
from rnnviz.cli.terminal import AGREE, DISAGREE, Answer, Parser, option
from rnnviz.core import number_format
from rnnviz.core.config import Backward, Config
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import plural

if TYPE_CHECKING:
    from rnnviz.io.model_formats.model_file import Entry
    from rnnviz.results.file_comparison import FileComparison

_SECONDS = 3600.0
"""The longest that a comparison may take."""


def add_compare_options(parser: Parser) -> None:
    option(parser, "a", "a model file, a TOML config, or a session or capture (.rnnviz)", metavar="A", type=Path)
    option(parser, "b", "the file to compare with it", metavar="B", type=Path)
    option(parser, "--input FILE")
    option(parser, "--cell CELL", "the .py file of a custom cell, for a config that names one")
    option(parser, "--entry-a NAME", "recurrent network in A, if it contains several")
    option(parser, "--entry-b NAME", "recurrent network in B, if it contains several")
    option(parser, "--json PATH", "write the comparison as JSON; - writes it to standard output", type=str)
    option(parser, "--quiet", "print nothing but errors")


def compare(options: Namespace) -> Answer:
    from rnnviz.execution.file_comparison import compare_files
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.outputs import check_outputs
    from rnnviz.results.summary import to_json

    a, b, input_of = _configs(options)
    check_outputs({"--json": options.json}, {"A": options.a, "B": options.b, **files_read(a), **files_read(b)})
    found = terminal.call_with_bar(
        *(compare_files, load_inputs, a, b, input_of == "A and B"),
        stage="comparing",
        what=f"{options.a} and {options.b} could not be compared",
        quiet=options.quiet,
        seconds=_SECONDS,
    )
    code = AGREE if found.same else DISAGREE
    if options.json is not None:
        text = terminal.answer_json(to_json(found.summary), options.json)
        if text:
            return code, text
    names = [f"A: {options.a}", f"B: {options.b}"]
    return code, terminal.in_lines([*names, *_report(found, _input_in_words(a, options, input_of))], options)


def _configs(options: Namespace) -> tuple[Config, Config, str]:
    """The config of A with the input of both, the config of B, and which files bring an input."""
    files = (options.a, options.entry_a), (options.b, options.entry_b)
    a_opened, b_opened = (_opened(*asked, options.cell) for asked in files)
    a, b = _config(options.a, a_opened, b_opened), _config(options.b, b_opened, a_opened)
    if options.cell is not None and a.network.custom is None and b.network.custom is None:
        raise InputError("--cell needs a config that names a custom cell: leave it out.")
    if options.input is not None:
        return terminal.with_input(a, options.input), b, ""
    brings = [letter for letter, own in (("A", a_opened), ("B", b_opened)) if isinstance(own, Config)]
    if brings == ["B"]:
        a = replace(a, sequence=b.sequence, initial_state=b.initial_state)
    return a, b, " and ".join(brings)


def _opened(path: Path, name: str | None, cell: str | None) -> "Config | Entry":
    """The config or session in a file, or the network of that name in a model file."""
    own = opened(path, name, "--entry-a or --entry-b")
    return with_cell_file(own, cell, path) if isinstance(own, Config) else own


def _config(path: Path, own: "Config | Entry", other: "Config | Entry") -> Config:
    """A config that runs what is in a file; the other file may say which cell it is where this one does not."""
    from rnnviz.io.model_formats.load import config_of

    if not isinstance(own, Config):
        cell = other.network.cell if isinstance(other, Config) else other.cell
        cell = cell if cell in own.cells else next(iter(own.cells), None)
        start = "uniform" if own.leaves_initial_state_open else None
        own = config_of(path, own, cell if own.cell is None else None, start)
    return replace(own, compare=replace(own.compare, candidates=()), backward=Backward())


def _input_in_words(a: Config, options: Namespace, input_of: str) -> str:
    if options.input is not None:
        return f"{options.input}."
    if input_of:
        return f"that of {input_of[0]}, for both."
    sequence = a.sequence
    sizes = f"{plural(sequence.timesteps, 'time step')} of {plural(sequence.batch_size, 'sample')}"
    return f"random numbers (seed {sequence.seed}), {sizes}; --input FILE reads another one."


def _inputs(found: "FileComparison") -> Iterator[str]:
    for array in found.inputs:
        largest = array.max_abs_difference
        size = "the shapes differ" if largest is None else f"largest difference {number_format.error(largest)}"
        place = ""
        if array.first and array.name == "sequence":
            place = ", first at t = {:,}, sample {}, feature {}".format(*array.first)
        yield f"Inputs: {array.name} differs in A and B{place}; {size}."


def _report(found: "FileComparison", given: str) -> Iterator[str]:
    if found.recorded:
        yield from _inputs(found) if found.inputs else ("Inputs: the same.",)
    yield f"Structure: {'the same.' if not found.structure else ''}".rstrip()
    for key in found.structure:
        yield f"  network.{key.name}: {key.a} in A, {key.b} in B"
    changed, total = found.changed, len(found.parameters)
    if changed:
        same = ", and give the same values, because the cell adds these biases" if found.same_values else ""
        yield f"Parameters: {len(changed)} of {total} differ{same}:"
        rows = [("parameter", "largest difference", "relation")]
        for own in changed:
            largest = own.max_abs_difference
            rows.append((own.name, "" if largest is None else number_format.error(largest), own.relation or ""))
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        for name, largest_text, relation in rows:
            yield f"  {name:{widths[0]}}  {largest_text:>{widths[1]}}  {relation}".rstrip()
    else:
        yield f"Parameters: all {total} are equal within the tolerance."
    if not found.recorded:
        yield from _inputs(found)
    values = found.values
    if values is None:
        yield "Values: not compared, because the networks have inputs or states of other sizes."
    else:
        yield "Input: each file's own, since both are recordings." if found.recorded else f"Input: {given}"
        what = "recorded hidden values" if found.recorded else "hidden values"
        how = f"{values.mismatched:,} of {values.elements:,} {what} differ by more than the tolerance"
        if not values.mismatched:
            how = f"all {values.elements:,} {what} are equal within the tolerance"
        yield f"Values: {how}; largest difference {number_format.error(values.max_abs_difference)}."
        if values.first is not None:
            pair = number_format.format_pair(values.first.a, values.first.b)
            yield f"  First divergence: {values.first.where}: {pair[0]} in A, {pair[1]} in B."
        if values.units:
            yield "  Units that differ most, by the mean over time steps and samples:"
        for moved in values.units:
            where = moved.where
            assert isinstance(where, Location)
            mean, top = map(number_format.error, (moved.mean_abs_difference, moved.max_abs_difference))
            lane = f"layer {where.layer}, {DIRECTIONS[where.backward]}"
            yield f"    {lane}, unit {where.unit}: mean {mean}, largest {top} at t = {where.timestep}"
    for clause in found.assumptions:
        yield f"Assumption: {clause}."
    tolerance = f"(atol {found.atol:g} + rtol {found.rtol:g} · |A|)"
    yield f"A and B are the same within the tolerance {tolerance}." if found.same else "A and B differ."
