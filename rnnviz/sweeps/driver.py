"""The driver of a sweep: finds known rows in the journal, computes the others, and yields them in order.

The key of a row in the journal is a hash of everything that its result depends on.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future
from functools import cache
from itertools import islice
from pathlib import Path
from typing import cast

from rnnviz import __version__
from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.engine_spec import engine_file
from rnnviz.core.errors import EngineError, InputError, check_regular
from rnnviz.core.inputs import Load
from rnnviz.core.schema import declarations
from rnnviz.engines.registry import EngineEntry, find_engine
from rnnviz.execution.events import AuditMode, RunRequest
from rnnviz.sweeps.grid import Point, Sweep
from rnnviz.sweeps.journal import Journal
from rnnviz.sweeps.results import COMPUTED, SweepResult, SweepRow
from rnnviz.sweeps.scheduler import Scheduler

_MISSING = "missing"


class Identities:
    """Computes keys from config, audit, the content of the files that a config names, and the engines' versions.

    Each file is read once, so that one of these belongs to one start of a sweep.
    """

    def __init__(self, audit: str) -> None:
        self._audit = audit
        self._digest = cache(_digest)
        self._version = cache(_version)

    def of(self, config: Config) -> str:
        """The key of a row."""
        engines = config.compare.engines
        content = {
            "config": config.to_mapping(),
            "audit": self._audit,
            "files": {path: self._digest(path) for path in _files(config)},
            "versions": {"rnnviz": __version__, **{name: self._version(name) for name in engines}},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _files(config: Config) -> Iterator[str]:
    for name, section in SECTIONS.items():
        for key, config_field in declarations(section).items():
            path = getattr(getattr(config, name), key)
            if config_field.is_path(path):
                yield path
    yield from (path for path in map(engine_file, config.compare.engines) if path is not None)


def _digest(path: str) -> str:
    try:
        check_regular(path)
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, InputError):
        # The row says so itself when it is computed.
        return _MISSING


def _version(engine: str) -> str | None:
    try:
        return find_engine(engine).version
    except InputError:
        return None


def check_engines(sweep: Sweep) -> dict[str, EngineEntry]:
    """The entries of a sweep's engines. Raises a ConfigError if one does not exist."""
    return {engine: find_engine(engine, "engines") for engine in sweep.engines}


class Sweeping:
    """One start of a sweep.

    `known` holds the findings of earlier starts by key. Only rows that were computed count as done: what was refused
    or failed is tried again, for its reason may be gone.
    """

    def __init__(
        self,
        sweep: Sweep,
        points: Iterable[Point],
        known: dict[str, SweepResult],
        load: Load,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        """`load` and `trusted` as in a `RunRequest`; raises as `check_engines` does."""
        entries = check_engines(sweep)
        self._sweep = sweep
        self._load = load
        self._trusted = trusted
        identities = Identities(sweep.audit)
        self._keys: dict[int, str] = {}
        self.known: list[SweepRow] = []
        """The rows that need not be computed: those of earlier starts, and those whose values make no run."""
        self.left: list[Point] = []
        """The rows that have to be computed."""
        for point in points:
            if point.config is not None:
                self._keys[point.index] = identities.of(point.config)
            found = known.get(self._keys.get(point.index, ""))
            unsupported_reason = (
                None
                if point.config is None
                else entries[str(point.values[-1])].unsupported_reason(point.config.network)
            )
            if point.config is None or unsupported_reason is not None:
                self.known.append(SweepRow(point, SweepResult("refused", unsupported_reason or point.refusal)))
            elif found is not None and found.verdict in COMPUTED:
                self.known.append(SweepRow(point, found))
            else:
                self.left.append(point)

    @property
    def warm(self) -> tuple[str, ...]:
        """The engines that every worker needs."""
        engines = dict.fromkeys(name for point in self.left if point.config for name in point.config.compare.engines)
        return tuple(name for name in engines if engine_file(name) is None)

    def rows(self, scheduler: Scheduler, journal: Journal) -> Iterator[SweepRow]:
        """Compute the remaining rows; each is yielded once, after it was written to the journal.

        Ends early, without an error, if the scheduler is stopped. Raises an InputError if the journal cannot be
        written.
        """
        points: dict[Future[SweepResult], Point] = {}
        left = iter(self.left)

        def submit(count: int) -> None:
            for point in islice(left, count):
                points[scheduler.submit(self._request(point))] = point

        submit(scheduler.ahead)
        for future in scheduler.completed():
            point = points.pop(future)
            try:
                finding = _result(future)
            except CancelledError:
                continue
            submit(1)
            journal.append(self._keys[point.index], dict(zip(self._sweep.keys, point.values, strict=True)), finding)
            yield SweepRow(point, finding)

    def _request(self, point: Point) -> RunRequest:
        assert point.config is not None
        return RunRequest(point.config, self._load, cast(AuditMode, self._sweep.audit), self._trusted)


def earlier(sweep: Sweep, points: Iterable[Point], known: dict[str, SweepResult]) -> list[SweepRow]:
    """Every point with its result of earlier starts, failures included."""
    identities = Identities(sweep.audit)
    return [
        SweepRow(point, SweepResult("refused", point.refusal))
        if point.config is None
        else SweepRow(point, known.get(identities.of(point.config)))
        for point in points
    ]


def _result(future: Future[SweepResult]) -> SweepResult:
    try:
        return future.result()
    except CancelledError:
        raise
    except EngineError as error:
        return SweepResult("failed", str(error))
    except Exception as error:  # noqa: BLE001 - one row that is lost must not end the others
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return SweepResult("failed", f"The row was lost: {what}.")
