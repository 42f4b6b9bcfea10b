"""Details of a verdict, one sentence each: whole templates with named fields."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from math import isinf

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name, is_recording
from rnnviz.core.trace import Trace
from rnnviz.core.words import join_words, plural
from rnnviz.frozen import dataclass
from rnnviz.text.config_diff import change_in_words
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import ArrayComparison, Comparison, Mismatch
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.forward_pass import JUDGED_ROUNDINGS
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import VERDICTS, AuditVerdict, PassName


@dataclass(frozen=True)
class PassWords:
    """The words that differ between the sentences of the forward pass and of the backward pass."""

    of: str
    are: str
    differ: str
    those: str
    at: str
    bugs: str
    values: str
    mismatch: str
    step: str
    read: str
    not_audited: str
    audit: str
    audit_of_share: str
    every: str
    judged: str
    share: str


WORDS: Mapping[PassName, PassWords] = {
    "forward": PassWords(
        of="",
        are="is",
        differ="differs",
        those="",
        at="at",
        bugs="",
        values="values",
        mismatch="First mismatch",
        step="step",
        read="previous state",
        not_audited="The step audit did not run",
        audit="Step audit",
        audit_of_share="Step audit of {share} of the values",
        every="time step",
        judged="at every time step that could be judged",
        share="the values",
    ),
    "backward": PassWords(
        of="Gradients of ",
        are="are",
        differ="differ",
        those="those of ",
        at="in",
        bugs=" of the backward pass",
        values="gradients",
        mismatch="First mismatch of gradients",
        step="gradient",
        read="next gradients",
        not_audited="The gradients were not audited",
        audit="Audit of gradients",
        audit_of_share="Audit of {share} of the gradients",
        every="gradient",
        judged="of all gradients that could be judged",
        share="them",
    ),
}
"""The words by pass."""


def first_line_in_source(result: RunResult, audit: Audit) -> int | None:
    """The line number of the first line that differs in the file that ran; None where it is not known."""
    source, line = result.sources.get(audit.engine), audit.first_line
    if source is None or line is None:
        return None
    return line_number(source, line.name, result.config.network.kind.state_symbols)


def line_number(source: str, name: str, states: tuple[str, ...]) -> int | None:
    """The line number, from 1, where a step computes a value that it returns; None where it cannot be found.

    That is the last assignment of the returned variable, or else the returned expression. `source` is parsed, not run;
    `name` is a state, a returned line, or "step" for the definition of the function. `states` are in their order.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    steps = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "step"]
    if not steps:
        return None
    if name == "step":
        return steps[-1].lineno
    nodes = list(ast.walk(steps[-1]))
    returns = [node for node in nodes if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple | ast.List)]
    if not returns:
        return None
    last = max(returns, key=lambda node: node.lineno)
    value = _returned(last.value, name, states)
    if isinstance(value, ast.Name):
        assigned = [
            node.lineno
            for node in nodes
            if isinstance(node, ast.Name)
            and isinstance(node.ctx, ast.Store)
            and node.id == value.id
            and node.lineno <= last.lineno
        ]
        return max(assigned, default=last.lineno)
    return None if value is None else value.lineno


def _returned(value: ast.expr | None, name: str, states: tuple[str, ...]) -> ast.expr | None:
    assert isinstance(value, ast.Tuple | ast.List)
    if name in states:
        return value.elts[states.index(name)] if len(value.elts) >= len(states) else None
    lines = value.elts[-1] if value.elts else None
    if not isinstance(lines, ast.Dict):
        return None
    pairs = zip(lines.keys, lines.values, strict=True)
    return next((own for key, own in pairs if isinstance(key, ast.Constant) and key.value == name), None)


_NAMED_CHECKS = 2
_RECORDED = {"h": "hidden", "out": "output", "state.h": "state", "state.c": "cell_state"}

_VALUES = "{mismatched} of {elements} {way.values}"
_RECORDED_VALUES = "{mismatched} of {elements} recorded values"
_COMPARED_OF = "{compared} of {values}"

_EXCEED = "{values} {exceed} the tolerance"
_SIZE = "{values} {exceed} the tolerance; max abs difference {error}"
_SIZE_NONFINITE = "{values} {exceed} the tolerance; NaN or infinity in one engine only"
_SIZE_BOTH = "{values} {exceed} the tolerance; max abs difference {error}; {apart} NaN or infinite in one engine only"
_STILL_AGREE = "The hidden values of {reference} and {candidate} still agree within the tolerance."
_EQUAL = "all {compared} {way.values} are equal"
_NEAR = "{compared} {way.values}, max abs difference {error}"
_RECORDED_EQUAL = "{compared} values compared (the rest is not recorded), all equal"
_RECORDED_NEAR = "{compared} values compared (the rest is not recorded), max abs difference {error}"

