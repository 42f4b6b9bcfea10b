"""The verdict as a text with links: the same in the window, on the command line and in files."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import isinf
from typing import TypeAlias

import numpy as np

from rnnviz.core.engine_spec import display_name, has_weights, is_recording, is_users
from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.core.words import capital, join_words, plural
from rnnviz.frozen import dataclass
from rnnviz.text import verdict_details as details
from rnnviz.text.cause_words import cause_phrase
from rnnviz.text.config_diff import config_in_words
from rnnviz.text.verdict_details import SENTENCES, WORDS, say
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import ArrayComparison, Comparison, LaneComparison
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.result import PassJudgment, RunResult
from rnnviz.verify.verdict import AuditVerdict, PassName, Verdict

MARKS: dict[str, str] = {Verdict.AGREE: "✔", Verdict.DRIFT: "≈", Verdict.DISAGREE: "✘"}

AUDIT_WORDS = {
    AuditVerdict.RIGHT: "no errors",
    AuditVerdict.WRONG: "wrong",
    AuditVerdict.UNDETERMINED: "undetermined",
    AuditVerdict.NOT_AUDITED: "not audited",
}

UNDETECTABLE = "undetectable"
"""The action of a link to the known bugs that the run could not reveal."""


@dataclass(frozen=True)
class TextPart:
    """A piece of a text: `where` makes it a link to a position, `act` a link to an action with the tooltip `tip`."""

    text: str
    where: Location | None = None
    strong: bool = False
    act: str = ""
    tip: str = ""


Text: TypeAlias = tuple[TextPart, ...]


@dataclass(frozen=True)
class VerdictWords:
    """The verdict on one candidate.

    `blind` has a line for each known bug that a run without a wrong engine could not reveal; `remedy` is the change of
    the config that would reveal more. `coverage` is the fraction of the values that were audited, None without an
    audit. `partial` is true if values were not compared because a recording lacks them.
    """

    verdict: Verdict
    sentence: Text
    brief: Text
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
        """The verdict, or "blind" for an agreement in some values only, or with undetectable bugs."""
        return "blind" if self.verdict is Verdict.AGREE and (self.blind or self.partial) else self.verdict


def plain(parts: Text) -> str:
    return "".join(part.text for part in parts)


def fill(template: str, **values: object) -> Text:
    """Replace the named fields of a template; text between asterisks becomes strong, and links stay links."""
    found: list[TextPart] = []
    for index, piece in enumerate(template.split("*")):
        strong, text = index % 2 == 1, ""
        for literal, name, form, _ in SENTENCES.parse(piece):
            text += literal
            value = "" if name is None else SENTENCES.get_field(name, (), values)[0]
            if isinstance(value, TextPart):
                found += [TextPart(text, strong=strong)] if text else []
                found.append(replace(value, strong=strong or value.strong))
                text = ""
            else:
                text += SENTENCES.format_field(value, form or "")
        found += [TextPart(text, strong=strong)] if text else []
    return tuple(found)


def verdict_sentence(result: RunResult, candidate: str | None) -> VerdictWords:
    """The verdict on a candidate, or on the reference alone: wrong engines, the first difference, failed checks."""
    comparison, engines = _compared(result, candidate)
    verdict = result.verdict if comparison is None else result.comparison_verdict(comparison)
    failed, audits = result.failed_checks(*engines), _audits(result, engines, "forward")
    wrong = [audit for audit in audits if result.wrong(audit.engine)]
    blind = () if wrong else _blind(result.judged("forward"))
    leading = None if comparison is None else comparison.leading
    first = None if leading is None else leading.first_mismatch
    size: tuple[str, ...] = ()
    if wrong:
        sentence = brief = wrong_engines(result, [audit.engine for audit in wrong])
        size = () if comparison is None else (details.size_of_difference(comparison),)
    elif comparison is None or leading is None:
        sentence = brief = _alone(result, failed, blind)
    elif first is not None and verdict is Verdict.DRIFT:
        brief = fill(
            "*Numerical drift*: {pair.candidate:name} and {pair.reference:name} diverge from {place} on.",
            pair=comparison,
            place=place_part(first.place),
        )
        step = "step" if all(audit.coverage == 1.0 for audit in audits) else "audited step"
        step = "step that could be judged" if any(audit.undetermined for audit in audits) else step
        why = f"Every {step} is within rounding; rounding errors accumulated."
        if own := [engine for engine in engines if has_weights(engine)]:
            template = (
                "*{engine:name} has the weights of another file*: {pair.candidate:name} and {pair.reference:name} "
                "differ from {place} on."
            )
            brief = fill(template, engine=own[0], pair=comparison, place=place_part(first.place))
            why = f"Every {step} of each engine is within rounding with its own weights."
        sentence = (*brief, TextPart(f" {why}"))
        size = (details.size_of_difference(leading),)
    elif first is not None:
        start = _differ(comparison, place_part(first.place), "forward")
        start += tuple(part for engine in engines for part in cause_text(result.judged("forward"), engine))
        sentence = (*start, TextPart(f" {details.error_size(leading)}."))
        brief = (*start, TextPart(f" {details.mismatches(leading)}."))
    elif failed:
        template = "{pair.reference:name} and {pair.candidate:name} agree, but *{checks}*"
        brief = fill(template, pair=comparison, checks=details.how_many(failed))
        sentence = (*brief, TextPart(f": {details.quoted_names(failed)}"))
    elif blind:
        sentence = brief = _agree(comparison, "forward", blind=blind)
        size = (f"{capital(details.values_and_error(leading))}.",)
    else:
        sentence = brief = _agree(comparison, "forward", details.values_and_error(leading))
        if leading.max_abs_error:
            sentence = (*brief, *fill(" at {place}", place=place_part(leading.max_abs_error_place)))
    others, worse = ("", False) if candidate is None else details.others(result, candidate)
    notes = (
        # A green banner never hides a red one.
        *((others,) if worse else ()),
        *size,
        *details.assumptions(result),
        *details.padding(result),
        *details.audit_coverage(result, engines),
        *details.unrecorded(result, engines),
        *details.precisions(result, engines),
        *(details.failed_checks(failed) if wrong or first is not None else ()),
        *details.known_issues(result, engines),
        *details.first_wrong_values(result.judged("forward"), wrong),
        *details.fixes(result, [audit.engine for audit in wrong]),
        *details.patterns(result.judged("forward"), result.config.network.directions),
        *details.first_lines(result, audits),
        *(details.first_values(comparison, first) if comparison is not None and not wrong else ()),
        *(details.undetectable_bugs(result) if blind else ()),
        *details.undetectable_changes(result),
        *(() if comparison is None else details.numbers(comparison)),
        *((others,) if others and not worse else ()),
    )
    return VerdictWords(
        verdict,
        sentence,
        tuple(p if p.where is None else replace(p, text=p.where.short, tip=str(p.where)) for p in brief),
        notes,
        None if first is None else first.place.location,
        blind,
        details.remedy(result) if blind else "",
        min((a.coverage for a in audits if not result.traces[a.engine].partial), default=1.0 if audits else None),
        not _audited(audits) if comparison is None else comparison.unrecorded > 0,
    )


def gradient_words(result: RunResult, candidate: str | None) -> VerdictWords | None:
    """The verdict on the gradients of a candidate: wrong engines, the first difference, undetectable bugs."""
    (comparison, pair), judgment = _compared(result, candidate), result.judged("backward")
    gradients = [] if comparison is None else [*comparison.gradients.values()]
    engines = [engine for engine in pair if result.traces[engine].has_gradients]
    if not engines:
        return None
    verdict = None if comparison is None else result.gradients_verdict(comparison)
    wrong, audits = [e for e in engines if result.wrong(e, "backward")], _audits(result, engines, "backward")
    blind = () if wrong else _blind(judgment)
    first = None if comparison is None else comparison.first_gradient_mismatch
    worst = max((own.max_error_ratio for own in gradients), default=np.inf)
    if wrong:
        sentence = wrong_engines(result, wrong, "backward")
    elif comparison is None or verdict is None:
        reason = next((result.without_gradients[e] for e in pair if e not in engines), "no other engine ran")
        sentence = fill("*Gradients of {engine:name} are not compared*: {reason}.", engine=engines[0], reason=reason)
    elif first is not None and verdict is Verdict.DRIFT:
        template = (
            "*Numerical drift of gradients*: {pair.candidate:name} and {pair.reference:name} diverge, first in "
            "{place}. Every audited gradient is within rounding; rounding errors accumulated."
        )
        if result.comparison_verdict(comparison) is not Verdict.AGREE:
            template = (
                "*Gradients of {pair.candidate:name} and {pair.reference:name} differ because their hidden values "
                "do*, first in {place}. Every audited gradient is within rounding."
            )
        sentence = fill(template, pair=comparison, place=place_part(first.place))
    elif first is not None:
        sentence = _differ(comparison, place_part(first.place), "backward")
    elif blind:
        sentence = _agree(comparison, "backward", blind=blind)
    else:
        sentence = _agree(comparison, "backward", _size(*gradients))
    largest = () if isinf(worst) else (f"Largest difference of gradients: {details.of_tolerance(worst)}.",)
    notes = (
        *((f"{capital(_size(*gradients))}.",) if blind and gradients and first is None else ()),
        *(without_gradients(result, pair) if wrong else ()),
        *details.audit_coverage(result, engines, "backward"),
        *details.failed_checks(result.failed_checks(*engines, way="backward")),
        *details.known_issues(result, engines, "backward"),
        *details.first_wrong_values(result.judged("backward"), [audit for audit in audits if audit.engine in wrong]),
        *(() if comparison is None else details.first_values(comparison, first, "backward")),
        *(details.undetectable_bugs(result, "backward") if blind else ()),
        *largest,
        *(() if comparison is None else _sizes(comparison)),
    )
    return VerdictWords(
        Verdict.DISAGREE if wrong else verdict or Verdict.AGREE,
        sentence,
        tuple(
            p if p.where is None else replace(p, text=f"{p.text.split(' ', 1)[0]} {p.where.short}") for p in sentence
        ),
        notes,
        None if first is None else first.place.location,
        blind,
        details.remedy(result) if blind else "",
        coverage=min((audit.coverage for audit in audits), default=None),
        partial=verdict is None,
    )


def _compared(result: RunResult, candidate: str | None) -> tuple[Comparison | None, tuple[str, ...]]:
    reference = result.reference.engine
    return (None, (reference,)) if candidate is None else (result.comparison(candidate), (reference, candidate))


def _audits(result: RunResult, engines: Iterable[str], way: PassName) -> list[Audit]:
    return [audit for engine in engines if (audit := result.judged(way).audits.get(engine)) is not None]


def _audited(audits: Iterable[Audit]) -> bool:
    return any(audit.verdict in (AuditVerdict.RIGHT, AuditVerdict.WRONG) for audit in audits)


def _blind(judgment: PassJudgment) -> tuple[str, ...]:
    """A line for each known bug that the run could not reveal."""
    return tuple(f"{bug}: {judgment.cause(bug)}" for bug in judgment.undetectable)


def _alone(result: RunResult, failed: list[Check], blind: tuple[str, ...]) -> Text:
    """The reference that ran without a candidate and is not known to be wrong."""
    if failed:
        template = "*{checks} in {engine:name}*, which ran alone: {names}"
    elif not _audited(result.judged("forward").audits.values()):
        template = "*{engine:name} was not checked*: it ran alone, and no step was audited"
    elif blind:
        template = (
            "*No errors found in {engine:name}, but {bugs} would go undetected with these settings*; it ran alone: its "
            "steps were audited, and nothing was compared"
        )
    else:
        template = (
            "*No errors found in {engine:name}*, which ran alone: its steps were audited, and nothing was compared"
        )
    return fill(
        template,
        engine=result.reference.engine,
        bugs=_undetectable_part(blind),
        checks=details.how_many(failed),
        names=details.quoted_names(failed),
    )


def _agree(comparison: Comparison, way: PassName, values: str = "", blind: Sequence[str] = ()) -> Text:
    """Two engines agree in a pass: in some values, or although the `blind` known bugs would go undetected."""
    pair = comparison.candidate, comparison.reference
    # A recording or a custom step agrees with the other engine, unless that is one, too.
    own = sorted(pair, key=lambda engine: not is_users(engine))
    agree = "{way[of]}{pair.reference:name} and {pair.candidate:name} agree"
    if way == "forward" and sum(map(is_users, pair)) == 1:
        agree = "{own[0]:name} agrees with {own[1]:name}"
    template = f"*{agree}*: {{values}}"
    if blind:
        some = " in {compared} values" if way == "forward" and comparison.unrecorded else ""
        template = f"*{agree}{some}, but {{bugs}}{{way[bugs]}} would go undetected with these settings*"
    return fill(
        template,
        way=WORDS[way],
        pair=comparison,
        own=own,
        values=values,
        bugs=_undetectable_part(blind),
        compared=details.compared(comparison.leading if way == "forward" else comparison),
    )


def _differ(comparison: Comparison, place: TextPart, way: PassName) -> Text:
    template = "*{way[of]}{pair.candidate:name} {way[differ]} {way[from]}{pair.reference:name}*"
    return fill(f"{template}, first {{way[at]}} {{place}}.", way=WORDS[way], pair=comparison, place=place)


def wrong_words(engine: str, way: PassName = "forward") -> str:
    # A recording may have been made with other weights or another input: it is not to blame for these.
    words = WORDS[way]
    given = f"{words['differ']} from what these weights and this input give"
    return given if is_recording(engine) else f"{words['are']} wrong"


def wrong_engines(result: RunResult, engines: Iterable[str], way: PassName = "forward", *, causes: bool = True) -> Text:
    """Name each engine that is wrong in a pass, its first wrong value and, with `causes`, its likely cause."""
    text: list[TextPart] = []
    for engine in engines:
        audit, checks = result.judged(way).audits.get(engine), result.failed_checks(engine, way=way)
        template, place = "*{way[of]}{engine:name} {wrong}*.", TextPart("")
        if audit is not None and audit.first_wrong is not None:
            template = "*{way[of]}{engine:name} {wrong}*, first {way[at]} {place}."
            place = place_part(audit.first_wrong.where)
        elif checks:
            template = f"*{{way[of]}}{{engine:name}} {{wrong}}*: {details.how_many(checks)}."
        text += [TextPart(" ")] if text else []
        text += fill(template, way=WORDS[way], engine=engine, wrong=wrong_words(engine, way), place=place)
        if audit is not None and audit.first_line is not None:
            number = details.first_line_in_source(result, audit)
            file = "" if number is None else f", in line {number} of the file"
            text += fill(" First line that differs: *{line}*{file}.", line=audit.first_line.name, file=file)
        text += cause_text(result.judged(way), engine) if causes else ()
    return tuple(text)


def likely_cause(judgment: PassJudgment, engine: str, lane: tuple[int, int] | None = None) -> str:
    """The likely cause of an engine's errors: the known bug, or bugs together, that reproduce its numbers; else "".

    Of the causes of several lanes it may be that of one, its layer and direction.
    """
    found, causes = judgment.diagnoses.get(engine, ()), judgment.causes_of(engine)
    own = [cause for cause in causes if lane is None or cause.covers(*lane)]
    return (
        join_words(map(judgment.cause, found[0]) if len(own) == len(causes) else map(cause_phrase, own))
        if found
        else ""
    )


def causes_alike(judgment: PassJudgment, engine: str) -> str:
    """A sentence that known bugs fit an engine's numbers, which do not distinguish them; "" where that is not so."""
    count = judgment.ambiguous.get(engine, 0)
    if count == 1:
        return "A known bug fits these numbers, but they are too few to name it."
    return f"{count:,} known bugs fit these numbers, which do not distinguish them: none is named." if count else ""


