"""What stands behind a verdict, a sentence each."""

from math import isinf

from rnnviz.core import number_format
from rnnviz.core.display_names import display_name
from rnnviz.core.trace import Trace
from rnnviz.text.config_diff import change_in_words
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.invariants import Check
from rnnviz.verify.result import Judgment, RunResult
from rnnviz.verify.verdict import VERDICTS

_NAMED_CHECKS = 2
_RECORDED = {"hidden": "hidden", "output": "output", "state_h": "state", "state_c": "cell_state"}


def mismatch_count(comparison: Comparison) -> str:
    """How many of all values that were compared mismatch."""
    recorded = " recorded" if comparison.unrecorded else ""
    return (
        f"{number_format.count(comparison.mismatched)} of {number_format.count(comparison.elements)}{recorded} values"
    )


def compared(comparison: Comparison) -> str:
    """How many values were compared, and of how many where a recording lacks some: "960", "96 of 960"."""
    count = number_format.count(comparison.elements)
    if not comparison.unrecorded:
        return count
    return f"{count} of {number_format.count(comparison.elements + comparison.unrecorded)}"


def error_size(comparison: Comparison) -> str:
    """How large the differences are."""
    apart, finite = comparison.nonfinite_apart, comparison.mismatched - comparison.nonfinite_apart
    if not finite:
        return "NaN or infinite on one side only"
    size = f"by up to {number_format.error(comparison.max_abs_error)}"
    return f"{size}; {number_format.count(apart)} NaN or infinite on one side only" if apart else size


def how_many(failed: list[Check]) -> str:
    """ "a check fails", "2 checks fail"."""
    return "a check fails" if len(failed) == 1 else f"{number_format.count(len(failed))} checks fail"


def quoted_names(failed: list[Check]) -> str:
    """The first of the checks by name, each with its engine."""
    words = "; ".join(f"{display_name(check.engine)}: {check.name}" for check in failed[:_NAMED_CHECKS])
    more = len(failed) - _NAMED_CHECKS
    return f"{words}; and {number_format.count(more)} more" if more > 0 else words


def size_of_difference(comparison: Comparison) -> tuple[str, ...]:
    """How many values differ and by how much, or that all agree though an engine is wrong."""
    if comparison.mismatched:
        return (f"{mismatch_count(comparison)} differ, {error_size(comparison)}.",)
    reference, candidate = display_name(comparison.reference), display_name(comparison.candidate)
    return (f"{reference} and {candidate} agree within the tolerance all the same.",)


def values_and_error(comparison: Comparison) -> str:
    """How many values were compared, and the largest difference."""
    if comparison.unrecorded:
        return f"{compared(comparison)} values compared, the others not recorded, {largest_difference(comparison)}"
    if comparison.max_abs_error == 0.0:
        return f"all {compared(comparison)} values are equal"
    return f"{compared(comparison)} values, {largest_difference(comparison)}"


def largest_difference(comparison: Comparison) -> str:
    """How large the largest difference is, or that there is none."""
    if comparison.max_abs_error == 0.0:
        return "all equal"
    return f"largest difference {number_format.error(comparison.max_abs_error)}"


def failed_checks(failed: list[Check]) -> tuple[str, ...]:
    """The checks that fail, by name."""
    return (f"{how_many(failed).capitalize()}: {quoted_names(failed)}.",) if failed else ()


def who_is_right(result: RunResult, engines: tuple[str, ...]) -> tuple[str, ...]:
    """Which engines the audit finds right, and how many of their values it looked at."""
    judgment = result.judgment
    if judgment is None:
        apart = any(c.mismatched for c in result.comparisons if c.candidate in engines)
        return ("No step was audited: which side is wrong is not known." if apart else "No step was audited.",)
    audited = [engine for engine in engines if engine in judgment.audits]
    blind = tuple(
        f"No step of {display_name(engine)} can be audited: what each one reads was not recorded."
        for engine in audited
        if not judgment.audits[engine].audited
    )
    return *_right(result, judgment, [e for e in audited if judgment.audits[e].audited]), *blind


