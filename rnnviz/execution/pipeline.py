"""One run from its config to its judgment, in the process that holds the engines; everything is left in a folder."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from rnnviz.core.config import Config
from rnnviz.core.engine_spec import BACKWARD, display_name, is_own, is_program, is_recording, is_unknown, is_users
from rnnviz.core.errors import ConfigError, EngineError, InputError, check_regular, in_short, key_errors
from rnnviz.core.inputs import Inputs, open_inputs, save_inputs
from rnnviz.core.memory_budget import check_demand
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.progress import watched
from rnnviz.core.trace import DERIVED, Trace, add_array, create_trace, open_trace, with_missing
from rnnviz.engines.base import EngineReport, with_head
from rnnviz.engines.custom_code.parent import custom_cell
from rnnviz.engines.known_bugs.registry import gradient_bugs_in, known_bugs_in
from rnnviz.engines.recorded_outputs import check_recording, open_recording
from rnnviz.engines.registry import engines_of, find_engine, gradients_given, load_engine, with_candidates
from rnnviz.execution.events import Outcome, RunRequest, Stage, StageKind, open_traces
from rnnviz.explain.explanation import value_with_cause
from rnnviz.reading.arrays import gradient_extents
from rnnviz.reading.level_of_detail import ComparedPyramids, build_values, needs_pyramid
from rnnviz.text.cause_words import cause_phrase
from rnnviz.verify.audit import Audit, audit_pass
from rnnviz.verify.audited import Pass, follows_all
from rnnviz.verify.backward_pass import BackwardPass
from rnnviz.verify.compare import Comparison, compare_all, gradient_atol, tolerances
from rnnviz.verify.consistency_checks import (
    Check,
    cell_checks,
    consistency_checks,
    equality,
    head_check,
    padding_check,
    state_equality,
)
from rnnviz.verify.diagnosis import Diagnosis, causes, distinguishable, explain
from rnnviz.verify.forward_pass import ForwardPass
from rnnviz.verify.metrics import largest_magnitude
from rnnviz.verify.result import Judgment, PassJudgment, compared
from rnnviz.verify.undetectable_bugs import suggested_config, undetectable, undetectable_changes
from rnnviz.verify.verdict import AuditVerdict, PassName

Notify = Callable[[Stage, float], None]
"""Called with the present stage and the fraction of the run that is done."""

# Shares of the progress bar: until the run is compared, of the forward pass in both, and after the run is compared.
_READ, _ENGINES, _COMPARE = 0.05, 0.8, 0.15
_FORWARD = 0.4
_AUDIT, _DIAGNOSE = 0.85, 0.1

_LARGEST_SOURCE = 1 << 20
"""The largest size of a user's code that is kept, in bytes."""


def compute(request: RunRequest, folder: Path, notify: Notify) -> Outcome:
    """Run every engine of a request and compare them. Raises an InputError or an EngineError."""
    _check_trusted(request.config, request.trusted)
    notify(Stage(StageKind.READING_INPUTS), 0.0)
    # Before it runs, so that a file saved in the meantime is not taken for the one that ran.
    sources = {name: source for name in request.config.code if (source := _source(Path(name)))}
    inputs = _read_inputs(request, folder, notify)
    record = Outcome(inputs.config, sources, extents={"input": largest_magnitude(inputs.sequence)})
    checks: list[Check] = []
    traces: dict[str, Trace] = {}
    names = engines_of(inputs.config)
    share = _ENGINES / len(names)
    for place, name in enumerate(names):
        begin = _READ + share * place
        ran = _run_engine(name, inputs, folder / f"engine-{place}", record, _part(notify, begin, share))
        traces[name] = _checked(name, inputs, checks, *ran)
        record.extents[name] = max(largest_magnitude(lane) for layer in traces[name].hidden for lane in layer)
        record.extents.update({f"{name}.{g}": extent for g, extent in gradient_extents(traces[name]).items()})
    comparisons = tuple(_compare_all(inputs.config, traces, _part(notify, _READ + _ENGINES, _COMPARE)))
    for c in comparisons:
        checks += state_equality(traces[c.reference], traces[c.candidate], c.rtol, c.atol)
    notify(Stage(StageKind.COMPUTED), 1.0)
    return replace(record, comparisons=comparisons, checks=tuple(checks))


