"""Names of time steps and features from files."""

from pathlib import Path

from rnnviz.core.errors import InputError
from rnnviz.io.readers.arrays import is_header, read_rows
from rnnviz.io.readers.plain_text import read_plain_text


def read_feature_names(path: Path) -> tuple[str, ...]:
    """The feature names in the first row of a `.csv` sequence; empty if it has numbers, or for another format.

    A name that occurs again gets a number, "open (2)", so that each names one feature; an empty one stays empty.

    Raises
    ------
    InputError
        If the file cannot be read or is not CSV.
    """
    if path.suffix.lower() != ".csv":
        return ()
    for _, row in read_rows(path):
        return _distinct([" ".join(cell.split()) for cell in row]) if is_header(row) else ()
    return ()


def read_labels(path: Path, timesteps: int) -> tuple[str, ...]:
    """Names of time steps from a text file with a line for each; an empty line gives no name.

    Raises
    ------
    InputError
        If the file cannot be read, is not UTF-8 text, or has another number of lines.
    """
    text = read_plain_text(path)
    # Not splitlines, which breaks at characters that a label may hold.
    lines = text.removesuffix("\n").split("\n") if text else []
    if len(lines) != timesteps:
        has, needs = _count(len(lines), "line"), _count(timesteps, "timestep")
        raise InputError(f"{path} has {has}, but the sequence has {needs}: it needs one line for each.")
    return tuple(line.strip() for line in lines)


def _distinct(names: list[str]) -> tuple[str, ...]:
    """The names, with a number behind each that occurred before."""
    taken, seen, found = set(names), set[str](), list[str]()
    for name in names:
        own, number = name, 2
        while name and (own in seen or (own != name and own in taken)):
            own = f"{name} ({number})"
            number += 1
        seen.add(own)
        found.append(own)
    return tuple(found)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
