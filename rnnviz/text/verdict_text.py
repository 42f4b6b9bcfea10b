"""The verdict in words: the same sentence in the window and on the command line."""

from dataclasses import dataclass
from typing import TypeAlias

from rnnviz.core import number_format
from rnnviz.core.display_names import display_name
from rnnviz.core.trace_index import Location
from rnnviz.text import verdict_details as notes
from rnnviz.text.config_diff import change_in_words
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.invariants import Check
from rnnviz.verify.result import Judgment, RunResult

MARKS = {"agree": "✔", "drift": "≈", "disagree": "✘"}

BLIND_SPOTS = "blind spots"
"""The act of a part that leads to the mistakes which the run could not reveal."""


@dataclass(frozen=True)
class TextPart:
    """A piece of a sentence.

    `where` makes it a link to a place, `act` a link to something else, of which `tip` tells more on hover; `strong`
    is what the eye should meet.
    """

    text: str
    where: Location | None = None
    strong: bool = False
    act: str = ""
    tip: str = ""


@dataclass(frozen=True)
class VerdictWords:
    """The verdict on one candidate.

    `sentence` says it whole and `brief` where there is little room; `notes` are what stands behind it, a sentence
    each, the most telling first. `blind` is a line about each known mistake that a run without a wrong engine could
    not reveal, and `remedy` what would reveal more of them, if anything would. `coverage` is the fraction of values
    that were audited, None without an audit; of a recording that lacks some nobody could audit more. `partial` tells
    that a recording lacks values, which were not compared.
    """

    verdict: str
    sentence: tuple[TextPart, ...]
    brief: tuple[TextPart, ...]
    notes: tuple[str, ...]
    first_mismatch: Location | None
    blind: tuple[str, ...] = ()
    remedy: str = ""
    coverage: float | None = None
    partial: bool = False

    def __str__(self) -> str:
        return f"{MARKS[self.verdict]} {plain(self.sentence)}"

    @property
    def look(self) -> str:
        """The verdict, or "blind" for an agreement of some values only, or that some known mistakes would not break."""
        return "blind" if self.verdict == "agree" and (self.blind or self.partial) else self.verdict


_Two: TypeAlias = tuple[tuple[TextPart, ...], tuple[TextPart, ...]]
"""A whole sentence and a brief one."""


def plain(parts: tuple[TextPart, ...]) -> str:
    """The sentence without its links."""
    return "".join(part.text for part in parts)


def verdict_sentence(result: RunResult, candidate: str) -> VerdictWords:
    """Say what is known of `candidate` and the reference: who is wrong, how far they are apart, what does not hold."""
    comparison, judgment = result.comparison(candidate), result.judgment
    engines = comparison.reference, candidate
    verdict = result.comparison_verdict(comparison)
    failed = [check for check in result.checks if check.engine in engines and not check.holds]
    audits = [] if judgment is None else [judgment.audits[e] for e in engines if e in judgment.audits]
    wrong = [audit for audit in audits if result.wrong(audit.engine)]
    blind = () if judgment is None or wrong else _blind_lines(judgment)
    remedy = judgment.remedy if judgment is not None and blind else None
    first: tuple[str, ...] = ()
    if judgment is not None and wrong:
        sentence, brief = _wrong(wrong, judgment, failed)
        first = notes.size_of_difference(comparison)
    elif comparison.mismatched:
        sentence, brief = _drift(comparison, audits) if verdict == "drift" else _apart(comparison, judgment)
        first = (
            (f"{_capital(notes.mismatch_count(comparison))}, {notes.error_size(comparison)}.",)
            if verdict == "drift"
            else ()
        )
    elif failed:
        sentence, brief = _broken(comparison, failed)
    elif blind:
        sentence, brief = _blind_agreement(comparison, blind)
        first = (f"{_capital(notes.values_and_error(comparison))}.",)
    else:
        sentence, brief = _agreement(comparison)
    others = notes.others(result, candidate)
    all_notes = [
        # A green line never hides a red one.
        *((others[0],) if others is not None and others[1] else ()),
        *first,
        *notes.assumptions(result),
        *notes.who_is_right(result, engines),
        *notes.unrecorded(result, engines),
        *notes.precisions(result, engines),
        *(notes.failed_checks(failed) if wrong or comparison.mismatched else ()),
        *notes.first_wrong_values(wrong),
        *(notes.first_values(comparison) if not wrong else ()),
        *(notes.blind_spots(result) if blind else ()),
        *notes.nonfinite(comparison),
        notes.tolerance(comparison),
        notes.passing(comparison),
        *notes.ulp(comparison),
        *((others[0],) if others is not None and not others[1] else ()),
    ]
    return VerdictWords(
        verdict,
        sentence,
        brief,
        tuple(all_notes),
        None if comparison.first_mismatch is None else comparison.first_mismatch.where,
        blind,
        "" if remedy is None else change_in_words(result.config, remedy),
        min((a.coverage for a in audits if not result.traces[a.engine].partial), default=1.0 if audits else None),
        comparison.unrecorded > 0,
    )