_CHECK = "{engine}: {check}"
_FAILED_CHECKS = "{checks}: {names}."
_KNOWN_ISSUE = "{checks}: {names}. Known issue, which does not change the verdict: {issue}."

_NOT_AUDITED = "{way.not_audited}."
_NOT_AUDITED_APART = "{way.not_audited}, so it is unknown which engine is wrong. Rerun with the audit (--audit auto)."
_VERIFIED = "{audit}: no errors found in {engines}; every {way.every} is verified within rounding."
_NO_ERRORS = "{audit}: no errors found in {engines}."
_NO_ERRORS_JUDGED = "{audit}: no errors found in {engines}, {way.judged}."
_UNDETERMINED = "{way.audit} of {engine}: {share} of {way.share} undetermined, as rounding could hide an error."
_UNAUDITABLE = "The step audit cannot check {engine}: its recording lacks the previous states."
_FIRST_WRONG = "First wrong {way.step} of {engine}: {value}; recomputed in float64 from its own {way.read}: {expected}."
_FIRST_RECORDED = (
    "First {way.step} of {engine} that differs: {value}; recomputed in float64 from its own {way.read}: {expected}."
)
_FIRST_LINE = (
    "First line of {engine} that differs: {line} at {place}: {value}; recomputed: {expected}. Lines compared: {lines}."
)
_FIRST_LINE_OF_FILE = (
    "First line of {engine} that differs: {line}, in line {number} of the file, at {place}: {value}; "
    "recomputed: {expected}. Lines compared: {lines}."
)
_LINES = "Lines of {engine} compared: {lines}. All are within rounding."
_FIRST_MISMATCH = "{way.mismatch}: {reference} {reference_value}, {candidate} {candidate_value}."

_PADDING = "{padding} of {steps} time steps of the samples are padding, which is neither computed nor compared."
_ASSUMPTION = "Assumption: {assumption}."
_UNRECORDED = "Not recorded in {engine}, so not checked: {arrays}."
_ROUNDED = "Values of {engine} are stored as {kind}, rounded to {dtype} for the comparison."
_COARSE = "Values of {engine} are stored as {kind}: they are compared and audited with that precision."
_COARSE_FLOAT16 = (
    "Values of {engine} are stored as {kind}: they are compared and audited with that precision. "
    "If it was computed in another type, add that type to the file as computed_in."
)
_COARSE_COMPUTED_IN = (
    "Values of {engine} are stored as {kind}: they are compared with that precision, "
    "and audited as computed in {dtype}."
)
_HALF = "{engine} was computed in {kind}, half precision: errors below {hidden} may not be found."

_UNDETECTABLE = "Undetectable {where}: {bugs}."
_UNDETECTABLE_REMEDY = "Undetectable {where}: {bugs}. To detect more, {change}."
_NONFINITE_SAME = "NaN or infinity: {reference} {reference_count}, {candidate} {candidate_count}, in the same places."
_NONFINITE_APART = (
    "NaN or infinity: {reference} {reference_count}, {candidate} {candidate_count}; {apart} in different places."
)

_TOLERANCE = "Largest {finite}difference: {times} the tolerance (atol {atol} + rtol {rtol} · |{reference}|)."
_TOLERANCE_SHARE = "Largest {finite}difference: {times} of the tolerance (atol {atol} + rtol {rtol} · |{reference}|)."
_EXACT = "With atol = 0 and rtol = 0 no difference is allowed, and there is none."
_EXACT_APART = "With atol = 0 and rtol = 0 no difference is allowed. Set atol > 0."
_NO_ATOL = "With atol = 0 no difference is allowed where {reference} is exactly 0. Set atol > 0."
_TOLERANCE_OVERFLOW = (
    "The tolerance (atol {atol} + rtol {rtol} · |{reference}|) is exceeded by a factor too large to represent. "
    "Increase atol."
)
_PASSING = "Would still pass with atol = {atol} (same rtol)."
_PASSING_APART = "Would pass with atol = {atol} (same rtol)."
_PASSING_FINITE = "The finite values would pass with atol = {atol} (same rtol)."
_ULP = "Max distance: {ulp} ulp (values near 0 exaggerate it)."

_ARRAY = "{name}: {size}."
_OTHER = "{engine} ({verdict})"
_OTHERS = "Other candidates: {candidates}."