def _part(notify: Notify, begin: float, share: float) -> Notify:
    """Reports work that is a share of the run and begins at `begin`."""
    return lambda stage, done: notify(stage, begin + share * done)


def _read_inputs(request: RunRequest, folder: Path, notify: Notify) -> Inputs:
    """Check that the config can be computed, and store its inputs in the folder."""
    config = request.config
    if is_own(config.network.cell):
        # A separate process reads it at each run.
        with key_errors("network.cell"):
            config = config.with_custom_cell(custom_cell(config.network.cell))
    for name in config.compare.engines:
        _check_engine(config, name)
    _check_demand(config, folder)
    # A large file is a small part of the bar but takes long, so its own share is shown, too.
    with watched(lambda done: notify(Stage(StageKind.READING_INPUTS_PARTLY, percent=int(100 * done)), _READ * done)):
        inputs = request.load(config)
    # A recording of something else is refused before the other engines have computed for a long time.
    for name in filter(is_recording, inputs.config.compare.engines):
        with key_errors(_key(inputs.config, name)):
            check_recording(open_recording(name, inputs.network.dtype), inputs)
    _check_demand(inputs.config, folder)
    inputs = save_inputs(folder / "inputs", inputs)
    build_values(folder / "inputs", "x", inputs.sequence[None, None])
    return inputs


def _run_engine(
    name: str, inputs: Inputs, folder: Path, record: Outcome, notify: Notify
) -> tuple[Trace, EngineReport, EngineReport]:
    """The trace of an engine and the reports of its passes; the record gets its times, its version, what it printed."""
    stage = Stage(StageKind.READING_RECORDING if is_recording(name) else StageKind.COMPUTING, name)
    notify(stage, 0.0)

    def timed(run: Callable[..., EngineReport], stage: Stage, label: str, begin: float, end: float) -> EngineReport:
        began = perf_counter()
        report = run(inputs.of_engine(name), trace, lambda done: notify(stage, begin + (end - begin) * done))
        record.seconds[label] = perf_counter() - began - sum(report.seconds.values())
        record.seconds.update(report.seconds)
        return report

    backward = EngineReport()
    with key_errors(_key(inputs.config, name)), _named(name):
        engine = load_engine(name)
        record.versions[name] = engine.version
        gradients = () if inputs.loss is None else engine.gradients(inputs.network)
        arrays = *engine.states(inputs.network), *gradients
        trace = create_trace(folder, name, inputs.network, inputs.places, arrays)
        if not trace.has_gradients:
            forward = timed(engine.run, stage, name, 0.0, 1.0)
        else:
            forward = timed(engine.run, stage, name, 0.0, _FORWARD)
            stage = Stage(StageKind.COMPUTING_GRADIENTS, name)
            notify(stage, _FORWARD)
            backward = timed(engine.run_backward, stage, f"{name}{BACKWARD}", _FORWARD, 1.0)
            if is_own(name):
                # A file may return further gradients than those that were expected.
                trace = open_trace(folder, writable=True)
    if inputs.head is not None:
        trace = open_trace(folder, writable=True)
        # Where no output is recorded, nothing goes through the dense layer.
        trace = trace if {"h", "out"} <= forward.missing else with_head(inputs, trace)
    if printed := forward.printed + backward.printed:
        record.printed[name] = printed
    return trace, forward, backward


def _checked(
    name: str, inputs: Inputs, checks: list[Check], trace: Trace, forward: EngineReport, backward: EngineReport
) -> Trace:
    """The trace of an engine with what it says of it, 0 in padding; its consistency checks are added to `checks`."""
    missing = forward.missing | backward.missing
    if missing or forward.precision or forward.computed_in:
        trace = with_missing(trace, missing, forward.precision, forward.computed_in)
    if trace.places.lengths:
        padding = padding_check(trace)
        checks.append(padding)
        if not padding.holds:
            # Nothing else depends on it.
            trace.clear_padding()
    rtol, atol = tolerances(inputs.config, trace)
    checks += consistency_checks(trace, rtol, atol)
    if is_users(name):
        checks += cell_checks(inputs, trace)
    checks += head_check(inputs, trace, rtol, atol)
    for report in (forward, backward):
        for e in report.equalities:
            own = gradient_atol(atol, e.right) if report is backward else atol
            check = equality(e.name, name, e.left, e.right, rtol, own, accumulates=True)
            checks.append(replace(check, known_issue=e.known_issue, of_gradients=report is backward))
    return trace


