"""Details of a verdict, one sentence each: whole templates, whose fields name how a value is written."""

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isinf
from string import Formatter
from typing import Any

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name, is_recording
from rnnviz.core.head import HEAD
from rnnviz.core.trace import Trace
from rnnviz.core.words import join_words, plural
from rnnviz.text.cause_words import fix_sentences, nearest_phrase, pattern_words
from rnnviz.text.config_diff import change_in_words
from rnnviz.verify.audit import Audit
from rnnviz.verify.causes import Nearest
from rnnviz.verify.compare import ArrayComparison, Comparison, Mismatch
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.forward_pass import JUDGED_ROUNDINGS
from rnnviz.verify.result import PassJudgment, RunResult
from rnnviz.verify.result import compared as compared_arrays
from rnnviz.verify.verdict import VERDICTS, AuditVerdict, PassName

_WORDS = {
    "of": ("", "Gradients of "),
    "are": ("is", "are"),
    "differ": ("differs", "differ"),
    "from": ("from ", "from gradients of "),
    "at": ("at", "in"),
    "bugs": ("", " of the backward pass"),
    "here": ("here", "here in the backward pass"),
    "values": ("values", "gradients"),
    "mismatch": ("First mismatch", "First mismatch of gradients"),
    "step": ("step", "gradient"),
    "read": ("previous state", "next gradients"),
    "not_audited": ("The step audit did not run", "The gradients were not audited"),
    "audit": ("Step audit", "Audit of gradients"),
    "audit_of": ("Step audit of {share} of the values", "Audit of {share} of the gradients"),
    "every": ("time step", "gradient"),
    "judged": ("at every time step that could be judged", "of all gradients that could be judged"),
    "share": ("the values", "them"),
}
WORDS: Mapping[PassName, Mapping[str, str]] = {
    "forward": {name: words[0] for name, words in _WORDS.items()},
    "backward": {name: words[1] for name, words in _WORDS.items()},
}
"""The words that differ between the sentences of the two passes."""


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


_SHOWN_CHANGES = 8
"""How many undetectable changes are listed."""

_FORMS: Mapping[str, Callable[[Any], str]] = {
    "name": display_name,
    "list": ", ".join,
    "error": number_format.error,
    "full": number_format.full,
    "ceil": number_format.format_ceil,
    "times": number_format.times,
    "ulp": number_format.ulp,
    "share": lambda share: covered(share) if share < 1.0 else "100%",
}


class _Sentences(Formatter):
    """Templates whose fields may end in the name of a form, as in "{own.atol:full}"."""

    def format_field(self, value: Any, format_spec: str) -> str:
        form = _FORMS.get(format_spec)
        return format(value, format_spec) if form is None else form(value)


SENTENCES = _Sentences()
say = SENTENCES.format


def first_line_in_source(result: RunResult, audit: Audit) -> int | None:
    """The line number of the first line that differs in the file that ran; None where it is not known."""
    source, line = result.sources.get(audit.engine), audit.first_line
    if source is None or line is None:
        return None
    return line_number(source, line.name, result.config.network.kind.state_symbols)


