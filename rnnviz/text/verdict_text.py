"""The verdict as a text with links: the same in the window, on the command line and in files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from string import Formatter
from typing import TypeAlias

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.engine_spec import display_name, is_own, is_recording, is_unknown
from rnnviz.core.places import Place
from rnnviz.core.trace_index import DIRECTIONS, Location
from rnnviz.core.words import capital, join_words, plural
from rnnviz.frozen import dataclass
from rnnviz.text import verdict_details as details
from rnnviz.verify.audit import Audit
from rnnviz.verify.compare import Comparison
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.result import Judgment, PassJudgment, RunResult
from rnnviz.verify.verdict import AuditVerdict, PassName, Verdict

MARKS: dict[str, str] = {Verdict.AGREE: "✔", Verdict.DRIFT: "≈", Verdict.DISAGREE: "✘"}

UNDETECTABLE = "undetectable"
"""The action of a link to the known bugs that the run could not reveal."""

# Text between asterisks is strong.
_AGREE = "*{way.of}{reference} and {candidate} agree*: {values}"
_AGREE_AT = "*{reference} and {candidate} agree*: {values} at {place}"
_OWN_AGREES = "*{own} agrees with {other}*: {values}"
_OWN_AGREES_AT = "*{own} agrees with {other}*: {values} at {place}"
_AGREE_BUT = "*{way.of}{reference} and {candidate} agree, but {bugs}{way.bugs} would go undetected with these settings*"
_AGREE_RECORDED_BUT = (
    "*{reference} and {candidate} agree in {compared} values, but {bugs} would go undetected with these settings*"
)
_OWN_AGREES_BUT = "*{own} agrees with {other}, but {bugs} would go undetected with these settings*"
_OWN_AGREES_RECORDED_BUT = (
    "*{own} agrees with {other} in {compared} values, but {bugs} would go undetected with these settings*"
)
_CHECKS = "{reference} and {candidate} agree, but *{checks}*: {names}"
_CHECKS_BRIEF = "{reference} and {candidate} agree, but *{checks}*"
_DIFFER = "*{way.of}{candidate} {way.differ} from {way.those}{reference}*, first {way.at} {place}."
_VALUES_BRIEF = " {values}."
_SIZE = " {size}."
_DRIFT = "*Numerical drift*: {candidate} and {reference} diverge from {place} on."
_DRIFT_ALL = " Every step is within rounding; rounding errors accumulated."
_DRIFT_AUDITED = " Every audited step is within rounding; rounding errors accumulated."
_DRIFT_JUDGED = " Every step that could be judged is within rounding; rounding errors accumulated."
_WRONG = "*{way.of}{engine} {wrong}*."
_WRONG_AT = "*{way.of}{engine} {wrong}*, first {way.at} {place}."
_WRONG_CHECKS = "*{way.of}{engine} {wrong}*: {checks}."
# A recording may have been made with other weights or another input: it is not to blame for these.
_IS_WRONG = "{way.are} wrong"
_OTHER_VALUES = "{way.differ} from what these weights and this input give"
_ALONE_CHECKED = "*No errors found in {engine}*, which ran alone: its steps were audited, and nothing was compared"
_ALONE_BUT = (
    "*No errors found in {engine}, but {bugs} would go undetected with these settings*; it ran alone: its steps were "
    "audited, and nothing was compared"
)
_ALONE_CHECKS = "*{checks} in {engine}*, which ran alone: {names}"
_ALONE_UNCHECKED = "*{engine} was not checked*: it ran alone, and no step was audited"
_LINE = " First line that differs: *{line}*."
_LINE_OF_FILE = " First line that differs: *{line}*, in line {number} of the file."
_CAUSE = " Likely cause: *{cause}*."
_CAUSES_ALIKE = "{bugs} these numbers, which do not distinguish causes: none is named."
_SINCE = "t = {t}: {steps} of {timesteps} time steps have mismatches"
_SINCE_IN = "t = {t} of the {direction} direction: {steps} of {timesteps} time steps have mismatches"
_NO_CAUSE = "No known bug reproduces these numbers."
_CAUSE_UNKNOWN = "Unknown until the step audit is done."
_CAUSE_ASKED = "Not shown before the question of the quiz is answered."


@dataclass(frozen=True)
class TextPart:
    """A piece of a text.

    `where` makes it a link to a position, `act` a link to an action with the tooltip `tip`; `strong` is drawn bold.
    """

    text: str
    where: Location | None = None
    strong: bool = False
    act: str = ""
    tip: str = ""


@dataclass(frozen=True)
class VerdictWords:
    """The verdict on one candidate.

    `sentence` is the full text and `brief` a shorter one; `notes` are the details, the most important first. `blind`
    has a line for each known bug that a run without a wrong engine could not reveal; `remedy` is the change of the
    config that would reveal more, or empty. `coverage` is the fraction of the values that were audited, 0 to 1, None
    without an audit; a recording that lacks values does not reduce it. `partial` is true if values were not compared
    because a recording lacks them.
    """

    verdict: Verdict
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
        """The verdict, or "blind" for an agreement in some values only, or with undetectable bugs."""
        return "blind" if self.verdict is Verdict.AGREE and (self.blind or self.partial) else self.verdict


_Two: TypeAlias = tuple[tuple[TextPart, ...], tuple[TextPart, ...]]
"""A full text and a brief one."""


def plain(parts: tuple[TextPart, ...]) -> str:
    return "".join(part.text for part in parts)


def fill(template: str, **values: str | TextPart | details.PassWords) -> tuple[TextPart, ...]:
    """Replace the named fields of a template; text between asterisks becomes strong, and links stay links."""
    return tuple(_filled(template, values))


def _filled(template: str, values: Mapping[str, object]) -> Iterator[TextPart]:
    for strong, piece in ((index % 2 == 1, piece) for index, piece in enumerate(template.split("*"))):
        text = ""
        for literal, name, _, _ in Formatter().parse(piece):
            text += literal
            value = "" if name is None else Formatter().get_field(name, (), values)[0]
            if not isinstance(value, TextPart):
                text += value
                continue
            if text:
                yield TextPart(text, strong=strong)
            yield TextPart(value.text, value.where, strong or value.strong, value.act, value.tip)
            text = ""
        if text:
            yield TextPart(text, strong=strong)


def verdict_sentence(result: RunResult, candidate: str | None) -> VerdictWords:
    """The verdict on a candidate: wrong engines, the first difference, failed checks, undetectable bugs.

    Without a candidate, that on the reference alone.
    """
    comparison, judgment = None if candidate is None else result.comparison(candidate), result.judgment
    engines = (result.reference.engine,) if candidate is None else (result.reference.engine, candidate)
    verdict = result.verdict if comparison is None else result.comparison_verdict(comparison)
    failed = result.failed_checks(*engines)
    audits = [] if judgment is None else [judgment.audits[e] for e in engines if e in judgment.audits]
    wrong = [audit for audit in audits if result.wrong(audit.engine)]
    bugs = () if judgment is None or wrong else judgment.undetectable
    blind = tuple(f"{bug}: {judgment.cause(bug)}" for bug in bugs) if judgment is not None else ()
    first: tuple[str, ...] = ()
    if judgment is not None and wrong:
        sentence = brief = wrong_engines(result, [audit.engine for audit in wrong])
        first = () if comparison is None else (details.size_of_difference(comparison),)
    elif comparison is None:
        sentence = brief = _alone(result, failed, blind)
    elif comparison.mismatched:
        drift = verdict is Verdict.DRIFT
        sentence, brief = _drift(comparison, audits) if drift else _differ(comparison, judgment)
        first = (details.size_of_difference(comparison),) if drift else ()
    elif failed:
        sentence, brief = _failed_checks(comparison, failed)
    elif blind:
        sentence, brief = _undetectable(comparison, blind)
        first = (f"{capital(details.values_and_error(comparison))}.",)
    else:
        sentence, brief = _agreement(comparison)
    others = None if candidate is None else details.others(result, candidate)
    notes = (
        # A green banner never hides a red one.
        *((others[0],) if others is not None and others[1] else ()),
        *first,
        *details.assumptions(result),
        *details.padding(result),
        *details.audit_coverage(result, engines),
        *details.unrecorded(result, engines),
        *details.precisions(result, engines),
        *(details.failed_checks(failed) if wrong or (comparison is not None and comparison.mismatched) else ()),
        *details.known_issues(result, engines),
        *details.first_wrong_values(wrong),
        *details.first_lines(result, audits),
        *(details.first_values(comparison, comparison.first_mismatch) if comparison is not None and not wrong else ()),
        *(details.undetectable_bugs(result) if blind else ()),
        *(() if comparison is None else details.numbers(comparison)),
        *((others[0],) if others is not None and not others[1] else ()),
    )
    return VerdictWords(
        verdict,
        sentence,
        _shortened(brief),
        notes,
        None if comparison is None or comparison.first_mismatch is None else comparison.first_mismatch.where,
        blind,
        details.remedy(result) if blind else "",
        min((a.coverage for a in audits if not result.traces[a.engine].partial), default=1.0 if audits else None),
        not _audited(audits) if comparison is None else comparison.unrecorded > 0,
    )


def _audited(audits: list[Audit]) -> bool:
    return any(audit.verdict in (AuditVerdict.RIGHT, AuditVerdict.WRONG) for audit in audits)


def _alone(result: RunResult, failed: list[Check], blind: tuple[str, ...]) -> tuple[TextPart, ...]:
    """The reference that ran without a candidate and is not known to be wrong."""
    engine = display_name(result.reference.engine)
    if failed:
        names = details.quoted_names(failed)
        return fill(_ALONE_CHECKS, engine=engine, checks=capital(details.how_many(failed)), names=names)
    if result.judgment is None or not _audited([*result.judgment.audits.values()]):
        return fill(_ALONE_UNCHECKED, engine=engine)
    if blind:
        return fill(_ALONE_BUT, engine=engine, bugs=undetectable_part(blind))
    return fill(_ALONE_CHECKED, engine=engine)


def verdict_facts(result: RunResult, candidate: str | None) -> tuple[tuple[str, tuple[TextPart, ...]], ...]:
    """The verdict on a candidate as rows of a heading and a text: where, since when, likely cause, details."""
    words, judgment = verdict_sentence(result, candidate), result.judgment
    comparison = None if candidate is None else result.comparison(candidate)
    facts = [("Verdict", words.sentence)]
    pair = (result.reference.engine, candidate)
    wrong = [e for e in pair if e is not None and judgment is not None and result.wrong(e)]
    place = _fault_place(result, comparison, wrong)
    if place is not None:
        facts.append(("Where", (_place(place),)))
        since = () if comparison is None else _since(result, comparison)
        if since:
            facts.append(("Since", since))
    if place is not None or wrong:
        causes = [] if judgment is None else [likely_cause(judgment, engine) for engine in wrong]
        known = [TextPart(f"{cause}. ") for cause in causes if cause]
        if judgment is not None:
            known += [TextPart(f"{alike} ") for engine in wrong if (alike := causes_alike(judgment, engine))]
        asked = any(map(is_unknown, wrong))
        unknown = TextPart(_CAUSE_UNKNOWN if judgment is None else _CAUSE_ASKED if asked else _NO_CAUSE)
        facts.append(("Likely cause", tuple(known) or (unknown,)))
    if words.blind:
        facts.append(("Undetectable", tuple(TextPart(f"{line}.\n") for line in words.blind)))
    if words.remedy:
        facts.append(("To detect more", (TextPart(f"{capital(words.remedy)}."),)))
    shown = details.undetectable_bugs(result) if words.blind else ()
    facts.append(("Details", tuple(TextPart(f"{note}\n") for note in words.notes if note not in shown)))
    return tuple(facts)


def affected_steps(comparison: Comparison, network: Network) -> dict[int, tuple[int, int]]:
    """By direction the first time step with mismatches that it computes, and how many time steps have some."""
    found = {}
    for direction in range(network.directions):
        times = np.flatnonzero(comparison.mismatched_over_time[:, direction].any(axis=0))
        if len(times):
            found[direction] = int(times[-1 if network.backward(direction) else 0]), len(times)
    return found


def _since(result: RunResult, comparison: Comparison) -> tuple[TextPart, ...]:
    network = result.config.network
    text: list[TextPart] = []
    template = _SINCE_IN if network.bidirectional else _SINCE
    for direction, (first, steps) in affected_steps(comparison, network).items():
        counts = {"t": str(first), "steps": f"{steps:,}", "timesteps": f"{result.shape[2]:,}"}
        text += [*([TextPart(". ")] if text else []), *fill(template, direction=DIRECTIONS[direction], **counts)]
    return tuple(text)


def _fault_place(result: RunResult, comparison: Comparison | None, wrong: list[str]) -> Location | None:
    audits = {} if result.judgment is None else result.judgment.audits
    found = (audits[engine].first_location for engine in wrong if engine in audits)
    first = next((place for place in found if place is not None), None)
    mismatch = None if comparison is None else comparison.first_mismatch
    return first if first is not None or mismatch is None else mismatch.where


def likely_cause(judgment: PassJudgment, engine: str) -> str:
    """The likely cause of an engine's errors: the known bug, or bugs together, that reproduce its numbers; else ""."""
    found = judgment.diagnoses.get(engine, ())
    return join_words(map(judgment.cause, found[0])) if found else ""


