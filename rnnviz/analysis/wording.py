"""The verdict in words: the same sentence in the window and on the command line."""

from dataclasses import dataclass
from typing import TypeAlias

from rnnviz.analysis import numbers
from rnnviz.analysis.audit import Audit
from rnnviz.analysis.checks import Check
from rnnviz.analysis.compare import Comparison
from rnnviz.analysis.result import RunResult
from rnnviz.model.location import Location

MARKS = {"agree": "✔", "drift": "≈", "mismatch": "✘"}
_NAMED_CHECKS = 2


@dataclass(frozen=True)
class Part:
    """A piece of a sentence; `where` makes it a link to a place, `strong` is what the eye should meet."""

    text: str
    where: Location | None = None
    strong: bool = False


@dataclass(frozen=True)
class VerdictWords:
    """The verdict on one candidate.

    `sentence` says it whole and `brief` where there is little room; `notes` are what stands behind it, a sentence
    each, the most telling first.
    """

    verdict: str
    sentence: tuple[Part, ...]
    brief: tuple[Part, ...]
    notes: tuple[str, ...]
    first_mismatch: Location | None

    def __str__(self) -> str:
        return f"{MARKS[self.verdict]} {plain(self.sentence)}"


def plain(parts: tuple[Part, ...]) -> str:
    """The sentence without its links."""
    return "".join(part.text for part in parts)


def verdict_sentence(result: RunResult, candidate: str) -> VerdictWords:
    """Say what is known of `candidate` and the reference: who is wrong, how far they are apart, what does not hold."""
    comparison = result.comparison(candidate)
    engines = comparison.reference, candidate
    verdict = result.comparison_verdict(comparison)
    failed = [check for check in result.checks if check.engine in engines and not check.holds]
    wrong = (
        [] if result.judgement is None else [a for e in engines if (a := result.judgement.audits.get(e)) and a.wrong]
    )
    if wrong:
        sentence, brief = _wrong(wrong, comparison)
    elif comparison.mismatched:
        sentence, brief = _apart("drifts" if verdict == "drift" else "differs", comparison)
    elif failed:
        sentence, brief = _broken(comparison, failed)
    else:
        sentence, brief = _agreement(comparison)
    notes = [
        *(_failed_checks(failed) if wrong or comparison.mismatched else ()),
        *_judgement(result, engines),
        *_first_values(comparison),
        *_nonfinite(comparison),
        _tolerance(comparison),
        _passing(comparison),
        *_ulp(comparison),
        *_others(result, candidate),
    ]
    first = None if comparison.first_mismatch is None else comparison.first_mismatch.where
    return VerdictWords(verdict, sentence, brief, tuple(notes), first)


def report(result: RunResult) -> str:
    """The verdict on every candidate with all that stands behind it, for a terminal."""
    lines = []
    for comparison in result.comparisons:
        words = verdict_sentence(result, comparison.candidate)
        lines += [str(words), *(f"  {note}" for note in words.notes)]
    return "\n".join(lines)


def _judgement(result: RunResult, engines: tuple[str, ...]) -> tuple[str, ...]:
    """What the audit says of these engines: what explains a wrong one, who is right, what could not be shown."""
    judgement = result.judgement
    if judgement is None:
        return ()
    notes = []
    for engine in engines:
        mistakes = " or ".join(" with ".join(names) for names in judgement.diagnoses.get(engine, ()))
        if mistakes:
            notes.append(f"{engine} computes what the mistake {mistakes} would.")
    right = [e for e in engines if e in judgement.audits and not judgement.audits[e].wrong]
    if right:
        least = min(judgement.audits[engine].coverage for engine in right)
        looked = "every step" if least == 1.0 else f"every step that was audited, {100 * least:.1f} % of all values"
        notes.append(f"{' and '.join(right)} {'is' if len(right) == 1 else 'are'} right at {looked}.")
    if judgement.blind_to and len(right) == len(engines):
        notes.append(f"This run could not reveal {', '.join(judgement.blind_to)}.")
    return tuple(notes)


_Two: TypeAlias = tuple[tuple[Part, ...], tuple[Part, ...]]
"""A whole sentence and a brief one."""


def _agreement(comparison: Comparison) -> _Two:
    agree = Part(f"{comparison.reference} and {comparison.candidate} agree", strong=True)
    values = numbers.count(comparison.elements)
    if comparison.max_abs_error == 0.0:
        parts = (agree, Part(f": all {values} values are equal"))
        return parts, parts
    brief = (agree, Part(f": {values} values, largest difference {numbers.error(comparison.max_abs_error)}"))
    at = comparison.max_abs_error_at
    return (*brief, Part(" at "), Part(str(at), at)), brief