def line_number(source: str, name: str, states: tuple[str, ...]) -> int | None:
    """The line number, from 1, where a step computes a value that it returns; None where it cannot be found.

    `source` is parsed, not run; `name` is a state, a returned line, or "step" for the definition of the function.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    steps = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "step"]
    if not steps or name == "step":
        return steps[-1].lineno if steps else None
    nodes = list(ast.walk(steps[-1]))
    returns = [node for node in nodes if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple | ast.List)]
    if not returns:
        return None
    last = max(returns, key=lambda node: node.lineno)
    value = _returned(last.value, name, states)
    if not isinstance(value, ast.Name):
        return None if value is None else value.lineno
    stores = [node for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    assigned = (node.lineno for node in stores if node.id == value.id and node.lineno <= last.lineno)
    return max(assigned, default=last.lineno)


def _returned(value: ast.expr | None, name: str, states: tuple[str, ...]) -> ast.expr | None:
    assert isinstance(value, ast.Tuple | ast.List)
    if name in states:
        return value.elts[states.index(name)] if len(value.elts) >= len(states) else None
    lines = value.elts[-1] if value.elts else None
    if not isinstance(lines, ast.Dict):
        return None
    pairs = zip(lines.keys, lines.values, strict=True)
    return next((own for key, own in pairs if isinstance(key, ast.Constant) and key.value == name), None)


def _total(given: Iterable[ArrayComparison], name: str) -> int:
    return sum(getattr(own, name) for own in given)


def compared(*given: ArrayComparison) -> str:
    """The number of compared values, with the total if a recording lacks some: "960", "96 of 960"."""
    count, lacking = _total(given, "elements"), _total(given, "unrecorded")
    return f"{count:,} of {count + lacking:,}" if lacking else f"{count:,}"


def mismatches(*given: ArrayComparison, way: PassName = "forward") -> str:
    """How many values are outside the tolerance."""
    count, exceed = _total(given, "mismatched"), "exceeds" if _total(given, "mismatched") == 1 else "exceed"
    if [own.name for own in given] == [HEAD]:
        return f"{count:,} of {_total(given, 'elements'):,} values of the dense layer {exceed} the tolerance"
    values = "recorded values" if _total(given, "unrecorded") else WORDS[way]["values"]
    return f"{count:,} of {_total(given, 'elements'):,} {values} {exceed} the tolerance"


def error_size(*given: ArrayComparison, way: PassName = "forward") -> str:
    """How many values are outside the tolerance, and the largest difference."""
    apart, values = _total(given, "nonfinite_apart"), mismatches(*given, way=way)
    if _total(given, "mismatched") == apart:
        return f"{values}; NaN or infinity in one engine only"
    size = f"{values}; {_largest(given)}"
    return f"{size}; {apart:,} NaN or infinite in one engine only" if apart else size


def values_and_error(*given: ArrayComparison, way: PassName = "forward") -> str:
    """The number of compared values and the largest difference."""
    count, differ, values = compared(*given), any(own.max_abs_error for own in given), WORDS[way]["values"]
    if [own.name for own in given] == [HEAD]:
        return f"{count} values of the dense layer, {_largest(given) if differ else 'all equal'}"
    if _total(given, "unrecorded"):
        return f"{count} values compared (the rest is not recorded), {_largest(given) if differ else 'all equal'}"
    return f"{count} {values}, {_largest(given)}" if differ else f"all {count} {values} are equal"


def _largest(given: Iterable[ArrayComparison]) -> str:
    return f"max abs difference {number_format.error(max(own.max_abs_error for own in given))}"


def size_of_difference(comparison: ArrayComparison) -> str:
    """The size of the difference, or that the hidden values agree although an engine is wrong."""
    if comparison.mismatched:
        return f"{error_size(comparison)}."
    template = "The hidden values of {own.reference:name} and {own.candidate:name} still agree within the tolerance."
    return say(template, own=comparison)


def how_many(failed: Sequence[Check]) -> str:
    return plural(len(failed), "consistency check fails", "consistency checks fail")


def quoted_names(failed: Sequence[Check]) -> str:
    """The first two checks, and how many more there are."""
    names = [f"{display_name(check.engine)}: {check.name}" for check in failed]
    return "; ".join([*names[:2], *([f"{len(names) - 2:,} more"] if names[2:] else [])])


def failed_checks(failed: Sequence[Check]) -> Iterator[str]:
    if failed:
        yield f"{how_many(failed)}: {quoted_names(failed)}."


def known_issues(result: RunResult, engines: Sequence[str], way: PassName = "forward") -> Iterator[str]:
    """The failed checks that say nothing about an engine, by the bug of a library that makes them fail."""
    issues: dict[str, list[Check]] = {}
    for check in result.checks:
        known = check.known_issue and not check.holds
        if known and check.engine in engines and check.of_gradients == (way == "backward"):
            issues.setdefault(check.known_issue, []).append(check)
    for issue, checks in issues.items():
        yield f"{how_many(checks)}: {quoted_names(checks)}. Known issue, which does not change the verdict: {issue}."


def audit_coverage(result: RunResult, engines: Sequence[str], way: PassName = "forward") -> Iterator[str]:
    """The engines in which the audit of a pass found no errors, and the share of values that it covered."""
    words = WORDS[way]
    given = [audit for engine in engines if (audit := result.judged(way).audits.get(engine)) is not None]
    audited = [audit for audit in given if audit.audited]
    if result.judgment is None or (way == "backward" and not audited):
        pairs = [own for own in result.comparisons if own.candidate in engines]
        template = "{way[not_audited]}."
        if result.judgment is None and any(own.mismatched for pair in pairs for own in compared_arrays(pair, way)):
            template = (
                "{way[not_audited]}, so it is unknown which engine is wrong. Rerun with the audit (--audit auto)."
            )
        yield say(template, way=words)
        return
    free = [audit for audit in audited if not result.wrong(audit.engine, way)]
    right = [audit for audit in free if audit.verdict is AuditVerdict.RIGHT]
    if right:
        coverage, template = min(audit.coverage for audit in right), "{audit}: no errors found in {engines}."
        if any(audit.undetermined for audit in right):
            template = "{audit}: no errors found in {engines}, {way[judged]}."
        elif coverage == 1.0:
            template = "{audit}: no errors found in {engines}; every {way[every]} is verified within rounding."
        of_values = words["audit"] if coverage == 1.0 else words["audit_of"].format(share=covered(coverage))
        yield say(template, way=words, audit=of_values, engines=join_words(display_name(own.engine) for own in right))
    template = (
        "{way[audit]} of {own.engine:name}: {own.undetermined:share} of {way[share]} undetermined, as rounding could "
        "hide an error."
    )
    yield from (say(template, way=words, own=own) for own in free if own.undetermined)
    template = "The step audit cannot check {own.engine:name}: its recording lacks the previous states."
    lacking = (own for own in given if way == "forward" and own.verdict is AuditVerdict.NOT_AUDITED)
    yield from (say(template, own=own) for own in lacking)


def padding(result: RunResult) -> Iterator[str]:
    """How many time steps of all samples are padding; nothing if none is."""
    steps, computed = result.inputs.timesteps * result.inputs.batch_size, sum(result.inputs.lengths)
    if computed:
        share = f"{steps - computed:,} of {steps:,} time steps of the samples"
        yield f"{share} are padding, which is neither computed nor compared."


def assumptions(result: RunResult) -> tuple[str, ...]:
    return tuple(f"Assumption: {clause}." for clause in result.assumptions)


def unrecorded(result: RunResult, engines: Sequence[str]) -> Iterator[str]:
    for engine in engines:
        if missing := unrecorded_arrays(result.traces[engine]):
            yield say("Not recorded in {engine:name}, so not checked: {missing:list}.", engine=engine, missing=missing)


def unrecorded_arrays(trace: Trace) -> list[str]:
    """The arrays that a recording lacks, by their names in the file."""
    missing = trace.missing if trace.partial else trace.missing - {"h"}
    names = {"h": "hidden", "out": "output", "state.h": "state", "state.c": "cell_state", HEAD: HEAD}
    return [name for array, name in names.items() if array in missing]


def precisions(result: RunResult, engines: Sequence[str]) -> Iterator[str]:
    """The types of recordings that are not the network's."""
    stored = "Values of {trace.engine:name} are stored as {trace.precision}"
    for trace in (result.traces[engine] for engine in engines):
        if trace.half:
            template = (
                "{trace.engine:name} was computed in {trace.half}, half precision: errors below {hidden:error} may not "
                "be found."
            )
        elif not trace.precision:
            continue
        elif trace.precision == "float64":
            template = f"{stored}, rounded to {{dtype}} for the comparison."
        elif trace.computed_in:
            template = (
                f"{stored}: they are compared with that precision, and audited as computed in {{trace.computed_in}}."
            )
        else:
            template = f"{stored}: they are compared and audited with that precision."
            if trace.precision == "float16":
                template += " If it was computed in another type, add that type to the file as computed_in."
        yield say(template, trace=trace, dtype=result.config.network.dtype, hidden=JUDGED_ROUNDINGS * trace.eps)