def causes_alike(judgment: PassJudgment, engine: str) -> str:
    """A sentence that known bugs fit an engine's numbers, which do not distinguish them; "" where that is not so."""
    count = judgment.ambiguous.get(engine, 0)
    return _CAUSES_ALIKE.format(bugs=plural(count, "known bug fits", "known bugs fit")) if count else ""


def _place(where: Location) -> TextPart:
    return TextPart(str(where), where)


def place_part(place: Place) -> TextPart:
    """A place as a link: of a value its location alone, of a gradient with its name."""
    return (
        TextPart(str(place), place.location)
        if place.in_backward_pass or place.location is None
        else _place(place.location)
    )


def undetectable_part(blind: Sequence[str]) -> TextPart:
    """The number of known bugs that would go undetected, as a link to them."""
    return TextPart(plural(len(blind), "known bug"), act=UNDETECTABLE, tip="\n".join(blind))


def _shortened(parts: Iterable[TextPart]) -> tuple[TextPart, ...]:
    """The text with positions in their short form, and the long form as their tooltips."""
    return tuple(p if p.where is None else replace(p, text=p.where.short, tip=str(p.where)) for p in parts)


def agree(comparison: Comparison, values: str, way: PassName = "forward") -> tuple[TextPart, ...]:
    """Two engines agree in a pass."""
    return fill(_AGREE, way=details.WORDS[way], **details.pair_names(comparison), values=values)