def judge_computed(request: RunRequest, folder: Path, outcome: Outcome, notify: Notify) -> Judgment:
    inputs = open_inputs(folder / "inputs")
    traces, full = open_traces(folder, outcome.versions), request.audit == "full"
    share, backward = 1.0 if inputs.loss is None else _FORWARD, None
    found = _judge_pass("forward", inputs, traces, outcome, _part(notify, 0.0, share), full=full)
    blind = found.undetectable
    if inputs.loss is not None:
        backward = _judge_pass("backward", inputs, traces, outcome, _part(notify, share, 1.0 - share), full=full)
        blind += backward.undetectable
    notify(Stage(StageKind.TESTING_BUGS), _AUDIT + _DIAGNOSE)
    remedy = suggested_config(inputs, blind, request.load) if blind else None
    return Judgment(**vars(found), remedy=remedy, backward=backward)


def _judge_pass(
    way: PassName, inputs: Inputs, traces: Mapping[str, Trace], outcome: Outcome, notify: Notify, *, full: bool
) -> PassJudgment:
    """Audit a pass of every engine that has one, and look for the causes of errors."""
    forward = way == "forward"
    traces = {name: trace for name, trace in traces.items() if forward or trace.has_gradients}
    kind = StageKind.AUDITING if forward else StageKind.AUDITING_GRADIENTS
    audits: dict[str, Audit] = {}
    for place, (name, trace) in enumerate(traces.items()):

        def progress(done: float, name: str = name, place: int = place) -> None:
            notify(Stage(kind, name), _AUDIT * (place + done) / len(traces))

        own = inputs.of_engine(name)
        with _derived_states(own, trace if forward else None, full=full) as derived:
            audited: Pass = (
                ForwardPass(own, trace, outcome.comparisons, full=full, derived=derived)
                if forward
                else BackwardPass(own, trace, outcome.comparisons, full=full)
            )
            audits[name] = audit_pass(audited, traces, progress, trace.folder)
    known = {(check.engine, check.name) for check in outcome.checks}
    added = tuple(c for found in audits.values() for c in found.checks if (c.engine, c.name) not in known)
    blind = undetectable(inputs, way)
    explained: dict[str, Diagnosis] = {}
    wrong = {name for name, found in audits.items() if found.wrong}
    for name, trace in traces.items():
        # Two ways to compute that only drift apart say nothing about the one that is audited.
        checks = (c for c in (*outcome.checks, *added) if c.engine == name and c.of_gradients != forward)
        failed = [c for c in checks if c.fails]
        failing = [c for c in failed if not c.accumulates]
        unjudged = audits[name].verdict is not AuditVerdict.RIGHT or audits[name].undetermined_mismatches
        # A difference from a wrong engine is that engine's.
        pairs = [c for c in outcome.comparisons if name in (pair := {c.reference, c.candidate}) and not wrong & pair]
        apart = bool(failed) or any(own.mismatched for c in pairs for own in compared(c, way))
        if not is_unknown(name) and (audits[name].wrong or failing or ((trace.partial or unjudged) and apart)):
            notify(Stage(StageKind.DIAGNOSING, name), _AUDIT)
            explained[name] = explain(inputs.of_engine(name), trace, audits[name], failing)
    decided = {name for name, trace in traces.items() if distinguishable(trace, audits[name].wrong)}
    diagnoses, ambiguous = causes(explained, blind, decided)
    bugs = known_bugs_in(inputs) if forward else gradient_bugs_in(inputs)
    found = {engine: own.causes for engine, own in explained.items() if own.causes and diagnoses[engine]}
    phrases = {bug.name: bug.cause for bug in bugs}
    phrases |= {cause.label: cause_phrase(cause) for causes in found.values() for cause in causes}
    nearest = {engine: own.nearest for engine, own in explained.items() if own.nearest is not None}
    patterns = {engine: own.pattern for engine, own in explained.items() if own.pattern is not None}
    changes = undetectable_changes(inputs, blind) if full and forward else ()
    judged = PassJudgment(audits, diagnoses, blind, phrases, added, ambiguous, found, nearest, patterns, changes)
    named = [name for name, own in diagnoses.items() if own and forward]
    values = {name: value_with_cause(judged, inputs.of_engine(name), traces[name]) for name in named}
    return replace(judged, with_cause={name: value for name, value in values.items() if value is not None})


