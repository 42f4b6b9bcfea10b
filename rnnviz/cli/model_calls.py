"""rnnviz capture --chunks and --vary: an ONNX model called in chunks, or at other lengths and numbers of samples."""

from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from rnnviz.cli import terminal
from rnnviz.cli.terminal import AGREE, DISAGREE, Answer
from rnnviz.core import number_format
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.schema import display_value
from rnnviz.core.words import plural

if TYPE_CHECKING:
    from rnnviz.results.model_calls import ChunksSummary, OutputDifference, SizesSummary

Found = TypeVar("Found", "ChunksSummary", "SizesSummary")

_SECONDS = 3600.0
"""The longest that the calls may take."""
_CHUNKS = {
    "same": "The chunks and the whole are the same within the tolerance.",
    "drift": "The chunks and the whole differ by rounding errors only.",
    "differ": "The chunks and the whole differ.",
}


def chunks(options: Namespace, files: Mapping[str, str]) -> Answer:
    """Compare the whole with its chunks."""
    if options.chunks < 1:
        raise InputError(
            f"--chunks must be at least 1 (got {options.chunks}): it is the number of time steps of a chunk."
        )
    _check(options, files, "--chunks")
    from rnnviz.captures.onnx_chunks import compare_chunks

    return _answer(compare_chunks, options, files, options.chunks, _chunk_lines)


def vary(options: Namespace, files: Mapping[str, str]) -> Answer:
    """Compare the model at other sizes with itself at those of the given inputs."""
    sizes = _sizes(options.vary)
    _check(options, files, "--vary")
    from rnnviz.captures.onnx_sizes import vary_sizes

    return _answer(vary_sizes, options, files, sizes, _size_lines)


def _answer(
    call: Callable[..., Found],
    options: Namespace,
    files: Mapping[str, str],
    wanted: object,
    lines: Callable[[Found], Iterable[str]],
) -> Answer:
    """Compare calls of the model in a subprocess, and write JSON or lines."""
    from rnnviz.results.summary import to_json

    found = terminal.call_with_bar(
        *(call, options.model, files, _axes(options.axes), wanted),
        stage=f"running {options.model.name}",
        what=f"{options.model} could not be run",
        quiet=options.quiet,
        seconds=_SECONDS,
    )
    code = DISAGREE if found.verdict == "differ" else AGREE
    if options.json is not None and (text := terminal.answer_json(to_json(found), options.json)):
        return code, text
    return code, terminal.in_lines(list(lines(found)), options)


def _check(options: Namespace, files: Mapping[str, str], name: str) -> None:
    from rnnviz.core.model_formats import ONNX
    from rnnviz.engines.registry import ENGINES
    from rnnviz.io.model_formats.formats import reader_of
    from rnnviz.io.outputs import check_outputs

    for key in ("entry", "output"):
        if getattr(options, key) is not None:
            raise InputError(f"{name} records no session: leave --{key} out.")
    reader_of(ONNX, options.model)
    if reason := ENGINES["onnx"].unavailable:
        raise EngineError(reason)
    read = {"MODEL": options.model} | {f"--input {key}": file.partition("#")[0] for key, file in files.items()}
    check_outputs({"--json": options.json}, read)


def _axes(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, letters = text.partition("=")
        if not (name and equals and letters):
            raise InputError(f"--axes must be NAME=LETTERS, such as x=NTI (got {text}).")
        found[name] = letters.upper()
    return found


def _sizes(text: str) -> dict[str, int | None]:
    """The axes of --vary, "T,N" or "T=20,N=4", each with its size or None."""
    found: dict[str, int | None] = {}
    for part in text.upper().split(","):
        letter, equals, size = part.strip().partition("=")
        if letter not in ("T", "N") or letter in found or (equals and not (size.isdecimal() and int(size))):
            raise InputError(
                f"--vary must be T, N or both, each perhaps with a size of at least 1, such as T,N or T=20,N=4 "
                f"(got {display_value(text)})."
            )
        found[letter] = int(size) if equals else None
    return found


def _chunk_lines(found: "ChunksSummary") -> Iterator[str]:
    from rnnviz.results.model_calls import STATES

    chunks = f"{plural(found.chunks, 'chunk')} of {plural(found.chunk_size, 'time step')}"
    axes = ", ".join(f"{name}={letters}" for name, letters in found.axes.items())
    yield f"Calls: the whole, and {chunks}; axes: {axes}."
    for name, output in found.states.items():
        yield f"State: {name} gets {output} of the previous chunk."
    for own in found.recurrent:
        yield f"{own.operator} {own.name}: its state {STATES[own.state]}."
    yield from map(_output_line, found.outputs)
    first = found.first
    if first is not None:
        yield f"First difference: {first.operator} {first.name}{_place(first.chunk, first.timestep)}. {first.sentence}"
    yield _CHUNKS[found.verdict]


def _output_line(own: "OutputDifference") -> str:
    if own.max_abs_difference is None:
        return f"Output {own.name}: the chunks together have another shape than the whole."
    if not own.mismatched:
        return f"Output {own.name}: the chunks give the same values as the whole."
    largest = number_format.error(own.max_abs_difference)
    how = f"{own.mismatched:,} of {own.elements:,} values differ{_place(own.chunk, own.timestep)}"
    return f"Output {own.name}: {how}; largest difference {largest}."


def _place(chunk: int | None, timestep: int | None) -> str:
    return "" if chunk is None or timestep is None else f", first in chunk {chunk}, time step {timestep:,}"


_TRIALS = {
    "same": "the same values{part}",
    "depends": "runs, with other values",
    "differ": "other values",
    "frozen": "frozen",
    "fails": "frozen",
}


def _size_lines(found: "SizesSummary") -> Iterator[str]:
    axes = ", ".join(f"{name}={letters}" for name, letters in found.axes.items())
    sizes = f"{plural(found.timesteps, 'time step')} of {plural(found.samples, 'sample')}"
    yield f"Given: {sizes}; axes: {axes}."
    for own in found.trials:
        alone = "" if own.alone is None else f" (sample {own.alone} alone)"
        place = f", first at t = {own.timestep:,}" if own.timestep is not None else ""
        place = f", first in sample {own.sample}" if own.sample is not None and own.size > 1 else place
        sentence = f" {own.sentence}" if own.sentence else ""
        common = min(own.size, found.timesteps)
        first = "the first time step" if common == 1 else f"the first {common:,} time steps"
        verdict = _TRIALS[own.verdict].format(part=f" in {first}" if own.axis == "T" else "")
        yield f"{own.axis} = {own.size:,}{alone}: {verdict}{place}.{sentence}"
    frozen = " and ".join({"T": "time steps", "N": "samples"}[letter] for letter in found.frozen)
    yield f"The number of {frozen} is frozen." if frozen else "No frozen size was found."
