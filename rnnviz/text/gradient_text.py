"""The verdict on gradients as a text with links, and its details."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from math import isinf

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.words import capital
from rnnviz.text.verdict_details import (
    WORDS,
    error_size,
    failed_checks,
    first_values,
    first_wrong_values,
    known_issues,
    mismatch_count,
    not_audited,
    pair_names,
    remedy,
    undetectable_bugs,
    values_and_error,
    without_errors,
)
from rnnviz.text.verdict_text import (
    TextPart,
    VerdictWords,
    agree,
    agree_but,
    differ,
    fill,
    place_part,
    plain,
    wrong_engines,
)
from rnnviz.verify.compare import ArrayComparison, Comparison, LaneComparison
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

# Text between asterisks is strong.
_DRIFT = (
    "*Numerical drift of gradients*: {candidate} and {reference} diverge, first in {place}. Every audited gradient is "
    "within rounding; rounding errors accumulated."
)
_FOLLOW = (
    "*Gradients of {candidate} and {reference} differ because their hidden values do*, first in {place}. Every audited "
    "gradient is within rounding."
)
_ALONE = "*Gradients of {engine} are not compared*: {reason}."
_ONE_ENGINE = "no other engine ran"

_EXCEED_NONFINITE = "{values} {exceed} the tolerance; {apart} NaN or infinite in one only"
_ARRAY = "{name}: {size}."
_PARAMETERS = "Initial states and parameters: {size}."
_PARAMETERS_AT = "Initial states and parameters: {size}, at {place}."
_WITHOUT = "No gradients of {engine}: {reason}."
_TOLERANCE = "Largest difference of gradients: {times} the tolerance."
_TOLERANCE_SHARE = "Largest difference of gradients: {times} of the tolerance."


def gradient_words(result: RunResult, candidate: str | None) -> VerdictWords | None:
    """The verdict on the gradients of a candidate: wrong engines, the first difference, undetectable bugs."""
    comparison, judgment = None if candidate is None else result.comparison(candidate), result.judged("backward")
    pair = (result.reference.engine,) if candidate is None else (result.reference.engine, candidate)
    gradients = () if comparison is None else comparison.gradients.values()
    engines = [engine for engine in pair if result.traces[engine].has_gradients]
    if not engines:
        return None
    verdict = None if comparison is None else result.gradients_verdict(comparison)
    wrong = [engine for engine in engines if result.wrong(engine, "backward")]
    bugs = () if wrong else judgment.undetectable
    blind = tuple(f"{bug}: {judgment.cause(bug)}" for bug in bugs)
    first = None if comparison is None else comparison.first_gradient_mismatch
    if wrong:
        sentence = wrong_engines(result, wrong, "backward")
    elif comparison is None or verdict is None:
        others = (result.without_gradients[engine] for engine in pair if engine not in engines)
        reason = next(others, _ONE_ENGINE)
        sentence = fill(_ALONE, engine=display_name(engines[0]), reason=reason)
    elif first is not None:
        place = place_part(first.place)
        if verdict is Verdict.DRIFT:
            template = _FOLLOW if result.comparison_verdict(comparison) is not Verdict.AGREE else _DRIFT
            sentence = fill(template, **pair_names(comparison), place=place)
        else:
            sentence = differ(comparison, place, "backward")
    elif blind:
        sentence = agree_but(comparison, blind, "backward")
    else:
        sentence = agree(comparison, _size(*gradients), "backward")
    notes = (
        *((f"{capital(_size(*gradients))}.",) if blind and gradients and first is None else ()),
        *(_without(result, pair) if wrong else ()),
        *_audit_notes(result, engines, apart=first is not None),
        *failed_checks(result.failed_checks(*engines, way="backward")),
        *known_issues(result, engines, of_gradients=True),
        *first_wrong_values([judgment.audits[engine] for engine in wrong if engine in judgment.audits]),
        *(() if comparison is None else first_values(comparison, first, "backward")),
        *(undetectable_bugs(result, of_gradients=True) if bugs else ()),
        *(_tolerance(gradients) if gradients else ()),
        *(() if comparison is None else _arrays(comparison)),
    )
    audits = judgment.audits
    return VerdictWords(
        Verdict.DISAGREE if wrong else verdict or Verdict.AGREE,
        sentence,
        tuple(part if part.where is None else replace(part, text=_short(part)) for part in sentence),
        notes,
        None if first is None else first.place.location,
        blind,
        remedy(result) if blind else "",
        coverage=min((audits[engine].coverage for engine in engines if engine in audits), default=None),
        partial=verdict is None,
    )


def both_passes(forward: VerdictWords, gradients: VerdictWords | None) -> VerdictWords:
    """The verdict on a candidate with that on its gradients: the worse one, with the other among its notes."""
    if gradients is None:
        return forward
    # Gradients that are not compared are no reason to put the hidden states second.
    alone = gradients.partial and gradients.verdict is Verdict.AGREE
    worse = _rank(gradients) > _rank(forward) and not alone
    first, other = (gradients, forward) if worse else (forward, gradients)
    audited = [words.coverage for words in (forward, gradients) if words.coverage is not None]
    return replace(
        first,
        notes=(f"{plain(other.sentence).rstrip('.')}.", *first.notes, *other.notes),
        first_mismatch=first.first_mismatch or other.first_mismatch,
        remedy=forward.remedy or gradients.remedy,
        coverage=min(audited, default=None),
    )


def _rank(words: VerdictWords) -> int:
    return ("agree", "blind", "drift", "disagree").index(words.look)


def gradient_facts(result: RunResult, candidate: str | None) -> tuple[tuple[str, tuple[TextPart, ...]], ...]:
    """The verdict on the gradients of a candidate as rows of a heading and a text; none without gradients."""
    words = gradient_words(result, candidate)
    if words is None:
        return ()
    notes = tuple(TextPart(f"{note}\n") for note in words.notes)
    return ("Gradients", words.sentence), ("Details of gradients", notes)


def without_gradients(result: RunResult) -> tuple[str, ...]:
    """A sentence for each engine that has no gradients in a run with a backward pass."""
    return _without(result, tuple(result.traces))


def _without(result: RunResult, engines: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        _WITHOUT.format(engine=display_name(engine), reason=reason)
        for engine, reason in result.without_gradients.items()
        if engine in engines
    )


def _short(part: TextPart) -> str:
    """The name of the array and the short form of the position."""
    assert part.where is not None
    return f"{part.text.split(' ', 1)[0]} {part.where.short}"


def _size(*gradients: ArrayComparison) -> str:
    """The number of gradients outside the tolerance; without any, how many are compared."""
    if not any(own.mismatched for own in gradients):
        return values_and_error(*gradients, way="backward")
    apart = sum(own.nonfinite_apart for own in gradients)
    if not apart:
        return error_size(*gradients, way="backward")
    values = mismatch_count(*gradients, way="backward")
    exceed = "exceeds" if sum(own.mismatched for own in gradients) == 1 else "exceed"
    return _EXCEED_NONFINITE.format(values=values, exceed=exceed, apart=number_format.count(apart))


def _arrays(comparison: Comparison) -> Iterator[str]:
    """The size of the difference of each gradient over time, and of all others together."""
    others = []
    for name, own in comparison.gradients.items():
        if isinstance(own, LaneComparison):
            yield _ARRAY.format(name=name, size=_size(own))
        else:
            others.append(own)
    if others:
        worst = max(others, key=lambda own: own.max_abs_error)
        template = _PARAMETERS_AT if worst.max_abs_error else _PARAMETERS
        yield template.format(size=_size(*others), place=worst.max_abs_error_place)


def _audit_notes(result: RunResult, engines: list[str], *, apart: bool) -> tuple[str, ...]:
    """The engines in whose gradients no errors were found, and the share that was audited."""
    every = result.judged("backward").audits
    audited = [audit for engine in engines if (audit := every.get(engine)) is not None and audit.audited]
    if not audited:
        return not_audited(WORDS["backward"], apart=apart and result.judgment is None)
    return without_errors([a for a in audited if not result.wrong(a.engine, "backward")])


def _tolerance(gradients: Collection[ArrayComparison]) -> Iterator[str]:
    worst = max(own.max_error_ratio for own in gradients)
    if not isinf(worst):
        yield (_TOLERANCE_SHARE if worst <= 1.0 else _TOLERANCE).format(times=number_format.times(worst))