def pair_names(comparison: ArrayComparison) -> dict[str, str]:
    """The names of both engines as fields of a template."""
    return {"reference": display_name(comparison.reference), "candidate": display_name(comparison.candidate)}


def _total(given: Iterable[ArrayComparison], name: str) -> int:
    return sum(getattr(own, name) for own in given)


def mismatch_count(*given: ArrayComparison, way: PassName = "forward") -> str:
    template = _RECORDED_VALUES if _total(given, "unrecorded") else _VALUES
    return template.format(
        way=WORDS[way],
        mismatched=number_format.count(_total(given, "mismatched")),
        elements=number_format.count(_total(given, "elements")),
    )


def compared(*given: ArrayComparison) -> str:
    """The number of compared values, with the total if a recording lacks some: "960", "96 of 960"."""
    count, lacking = _total(given, "elements"), _total(given, "unrecorded")
    if not lacking:
        return number_format.count(count)
    return _COMPARED_OF.format(compared=number_format.count(count), values=number_format.count(count + lacking))


def error_size(*given: ArrayComparison, way: PassName = "forward") -> str:
    """How many values are outside the tolerance, and the largest difference."""
    apart, mismatched = _total(given, "nonfinite_apart"), _total(given, "mismatched")
    template = _SIZE_NONFINITE if mismatched == apart else _SIZE_BOTH if apart else _SIZE
    return template.format(
        values=mismatch_count(*given, way=way),
        exceed="exceeds" if mismatched == 1 else "exceed",
        error=number_format.error(max(own.max_abs_error for own in given)),
        apart=number_format.count(apart),
    )


def mismatches(comparison: ArrayComparison) -> str:
    exceed = "exceeds" if comparison.mismatched == 1 else "exceed"
    return _EXCEED.format(values=mismatch_count(comparison), exceed=exceed)


def how_many(failed: list[Check]) -> str:
    """ "1 consistency check fails", "2 consistency checks fail"."""
    return plural(len(failed), "consistency check fails", "consistency checks fail")


def quoted_names(failed: list[Check]) -> str:
    names = [_CHECK.format(engine=display_name(check.engine), check=check.name) for check in failed]
    return "; ".join([*names[:_NAMED_CHECKS], *([f"{len(names) - _NAMED_CHECKS:,} more"] if names[2:] else [])])


def size_of_difference(comparison: ArrayComparison) -> str:
    """The size of the difference, or that the hidden values agree although an engine is wrong."""
    if comparison.mismatched:
        return f"{error_size(comparison)}."
    return _STILL_AGREE.format(**pair_names(comparison))


def values_and_error(*given: ArrayComparison, way: PassName = "forward") -> str:
    """The number of compared values and the largest difference."""
    error = max(own.max_abs_error for own in given)
    templates = (_RECORDED_EQUAL, _RECORDED_NEAR) if _total(given, "unrecorded") else (_EQUAL, _NEAR)
    return templates[error != 0.0].format(way=WORDS[way], compared=compared(*given), error=number_format.error(error))


def failed_checks(failed: list[Check]) -> tuple[str, ...]:
    return (_FAILED_CHECKS.format(checks=how_many(failed), names=quoted_names(failed)),) if failed else ()


def known_issues(result: RunResult, engines: Sequence[str], *, of_gradients: bool = False) -> tuple[str, ...]:
    """The failed checks that say nothing about an engine, by the bug of a library that makes them fail."""
    issues: dict[str, list[Check]] = {}
    for check in result.checks:
        known = check.known_issue and not check.holds
        if known and check.engine in engines and check.of_gradients == of_gradients:
            issues.setdefault(check.known_issue, []).append(check)
    return tuple(
        _KNOWN_ISSUE.format(checks=how_many(checks), names=quoted_names(checks), issue=issue)
        for issue, checks in issues.items()
    )


def audit_coverage(result: RunResult, engines: tuple[str, ...]) -> tuple[str, ...]:
    """The engines in which the step audit found no errors, and the share of values that it covered."""
    judgment = result.judgment
    if judgment is None:
        return not_audited(
            WORDS["forward"], apart=any(c.mismatched for c in result.comparisons if c.candidate in engines)
        )
    audited = [engine for engine in engines if engine in judgment.audits]
    unauditable = tuple(
        _UNAUDITABLE.format(engine=display_name(engine))
        for engine in audited
        if judgment.audits[engine].verdict is AuditVerdict.NOT_AUDITED
    )
    known = [audit for e in audited if (audit := judgment.audits[e]).audited and not result.wrong(e)]
    return *without_errors(known), *unauditable


