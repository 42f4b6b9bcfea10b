"""The verdict in words, from results with one number changed."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.analysis.audit import audit
from rnnviz.analysis.result import Judgement, RunResult
from rnnviz.analysis.wording import plain, report, verdict_sentence
from rnnviz.model.location import Location
from rnnviz.model.trace import Trace
from tests.made_results import Edit, made_result

PLACE = Location(0, 1, 3, 1, 2)


def adding(amount: float, where: Location = PLACE) -> Edit:
    def edit(trace: Trace) -> None:
        trace.hidden[where.index] += trace.hidden.dtype.type(amount)

    return edit


def judged(result: RunResult) -> RunResult:
    audits = {name: audit(result.inputs, trace, full=True) for name, trace in result.traces.items()}
    diagnoses = {name: (("no-h2h-bias",),) for name, found in audits.items() if found.wrong}
    return replace(result, judgement=Judgement(audits, diagnoses, ("h2h-transposed",), None))


def test_equal_engines_are_said_to_be_equal() -> None:
    words = verdict_sentence(made_result(), "manual")
    assert str(words) == "✔ gluon and manual agree: all 40 values are equal"
    assert words.first_mismatch is None


def test_the_largest_difference_of_agreeing_engines_is_a_link_to_its_place() -> None:
    words = verdict_sentence(made_result(edits={"manual": adding(1e-7)}, bidirectional=True), "manual")
    assert str(words).startswith("✔ gluon and manual agree: 80 values, largest difference ")
    assert str(words).endswith(" at layer 0, backward, t = 3, sample 1, unit 2")
    assert [part.where for part in words.sentence if part.where] == [PLACE]


def test_a_mismatch_names_its_first_place_its_count_and_its_size() -> None:
    words = verdict_sentence(made_result(edits={"manual": adding(0.25)}, bidirectional=True), "manual")
    assert str(words) == (
        "✘ manual differs from gluon from layer 0, backward, t = 3, sample 1, unit 2: 1 of 80 values, by up to 0.25"
    )
    assert words.first_mismatch == PLACE
    assert [part.where for part in words.brief if part.where] == [PLACE]
    assert any("smallest passing atol" in note for note in words.notes)
    assert any("1e-5 + 1.3e-6 · |gluon|" in note for note in words.notes)


def test_the_atol_that_is_named_passes() -> None:
    result = made_result(edits={"manual": adding(0.0123456)}, bidirectional=True)
    words = verdict_sentence(result, "manual")
    note = next(note for note in words.notes if "smallest passing atol" in note)
    atol = float(note.removesuffix(".").split()[-1])
    again = made_result(edits={"manual": adding(0.0123456)}, bidirectional=True, compare_with={"atol": atol})
    assert again.verdict == "agree"


def test_numbers_that_are_not_finite_on_one_side_are_told() -> None:
    words = verdict_sentence(made_result(edits={"manual": adding(np.nan)}, bidirectional=True), "manual")
    assert str(words).endswith("1 of 80 values, NaN or infinite on one side only")
    edits = {"gluon": adding(np.nan), "manual": adding(np.nan)}
    both = verdict_sentence(made_result(edits=edits, bidirectional=True, num_layers=2), "manual")
    assert both.verdict == "agree"
    assert "NaN or infinite: 1 of gluon's values, 1 of manual's, all in the same places." in both.notes


def test_a_failed_check_is_named_with_its_engine_though_all_values_agree() -> None:
    def edit(trace: Trace) -> None:
        trace.state_h[0] += 1.0

    words = verdict_sentence(made_result(edits={"manual": edit}), "manual")
    assert words.verdict == "mismatch"
    assert str(words) == (
        "✘ gluon and manual agree, but 2 checks fail: manual: the forward final state is the output at t = T-1; "
        "manual: state[0] is layer 0's last computed hidden vector"
    )


def test_a_green_line_does_not_hide_that_another_candidate_differs() -> None:
    result = made_result(("gluon", "manual", "torch"), edits={"torch": adding(0.5)}, bidirectional=True)
    words = verdict_sentence(result, "manual")
    assert words.verdict == "agree"
    assert words.notes[-1] == "Of the other candidates, torch differs."
    assert [line for line in report(result).splitlines() if not line.startswith(" ")] == [
        str(words),
        str(verdict_sentence(result, "torch")),
    ]


def test_the_audit_says_which_side_is_wrong_and_what_would_explain_it() -> None:
    words = verdict_sentence(judged(made_result(edits={"gluon": adding(0.25)}, bidirectional=True)), "manual")
    assert plain(words.sentence).startswith("gluon is wrong from layer 0, backward, t = 3, sample 1, unit 2: 1 of 80 ")
    assert "gluon computes what the mistake no-h2h-bias would." in words.notes
    assert "manual is right at every step." in words.notes


def test_a_green_verdict_tells_what_it_could_not_have_shown() -> None:
    words = verdict_sentence(judged(made_result(num_layers=2)), "manual")
    assert words.verdict == "agree"
    assert "gluon and manual are right at every step." in words.notes
    assert "This run could not reveal h2h-transposed." in words.notes


def test_engines_that_are_right_at_each_step_and_still_apart_drift() -> None:
    exact = {"atol": 0.0, "rtol": 0.0}
    result = made_result(edits={"manual": adding(1e-7)}, bidirectional=True, num_layers=2, compare_with=exact)
    words = verdict_sentence(judged(result), "manual")
    assert words.verdict == "drift"
    assert str(words).startswith("≈ manual drifts from gluon from ")
    assert str(words).endswith(", though each step is right")


@pytest.mark.parametrize("candidate", ["torch", ""])
def test_a_candidate_that_was_not_run_is_refused(candidate: str) -> None:
    with pytest.raises(KeyError):
        verdict_sentence(made_result(), candidate)
