"""Manages the worker process: start, request, kill, restart."""

import os
import shutil
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock, RLock

import rnnviz.text.verdict_text  # noqa: F401 (gives results their representations)
from rnnviz.core.config import Config, Network
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.inputs import Load, open_inputs
from rnnviz.engines.registry import engines_of
from rnnviz.execution import events, worker
from rnnviz.execution.child_process import Child, ChildEndedError
from rnnviz.execution.events import Event, Failed, Outcome, RunRequest, Stage, open_traces
from rnnviz.execution.folders import remove_with, storage, temporary_place
from rnnviz.execution.log import log
from rnnviz.verify.result import Judgment, RunResult


class Supervisor:
    """Runs requests in a warm child process, one at a time.

    All methods belong to one thread but for `cancel` and `close`, which any other may call. Gluon's forward cannot be
    interrupted, so cancelling kills the child, and a new one warms up behind it.
    """

    def __init__(
        self, warm: tuple[str, ...] | None = None, threads: int | None = None, started: Child | None = None
    ) -> None:
        """The first run starts a child, unless it was `started` before; it imports the engines of `warm` first.

        By default these are the engines of a config that names none; `threads` is how many it uses, if not all.
        """
        self._warm = engines_of(Config(Network("lstm", 1, 1))) if warm is None else warm
        self._threads = threads
        self._lock = Lock()
        self._child = started
        self._running: int | None = None
        self._killed = False
        self._cancelled: set[int] = set()
        self._closed = False

    def start(self) -> None:
        """Start the child if there is none; it imports its engines while the caller goes on."""
        with self._lock:
            # A run in progress still needs its child, even one that has died: its end starts the next child.
            if self._closed or self._running is not None or (self._child is not None and self._child.alive):
                return
            self._drop_child()
            self._child = worker.start(self._warm, self._threads)

    def cancel(self, request_id: int) -> None:
        """Stop the run of that id, now or before it begins. Other runs are not touched."""
        with self._lock:
            self._cancelled.add(request_id)
            if self._running == request_id and self._child is not None:
                self._child.process.kill()
                self._killed = True

    def close(self) -> None:
        """End the child; results stay readable as long as they are used."""
        with self._lock:
            self._closed = True
            if self._child is not None:
                self._child.process.kill()
            if self._running is None:
                self._drop_child()
            elif self._child is not None:
                self._child.process.join()

    @property
    def running(self) -> bool:
        return self._running is not None

    @property
    def pid(self) -> int | None:
        return None if self._child is None else self._child.process.pid

    def forget(self) -> None:
        """Close the pipe in a forked process, and leave the child to the parent."""
        if self._child is not None:
            self._child.connection.close()

    def events(self, request: RunRequest) -> Generator[Event, None, None]:
        """Run `request` and yield its events; the last one is Finished, Failed or Cancelled."""
        what = f"The run could not be stored in {temporary_place()}"
        try:
            folder = storage().run_folder(request.id)
            what = "The worker process could not be started"
            place = os.getcwd()
            self.start()
        except OSError as error:
            yield Failed(request.id, "engine", f"{what}: {error.strerror or error}.")
            return
        with self._lock:
            child = self._child
            self._running, self._killed = request.id, False
            cancelled = request.id in self._cancelled
        answered, stage, computed = False, events.STARTING, None
        try:
            if cancelled or child is None:
                answered = True
                yield events.Cancelled(request.id)
                return
            yield events.Progressed(request.id, stage, 0.0)
            with suppress(OSError):  # a dead child has no answer
                child.connection.send((request, str(folder), place))
            while not answered:
                try:
                    kind, content = child.receive()
                except ChildEndedError as ended:
                    yield self._died(request, stage, str(ended))
                    break
                answered = kind in ("failed", "finished")
                if kind == "progress":
                    stage, fraction = content
                    yield events.Progressed(request.id, stage, fraction)
                elif kind == "failed":
                    yield Failed(request.id, **content)
                else:
                    try:
                        result = _opened(request, folder, computed, *content)
                    except (OSError, ValueError) as error:
                        reason = getattr(error, "strerror", None) or error
                        sentence = f"The run was computed, but its files in {folder} cannot be opened: {reason}."
                        yield Failed(request.id, "engine", sentence)
                        break
                    computed = result
                    yield events.Finished(request.id, result) if answered else events.Computed(request.id, result)
        finally:
            self._settle(request, child, answered)
            if computed is None:
                shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # the next run reports the same error
            self.start()

    def _settle(self, request: RunRequest, child: Child | None, answered: bool) -> None:
        """Leave no worker that is busy with this request or is about to end."""
        with self._lock:
            self._running = None
            self._cancelled.discard(request.id)
            # An unread answer of the child would go to the next request. A killed child may look alive for a moment,
            # even if the run was stopped just after its last message.
            if child is not None and child is self._child and (self._killed or not answered):
                child.process.kill()
                child.process.join()
            if self._closed:
                self._drop_child()

    def _died(self, request: RunRequest, stage: Stage, why: str) -> Event:
        with self._lock:
            if request.id in self._cancelled or self._closed:
                return events.Cancelled(request.id)
        log.warning("the worker process ended while %s (%s)", stage, why)
        ended = f"The worker process ended while {stage} ({why})"
        sentence = f"{ended}: there is no result, and the next run starts a new process."
        engine = stage.engine if stage.kind is events.StageKind.COMPUTING else None
        return Failed(request.id, "engine", sentence, engine=engine)

    def _drop_child(self) -> None:
        if self._child is not None:
            self._child.close()
        self._child = None