def not_audited(way: PassWords, *, apart: bool) -> tuple[str, ...]:
    """A pass was not audited; if engines differ, what to do."""
    return ((_NOT_AUDITED_APART if apart else _NOT_AUDITED).format(way=way),)


def without_errors(audits: Sequence[Audit]) -> tuple[str, ...]:
    """The engines in which audits of one pass found no errors, and the share of values that each could not judge."""
    undetermined = tuple(
        _UNDETERMINED.format(
            way=WORDS[a.way], engine=display_name(a.engine), share=covered(share) if share < 1.0 else "100%"
        )
        for a in audits
        if (share := a.undetermined)
    )
    right = [audit for audit in audits if audit.verdict is AuditVerdict.RIGHT]
    if not right:
        return undetermined
    way, coverage = WORDS[right[0].way], min(audit.coverage for audit in right)
    judged = any(audit.undetermined for audit in right)
    template = _NO_ERRORS_JUDGED if judged else _VERIFIED if coverage == 1.0 else _NO_ERRORS
    audit = way.audit if coverage == 1.0 else way.audit_of_share.format(share=covered(coverage))
    engines = join_words(display_name(audit.engine) for audit in right)
    return template.format(way=way, audit=audit, engines=engines), *undetermined


def padding(result: RunResult) -> tuple[str, ...]:
    """How many time steps of all samples are padding; empty if none is."""
    steps, computed = result.inputs.timesteps * result.inputs.batch_size, sum(result.inputs.lengths)
    if not computed:
        return ()
    return (_PADDING.format(padding=number_format.count(steps - computed), steps=number_format.count(steps)),)


def assumptions(result: RunResult) -> tuple[str, ...]:
    return tuple(_ASSUMPTION.format(assumption=clause) for clause in result.assumptions)


def unrecorded(result: RunResult, engines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        _UNRECORDED.format(engine=display_name(engine), arrays=", ".join(missing))
        for engine in engines
        if (missing := unrecorded_arrays(result.traces[engine]))
    )


def precisions(result: RunResult, engines: tuple[str, ...]) -> tuple[str, ...]:
    """The types of recordings that are not the network's."""
    dtype = result.config.network.dtype
    traces = [result.traces[engine] for engine in engines]
    return tuple(_precision(trace, dtype) for trace in traces if trace.precision or trace.half)


def _precision(trace: Trace, dtype: str) -> str:
    if trace.half:
        hidden = number_format.error(JUDGED_ROUNDINGS * trace.eps)
        return _HALF.format(engine=display_name(trace.engine), kind=trace.half, hidden=hidden)
    if trace.precision == "float64":
        template = _ROUNDED
    elif trace.computed_in:
        template, dtype = _COARSE_COMPUTED_IN, trace.computed_in
    else:
        template = _COARSE_FLOAT16 if trace.precision == "float16" else _COARSE
    return template.format(engine=display_name(trace.engine), kind=trace.precision, dtype=dtype)


def unrecorded_arrays(trace: Trace) -> list[str]:
    """The arrays that a recording lacks, by their names in the file."""
    missing = trace.missing if trace.partial else trace.missing - {"h"}
    return [name for array, name in _RECORDED.items() if array in missing]


def covered(coverage: float) -> str:
    """A share below 1 in percent, rounded down: "38%", "0.4%", "99.9%"; "none" for 0."""
    if coverage == 0.0:
        return "none"
    percent = 100.0 * coverage
    if percent < 0.1:
        return "less than 0.1%"
    if percent < 10.0 or percent > 99.0:
        return f"{min(int(10 * percent) / 10, 99.9):g}%"
    return f"{int(percent)}%"


def first_wrong_values(audits: Sequence[Audit]) -> tuple[str, ...]:
    """The first wrong value of each wrong engine, and the recomputed value."""
    return tuple(
        (_FIRST_RECORDED if is_recording(audit.engine) else _FIRST_WRONG).format(
            way=WORDS[audit.way],
            engine=display_name(audit.engine),
            **dict(zip(("value", "expected"), number_format.format_pair(wrong.value, wrong.expected), strict=True)),
        )
        for audit in audits
        if (wrong := audit.first_wrong) is not None
    )


def first_lines(result: RunResult, audits: list[Audit]) -> tuple[str, ...]:
    """The first line that differs of each custom step that returns lines, with its value and the recomputed one."""
    notes = []
    for audit in audits:
        line, names = audit.first_line, {"engine": display_name(audit.engine), "lines": ", ".join(audit.lines)}
        if line is not None:
            value, expected = number_format.format_pair(line.value, line.expected)
            number = first_line_in_source(result, audit)
            template = _FIRST_LINE if number is None else _FIRST_LINE_OF_FILE
            values = {"place": line.where.location, "value": value, "expected": expected}
            notes.append(template.format(line=line.name, number=number, **values, **names))
        elif audit.lines:
            notes.append(_LINES.format(**names))
    return tuple(notes)