@contextmanager
def _derived_states(inputs: Inputs, trace: Trace | None, *, full: bool) -> Iterator[dict[str, FloatArray]]:
    """New arrays of a stored trace for the states that the engine does not give, if the audit follows every step.

    The window opens the trace while they are filled, so their files move there once they are complete.
    """
    if trace is None or trace.folder is None or trace.partial or not follows_all(trace.shape, full=full):
        yield {}
        return
    missing = [symbol for symbol in inputs.network.kind.state_symbols if symbol not in trace]
    shapes = {s: inputs.network.hidden_shape(inputs.timesteps, inputs.batch_size, s) for s in missing}
    with TemporaryDirectory(dir=trace.folder) as name:
        folder = Path(name)
        arrays = {s: add_array(folder, f"{DERIVED}{s}", inputs.network.dtype, shape) for s, shape in shapes.items()}
        yield arrays
        for symbol, array in arrays.items():
            build_values(folder, f"{DERIVED}{symbol}", array)
        for path in folder.iterdir():
            path.rename(trace.folder / path.name)


def _check_trusted(config: Config, trusted: frozenset[str]) -> None:
    """Refuse code that was not asked for, before anything runs."""
    for name in config.code:
        if name not in trusted:
            key = "network.cell" if name == config.network.cell else _key(config, name)
            option = "--cell" if key == "network.cell" else "--engines"
            raise ConfigError(
                key,
                f'{key} names "{name}", which is {"a program" if is_program(name) else "Python code"}: it runs only if '
                f"you name it with {option}, or allow it in the window.",
            )


def _source(path: Path) -> str:
    """The text of a user's code; empty where the file is too large or cannot be read, which its engine reports."""
    with suppress(OSError, InputError):
        check_regular(path)
        if path.stat().st_size <= _LARGEST_SOURCE:
            return path.read_bytes().decode("utf-8-sig", "replace")
    return ""


def _check_demand(config: Config, folder: Path) -> None:
    config = with_candidates(config)
    check_demand(config, folder.parent, gradients_given(config))


def _check_engine(config: Config, name: str) -> None:
    """Refuse an engine that does not exist or cannot compute this network, before anything runs."""
    key = _key(config, name)
    entry = find_engine(name, key)
    unsupported_reason = entry.unsupported_reason(config.network)
    if unsupported_reason is not None:
        raise ConfigError(key, unsupported_reason)
    if entry.bug is not None and entry.bug.of_gradients and not config.backward.enabled:
        sentence = f"{name} is a bug of the backward pass, but this run has none: set backward.enabled = true."
        raise ConfigError(key, sentence)


def _key(config: Config, engine: str) -> str:
    return "compare.reference" if engine == config.compare.reference else "compare.candidates"


@contextmanager
def _named(engine: str) -> Iterator[None]:
    """Name the engine in errors that it raises, except those of memory and disks."""
    try:
        yield
    except EngineError as error:
        error.engine = engine
        raise
    except (InputError, MemoryError, OSError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {in_short(str(error))}"
        raise EngineError(f"{display_name(engine)} failed: {reason}.", engine) from error


def _compare_all(config: Config, traces: dict[str, Trace], notify: Notify) -> list[Comparison]:
    """Compare every array that a candidate shares with the reference, and leave the pyramids of all arrays."""
    reference, *candidates = traces
    one, comparisons = traces[reference], []
    # The arrays without pyramids so far.
    rest = {
        (engine, name)
        for engine, trace in traces.items()
        for name in dict.fromkeys((*trace.over_time(), *trace.gradients_over_time()))
    }
    for place, candidate in enumerate(candidates):
        other = traces[candidate]

        def progress(done: float, engine: str = candidate, place: int = place) -> None:
            notify(Stage(StageKind.COMPARING, engine, reference), (place + done) / len(candidates))

        def pyramids(name: str, other: Trace = other) -> list[ComparedPyramids]:
            first = (reference, name) in rest
            rest.difference_update({(reference, name), (other.engine, name)})
            return [ComparedPyramids(one, other, name, first=first)] if needs_pyramid(other, name) else []

        comparisons.append(
            compare_all(one, other, *tolerances(config, one, other), progress, pyramids, folder=other.folder)
        )
    for engine, name in rest:
        folder = traces[engine].folder
        assert folder is not None
        build_values(folder, name, traces[engine].in_lanes(name))
    return comparisons
