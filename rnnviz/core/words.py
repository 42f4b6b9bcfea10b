"""Text helpers: plurals, lists joined by "and", suggestions, missing files."""

import os
from collections.abc import Iterable, Mapping

from rnnviz.core.errors import InputError, printable


def join_words(words: Iterable[str], last: str = "and", most: int | None = None) -> str:
    """The words as "a, b and c"; `last` replaces "and", and of more than `most` the rest is counted."""
    listed = list(words)
    if most is not None and len(listed) > most:
        listed = [*listed[: most - 1], f"{len(listed) - most + 1:,} more"]
    return f" {last} ".join([", ".join(listed[:-1]), listed[-1]] if len(listed) > 1 else listed)


def suggest(name: str, known: Iterable[str], whole: Mapping[str, str] | None = None) -> str:
    """' Did you mean "run"?', or "" where no known name is near; `whole` has the text to show for a name."""
    # Only a wrong name needs it, and a window must start fast.
    import difflib

    near = difflib.get_close_matches(name[:200], known)
    return f' Did you mean "{printable(whole[near[0]] if whole else near[0])}"?' if near else ""


def unreadable(path: object, error: OSError | ValueError) -> InputError:
    """The error of a file that cannot be read; of a missing one it says the folder, and the nearest name in it."""
    if os.path.isdir(str(path)):
        return InputError(f"{path} is a folder: name a file in it.")
    if not isinstance(error, FileNotFoundError):
        return InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.")
    folder, name = os.path.split(os.path.abspath(str(path)))
    try:
        others = os.listdir(folder)
    except OSError:
        return InputError(f"{path} does not exist: there is no folder {folder}.")
    # Names of one ending are alike: what counts is the name without it.
    stem, stems = os.path.splitext(name)[0], {os.path.splitext(other)[0]: other for other in sorted(others)}
    near = suggest(stem, stems, stems)
    return InputError(f"{path} does not exist in {folder}.{near}")


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def plural(count: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 value", "3,200 values"; `many` replaces the noun with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