def agree_but(comparison: Comparison, blind: Sequence[str], way: PassName = "forward") -> tuple[TextPart, ...]:
    """Two engines agree in a pass, in which known bugs would go undetected."""
    bugs = undetectable_part(blind)
    return fill(_AGREE_BUT, way=details.WORDS[way], **details.pair_names(comparison), bugs=bugs)


def _agreement(comparison: Comparison) -> _Two:
    names, values = _own_and_other(comparison), details.values_and_error(comparison)
    own = "own" in names
    brief = fill(_OWN_AGREES, **names, values=values) if own else agree(comparison, values)
    if comparison.max_abs_error == 0.0:
        return brief, brief
    template = _OWN_AGREES_AT if own else _AGREE_AT
    return fill(template, **names, values=values, place=_place(comparison.max_abs_error_at)), brief


def _undetectable(comparison: Comparison, blind: tuple[str, ...]) -> _Two:
    names = _own_and_other(comparison)
    own = "own" in names
    if own or comparison.unrecorded:
        recorded = _OWN_AGREES_RECORDED_BUT if own else _AGREE_RECORDED_BUT
        template = recorded if comparison.unrecorded else _OWN_AGREES_BUT
        bugs, compared = undetectable_part(blind), details.compared(comparison)
        brief = fill(template, **names, bugs=bugs, compared=compared)
    else:
        brief = agree_but(comparison, blind)
    return brief, brief


