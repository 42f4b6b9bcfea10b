"""The verdict in words, and the lines of a custom step that it names."""

from dataclasses import replace

import pytest

from rnnviz.gui.verdict_facts import affected_steps
from rnnviz.text.verdict_details import line_number, others
from rnnviz.text.verdict_text import UNDETECTABLE, TextPart, causes_alike, fill, likely_cause, plain, verdict_sentence
from rnnviz.verify.verdict import Verdict
from tests.cases import cases
from tests.factories import make_result, with_judgment
from tests.golden.runs import ELSEWHERE, EXACT, RUNS, WHERE, edited, made, recorded, remedied


@pytest.mark.parametrize(
    ("name", "look"),
    [
        *(("agree-sampled", "agree"), ("agree-undetectable-bugs", "blind"), ("agree-recording-lacks-values", "blind")),
        *(("drift", "drift"), ("wrong-checks", "disagree")),
    ],
)
def test_each_run_has_its_style(name, look):
    assert verdict_sentence(RUNS[name](), "manual").look == look


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("agree-audited", []),
        ("differ-unaudited", [WHERE]),
        ("drift", [WHERE]),
        ("wrong", [WHERE]),
        ("wrong-both", [WHERE, ELSEWHERE]),
        ("wrong-checks", []),
    ],
)
def test_positions_in_the_text_are_links(name, places):
    words = verdict_sentence(RUNS[name](), "manual")
    for parts in (words.sentence, words.brief):
        assert [part.where for part in parts if part.where is not None] == places


def test_the_largest_difference_of_agreeing_engines_is_a_link():
    exact = made(compare_with=EXACT)["gluon"].hidden[WHERE.index]
    words = verdict_sentence(made(edits={"manual": edited(float(exact) + 1e-6)}), "manual")
    assert (words.verdict, [part.where for part in words.sentence if part.where]) == (Verdict.AGREE, [WHERE])
    assert words.first_mismatch is None


def test_undetectable_bugs_are_a_link_with_their_causes():
    words = verdict_sentence(remedied(made(), "no-i2h-bias", "no-h2h-bias"), "manual")
    (link,) = [part for part in words.sentence if part.act]
    assert (link.act, link.tip) == (UNDETECTABLE, "\n".join(words.blind))
    assert [line.partition(":")[0] for line in words.blind] == ["no-i2h-bias", "no-h2h-bias"]
    assert words.remedy == "use zero biases"


def test_undetectable_bugs_do_not_matter_while_an_engine_is_wrong():
    words = verdict_sentence(remedied(made(edits={"gluon": edited(9.0)}), "h2h-transposed"), "manual")
    assert (words.blind, words.remedy) == ((), "")


def test_a_likely_cause_is_the_phrase_of_a_known_bug():
    diagnoses = {"gluon": (("no-h2h-bias", "h2h-transposed"),), "manual": ()}
    found = with_judgment(make_result(), diagnoses=diagnoses, ambiguous={"manual": 2})
    assert found.judgment is not None
    causes = found.judgment.causes
    both = f"{causes['no-h2h-bias']} and {causes['h2h-transposed']}"
    assert likely_cause(found.judgment, "gluon") == both
    assert likely_cause(found.judgment, "manual") == ""
    assert causes_alike(found.judgment, "gluon") == ""
    assert causes_alike(found.judgment, "manual")


@pytest.mark.parametrize(
    ("changed", "reverse", "expected"),
    [
        ([(0, 1, 3), (0, 1, 1)], False, {1: (3, 2)}),
        ([(0, 0, 2), (1, 0, 4), (1, 1, 4)], False, {0: (2, 2), 1: (4, 1)}),
        ([(0, 0, 1), (0, 0, 3)], True, {0: (3, 2)}),
        ([], False, {}),
    ],
)
def test_affected_time_steps_are_those_of_each_direction_in_the_order_of_computation(changed, reverse, expected):
    def edit(trace):
        for lane in changed:
            trace.hidden[(*lane, 0, 0)] = 9.0

    result = made(edits={"manual": edit}, bidirectional=not reverse, reverse=reverse)
    assert affected_steps(result.comparison("manual"), result.config.network) == expected