def _opened(
    request: RunRequest, folder: Path, computed: RunResult | None, outcome: Outcome, judgment: Judgment | None
) -> RunResult:
    """The result of a run whose arrays lie in `folder`, with its judgment; `computed` is the same one without it."""
    if computed is None:
        inputs = replace(open_inputs(folder / "inputs"), config=outcome.config)
        # A result and the same one with its judgment share their inputs, and need the folder as long as either lives.
        remove_with(inputs, folder)
        found = {name: value for name, value in vars(outcome).items() if name != "config"}
        found["traces"] = open_traces(folder, outcome.versions)
        computed = RunResult(request_id=request.id, inputs=inputs, folder=folder, **found)
    if judgment is None:
        return computed
    traces, opened = computed.traces, open_traces(folder, outcome.versions)
    if any(len(opened[engine]) > len(trace) for engine, trace in traces.items()):
        # The audit has stored states that an engine does not give.
        traces = opened
    return replace(computed, traces=traces, checks=computed.checks + judgment.checks, judgment=judgment)


_turn = RLock()
_shared: Supervisor | None = None
"""Serves all runs of this process that need no separate supervisor."""


def run(
    config: Config,
    load: Load,
    notify: Callable[[Stage, float], None] = lambda stage, fraction: None,
    audit: events.AuditMode = "auto",
    trusted: frozenset[str] = frozenset(),
) -> RunResult:
    """Run a config in the worker process that all runs of this process share. Raises as `rnnviz.run` does."""
    global _shared
    request = RunRequest(config, load, audit, trusted)
    with _turn:
        supervisor = _shared = _shared or Supervisor(engines_of(config), started=worker.take())
        if supervisor.running:
            raise EngineError("A run cannot start another run before it has ended.")
        try:
            with closing(supervisor.events(request)) as told:
                for event in told:
                    match event:
                        case events.Progressed(_, stage, fraction):
                            notify(stage, fraction)
                        case events.Finished(_, result):
                            finished = result
                        case Failed(_, "input", sentence):
                            raise InputError(sentence)
                        case Failed(_, _, sentence):
                            raise EngineError(sentence)
                        case events.Cancelled():
                            raise EngineError("The run was stopped.")
        except (InputError, EngineError):
            raise
        except BaseException:
            # A Ctrl-C may come anywhere, also while the supervisor settles.
            close()
            raise
    return finished


def close() -> None:
    """End the shared worker process, and with it a run of another thread. The next run starts a new one."""
    global _shared
    supervisor, _shared = _shared, None
    if supervisor is not None:
        supervisor.close()


def _forget_shared() -> None:
    """Let a forked process start a separate worker, and leave that of its parent alone."""
    global _shared, _turn
    if _shared is not None:
        _shared.forget()
    _shared, _turn = None, RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_shared)
