"""Whole sentences of verdicts, long and brief, with what is strong and what leads where, and the order of what follows.

Here *strong* parts stand between asterisks, [links to places] and {other links} in brackets.
"""

from dataclasses import replace

import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.text.verdict_text import TextPart, report, verdict_sentence
from rnnviz.verify.audit import audit
from rnnviz.verify.compare import compare
from rnnviz.verify.result import Judgment, RunResult
from tests.factories import Edit, made_result

PLACE = "layer 0, backward, t = 3, sample 1, unit 2"
WHERE = Location(0, 1, 3, 1, 2)
ELSEWHERE = Location(1, 0, 2, 0, 0)
EXACT = {"atol": 0.0, "rtol": 0.0}
TOLERANCE = "Tolerance 1e-5 + 1.3e-6 · |gluon|, of which the largest violation takes"
PHRASES = {"a": "this were so", "b": "that were so"}


def adding(amount: float, where: Location = WHERE) -> Edit:
    def edit(trace: Trace) -> None:
        trace.hidden[where.index] += trace.hidden.dtype.type(amount)

    return edit


def other_state(trace: Trace) -> None:
    trace.state_h[0] += 1.0


def made(edits: dict[str, Edit], engines: tuple[str, ...] = ("gluon", "manual"), **sizes: object) -> RunResult:
    return made_result(engines, edits=edits, **{"bidirectional": True, "num_layers": 2, **sizes})


def evaluated(
    result: RunResult, diagnoses: dict[str, tuple[tuple[str, ...], ...]], *blind: str, audited: float = 1.0
) -> RunResult:
    """Every step is audited, whatever share is said to be."""
    audits = {name: audit(result.inputs, trace, full=True) for name, trace in result.traces.items()}
    audits = {name: replace(one, audited=round(audited * one.elements)) for name, one in audits.items()}
    return replace(result, judgment=Judgment(audits, diagnoses, blind, None, PHRASES))


def recorded(edits: dict[str, Edit]) -> RunResult:
    """The candidate is a recording of which of the first layer only the last steps are there."""
    result = made(edits)
    partial = replace(result["manual"], missing=frozenset({"hidden"}))
    found = compare(result["gluon"], partial, *result.config.tolerances)
    return replace(result, traces={**result.traces, "manual": partial}, comparisons=(found,))


def shown(parts: tuple[TextPart, ...]) -> str:
    told = []
    for part in parts:
        text = part.text
        if part.where is not None:
            assert text == str(part.where)
            text = f"[{text}]"
        text = f"{{{text}}}" if part.act else text
        told.append(f"*{text}*" if part.strong else text)
    return "".join(told)


EQUAL = made({})
NEAR = made({"manual": adding(1e-7)})
APART = made({"manual": adding(0.25)})
WRONG = {"gluon": adding(0.25)}
DRIFT = made({"manual": adding(1e-7)}, compare_with=EXACT)

