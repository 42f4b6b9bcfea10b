"""rnnviz sweep: compute a grid of configs, on this machine or on a cluster, and write a row for each."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rnnviz.cli import terminal
from rnnviz.cli.terminal import AGREE, DISAGREE, ENGINE_FAILED, WRONG_INPUT, Answer, Parser, option
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.extras import missing
from rnnviz.core.schema import FieldSpec
from rnnviz.core.words import plural

if TYPE_CHECKING:
    from rnnviz.sweeps.driver import Journal, Scheduler, Sweeping
    from rnnviz.sweeps.results import SweepRow, SweepTable

_WORKERS = FieldSpec("int", "Rows that are computed at a time.", minimum=1, maximum=1024)


def add_options(parser: Parser) -> None:
    option(parser, "sweep", "a TOML sweep file", nargs="?", type=Path)
    option(parser, "--example", "print an example of a sweep file")
    option(parser, "--csv PATH", "write the rows as CSV")
    option(parser, "--json PATH", "write the rows as JSON; - writes them to standard output", type=str)
    option(parser, "--engines ENGINE,...", "engines to run instead of those in the file")
    option(parser, "--cell CELL,...", "cells to run instead, by name or .py file")
    option(parser, "--scheduler ADDRESS", "run on a Dask cluster: the address of its scheduler")
    option(parser, "--workers N", "number of rows in parallel (default: number of cores)")
    option(parser, "--journal PATH", "file of rows (default: SWEEP.results.jsonl)")
    option(parser, "--allow-refused", "exit with 0 although rows were refused, if any other ran")
    option(parser, "--quiet", "print neither a progress bar nor the table")


def sweep(options: Namespace) -> Answer:
    from rnnviz.core.resources import resource_path
    from rnnviz.io.config_toml import files_read
    from rnnviz.io.inputs import load_inputs
    from rnnviz.io.outputs import check_outputs
    from rnnviz.sweeps.driver import Journal, Sweeping, check_engines, journal_of, read_journal
    from rnnviz.sweeps.grid import base_of, load_sweep
    from rnnviz.sweeps.results import SweepTable

    if options.example:
        return AGREE, resource_path("sweeps", "example.toml").read_text(encoding="utf-8")
    if options.sweep is None:
        raise InputError("A sweep file is missing; see rnnviz sweep --help.")
    engines = terminal.engine_names(options.engines)
    cells = None if options.cell is None else tuple(cell.strip() for cell in options.cell.split(","))
    grid = load_sweep(options.sweep, engines, cells)
    check_engines(grid)
    path = options.journal or journal_of(options.sweep)
    points = tuple(grid.points())
    outputs = {"--csv": options.csv, "--json": options.json, "--journal": path}
    inputs = {"the sweep": options.sweep, **base_of(options.sweep)}
    for config in (point.config for point in points if point.config is not None):
        inputs |= {f"{name} ({read})": read for name, read in files_read(config).items()}
    check_outputs(outputs, inputs)
    with Journal(path) as journal:
        trusted = frozenset((*(engines or ()), *(cells or ())))
        sweeping = Sweeping(grid, points, read_journal(path), load_inputs, trusted)
        rows = _compute(sweeping, journal, options)
    if len(rows) < len(points):
        raise EngineError(
            f"The cluster did not finish {len(points) - len(rows):,} of {len(points):,} rows; run the same command "
            "again to compute them."
        )
    table = SweepTable(grid.keys, tuple(sorted(rows, key=lambda row: row.point.index)))
    written = terminal.all_written(_writers(table, options))
    code = _exit_code([row.finding.verdict for row in rows if row.finding is not None], options.allow_refused)
    return code or (AGREE if written else WRONG_INPUT), _text(table, options)


def _exit_code(verdicts: Sequence[str], allow_refused: bool) -> int:
    """The exit code of a sweep with these verdicts. A sweep in which no row ran never agrees."""
    if "disagree" in verdicts:
        return DISAGREE
    if "failed" in verdicts:
        return ENGINE_FAILED
    refused = verdicts.count("refused")
    if refused == 0 or (allow_refused and refused < len(verdicts)):
        return AGREE
    which = "Every row was" if refused == len(verdicts) else f"{refused:,} of {plural(len(verdicts), 'row')} were"
    advice = "" if refused == len(verdicts) else ", or accept them with --allow-refused"
    terminal.print_note(f"rnnviz: {which} refused: mend the sweep as their reasons say{advice}.")
    return WRONG_INPUT


def _text(table: "SweepTable", options: Namespace) -> str:
    if options.json == "-":
        from rnnviz.sweeps.results import sweep_json

        return sweep_json(table)
    from rnnviz.sweeps.results import report

    return "" if options.quiet else f"{report(table.keys, table.rows)}\n"


def _compute(sweeping: "Sweeping", journal: "Journal", options: Namespace) -> "list[SweepRow]":
    rows, size = list(sweeping.known), len(sweeping.known) + len(sweeping.left)
    if not sweeping.left:
        return rows
    try:
        with terminal.progress_bar(options.quiet) as notify, _scheduler(sweeping.warm, options) as scheduler:
            for row in sweeping.rows(scheduler, journal):
                rows.append(row)
                notify(f"{len(rows):,} of {size:,} rows", len(rows) / size)
    except KeyboardInterrupt:
        if not options.quiet:
            terminal.print_note(
                f"Stopped after {len(rows):,} of {size:,} rows; run the same command again to compute the others."
            )
        raise
    return rows


def _scheduler(warm: Sequence[str], options: Namespace) -> "Scheduler":
    if options.scheduler is None:
        from rnnviz.sweeps.driver import LocalScheduler

        workers = None if options.workers is None else _WORKERS.check("--workers", options.workers)
        return LocalScheduler(tuple(warm), workers)
    if options.workers is not None:
        raise InputError("--workers and --scheduler cannot be given together: the cluster has its own workers.")
    try:
        from rnnviz.sweeps.cluster import ClusterScheduler
    except ImportError as error:
        raise EngineError(f"--scheduler {missing('distributed') or error}.") from error
    return ClusterScheduler(options.scheduler)


def _writers(table: "SweepTable", options: Namespace) -> Iterator[Callable[[], object]]:
    from rnnviz.sweeps.results import write_sweep_csv, write_sweep_json

    if options.csv is not None:
        yield lambda: write_sweep_csv(table, options.csv)
    if options.json not in (None, "-"):
        yield lambda: write_sweep_json(table, Path(options.json))
