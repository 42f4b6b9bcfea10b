"""The driver of a sweep: it finds known rows in the journal, and has a scheduler compute the others."""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import cache
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, cast

import numpy as np

from rnnviz import __version__
from rnnviz.core.config import Config
from rnnviz.core.engine_spec import engine_file
from rnnviz.core.errors import EngineError, InputError, check_regular, file_errors
from rnnviz.core.inputs import Load
from rnnviz.core.words import unreadable
from rnnviz.engines.registry import EngineEntry, find_engine
from rnnviz.execution.events import AuditMode, Cancelled, Failed, Finished, RunRequest
from rnnviz.execution.supervisor import Supervisor
from rnnviz.io.config_toml import files_read
from rnnviz.sweeps.grid import Point, Sweep
from rnnviz.sweeps.results import COMPUTED, DAMAGE, FirstWrong, SweepResult, SweepRow
from rnnviz.text.verdict_text import gradient_words, plain, verdict_sentence
from rnnviz.verify.result import RunResult

ENDING = ".results.jsonl"


def journal_of(sweep: Path) -> Path:
    """The journal's usual place: next to the sweep's file, and named after it."""
    return sweep.with_name(f"{sweep.stem}{ENDING}")


def read_journal(path: Path) -> dict[str, SweepResult]:
    """The latest finding of each key; none if the file does not exist. Raises an InputError if it cannot be read."""
    check_regular(path)
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from error
    found = {}
    for line in lines[:-1]:  # what follows the last end of line is empty or torn
        try:
            entry = json.loads(line)
            found[str(entry["key"])] = SweepResult.from_mapping(entry)
        except DAMAGE:
            continue
    return found