def cause_text(judgment: PassJudgment, engine: str) -> Text:
    """The likely cause of an engine's errors as a sentence, which begins with a space, or that several fit."""
    cause, alike = likely_cause(judgment, engine), causes_alike(judgment, engine)
    if cause:
        return fill(" Likely cause: *{cause}*.", cause=cause)
    return (TextPart(f" {alike}"),) if alike else ()


def place_part(place: Place) -> TextPart:
    """A place as a link: of a value its location alone, of a gradient with its name."""
    where = place.location
    return TextPart(str(place if place.in_backward_pass or where is None else where), where)


def _undetectable_part(blind: Sequence[str]) -> TextPart:
    """The number of known bugs that would go undetected, as a link to them."""
    return TextPart(plural(len(blind), "known bug"), act=UNDETECTABLE, tip="\n".join(blind))


def without_gradients(result: RunResult, engines: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each of some engines that has no gradients in a run with a backward pass."""
    template = "No gradients of {engine:name}: {reason}."
    reasons = result.without_gradients.items()
    return tuple(say(template, engine=engine, reason=reason) for engine, reason in reasons if engine in engines)


def _size(*gradients: ArrayComparison) -> str:
    """The number of gradients outside the tolerance; without any, how many are compared."""
    if not any(own.mismatched for own in gradients):
        return details.values_and_error(*gradients, way="backward")
    apart = sum(own.nonfinite_apart for own in gradients)
    if not apart:
        return details.error_size(*gradients, way="backward")
    return f"{details.mismatches(*gradients, way='backward')}; {apart:,} NaN or infinite in one only"


def _sizes(comparison: Comparison) -> Iterator[str]:
    """The size of the difference of each gradient over time, and of all others together."""
    others = []
    for name, own in comparison.gradients.items():
        if isinstance(own, LaneComparison):
            yield f"{name}: {_size(own)}."
        else:
            others.append(own)
    if others:
        worst = max(others, key=lambda own: own.max_abs_error)
        place = f", at {worst.max_abs_error_place}" if worst.max_abs_error else ""
        yield f"Initial states and parameters: {_size(*others)}{place}."


def headline(result: RunResult) -> str:
    """How many of several engines are wrong, or of several candidates do not agree; "" where all do."""
    wrong = [engine for engine in result.traces if result.wrong(engine) or result.wrong(engine, "backward")]
    verdict, reference = result.overall_verdict, display_name(result.reference.engine)
    if len(result.comparisons) < 2 or (not wrong and verdict is Verdict.AGREE):
        return ""
    blamed = [engine for engine in wrong if not is_recording(engine)]
    named = blamed or wrong or [c.candidate for c in result.comparisons if result.candidate_verdict(c) is verdict]
    all_of = f"{len(result.traces)} engines" if wrong else f"{len(result.comparisons)} candidates"
    verb, what = ("differs", "differ"), f"from {reference}"
    if blamed:
        verb, what = ("is", "are"), "wrong"
    elif wrong:
        what = "from what these weights and this input give"
    elif verdict is Verdict.DRIFT and not any(map(has_weights, named)):
        verb = "drifts", "drift"
    engines = join_words(map(display_name, named))
    return f"{MARKS[verdict]} {len(named)} of {all_of} {verb[len(named) > 1]} {what}: {engines}."


def verdicts(result: RunResult) -> list[VerdictWords]:
    """The verdict on each candidate, or on the only engine, the worst first, each before that on its gradients."""
    candidates: list[str | None] = [c.candidate for c in result.by_importance]
    each = ((verdict_sentence(result, name), gradient_words(result, name)) for name in candidates or [None])
    return [words for pair in each for words in pair if words is not None]


def report(result: RunResult) -> str:
    lines = [line for words in verdicts(result) for line in (str(words), *(f"  {note}" for note in words.notes))]
    lacking = () if result.has_gradients else without_gradients(result, tuple(result.traces))
    return "\n".join(filter(None, (headline(result), *lines, *lacking)))


def run_in_words(result: RunResult) -> str:
    words = headline(result), *map(str, verdicts(result)), *details.assumptions(result)
    return "\n".join(filter(None, (config_in_words(result.config), *words)))


def comparison_in_words(comparison: ArrayComparison) -> str:
    values = (details.error_size if comparison.mismatched else details.values_and_error)(comparison)
    return say(
        "{of}{own.candidate:name} compared with {own.reference:name}: {values}{within}",
        own=comparison,
        of="" if comparison.name == "h" else f"{comparison.name} of ",
        values=values,
        within="" if comparison.mismatched else ", all within the tolerance",
    )


# Lower layers import no text: their classes get it here.
RunResult.as_text, ArrayComparison.as_text = run_in_words, comparison_in_words
