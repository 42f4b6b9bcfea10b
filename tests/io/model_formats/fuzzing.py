"""Many damaged files read one after the other, in a process that may die of it."""

import random
import signal
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree

from rnnviz.core.errors import InputError
from rnnviz.execution.child_process import call_in_subprocess
from rnnviz.io.model_formats import keras_file
from tests.io.model_formats.damage import damaged, networks_in, outcome_of

_CASE_SECONDS = 5.0
_ALL_SECONDS = 120.0


@dataclass
class Tally:
    """How often each outcome came, and what should not have come: the seed, and what happened."""

    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)


class _TooLongError(BaseException):
    """One file took longer than any may."""


def fuzz(original: Path, seeds: range, folder: Path) -> Tally:
    """The outcomes of the file or folder `original` damaged by each of `seeds`.

    Damage that ends the process, or keeps it busy for too long, is a failure, and the other seeds follow it.
    """
    total, last = Tally(), folder / "seed"
    while seeds:
        last.write_text("")
        try:
            part = call_in_subprocess(
                _some, original, seeds, folder, last, what="they could not be read", seconds=_ALL_SECONDS
            )
        except InputError as error:
            # Those before it were read well, and are not counted again.
            seed = int(last.read_text())
            total.failures.append((seed, str(error)))
            seeds = range(seed + 1, seeds.stop)
            continue
        total.outcomes += part.outcomes
        total.failures += part.failures
        break
    return total


def read_soon(path: Path) -> None:
    """Read a file in a separate process, which ends after a second without progress of HDF5."""
    keras_file.HEADER_SECONDS = 1.0
    networks_in(path)


def _some(original: Path, seeds: range, folder: Path, last: Path) -> Tally:
    whole, tally = networks_in(original), Tally()
    path = folder / f"damaged-{original.name}"
    # Of a folder of arrays the first one is damaged.
    if original.is_dir():
        copytree(original, path, dirs_exist_ok=True)
        harmed = min(path.glob("*.npy"))
        content = (original / harmed.name).read_bytes()
    else:
        harmed, content = path, original.read_bytes()
    with suppress(AttributeError):  # elsewhere only the whole has a limit
        signal.signal(signal.SIGALRM, _too_long)
    for seed in seeds:
        last.write_text(str(seed))
        harmed.write_bytes(damaged(content, random.Random(seed)))
        _limit(_CASE_SECONDS)
        try:
            tally.outcomes[outcome_of(path, whole)] += 1
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is counted
            tally.failures.append((seed, f"{type(error).__name__}: {error}"))
        finally:
            _limit(0.0)
    return tally


def _limit(seconds: float) -> None:
    with suppress(AttributeError):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _too_long(_number: int, _frame: object) -> None:
    raise _TooLongError
