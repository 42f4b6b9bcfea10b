"""rnnviz inspect: the recurrent layers in a model file."""

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from rnnviz.cli.exit_codes import AGREE, Answer
from rnnviz.cli.parser import Commands
from rnnviz.cli.progress_bar import progress_bar
from rnnviz.files.models.entry import RNN_CELLS, Entry

_HEADINGS = ("name", "cell", "input", "hidden", "layers", "directions", "biases", "initial state", "type")


def add_to(commands: Commands) -> None:
    """Add the command and its options."""
    inspect = commands.add_parser("inspect", help="list the recurrent layers in a model file")
    inspect.add_argument("file", type=Path, help="a model file, or a folder of .npy files")
    inspect.add_argument("--json", metavar="P|-", help="write the list; - writes it to standard output")
    inspect.set_defaults(answer=_inspect)


def _inspect(options: Namespace) -> Answer:
    entries = entries_apart(options.file)
    if options.json is not None:
        from rnnviz.files.atomic import whole

        listed = {"entries": [entry.to_json() for entry in entries]}
        text = json.dumps(listed, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        if options.json == "-":
            return AGREE, text
        with whole(Path(options.json)) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return AGREE, f"{table(entries) if entries else f'{options.file} holds no recurrent layer.'}\n"


def entries_apart(path: Path) -> tuple[Entry, ...]:
    """What a model file holds, found out in a process of its own; raises an InputError if it cannot be read."""
    from rnnviz.files.models.reading import entries_of
    from rnnviz.runs.apart import call_apart

    with progress_bar(quiet=False) as tell:
        return call_apart(
            *(entries_of, path),
            what=f"{path} could not be read",
            tell=lambda done: tell(f"reading {path.name}", done),
        )


def table(entries: Sequence[Entry]) -> str:
    """The entries as lines for people; below each, why it is not supported or what a run of it takes for granted."""
    rows = [_HEADINGS, *map(_row, entries)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = []
    for row, entry in zip(rows, (None, *entries), strict=True):
        lines.append("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
        if entry is not None:
            lines += [f"  {line}" for line in remarks(entry)]
    return "\n".join(lines)


def remarks(entry: Entry) -> list[str]:
    """What else is known of an entry, a clause a line."""
    reason = entry.reason if entry.supported else f"not supported: {entry.reason}"
    masking = entry.masking and f"masking: {entry.masking}"
    return [line for line in (reason, masking, *(f"assumption: {text}" for text in entry.assumptions)) if line]


def _row(entry: Entry) -> tuple[str, ...]:
    one_gate = entry.supported and entry.cell is None and entry.cells == RNN_CELLS
    cell = "rnn" if one_gate else entry.cell or " or ".join(entry.cells) or "?"
    directions = None if entry.bidirectional is None else 1 + entry.bidirectional
    sizes = (entry.input_size, entry.hidden_size, entry.num_layers, directions)
    biases = {None: "?", True: "yes", False: "no"}[entry.biases]
    of_samples = "" if entry.batch_size is None else f" for {entry.batch_size} samples"
    return (
        entry.name,
        cell,
        *("?" if size is None else str(size) for size in sizes),
        biases,
        f"{entry.initial_state}{of_samples}",
        entry.dtype or "?",
    )