class Journal(AbstractContextManager["Journal"]):
    """A journal that is open to be written, by one sweep at a time."""

    def __init__(self, path: Path) -> None:
        """Open a journal, or begin one; the end of a torn line is cut off. Raises an InputError."""
        self._path = path
        check_regular(path)
        with file_errors(path, "written"):
            self._file = path.open("ab+", buffering=0)
            try:
                _lock(self._file, path)
                _cut_torn_line(self._file, path)
            except BaseException:
                self._file.close()
                raise

    def append(self, key: str, values: Mapping[str, Any], finding: SweepResult) -> None:
        """Write a finding; `values` say for a reader which row it is of. Raises an InputError if the disk is full."""
        entry = {"key": key, "values": dict(values), **finding.to_mapping()}
        # A path that is not UTF-8 has lone surrogates, which JSON reads back from this form.
        line = json.dumps(entry, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n"
        with file_errors(self._path, "written"):
            while line:
                line = line[self._file.write(line) or 0 :]
            os.fsync(self._file.fileno())

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _lock(file: IO[bytes], path: Path) -> None:
    """Refuse a second writer, if the system supports locks; closing the file releases the lock."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(f"{path} is being written by another sweep: wait for it, or stop it.") from error
    except OSError:
        # Some network drives know no locks; the sweep must not fail for it.
        return


def _cut_torn_line(file: IO[bytes], path: Path) -> None:
    file.seek(0)
    content = file.read()
    end = content.rfind(b"\n") + 1
    if end < len(content):
        if content[end : end + 1] != b"{":
            raise InputError(f"{path} is not a journal of a sweep, and would lose its last line: name another file.")
        file.truncate(end)


def find(request: RunRequest, supervisor: Supervisor) -> SweepResult:
    """The result of a request; any failure, including a crash, is one. Raises a CancelledError if it was stopped."""
    for event in supervisor.events(request):
        match event:
            case Finished(_, result):
                return finding(result)
            case Failed(_, kind, sentence):
                return SweepResult("refused" if kind == "input" else "failed", sentence)
            case Cancelled():
                break
    raise CancelledError


def finding(result: RunResult) -> SweepResult:
    comparison = next(iter(result.comparisons), None)
    candidate = None if comparison is None else comparison.candidate
    audits = [] if result.judgment is None else [result.judgment.audits[name] for name in result.traces]
    wrong = [FirstWrong(audit.engine, first) for audit in audits if (first := audit.first_location) is not None]
    words = (verdict_sentence(result, candidate), gradient_words(result, candidate))
    return SweepResult(
        result.overall_verdict,
        " ".join(f"{plain(own.sentence).removesuffix('.')}." for own in words if own is not None),
        None if comparison is None else comparison.max_error_ratio,
        None if comparison is None else comparison.max_abs_error,
        float(np.max([audit.worst_ratio for audit in audits])) if audits else None,
        # That of the engine that goes wrong first in the order of the layers; of the reference, if both do at once.
        min(wrong, key=lambda first: first.where.layer, default=None),
        dict(result.seconds),
        result.assumptions,
        result.backward_verdict or "",
    )


class Scheduler(AbstractContextManager["Scheduler"]):
    """Has an executor compute rows, and yields them in the order of completion. The end of a `with` block stops it.

    `ahead` is the number of rows to submit at a time, so that no worker is idle.
    """

    def __init__(self, executor: Executor, compute: Callable[[RunRequest], SweepResult], ahead: int) -> None:
        self.executor, self.ahead = executor, ahead
        self._compute = compute
        self._stopped = threading.Event()
        self._open: set[Future[SweepResult]] = set()
        self._done: SimpleQueue[Future[SweepResult]] = SimpleQueue()

    def submit(self, request: RunRequest) -> Future[SweepResult]:
        try:
            future = self.executor.submit(self._compute, request)
        except RuntimeError:
            if not self._stopped.is_set():
                raise
            future = Future()
            future.cancel()
        self._open.add(future)
        future.add_done_callback(self._done.put)
        if self._stopped.is_set():
            future.cancel()
        return future

    def completed(self) -> Iterator[Future[SweepResult]]:
        """Each submitted row once, as soon as it is done or given up. Rows may be submitted meanwhile."""
        while self._open:
            future = self._done.get()
            self._open.remove(future)
            yield future

    def stop(self) -> None:
        """Give up every row that is not done; any thread may call it."""
        self._stopped.set()
        # A row that Dask cancels while its result is on the way never ends otherwise.
        for future in list(self._open):
            future.cancel()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.executor.shutdown(wait=True)


class LocalScheduler(Scheduler):
    """Computes a row in each worker, by default one a core; together they use as many threads as there are cores."""

    def __init__(self, warm: tuple[str, ...] = (), workers: int | None = None) -> None:
        cores = usable_cores()
        workers = cores if workers is None else workers
        self._warm, self._threads = warm, max(1, cores // workers)
        self._own, self._lock = threading.local(), threading.Lock()
        self._supervisors: list[Supervisor] = []
        pool = ThreadPoolExecutor(workers, thread_name_prefix="sweep", initializer=self._begin)
        super().__init__(pool, lambda request: find(request, self._own.supervisor), 2 * workers)

    def stop(self) -> None:
        """Kill engines in the middle of a forward pass, and begin no further row."""
        with self._lock:
            super().stop()
            for supervisor in self._supervisors:
                supervisor.close()

    def _begin(self) -> None:
        self._own.supervisor = Supervisor(self._warm, self._threads)
        with self._lock:
            self._supervisors.append(self._own.supervisor)
            if self._stopped.is_set():
                self._own.supervisor.close()


def usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def identities(audit: str) -> Callable[[Config], str]:
    """A function of keys: hashes of all that a row depends on. It reads each file once, for one start of a sweep."""
    digest, version = cache(_digest), cache(_version)

    def of(config: Config) -> str:
        content = {
            "config": config.to_mapping(),
            "audit": audit,
            "files": {path: digest(path) for path in files_read(config).values()},
            "versions": {"rnnviz": __version__, **{name: version(name) for name in config.compare.engines}},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    return of


def _digest(path: str) -> str:
    try:
        check_regular(path)
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, InputError):
        # The row says so itself when it is computed.
        return "missing"


def _version(engine: str) -> str | None:
    try:
        return find_engine(engine).version
    except InputError:
        return None


def check_engines(sweep: Sweep) -> dict[str, EngineEntry]:
    """The entries of a sweep's engines. Raises a ConfigError if one does not exist."""
    return {engine: find_engine(engine, "engines") for engine in sweep.engines}


class Sweeping:
    """One start of a sweep. Rows that were refused or failed before are tried again, for the reason may be gone."""

    def __init__(
        self,
        sweep: Sweep,
        points: Iterable[Point],
        known: dict[str, SweepResult],
        load: Load,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        """`known` are findings of earlier starts by key. Raises a ConfigError if there is no such engine."""
        entries = check_engines(sweep)
        self._sweep, self._load, self._trusted = sweep, load, trusted
        key_of = identities(sweep.audit)
        self._keys: dict[int, str] = {}
        self.known: list[SweepRow] = []
        """The rows that need not be computed: rows of earlier starts, and those whose values make no run."""
        self.left: list[Point] = []
        """The rows that have to be computed."""
        for point in points:
            refusal: str | None = point.refusal
            if point.config is not None:
                self._keys[point.index] = key_of(point.config)
                refusal = entries[str(point.values[-1])].unsupported_reason(point.config.network)
            found = known.get(self._keys.get(point.index, ""))
            if point.config is None or refusal is not None:
                self.known.append(SweepRow(point, SweepResult("refused", refusal or "")))
            elif found is not None and found.verdict in COMPUTED:
                self.known.append(SweepRow(point, found))
            else:
                self.left.append(point)

    @property
    def warm(self) -> tuple[str, ...]:
        engines = dict.fromkeys(name for point in self.left if point.config for name in point.config.compare.engines)
        return tuple(name for name in engines if engine_file(name) is None)

    def rows(self, scheduler: Scheduler, journal: Journal) -> Iterator[SweepRow]:
        """Compute the remaining rows, each written to the journal first; ends early if the scheduler is stopped."""
        points: dict[Future[SweepResult], Point] = {}
        left = iter(self.left)

        def submit(count: int) -> None:
            for point in islice(left, count):
                assert point.config is not None
                request = RunRequest(point.config, self._load, cast(AuditMode, self._sweep.audit), self._trusted)
                points[scheduler.submit(request)] = point

        submit(scheduler.ahead)
        for future in scheduler.completed():
            point = points.pop(future)
            try:
                finding = future.result()
            except CancelledError:
                continue
            except EngineError as error:
                finding = SweepResult("failed", str(error))
            except Exception as error:  # noqa: BLE001 - one row that is lost must not end the others
                what = " ".join(f"{type(error).__name__}: {error}".split())
                finding = SweepResult("failed", f"The row was lost: {what}.")
            submit(1)
            journal.append(self._keys[point.index], dict(zip(self._sweep.keys, point.values, strict=True)), finding)
            yield SweepRow(point, finding)


def earlier(sweep: Sweep, points: Iterable[Point], known: dict[str, SweepResult]) -> list[SweepRow]:
    """Every row with its result of earlier starts, failures included."""
    key_of = identities(sweep.audit)
    return [
        SweepRow(p, SweepResult("refused", p.refusal) if p.config is None else known.get(key_of(p.config)))
        for p in points
    ]