def report(result: RunResult) -> str:
    """The verdict on every candidate with all that stands behind it, for a terminal."""
    lines = []
    for comparison in result.comparisons:
        words = verdict_sentence(result, comparison.candidate)
        lines += [str(words), *(f"  {note}" for note in words.notes)]
    return "\n".join(lines)


def diagnosis(judgment: Judgment, engine: str) -> str:
    """What an engine computes as if, in the mistakes' own phrases; empty if nothing known explains it."""
    found = [" and ".join(judgment.phrase(name) for name in names) for names in judgment.diagnoses.get(engine, ())]
    if len(found) > 2:
        return f"as if {found[0]}, or {number_format.count(len(found) - 1)} other mistakes"
    return " or ".join(f"as if {phrase}" for phrase in found)


def _blind_lines(judgment: Judgment) -> tuple[str, ...]:
    return tuple(f"{name}: as if {judgment.phrase(name)}" for name in judgment.undetectable)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _names(comparison: Comparison) -> tuple[str, str]:
    return display_name(comparison.reference), display_name(comparison.candidate)


def _agree(comparison: Comparison) -> TextPart:
    reference, candidate = _names(comparison)
    some = f" in the {notes.compared(comparison)} values that were recorded" if comparison.unrecorded else ""
    return TextPart(f"{reference} and {candidate} agree{some}", strong=True)


def _agreement(comparison: Comparison) -> _Two:
    size = notes.largest_difference(comparison) if comparison.unrecorded else notes.values_and_error(comparison)
    brief = (_agree(comparison), TextPart(f": {size}"))
    if comparison.max_abs_error == 0.0:
        return brief, brief
    at = comparison.max_abs_error_at
    return (*brief, TextPart(" at "), TextPart(str(at), at)), brief


def _blind_agreement(comparison: Comparison, blind: tuple[str, ...]) -> _Two:
    some = "a known mistake" if len(blind) == 1 else f"{number_format.count(len(blind))} known mistakes"
    but = TextPart(", but this run could not reveal ", strong=True)
    brief = (_agree(comparison), but, TextPart(some, strong=True, act=BLIND_SPOTS, tip="\n".join(blind)))
    return brief, brief


def _broken(comparison: Comparison, failed: list[Check]) -> _Two:
    agree = TextPart(f"{_agree(comparison).text}, but ")
    fails = TextPart(notes.how_many(failed), strong=True)
    return (agree, fails, TextPart(f": {notes.quoted_names(failed)}")), (agree, fails)


def _from(comparison: Comparison, verb: str) -> tuple[TextPart, ...]:
    reference, candidate = _names(comparison)
    start = TextPart(f"{candidate} {verb} from {reference}", strong=True)
    if comparison.first_mismatch is None:
        return (start,)
    where = comparison.first_mismatch.where
    return start, TextPart(" from "), TextPart(str(where), where)


def _apart(comparison: Comparison, judgment: Judgment | None) -> _Two:
    start = _from(comparison, "differs")
    if judgment is not None:
        start += _as_if(judgment, comparison.reference) + _as_if(judgment, comparison.candidate)
    few = f": {notes.mismatch_count(comparison)}"
    return (*start, TextPart(f"{few}, {notes.error_size(comparison)}")), (*start, TextPart(few))


def _as_if(judgment: Judgment, engine: str) -> tuple[TextPart, ...]:
    """What a wrong engine computes as if; nothing if nothing known explains it."""
    explained = diagnosis(judgment, engine)
    as_if, _, phrase = explained.partition("as if ")
    return (TextPart(f", {as_if}as if "), TextPart(phrase, strong=True)) if explained else ()


def _drift(comparison: Comparison, audits: list[Audit]) -> _Two:
    start = _from(comparison, "drifts")
    every = "every step" if all(audit.coverage == 1.0 for audit in audits) else "every audited step"
    if any(audit.undetermined for audit in audits):
        every = "every step that could be judged"
    why = TextPart(f": {every} of both is right, and their rounding has grown on the way")
    return (*start, why), (*start, TextPart(f": {every} is right, rounding has grown"))


def _wrong(audits: list[Audit], judgment: Judgment, failed: list[Check]) -> _Two:
    """Name the sides that are wrong, each with the first step that is and the mistake that it looks like."""
    sentence: list[TextPart] = []
    for audit in audits:
        engine = display_name(audit.engine)
        sentence += [TextPart(" and " if sentence else ""), TextPart(f"{engine} is wrong", strong=True)]
        if audit.first_wrong is not None:
            sentence += [TextPart(" from "), TextPart(str(audit.first_wrong.where), audit.first_wrong.where)]
        sentence += _as_if(judgment, audit.engine)
        own = [check for check in failed if check.engine == audit.engine]
        if audit.first_wrong is None and own:
            sentence.append(TextPart(f": {notes.how_many(own)}"))
    return tuple(sentence), tuple(sentence)