def _right(result: RunResult, judgment: Judgment, audited: list[str]) -> tuple[str, ...]:
    known = [engine for engine in audited if not result.wrong(engine)]
    unknown = tuple(
        f"The audit cannot judge {covered(share) if share < 1.0 else 'any'} of {display_name(engine)}'s values: "
        f"rounding can hide an error there."
        for engine in known
        if (share := judgment.audits[engine].undetermined)
    )
    right = [engine for engine in known if judgment.audits[engine].verdict == "right"]
    if not right:
        return unknown
    names = " and ".join(display_name(engine) for engine in right)
    subject = f"{names} {'is' if len(right) == 1 else 'are'}"
    coverage = min(judgment.audits[engine].coverage for engine in right)
    evaluated = " that could be judged" if any(judgment.audits[engine].undetermined for engine in right) else ""
    if coverage == 1.0:
        return f"{subject} right at every step{evaluated}.", *unknown
    return f"{covered(coverage)} of the values audited: {subject} right at every step of these{evaluated}.", *unknown


def assumptions(result: RunResult) -> tuple[str, ...]:
    """The assumptions under which a model file was run."""
    return tuple(f"Assumption: {clause}." for clause in result.assumptions)


def unrecorded(result: RunResult, engines: tuple[str, ...]) -> tuple[str, ...]:
    """What recordings do not hold."""
    return tuple(
        f"{display_name(engine)} was recorded without {_listed(missing)}: "
        f"record {'it' if len(missing) == 1 else 'them'}, too, to have {'it' if len(missing) == 1 else 'them'} checked."
        for engine in engines
        if (missing := unrecorded_arrays(result.traces[engine]))
    )


def _listed(names: list[str]) -> str:
    """ "output", "output and state", "hidden, output and state"."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def precisions(result: RunResult, engines: tuple[str, ...]) -> tuple[str, ...]:
    """In which type recordings hold their numbers, where that is not the network's."""
    own = result.config.network.dtype
    return tuple(
        f"{display_name(engine)} holds {kind}, "
        + (f"rounded to {own} here." if kind == "float64" else _audited_with(result.traces[engine]))
        for engine in engines
        if (kind := result.traces[engine].precision)
    )


def _audited_with(trace: Trace) -> str:
    """With which precision a coarser recording is compared and audited."""
    if trace.computed_in:
        return f"and is compared with its precision, and audited as computed in {trace.computed_in}."
    if trace.precision == "float16":
        return "and is compared and audited with its precision: add computed_in to it if it was computed in another."
    return "and is compared and audited with its precision."


def unrecorded_arrays(trace: Trace) -> list[str]:
    """What a recording does not hold of what an engine returns, by the names that it would have in the file."""
    missing = trace.missing if trace.partial else trace.missing - {"hidden"}
    return [name for array, name in _RECORDED.items() if array in missing]


def covered(coverage: float) -> str:
    """A fraction below 1 in percent, never rounded up to the whole: "38 %", "0.4 %", "99.9 %", "none"."""
    if coverage == 0.0:
        return "none"
    percent = 100.0 * coverage
    if percent < 0.1:
        return "less than 0.1 %"
    if percent < 10.0 or percent > 99.0:
        return f"{min(int(10 * percent) / 10, 99.9):g} %"
    return f"{int(percent)} %"


def first_wrong_values(audits: list[Audit]) -> tuple[str, ...]:
    """What each wrong engine has at its first wrong step, and what the step gives."""
    return tuple(
        "At its first wrong step {} has {}, where its own previous state gives {}.".format(
            display_name(audit.engine), *number_format.format_pair(wrong.value, wrong.expected)
        )
        for audit in audits
        if (wrong := audit.first_wrong) is not None
    )