CASES = {
    "equal": (EQUAL, "*gluon and manual agree*: all 160 values are equal", "", ""),
    "near": (NEAR, "*gluon and manual agree*: 160 values, largest difference 1.2e-7", f" at [{PLACE}]", ""),
    "apart": (APART, f"*manual differs from gluon* from [{PLACE}]: 1 of 160 values", ", by up to 0.25", ""),
    "broken": (
        made({"manual": other_state}, bidirectional=False, num_layers=1),
        "gluon and manual agree, but *2 checks fail*",
        (
            ": manual: the forward final state is the output at t = T-1; "
            "manual: state[0] is layer 0's last computed hidden vector"
        ),
        "",
    ),
    "one blind spot": (
        evaluated(EQUAL, {}, "a"),
        "*gluon and manual agree**, but this run could not reveal **{a known mistake}*",
        "",
        "",
    ),
    "blind spots": (
        evaluated(NEAR, {}, "a", "b"),
        "*gluon and manual agree**, but this run could not reveal **{2 known mistakes}*",
        "",
        "",
    ),
    "wrong": (
        evaluated(made(WRONG), {"gluon": (("a", "b"),)}),
        f"*gluon is wrong* from [{PLACE}], as if *this were so and that were so*",
        "",
        "",
    ),
    "both wrong": (
        evaluated(
            made({"gluon": adding(0.25), "manual": adding(0.25, ELSEWHERE)}),
            {"manual": (("a",), ("b",), ("c",)), "gluon": (("unheard-of",),)},
        ),
        (
            f"*gluon is wrong* from [{PLACE}], as if *the mistake unheard-of were made* and "
            f"*manual is wrong* from [{ELSEWHERE}], as if *this were so, or 2 other mistakes*"
        ),
        "",
        "",
    ),
    "wrong by its checks": (
        evaluated(made({"manual": other_state, "gluon": adding(0.25)}), {"gluon": (("a",), ("b",))}),
        (
            f"*gluon is wrong* from [{PLACE}], as if *this were so or as if that were so* and "
            "*manual is wrong*: a check fails"
        ),
        "",
        "",
    ),
    "drift": (
        evaluated(DRIFT, {}),
        f"*manual drifts from gluon* from [{PLACE}]: every step",
        " of both is right, and their rounding has grown on the way",
        " is right, rounding has grown",
    ),
    "drift, audited in part": (
        evaluated(DRIFT, {}, audited=0.4),
        f"*manual drifts from gluon* from [{PLACE}]: every audited step",
        " of both is right, and their rounding has grown on the way",
        " is right, rounding has grown",
    ),
    "recorded in part": (
        recorded({}),
        "*gluon and manual agree in the 96 of 160 values that were recorded*: all equal",
        "",
        "",
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_a_sentence_is_told_whole_and_in_brief(case: str) -> None:
    result, start, rest, instead = CASES[case]
    words = verdict_sentence(result, "manual")
    assert shown(words.sentence) == start + rest
    assert shown(words.brief) == start + instead


def test_a_difference_that_nobody_can_judge_is_explained_by_what_both_are_as_if() -> None:
    result = evaluated(recorded({"manual": adding(0.25, Location(1, 0, 2))}), {"gluon": (("a",),), "manual": (("b",),)})
    assert result.judgment is not None
    # No step was looked at that is outside its bound.
    audits = {name: replace(one, wrong=0, first_wrong=None) for name, one in result.judgment.audits.items()}
    result = replace(result, judgment=replace(result.judgment, audits=audits), checks=())
    words = verdict_sentence(result, "manual")
    assert words.verdict == "disagree"
    start = "*manual differs from gluon* from [layer 1, forward, t = 2, sample 0, unit 0]"
    brief = f"{start}, as if *this were so*, as if *that were so*: 1 of 96 recorded values"
    assert shown(words.brief) == brief
    assert shown(words.sentence) == f"{brief}, by up to 0.25"


NOTES = {
    "equal": ["No step was audited.", f"{TOLERANCE} 0 %.", "The smallest passing atol is 0."],
    "apart": [
        "No step was audited: which side is wrong is not known.",
        "At the first difference, gluon has 0.762 and manual 1.012.",
        f"{TOLERANCE} 2.3e+4 times.",
        "The smallest passing atol is 0.25.",
        "At most 4.1e+6 ULP apart.",
    ],
    "blind spots": [
        "160 values, largest difference 1.2e-7.",
        "gluon and manual are right at every step.",
        "This run could not reveal a, b.",
        f"{TOLERANCE} 1.1 %.",
        "The smallest passing atol is 0.",
        "At most 2 ULP apart.",
    ],
    "wrong": [
        "1 of 160 values differ, by up to 0.25.",
        "manual is right at every step.",
        "At its first wrong step gluon has 1.012, where its own previous state gives 0.762.",
        f"{TOLERANCE} 2.2e+4 times.",
        "The smallest passing atol is 0.25.",
        "At most 4.1e+6 ULP apart.",
    ],
    "drift": [
        "1 of 160 values, by up to 1.2e-7.",
        "gluon and manual are right at every step.",
        "At the first difference, gluon has 0.761984646320343 and manual 0.7619847655296326.",
    ],
}


@pytest.mark.parametrize("case", sorted(NOTES))
def test_what_stands_behind_a_verdict_comes_with_the_most_telling_first(case: str) -> None:
    notes = verdict_sentence(CASES[case][0], "manual").notes
    assert list(notes[: len(NOTES[case])]) == NOTES[case]
    assert len(notes) == len(NOTES[case]) or case == "drift"


def test_another_candidate_is_spoken_of_first_if_it_differs_and_last_if_it_does_not() -> None:
    three = ("gluon", "manual", "torch")
    worse = verdict_sentence(made({"torch": adding(0.5)}, three), "manual")
    assert worse.notes[0] == "Of the other candidates, torch differs."
    better = verdict_sentence(made({"torch": adding(0.5)}, three), "torch")
    assert better.notes[-1].endswith("manual agrees.")
    assert sum("candidate" in note for note in worse.notes) == sum("manual agrees" in n for n in better.notes) == 1


def test_a_terminal_is_told_of_every_candidate_with_its_notes_beneath() -> None:
    result = made({"torch": adding(0.5)}, ("gluon", "manual", "torch"))
    lines = report(result).split("\n")
    expected = []
    for candidate in ("manual", "torch"):
        words = verdict_sentence(result, candidate)
        expected += [str(words), *("  " + note for note in words.notes)]
    assert lines == expected
    assert lines[0] == "✔ gluon and manual agree: all 160 values are equal"


def test_how_much_was_audited_is_the_least_of_both_and_a_recording_that_lacks_some_does_not_count() -> None:
    result = evaluated(EQUAL, {})
    assert result.judgment is not None
    audits = dict(result.judgment.audits)
    audits["manual"] = replace(audits["manual"], audited=40)
    uneven = replace(result, judgment=replace(result.judgment, audits=audits))
    assert verdict_sentence(uneven, "manual").coverage == 0.25
    partial = replace(result["manual"], missing=frozenset({"hidden"}))
    lacking = replace(uneven, traces={**result.traces, "manual": partial})
    assert verdict_sentence(lacking, "manual").coverage == 1.0
    both = replace(lacking, traces={name: replace(partial, engine=name) for name in ("gluon", "manual")})
    assert verdict_sentence(both, "manual").coverage == 1.0
    assert verdict_sentence(EQUAL, "manual").coverage is None


def test_an_agreement_of_some_values_only_looks_blind_and_a_difference_does_not() -> None:
    some = verdict_sentence(recorded({}), "manual")
    assert (some.verdict, some.look, some.partial, some.blind) == ("agree", "blind", True, ())
    apart = verdict_sentence(recorded({"manual": adding(0.25, Location(1, 0, 2))}), "manual")
    assert (apart.verdict, apart.look, apart.partial) == ("disagree", "disagree", True)
    assert apart.first_mismatch == Location(1, 0, 2)
    whole = verdict_sentence(EQUAL, "manual")
    assert (whole.look, whole.partial, whole.remedy) == ("agree", False, "")
