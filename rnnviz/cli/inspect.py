"""rnnviz inspect: list the recurrent networks in a model file."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rnnviz.cli.parser import Commands
from rnnviz.cli.terminal import AGREE, Answer, answer_json, progress_bar
from rnnviz.io.model_formats.model_file import RNN_CELLS, Entry

Read = TypeVar("Read")

_HEADINGS = ("name", "cell", "input", "hidden", "layers", "directions", "biases", "initial state", "type")


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    inspect = commands.add_parser("inspect", help="list the recurrent networks in a model file")
    inspect.add_argument("file", type=Path, help="a model file, or a folder with one or with .npy files")
    inspect.add_argument("--json", metavar="PATH", help="write the list as JSON; - writes it to standard output")
    inspect.set_defaults(answer=_inspect)


def _inspect(options: Namespace) -> Answer:
    from rnnviz.io.model_formats.load import nothing_recognized

    if options.json not in (None, "-"):
        from rnnviz.io.outputs import check_outputs

        check_outputs({"--json": options.json}, {"the model file": options.file})
    entries = entries_in_subprocess(options.file)
    arrays = {} if entries else arrays_in_subprocess(options.file)
    if options.json is not None:
        listed: dict[str, Any] = {"entries": [entry.to_json() for entry in entries]}
        if not entries:
            listed["arrays"] = [{"name": name, "shape": list(shape)} for name, shape in arrays.items()]
        text = answer_json(listed, options.json)
        if text:
            return AGREE, text
    return AGREE, f"{table(entries) if entries else nothing_recognized(options.file, arrays)}\n"


def entries_in_subprocess(path: Path) -> tuple[Entry, ...]:
    """Read the networks in a model file in a subprocess; raises an InputError if that fails."""
    from rnnviz.io.model_formats.load import entries_of

    return _in_subprocess(entries_of, path)


def arrays_in_subprocess(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shapes of all arrays in a model file in a subprocess."""
    from rnnviz.io.model_formats.load import arrays_of

    return _in_subprocess(arrays_of, path)


def _in_subprocess(read: Callable[[Path], Read], path: Path) -> Read:
    from rnnviz.execution.child_process import call_in_subprocess

    with progress_bar(quiet=False) as notify:
        return call_in_subprocess(
            *(read, path),
            what=f"{path} could not be read",
            notify=lambda done: notify(f"reading {path.name}", done),
        )


def table(entries: Sequence[Entry]) -> str:
    """Format the entries as a text table, each with its remarks below it."""
    rows = [_HEADINGS, *map(_row, entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row, entry in zip(rows, (None, *entries), strict=True):
        lines.append("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
        if entry is not None:
            lines += [f"  {line}" for line in remarks(entry)]
    return "\n".join(lines)


def remarks(entry: Entry) -> list[str]:
    """The keys that change an entry's cell, why it is not supported, and the assumptions that a run of it makes."""
    reason = entry.reason if entry.supported else f"not supported: {entry.reason}"
    masking = entry.masking and f"skipped time steps: {entry.masking}"
    settings = ", ".join(entry.settings)
    return [
        line for line in (settings, reason, masking, *(f"assumption: {text}" for text in entry.assumptions)) if line
    ]


def _row(entry: Entry) -> tuple[str, ...]:
    one_gate = entry.supported and entry.cell is None and entry.cells == RNN_CELLS
    cell = "rnn" if one_gate else entry.cell or " or ".join(entry.cells) or "?"
    sizes = (entry.input_size, entry.hidden_size, entry.num_layers)
    biases = {None: "?", True: "yes", False: "no"}[entry.biases]
    of_samples = "" if entry.batch_size is None else f" for {entry.batch_size} samples"
    return (
        entry.name,
        cell,
        *("?" if size is None else str(size) for size in sizes),
        entry.directions,
        biases,
        f"{entry.initial_state}{of_samples}",
        entry.dtype or "?",
    )
