"""Many drawn files read one after the other, in a process that may die of it or be kept busy by it."""

import shutil
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

from rnnviz.core.errors import InputError
from rnnviz.execution.child_process import call_in_subprocess
from tools.fuzz.cases import written
from tools.fuzz.readers import outcome

_CASE_SECONDS = 5.0
_ALL_SECONDS = 600.0

Failures = list[tuple[int, str]]
"""Seeds, and what came of them."""


class _TooLongError(BaseException):
    """One file took longer than any may."""


def fuzz_files(kind: str, seeds: range, folder: Path) -> tuple[Counter[str], Failures]:
    """The outcomes of the files of a kind and `seeds`; a crash or a hang is a failure as well."""
    found, failures, last = Counter[str](), Failures(), folder / "seed"
    while seeds:
        last.write_text(str(seeds.start))
        try:
            outcomes, failed = call_in_subprocess(
                _some, kind, seeds, folder, last, what="they could not be read", seconds=_ALL_SECONDS
            )
        except InputError as error:
            # Those before it are read again, so that they are counted.
            seed = int(last.read_text())
            outcomes, failed = call_in_subprocess(
                _some, kind, range(seeds.start, seed), folder, last, what="they could not be read again"
            )
            failed.append((seed, str(error)))
            seeds = range(seed + 1, seeds.stop)
        else:
            seeds = range(0)
        found += outcomes
        failures += failed
    return found, failures


def _some(kind: str, seeds: range, folder: Path, last: Path) -> tuple[Counter[str], Failures]:
    found, failures, place = Counter[str](), Failures(), folder / "case"
    with suppress(AttributeError):  # elsewhere only the whole has a limit
        signal.signal(signal.SIGALRM, _too_long)
    for seed in seeds:
        last.write_text(str(seed))
        path = written(kind, seed, place)
        _limit(_CASE_SECONDS)
        try:
            found[outcome(path)] += 1
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is counted
            failures.append((seed, f"{type(error).__name__}: {error}"))
        finally:
            _limit(0.0)
        shutil.rmtree(place)
    return found, failures


def _limit(seconds: float) -> None:
    with suppress(AttributeError):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _too_long(_number: int, _frame: object) -> None:
    raise _TooLongError