def first_values(comparison: Comparison, first: Mismatch | None, way: PassName = "forward") -> tuple[str, ...]:
    """The values of both engines at the first mismatch of a pass."""
    if first is None:
        return ()
    values, names = number_format.format_pair(first.reference, first.candidate), pair_names(comparison)
    return (_FIRST_MISMATCH.format(way=WORDS[way], **names, reference_value=values[0], candidate_value=values[1]),)


def undetectable_bugs(result: RunResult, *, of_gradients: bool = False) -> tuple[str, ...]:
    """The known bugs that the run could not reveal, and the change of the config that would reveal more."""
    if result.judgment is None:
        return ()
    bugs = result.judged("backward" if of_gradients else "forward").undetectable
    change, where = remedy(result), "here in the backward pass" if of_gradients else "here"
    template = _UNDETECTABLE_REMEDY if change else _UNDETECTABLE
    return (template.format(where=where, bugs=", ".join(bugs), change=change),) if bugs else ()


def remedy(result: RunResult) -> str:
    """The change of the config that would reveal more known bugs, in words; empty without one."""
    found = None if result.judgment is None else result.judgment.remedy
    return "" if found is None else change_in_words(result.config, found)


def nonfinite(comparison: Comparison) -> tuple[str, ...]:
    if not (comparison.nonfinite_reference or comparison.nonfinite_candidate):
        return ()
    template = _NONFINITE_APART if comparison.nonfinite_apart else _NONFINITE_SAME
    return (
        template.format(
            **pair_names(comparison),
            reference_count=number_format.count(comparison.nonfinite_reference),
            candidate_count=number_format.count(comparison.nonfinite_candidate),
            apart=number_format.count(comparison.nonfinite_apart),
        ),
    )


def numbers(comparison: Comparison) -> tuple[str, ...]:
    """The sizes of the differences, and of the tolerance."""
    sizes = tolerance(comparison), passing(comparison), *ulp(comparison), *arrays(comparison.arrays.values())
    return *nonfinite(comparison), *sizes


def tolerance(comparison: Comparison) -> str:
    worst, exact = comparison.max_error_ratio, not comparison.atol and not comparison.rtol
    if isinf(worst):
        template = _EXACT_APART if exact else _TOLERANCE_OVERFLOW if comparison.atol else _NO_ATOL
    elif exact and not worst:
        template = _EXACT
    else:
        template = _TOLERANCE_SHARE if worst <= 1.0 else _TOLERANCE
    return template.format(
        finite="finite " if comparison.nonfinite_apart else "",
        times="" if isinf(worst) else number_format.times(worst),
        atol=number_format.full(comparison.atol),
        rtol=number_format.full(comparison.rtol),
        reference=display_name(comparison.reference),
    )


def passing(comparison: Comparison) -> str:
    template = _PASSING_FINITE if comparison.nonfinite_apart else _PASSING_APART if comparison.mismatched else _PASSING
    return template.format(atol=number_format.format_ceil(comparison.smallest_passing_atol))


def ulp(comparison: Comparison) -> tuple[str, ...]:
    shown = comparison.mismatched and comparison.max_ulp != number_format.UNDEFINED_ULP
    return (_ULP.format(ulp=number_format.ulp(comparison.max_ulp)),) if shown else ()


def arrays(compared: Iterable[ArrayComparison]) -> tuple[str, ...]:
    """The size of the difference of each array, such as c."""
    return tuple(
        _ARRAY.format(name=own.name, size=error_size(own) if own.mismatched else values_and_error(own))
        for own in compared
    )


def others(result: RunResult, candidate: str) -> tuple[str, bool] | None:
    """The verdicts on the other candidates, and whether any is worse; None without other candidates."""
    own = result.candidate_verdict(result.comparison(candidate))
    verdicts = {c.candidate: result.candidate_verdict(c) for c in result.comparisons if c.candidate != candidate}
    if not verdicts:
        return None
    names = [_OTHER.format(engine=display_name(name), verdict=verdict) for name, verdict in verdicts.items()]
    worse = any(VERDICTS.index(verdict) > VERDICTS.index(own) for verdict in verdicts.values())
    return _OTHERS.format(candidates=", ".join(names)), worse