def first_wrong_values(judgment: PassJudgment, audits: Sequence[Audit]) -> Iterator[str]:
    """The first wrong value of each wrong engine, the recomputed value, and that with the likely cause."""
    for audit in audits:
        if (wrong := audit.first_wrong) is not None:
            first = "First wrong {way[step]} of {own.engine:name}"
            if is_recording(audit.engine):
                first = "First {way[step]} of {own.engine:name} that differs"
            values, proof = number_format.format_pair(wrong.value, wrong.expected), ""
            if audit.engine in judgment.with_cause:
                digits = number_format.short if values[0] == number_format.short(wrong.value) else number_format.full
                proof = f"; with the likely cause: {digits(judgment.with_cause[audit.engine])}"
            template = (
                f"{first}: {{values[0]}}; recomputed in float64 from its own {{way[read]}}: {{values[1]}}{{proof}}."
            )
            yield say(template, way=WORDS[audit.way], own=audit, values=values, proof=proof)


def fixes(result: RunResult, engines: Sequence[str]) -> Iterator[str]:
    """The changes that fix each engine with a likely cause."""
    judgment, network = result.judged("forward"), result.config.network
    for engine in engines:
        for cause in judgment.causes_of(engine):
            yield from fix_sentences(cause, network, display_name(engine) if len(engines) > 1 else "")