def _own_and_other(comparison: Comparison) -> dict[str, str]:
    """The recording or custom step of a pair as "own", and the "other" engine; else the names of both."""
    pair = comparison.candidate, comparison.reference
    mine = [engine for engine in pair if is_recording(engine) or is_own(engine)]
    if len(mine) != 1:
        return details.pair_names(comparison)
    (other,) = (engine for engine in pair if engine not in mine)
    return {"own": display_name(mine[0]), "other": display_name(other)}


def _failed_checks(comparison: Comparison, failed: list[Check]) -> _Two:
    names, checks = details.pair_names(comparison), details.how_many(failed)
    return (
        fill(_CHECKS, **names, checks=checks, names=details.quoted_names(failed)),
        fill(_CHECKS_BRIEF, **names, checks=checks),
    )


def _first_place(comparison: Comparison) -> TextPart:
    first = comparison.first_mismatch
    return _place(comparison.max_abs_error_at if first is None else first.where)


def differ(comparison: Comparison, place: TextPart, way: PassName = "forward") -> tuple[TextPart, ...]:
    """Two engines differ in a pass, first at a place."""
    return fill(_DIFFER, way=details.WORDS[way], **details.pair_names(comparison), place=place)


def _differ(comparison: Comparison, judgment: Judgment | None) -> _Two:
    start = differ(comparison, _first_place(comparison))
    if judgment is not None:
        start += cause_text(judgment, comparison.reference) + cause_text(judgment, comparison.candidate)
    return (
        (*start, *fill(_SIZE, size=details.error_size(comparison))),
        (*start, *fill(_VALUES_BRIEF, values=details.mismatches(comparison))),
    )


