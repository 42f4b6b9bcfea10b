"""The verdict as the window's banner shows it: that on both passes, and its facts as rows of a heading and a text."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.engine_spec import display_name, is_unknown
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.core.words import capital
from rnnviz.gui.naming import named
from rnnviz.text import verdict_details as details
from rnnviz.text.cause_words import pattern_words
from rnnviz.text.verdict_text import (
    Text,
    TextPart,
    VerdictWords,
    causes_alike,
    fill,
    gradient_words,
    likely_cause,
    plain,
    verdict_sentence,
    wrong_engines,
)
from rnnviz.verify.compare import Comparison
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

_UNKNOWN, _NEXT = "No known bug gives these values.", "Open the first difference and compare its terms."


def both_passes(forward: VerdictWords, gradients: VerdictWords | None) -> VerdictWords:
    """The verdict on a candidate with that on its gradients: the worse one, with the other among its notes."""
    if gradients is None:
        return forward
    # Gradients that are not compared are no reason to put the hidden states second.
    alone = gradients.partial and gradients.verdict is Verdict.AGREE
    ranks = ("agree", "blind", "drift", "disagree")
    worse = ranks.index(gradients.look) > ranks.index(forward.look) and not alone
    first, other = (gradients, forward) if worse else (forward, gradients)
    audited = [words.coverage for words in (forward, gradients) if words.coverage is not None]
    return replace(
        first,
        notes=(f"{plain(other.sentence).rstrip('.')}.", *first.notes, *other.notes),
        first_mismatch=first.first_mismatch or other.first_mismatch,
        remedy=forward.remedy or gradients.remedy,
        coverage=min(audited, default=None),
    )


def verdict_facts(result: RunResult, candidate: str | None) -> tuple[tuple[str, Text], ...]:
    """The verdict on a candidate as rows of a heading and a text: where, since when, likely cause, details."""
    words, judgment = verdict_sentence(result, candidate), result.judgment
    comparison = None if candidate is None else result.comparison(candidate)
    engines = [engine for engine in (result.reference.engine, candidate) if engine is not None]
    facts = [("Verdict", words.sentence)]
    wrong = [engine for engine in engines if judgment is not None and result.wrong(engine)]
    audits = result.judged("forward").audits
    faults = (audits[engine].first_location for engine in wrong if engine in audits)
    place = next((fault for fault in faults if fault is not None), words.first_mismatch)
    if place is not None:
        facts.append(("Where", (TextPart(str(place), place),)))
        since = () if comparison is None else _since(result, comparison)
        if since:
            facts.append(("Since", since))
    if place is not None or wrong:
        known: list[TextPart] = []
        if judgment is not None:
            known += [TextPart(f"{cause}. ") for engine in wrong if (cause := likely_cause(judgment, engine))]
            known += [TextPart(f"{alike} ") for engine in wrong if (alike := causes_alike(judgment, engine))]
        unknown = "No known bug reproduces these numbers."
        if judgment is None:
            unknown = "Unknown until the step audit is done."
        elif any(map(is_unknown, wrong)):
            unknown = "Not shown before the question of the quiz is answered."
        facts.append(("Likely cause", tuple(known) or (TextPart(unknown),)))
    if words.blind:
        facts.append(("Undetectable", tuple(TextPart(f"{line}.\n") for line in words.blind)))
    if words.remedy:
        facts.append(("To detect more", (TextPart(f"{capital(words.remedy)}."),)))
    shown = details.undetectable_bugs(result) if words.blind else ()
    facts.append(("Details", tuple(TextPart(f"{named(note)}\n") for note in words.notes if note not in shown)))
    return tuple(facts)


def wrong_facts(
    result: RunResult, candidate: str | None, words: VerdictWords
) -> tuple[Text, tuple[tuple[str, Text], ...]]:
    """The sentence on a difference without its cause, and rows of its pattern, its cause and the proof of that."""
    judgment, pair = result.judgment, (result.reference.engine, candidate)
    wrong = [engine for engine in pair if engine is not None and judgment is not None and result.wrong(engine)]
    comparison = None if candidate is None else result.comparison(candidate)
    rows = []
    patterns = [] if judgment is None else [own for e, own in judgment.patterns.items() if e in wrong]
    words_of_steps = [text for own in patterns if (text := pattern_words(own, result.config.network.directions))]
    if words_of_steps:
        rows.append(("Pattern", tuple(TextPart(f"{capital(text)}. ") for text in words_of_steps)))
    elif comparison is not None and comparison.mismatched and (since := _since(result, comparison)):
        rows.append(("Pattern", since))
    if judgment is None or not wrong or words.first_mismatch is None:
        return words.sentence, tuple(rows)
    if any(map(is_unknown, wrong)):
        rows.append(("Cause", (TextPart("Not shown before the question of the quiz is answered."),)))
        return wrong_engines(result, wrong, causes=False), tuple(rows)
    causes = {engine: cause for engine in wrong if (cause := likely_cause(judgment, engine))}
    alike = [text for engine in wrong if (text := causes_alike(judgment, engine))]
    for engine, cause in causes.items():
        rows.append(("Cause", (TextPart(f"{capital(cause)}.", strong=True),)))
        values = result.traces[engine].hidden.size
        proof = "Recomputed with this cause, all *{values:,}* hidden values equal {engine:name}'s within rounding."
        rows.append(("Proof", fill(proof, values=values, engine=engine)))
    if not causes:
        directions, found = result.config.network.directions, [own for e, own in judgment.nearest.items() if e in wrong]
        near = [named(details.nearest_words(nearest, directions)) for nearest in found]
        unknown = f"{_UNKNOWN} Nearest: {'; '.join(near)}." if near else f"{_UNKNOWN} {_NEXT}"
        rows.append(("Cause", (TextPart(" ".join(alike) or unknown),)))
    return wrong_engines(result, wrong, causes=False), tuple(rows)


def agreement(
    result: RunResult, candidate: str, words: VerdictWords, gradients: VerdictWords | None
) -> tuple[Text, str]:
    """An agreement in one line: in how many hidden values, and a note on how much of it was audited.

    `words` are on both passes, `gradients` on the backward pass. The note begins with worse candidates and with
    assumptions, which an agreement must not hide.
    """
    comparison = result.comparison(candidate)
    others, worse = details.others(result, candidate)
    agree = "" if gradients is None or gradients.partial else "The gradients agree, too."
    audited = _audited(result, (result.reference.engine, candidate), words)
    note = " ".join(filter(None, (others if worse else "", *details.assumptions(result), audited, agree)))
    if words.blind:
        return words.sentence, note
    kind = "hidden values" if comparison.leading is comparison else "values of the dense layer"
    values = f" in {'' if comparison.unrecorded else 'all '}{details.compared(comparison.leading)} {kind}."
    return (*(part for part in words.sentence if part.strong), TextPart(values)), note


def _audited(result: RunResult, engines: Sequence[str], words: VerdictWords) -> str:
    """How much of the values of two engines was audited, in a sentence."""
    audits = {engine: result.judged("forward").audits.get(engine) for engine in engines}
    lacking = [engine for engine, audit in audits.items() if audit is None or not audit.audited]
    if len(lacking) == len(engines) or words.coverage is None:
        return "No time step was checked on its own."
    if lacking:
        return f"The time steps of {display_name(lacking[0])} were not checked on their own."
    if words.coverage < 1.0:
        return f"{capital(details.covered(words.coverage))} of the values were checked on their own."
    judged = any(audit is not None and audit.undetermined for audit in audits.values())
    partial = any(result.traces[engine].partial for engine in engines)
    of = " that could be judged" if judged else " that is recorded" if partial else ""
    return f"Every time step{of} was checked on its own."


def gradient_facts(result: RunResult, candidate: str | None) -> tuple[tuple[str, Text], ...]:
    """The verdict on the gradients of a candidate as rows of a heading and a text; none without gradients."""
    words = gradient_words(result, candidate)
    if words is None:
        return ()
    notes = tuple(TextPart(f"{note}\n") for note in words.notes)
    return ("Gradients", words.sentence), ("Details of gradients", notes)


def affected_steps(comparison: Comparison, network: Network) -> dict[int, tuple[int, int]]:
    """By direction the first time step with mismatches that it computes, and how many time steps have some."""
    found = {}
    for direction in range(network.directions):
        times = np.flatnonzero(comparison.mismatched_over_time[:, direction].any(axis=0))
        if len(times):
            found[direction] = int(times[-1 if network.backward(direction) else 0]), len(times)
    return found


def _since(result: RunResult, comparison: Comparison) -> Text:
    text: list[TextPart] = []
    template = "t = {t:,}: {steps:,} of {timesteps:,} time steps differ."
    if result.config.network.bidirectional:
        template = "t = {t:,} of the {direction} direction: {steps:,} of {timesteps:,} time steps differ."
    for direction, (first, steps) in affected_steps(comparison, result.config.network).items():
        text += [TextPart(" ")] if text else []
        text += fill(template, direction=DIRECTIONS[direction], t=first, steps=steps, timesteps=result.shape[2])
    return tuple(text)