def _broken(comparison: Comparison, failed: list[Check]) -> _Two:
    agree = Part(f"{comparison.reference} and {comparison.candidate} agree, but ")
    fails = Part(_how_many(failed), strong=True)
    return (agree, fails, Part(f": {_named(failed)}")), (agree, fails)


def _apart(how: str, comparison: Comparison) -> _Two:
    start: tuple[Part, ...] = (Part(f"{comparison.candidate} {how} from {comparison.reference}", strong=True),)
    if comparison.first_mismatch is not None:
        where = comparison.first_mismatch.where
        start += (Part(" from "), Part(str(where), where))
    why = ", though each step is right" if how == "drifts" else ""
    return (*start, Part(f": {_few(comparison)}, {_by(comparison)}{why}")), (*start, Part(f": {_few(comparison)}"))


def _wrong(audits: list[Audit], comparison: Comparison) -> _Two:
    """Name the sides that are wrong, each with the first step that is."""
    start: list[Part] = []
    for audit in audits:
        start += [Part(" and " if start else ""), Part(f"{audit.engine} is wrong", strong=True)]
        if audit.first_wrong is not None:
            start += [Part(" from "), Part(str(audit.first_wrong.where), audit.first_wrong.where)]
    if not comparison.mismatched:
        same = Part(f": {comparison.reference} and {comparison.candidate} agree within the tolerance all the same")
        return (*start, same), tuple(start)
    return (*start, Part(f": {_few(comparison)} differ, {_by(comparison)}")), (*start, Part(f": {_few(comparison)}"))


def _few(comparison: Comparison) -> str:
    return f"{numbers.count(comparison.mismatched)} of {numbers.count(comparison.elements)} values"


def _by(comparison: Comparison) -> str:
    apart, finite = comparison.nonfinite_apart, comparison.mismatched - comparison.nonfinite_apart
    if not finite:
        return "NaN or infinite on one side only"
    by = f"by up to {numbers.error(comparison.max_abs_error)}"
    return f"{by}; {numbers.count(apart)} NaN or infinite on one side only" if apart else by


def _failed_checks(failed: list[Check]) -> tuple[str, ...]:
    return (f"{_how_many(failed).capitalize()}, too: {_named(failed)}.",) if failed else ()


def _how_many(failed: list[Check]) -> str:
    return "a check fails" if len(failed) == 1 else f"{numbers.count(len(failed))} checks fail"


def _named(failed: list[Check]) -> str:
    named = "; ".join(f"{check.engine}: {check.name}" for check in failed[:_NAMED_CHECKS])
    more = len(failed) - _NAMED_CHECKS
    return f"{named}; and {numbers.count(more)} more" if more > 0 else named


def _first_values(comparison: Comparison) -> tuple[str, ...]:
    first = comparison.first_mismatch
    if first is None:
        return ()
    reference = f"{comparison.reference} has {numbers.short(first.reference)}"
    return (f"At the first, {reference} and {comparison.candidate} {numbers.short(first.candidate)}.",)


def _nonfinite(comparison: Comparison) -> tuple[str, ...]:
    reference, candidate = comparison.nonfinite_reference, comparison.nonfinite_candidate
    if not (reference or candidate):
        return ()
    held = (
        f"NaN or infinite: {numbers.count(reference)} of {comparison.reference}'s values, "
        f"{numbers.count(candidate)} of {comparison.candidate}'s"
    )
    apart = comparison.nonfinite_apart
    return (f"{held}, {numbers.count(apart)} of them apart." if apart else f"{held}, all in the same places.",)


def _tolerance(comparison: Comparison) -> str:
    limit = f"{numbers.full(comparison.atol)} + {numbers.full(comparison.rtol)} · |{comparison.reference}|"
    worst = comparison.max_violation
    used = f"{numbers.error(100.0 * worst)} %" if worst <= 1.0 else f"{numbers.error(worst)} times"
    return f"Tolerance {limit}, of which the largest violation takes {used}."


def _passing(comparison: Comparison) -> str:
    smallest = f"The smallest passing atol is {numbers.at_least(comparison.smallest_passing_atol)}"
    return f"{smallest} for the finite values." if comparison.nonfinite_apart else f"{smallest}."


def _ulp(comparison: Comparison) -> tuple[str, ...]:
    return (f"At most {numbers.ulp(comparison.max_ulp)} ULP apart.",) if comparison.max_ulp else ()


def _others(result: RunResult, candidate: str) -> tuple[str, ...]:
    """How the other candidates fare, so that a green line never hides a red one."""
    said = {"agree": "agrees", "drift": "drifts", "mismatch": "differs"}
    others = [c for c in result.comparisons if c.candidate != candidate]
    if not others:
        return ()
    words = ", ".join(f"{c.candidate} {said[result.comparison_verdict(c)]}" for c in others)
    return (f"Of the other candidates, {words}.",)