def patterns(judgment: PassJudgment, directions: int) -> Iterator[str]:
    """Which values of each wrong engine are wrong, and the nearest change where nothing explains them."""
    for engine, pattern in judgment.patterns.items():
        if words := pattern_words(pattern, directions):
            yield say("Pattern of {engine:name}: {words}.", engine=engine, words=words)
    for engine, nearest in judgment.nearest.items():
        yield say(
            "No cause found for {engine:name}; nearest: {near}.", engine=engine, near=nearest_words(nearest, directions)
        )


def nearest_words(nearest: Nearest, directions: int) -> str:
    """The change that comes nearest to a wrong engine, and by how much."""
    share = nearest.right_distance / max(1.0, nearest.distance)
    return f"{nearest_phrase(nearest, directions)}; {number_format.times(share)} nearer than the right step"


def first_lines(result: RunResult, audits: Sequence[Audit]) -> Iterator[str]:
    """The first line that differs of each custom step that returns lines, with its value and the recomputed one."""
    for audit in audits:
        if (line := audit.first_line) is not None:
            template = (
                "First line of {own.engine:name} that differs: {line.name}{file} at {line.where.location}: "
                "{values[0]}; recomputed: {values[1]}. Lines compared: {own.lines:list}."
            )
            number, values = first_line_in_source(result, audit), number_format.format_pair(line.value, line.expected)
            file = "" if number is None else f", in line {number} of the file,"
            yield say(template, own=audit, line=line, file=file, values=values)
        elif audit.lines:
            yield say("Lines of {own.engine:name} compared: {own.lines:list}. All are within rounding.", own=audit)


def first_values(comparison: Comparison, first: Mismatch | None, way: PassName = "forward") -> Iterator[str]:
    """The values of both engines at the first mismatch of a pass."""
    if first is not None:
        template = "{way[mismatch]}: {own.reference:name} {values[0]}, {own.candidate:name} {values[1]}."
        values = number_format.format_pair(first.reference, first.candidate)
        yield say(template, way=WORDS[way], own=comparison, values=values)