def cause_text(judgment: PassJudgment, engine: str) -> tuple[TextPart, ...]:
    """The likely cause of an engine's errors as a sentence, which begins with a space, or that several fit."""
    cause, alike = likely_cause(judgment, engine), causes_alike(judgment, engine)
    if cause:
        return fill(_CAUSE, cause=cause)
    return (TextPart(f" {alike}"),) if alike else ()


def _drift(comparison: Comparison, audits: list[Audit]) -> _Two:
    start = fill(_DRIFT, **details.pair_names(comparison), place=_first_place(comparison))
    template = _DRIFT_ALL if all(audit.coverage == 1.0 for audit in audits) else _DRIFT_AUDITED
    if any(audit.undetermined for audit in audits):
        template = _DRIFT_JUDGED
    return (*start, *fill(template)), start


def wrong_words(engine: str, way: PassName = "forward") -> str:
    """The predicate of a wrong engine, or of its gradients."""
    return (_OTHER_VALUES if is_recording(engine) else _IS_WRONG).format(way=details.WORDS[way])


def wrong_engines(result: RunResult, engines: Iterable[str], way: PassName = "forward") -> tuple[TextPart, ...]:
    """Name each engine that is wrong in a pass, its first wrong value and its likely cause."""
    judgment = result.judged(way)
    text: list[TextPart] = []
    for engine in engines:
        audit = judgment.audits.get(engine)
        checks = result.failed_checks(engine, way=way)
        said: dict[str, str | TextPart | details.PassWords] = {
            "way": details.WORDS[way],
            "engine": display_name(engine),
            "wrong": wrong_words(engine, way),
        }
        if text:
            text.append(TextPart(" "))
        if audit is not None and audit.first_wrong is not None:
            text += fill(_WRONG_AT, **said, place=place_part(audit.first_wrong.where))
        elif checks:
            text += fill(_WRONG_CHECKS, **said, checks=details.how_many(checks))
        else:
            text += fill(_WRONG, **said)
        if audit is not None and audit.first_line is not None:
            number = details.first_line_in_source(result, audit)
            text += fill(_LINE if number is None else _LINE_OF_FILE, line=audit.first_line.name, number=str(number))
        text += cause_text(judgment, engine)
    return tuple(text)
