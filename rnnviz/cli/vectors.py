"""rnnviz vectors: small cases that every correct port passes and no wrong one, and the grade of a suite of others."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnviz.cli import terminal
from rnnviz.cli.terminal import AGREE, DISAGREE, Answer, Parser, option
from rnnviz.core.errors import InputError
from rnnviz.core.words import plural

if TYPE_CHECKING:
    from rnnviz.ports.grade import Grade

_FORMATS = "folder", "npz", "onnx", "c"
_SHOWN = 12
_SECONDS = 3600.0


def add_vectors_options(parser: Parser) -> None:
    option(parser, "config", "a TOML config, whose cell the cases have", nargs="?", type=Path)
    option(parser, "-o --output DIR", "folder for the cases", type=Path)
    option(parser, "--format", "form of the files; default: folder", choices=_FORMATS, default="folder")
    option(parser, "--grade DIR", "say which wrong variants a suite would not notice: ours or ONNX's", type=Path)
    option(parser, "--json PATH", "write the coverage or the grade as JSON; - writes it to standard output", type=str)
    option(parser, "--quiet", "print nothing but errors")


def vectors(options: Namespace) -> Answer:
    if options.grade is not None:
        if options.config is not None or options.output is not None:
            raise InputError("--grade reads a suite of cases: leave the config and -o out.")
        return _grade(options)
    if options.config is None or options.output is None:
        raise InputError("rnnviz vectors needs a config and -o DIR, or --grade DIR.")
    from rnnviz.ports.vector_files import write_ladder

    config = terminal.load(options.config)
    content, cases = terminal.call_with_bar(
        *(write_ladder, config, options.output.absolute(), options.format),
        stage="choosing cases",
        what=f"the test vectors of {options.config} could not be written",
        quiet=options.quiet,
        seconds=_SECONDS,
    )
    text = terminal.answer_json(content, options.json) if options.json is not None else ""
    unseen = content["undetected"]
    lines = [
        f"Wrote {plural(len(cases), 'case')} to {options.output}.",
        f"{len(content['bugs']):,} wrong variants, {len(unseen)} of which no case shows by 100 rounding bounds.",
        *(f"  not shown: {name}" for name in unseen[:_SHOWN]),
    ]
    return DISAGREE if unseen else AGREE, text or terminal.in_lines(lines, options)


def _grade(options: Namespace) -> Answer:
    from rnnviz.ports.grade import grade

    found = terminal.call_with_bar(
        *(grade, options.grade.absolute()),
        stage="grading",
        what=f"{options.grade} could not be graded",
        quiet=options.quiet,
        seconds=_SECONDS,
    )
    content: dict[str, Any] = {
        "cases": found.cases,
        "detected": list(found.detected),
        "undetected": list(found.undetected),
        "refused": dict(found.refused),
    }
    text = terminal.answer_json(content, options.json) if options.json is not None else ""
    return AGREE, text or terminal.in_lines(_report(found), options)


def _report(found: "Grade") -> Iterator[str]:
    total = len(found.detected) + len(found.undetected)
    yield f"{plural(found.cases, 'case')}: {len(found.detected):,} of {total:,} wrong variants would be noticed."
    for name in found.undetected[:_SHOWN]:
        yield f"  not noticed: {name}"
    if len(found.undetected) > _SHOWN:
        yield f"  and {len(found.undetected) - _SHOWN:,} others; --json lists them."
    for name, reason in found.refused.items():
        yield f"  not read: {name}: {reason}"