def test_a_worse_verdict_on_another_candidate_is_first():
    result = RUNS["three-engines"]()
    (better, has_worse), (worse, still_worse) = others(result, "manual"), others(result, "torch")
    assert (has_worse, still_worse) == (True, False)
    assert verdict_sentence(result, "manual").notes[0] == better
    assert verdict_sentence(result, "torch").notes[-1] == worse
    assert others(made(), "manual") == ("", False)


def test_the_assumptions_of_a_model_file_are_first():
    result = made()
    result = replace(result, inputs=replace(result.inputs, assumptions=("the cell was chosen", "no step is skipped")))
    notes = verdict_sentence(result, "manual").notes[:2]
    assert notes == ("Assumption: the cell was chosen.", "Assumption: no step is skipped.")
    assert all(note in repr(result) and note in result._repr_html_() for note in notes)


def test_the_smallest_passing_atol_passes_as_it_is_shown():
    def atol_of(notes):
        (note,) = [note for note in notes if note.startswith("Would pass")]
        return float(note.split("atol = ")[1].split()[0])

    result = made(edits={"manual": edited(0.0123456)})
    atol = atol_of(verdict_sentence(result, "manual").notes)
    assert made(edits={"manual": edited(0.0123456)}, compare_with={"atol": atol}).verdict is Verdict.AGREE


def test_the_coverage_is_the_least_and_recordings_do_not_reduce_it():
    result = with_judgment(made())
    assert result.judgment is not None
    audits = {**result.judgment.audits, "manual": replace(result.judgment.audits["manual"], audited=40)}
    uneven = replace(result, judgment=replace(result.judgment, audits=audits))
    assert verdict_sentence(uneven, "manual").coverage == 0.25
    partial = replace(result["manual"], missing=frozenset({"h"}))
    lacking = replace(uneven, traces={**result.traces, "manual": partial})
    assert verdict_sentence(lacking, "manual").coverage == 1.0
    assert verdict_sentence(made(), "manual").coverage is None
    assert verdict_sentence(recorded(frozenset({"h"})), "manual").partial


def test_a_custom_step_is_named_by_its_file():
    mine = "/somewhere/far/my_rnn.py"
    words = verdict_sentence(with_judgment(made(("gluon", mine), edits={mine: edited(9.0)})), mine)
    assert plain(words.sentence).startswith("my_rnn.py is wrong")
    assert not any("somewhere" in note for note in words.notes)


@pytest.mark.parametrize("candidate", ["torch", ""])
def test_a_candidate_that_was_not_run_is_refused(candidate):
    with pytest.raises(KeyError):
        verdict_sentence(made(), candidate)


def test_a_template_becomes_parts_with_links_and_strong_text():
    link = TextPart("there", WHERE)
    assert fill("*{engine} is wrong*, first at {place}.", engine="a*{b}", place=link) == (
        TextPart("a*{b} is wrong", strong=True),
        TextPart(", first at "),
        link,
        TextPart("."),
    )


SOURCE = cases(__file__)["source"]


@pytest.mark.parametrize(("name", "line"), [("f", 13), ("o", 18), ("c", 11), ("h", 12), ("step", 6), ("i", None)])
def test_the_line_is_the_last_assignment_or_the_returned_expression(name, line):
    assert line_number(SOURCE, name, ("h", "c")) == line


@pytest.mark.parametrize(
    "source",
    ["def step(", "\0", "step = len", "(" * 5000, "def step(x, state, p): return f()", "def step(*_): return ()"],
)
def test_a_source_without_the_line_has_no_number(source):
    assert line_number(source, "h", ("h", "c")) is None