def undetectable_bugs(result: RunResult, way: PassName = "forward") -> tuple[str, ...]:
    """The known bugs that the run could not reveal, and the change of the config that would reveal more."""
    bugs, change = result.judged(way).undetectable, remedy(result)
    more = f" To detect more, {change}." if change else ""
    return (f"Undetectable {WORDS[way]['here']}: {', '.join(bugs)}.{more}",) if bugs else ()


def undetectable_changes(result: RunResult) -> tuple[str, ...]:
    """Other changes that no step of a fully audited run could reveal."""
    changes = result.judged("forward").undetectable_changes
    shown, more = ", ".join(changes[:_SHOWN_CHANGES]), len(changes) - _SHOWN_CHANGES
    return (f"Undetectable changes here: {shown}{f' and {more:,} more' if more > 0 else ''}.",) if changes else ()


def remedy(result: RunResult) -> str:
    """The change of the config that would reveal more known bugs, in words; empty without one."""
    found = None if result.judgment is None else result.judgment.remedy
    return "" if found is None else change_in_words(result.config, found)


def numbers(comparison: Comparison) -> Iterator[str]:
    """The sizes of the differences, and of the tolerance."""
    own, apart = comparison.leading, comparison.leading.nonfinite_apart
    if own.nonfinite_reference or own.nonfinite_candidate:
        counts = "{own.reference:name} {own.nonfinite_reference:,}, {own.candidate:name} {own.nonfinite_candidate:,}"
        where = "; {own.nonfinite_apart:,} in different places." if apart else ", in the same places."
        yield say(f"NaN or infinity: {counts}{where}", own=own)
    yield tolerance(own)
    would = "The finite values would" if apart else "Would" if own.mismatched else "Would still"
    yield f"{would} pass with atol = {number_format.format_ceil(own.smallest_passing_atol)} (same rtol)."
    if own.mismatched and own.max_ulp != number_format.UNDEFINED_ULP:
        yield say("Max distance: {own.max_ulp:ulp} ulp (values near 0 exaggerate it).", own=own)
    yield from arrays(a for a in (comparison.head, *comparison.arrays.values()) if a is not None and a is not own)


def tolerance(comparison: ArrayComparison) -> str:
    worst, exact = comparison.max_error_ratio, not comparison.atol and not comparison.rtol
    limit = "(atol {own.atol:full} + rtol {own.rtol:full} · |{own.reference:name}|)"
    if isinf(worst) and exact:
        template = "With atol = 0 and rtol = 0 no difference is allowed. Set atol > 0."
    elif isinf(worst) and comparison.atol:
        template = f"The tolerance {limit} is exceeded by a factor too large to represent. Increase atol."
    elif isinf(worst):
        template = "With atol = 0 no difference is allowed where {own.reference:name} is exactly 0. Set atol > 0."
    elif exact and not worst:
        template = "With atol = 0 and rtol = 0 no difference is allowed, and there is none."
    else:
        template = f"Largest {{finite}}difference: {of_tolerance(worst)} {limit}."
    return say(template, own=comparison, finite="finite " if comparison.nonfinite_apart else "")


def of_tolerance(ratio: float) -> str:
    """An error ratio in words: "59% of the tolerance", "1.5× the tolerance"."""
    return f"{number_format.times(ratio)} {'of the' if ratio <= 1.0 else 'the'} tolerance"


def arrays(compared: Iterable[ArrayComparison]) -> tuple[str, ...]:
    """The size of the difference of each array, such as c."""
    return tuple(f"{own.name}: {(error_size if own.mismatched else values_and_error)(own)}." for own in compared)


def others(result: RunResult, candidate: str) -> tuple[str, bool]:
    """The verdicts on the other candidates, "" without any, and whether one is worse."""
    own = result.candidate_verdict(result.comparison(candidate))
    verdicts = {c.candidate: result.candidate_verdict(c) for c in result.comparisons if c.candidate != candidate}
    names = ", ".join(f"{display_name(name)} ({verdict})" for name, verdict in verdicts.items())
    worse = any(VERDICTS.index(verdict) > VERDICTS.index(own) for verdict in verdicts.values())
    return names and f"Other candidates: {names}.", worse