def first_values(comparison: Comparison) -> tuple[str, ...]:
    """What both have at the first mismatch."""
    first = comparison.first_mismatch
    if first is None:
        return ()
    values = number_format.format_pair(first.reference, first.candidate)
    reference = f"{display_name(comparison.reference)} has {values[0]}"
    candidate = f"{display_name(comparison.candidate)} {values[1]}"
    return (f"At the first difference, {reference} and {candidate}.",)


def blind_spots(result: RunResult) -> tuple[str, ...]:
    """Which known mistakes the run could not reveal, by name, and what would reveal them."""
    judgment = result.judgment
    if judgment is None or not judgment.undetectable:
        return ()
    said = f"This run could not reveal {', '.join(judgment.undetectable)}"
    if judgment.remedy is None:
        return (f"{said}.",)
    return (f"{said}: {change_in_words(result.config, judgment.remedy)} to reveal more.",)


def nonfinite(comparison: Comparison) -> tuple[str, ...]:
    """How many values are no numbers, on which side."""
    reference, candidate = comparison.nonfinite_reference, comparison.nonfinite_candidate
    if not (reference or candidate):
        return ()
    held = (
        f"NaN or infinite: {number_format.count(reference)} of {display_name(comparison.reference)}'s values, "
        f"{number_format.count(candidate)} of {display_name(comparison.candidate)}'s"
    )
    apart = comparison.nonfinite_apart
    return (f"{held}, {number_format.count(apart)} of them apart." if apart else f"{held}, all in the same places.",)


def tolerance(comparison: Comparison) -> str:
    """The tolerance, and how much of it is used."""
    reference = display_name(comparison.reference)
    limit = f"{number_format.full(comparison.atol)} + {number_format.full(comparison.rtol)} · |{reference}|"
    worst = comparison.max_error_ratio
    if not comparison.atol and not comparison.rtol and not worst:
        return f"Tolerance {limit} allows no difference, and there is none."
    if isinf(worst):
        return f"Tolerance {limit} {_without_room(comparison, reference)}"
    used = f"{number_format.error(100.0 * worst)} %" if worst <= 1.0 else f"{number_format.error(worst)} times"
    return f"Tolerance {limit}, of which the largest violation takes {used}."


def _without_room(comparison: Comparison, reference: str) -> str:
    """Why a difference is infinitely many times the tolerance, and what would let it pass."""
    if comparison.atol:
        return "is exceeded more times than a number can say: use a larger atol to let such differences pass."
    if comparison.rtol:
        return f"allows no difference where {reference} has 0, and there is one: use an atol above 0 to let it pass."
    return "allows no difference, and there is one: use an atol above 0 to let it pass."


def passing(comparison: Comparison) -> str:
    """The smallest atol that would pass."""
    smallest = f"The smallest passing atol is {number_format.format_ceil(comparison.smallest_passing_atol)}"
    return f"{smallest} for the finite values." if comparison.nonfinite_apart else f"{smallest}."


def ulp(comparison: Comparison) -> tuple[str, ...]:
    """The largest distance in floats."""
    return (f"At most {number_format.ulp(comparison.max_ulp)} ULP apart.",) if comparison.max_ulp else ()


def others(result: RunResult, candidate: str) -> tuple[str, bool] | None:
    """How the other candidates fare, and whether any of them fares worse; None if there is no other."""
    said = {"agree": "agrees", "drift": "drifts", "disagree": "differs"}
    own = result.comparison_verdict(result.comparison(candidate))
    verdicts = {c.candidate: result.comparison_verdict(c) for c in result.comparisons if c.candidate != candidate}
    if not verdicts:
        return None
    words = ", ".join(f"{display_name(name)} {said[verdict]}" for name, verdict in verdicts.items())
    worse = any(VERDICTS.index(verdict) > VERDICTS.index(own) for verdict in verdicts.values())
    return f"Of the other candidates, {words}.", worse
