"""The verdict in words, from results with one number changed."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.config import Config
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.text.verdict_text import BLIND_SPOTS, diagnosis, plain, report, verdict_sentence
from rnnviz.verify.audit import audit
from rnnviz.verify.result import Judgment, RunResult
from tests.factories import Edit, made_result

PLACE = Location(0, 1, 3, 1, 2)


def adding(amount: float, where: Location = PLACE) -> Edit:
    def edit(trace: Trace) -> None:
        trace.hidden[where.index] += trace.hidden.dtype.type(amount)

    return edit


PHRASES = {"no-h2h-bias": "the h2h bias were left out", "h2h-transposed": "the h2h weight were transposed"}


def evaluated(
    result: RunResult,
    *found: tuple[str, ...],
    blind: tuple[str, ...] = (),
    remedy: Config | None = None,
    coverage: float = 1.0,
) -> RunResult:
    """Audited in full, whatever `coverage` says; each wrong engine is given the diagnosis `found`."""
    audits = {name: audit(result.inputs, trace, full=True) for name, trace in result.traces.items()}
    audits = {name: replace(a, audited=max(1, round(coverage * a.elements))) for name, a in audits.items()}
    diagnoses = dict.fromkeys(audits, found)
    return replace(result, judgment=Judgment(audits, diagnoses, blind, remedy, PHRASES))


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


def test_the_assumptions_of_a_model_file_come_first_among_the_notes_of_an_agreement() -> None:
    result = made_result()
    result = replace(result, inputs=replace(result.inputs, assumptions=("the cell was chosen", "no step is skipped")))
    notes = verdict_sentence(result, "manual").notes
    assert notes[:2] == ("Assumption: the cell was chosen.", "Assumption: no step is skipped.")
    assert all(note in repr(result) for note in notes[:2])
    assert all(note in result._repr_html_() for note in notes[:2])


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
    assert words.verdict == "disagree"
    assert str(words) == (
        "✘ gluon and manual agree, but 2 checks fail: manual: the forward final state is the output at t = T-1; "
        "manual: state[0] is layer 0's last computed hidden vector"
    )


def test_a_green_line_does_not_hide_that_another_candidate_differs() -> None:
    result = made_result(("gluon", "manual", "torch"), edits={"torch": adding(0.5)}, bidirectional=True)
    words = verdict_sentence(result, "manual")
    assert words.verdict == "agree"
    assert words.notes[0] == "Of the other candidates, torch differs."
    assert [line for line in report(result).splitlines() if not line.startswith(" ")] == [
        str(words),
        str(verdict_sentence(result, "torch")),
    ]


def test_the_audit_says_which_side_is_wrong_and_as_if_what_were_done() -> None:
    result = evaluated(made_result(edits={"gluon": adding(0.25)}, bidirectional=True), ("no-h2h-bias",))
    words = verdict_sentence(result, "manual")
    assert str(words) == (
        "✘ gluon is wrong from layer 0, backward, t = 3, sample 1, unit 2, as if the h2h bias were left out"
    )
    assert [part.where for part in words.sentence if part.where] == [PLACE]
    assert words.notes[:2] == ("1 of 80 values differ, by up to 0.25.", "manual is right at every step.")
    assert any(note.startswith("At its first wrong step gluon has ") for note in words.notes)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ((), ""),
        ((("no-h2h-bias", "h2h-transposed"),), "as if the h2h bias were left out and the h2h weight were transposed"),
        (
            (("no-h2h-bias",), ("h2h-transposed",)),
            "as if the h2h bias were left out or as if the h2h weight were transposed",
        ),
        ((("no-h2h-bias",), ("a",), ("b",)), "as if the h2h bias were left out, or 2 other mistakes"),
        ((("unheard-of",),), "as if the mistake unheard-of were made"),
    ],
)
def test_a_diagnosis_is_said_in_the_mistakes_own_phrases(found: tuple[tuple[str, ...], ...], said: str) -> None:
    result = evaluated(made_result(edits={"gluon": adding(0.25)}, bidirectional=True), *found)
    assert result.judgment is not None
    assert diagnosis(result.judgment, "gluon") == said
    assert plain(verdict_sentence(result, "manual").sentence).endswith(said or "unit 2")


def test_both_sides_can_be_wrong() -> None:
    elsewhere = Location(1, 0, 2, 0, 0)
    edits = {"gluon": adding(0.25), "manual": adding(0.25, elsewhere)}
    words = verdict_sentence(evaluated(made_result(edits=edits, bidirectional=True, num_layers=2)), "manual")
    assert plain(words.sentence) == f"gluon is wrong from {PLACE} and manual is wrong from {elsewhere}"
    assert not any("right at every step" in note for note in words.notes)


def test_an_engine_whose_steps_are_right_and_whose_states_are_not_is_wrong_by_its_checks() -> None:
    def edit(trace: Trace) -> None:
        trace.state_h[0] += 1.0

    words = verdict_sentence(evaluated(made_result(edits={"manual": edit})), "manual")
    assert str(words) == "✘ manual is wrong: 2 checks fail"
    assert "gluon is right at every step." in words.notes
    assert any("state[0] is layer 0's last computed hidden vector" in note for note in words.notes)


def test_an_agreement_that_proves_little_says_so_in_its_sentence() -> None:
    result = made_result(num_layers=2)
    config = replace(result.config, parameters=replace(result.config.parameters, bias="zeros"))
    result = evaluated(result, blind=("h2h-transposed", "no-h2h-bias"), remedy=config)
    words = verdict_sentence(result, "manual")
    assert (words.verdict, words.look) == ("agree", "blind")
    assert plain(words.sentence) == "gluon and manual agree, but this run could not reveal 2 known mistakes"
    assert words.sentence[-1].act == BLIND_SPOTS
    assert words.sentence[-1].tip == (
        "h2h-transposed: as if the h2h weight were transposed\nno-h2h-bias: as if the h2h bias were left out"
    )
    assert words.notes[:2] == ("All 80 values are equal.", "gluon and manual are right at every step.")
    assert "This run could not reveal h2h-transposed, no-h2h-bias: use zero biases to reveal more." in words.notes
    assert words.remedy == "use zero biases"


def test_an_agreement_that_nothing_could_have_hidden_from_is_no_blind_one() -> None:
    words = verdict_sentence(evaluated(made_result()), "manual")
    assert words.look == "agree"
    assert words.blind == ()
    assert words.remedy == ""


def test_blind_spots_are_no_matter_while_an_engine_is_wrong() -> None:
    result = evaluated(made_result(edits={"gluon": adding(0.25)}, bidirectional=True), blind=("h2h-transposed",))
    words = verdict_sentence(result, "manual")
    assert words.blind == ()
    assert not any("could not reveal" in note for note in words.notes)


def test_engines_that_are_right_at_each_step_and_still_apart_drift() -> None:
    exact = {"atol": 0.0, "rtol": 0.0}
    result = made_result(edits={"manual": adding(1e-7)}, bidirectional=True, num_layers=2, compare_with=exact)
    words = verdict_sentence(evaluated(result), "manual")
    assert words.verdict == "drift"
    assert str(words).startswith("≈ manual drifts from gluon from layer 0, backward, t = 3, sample 1, unit 2: ")
    assert str(words).endswith(": every step of both is right, and their rounding has grown on the way")
    assert words.notes[0].startswith("1 of 160 values, by up to ")


@pytest.mark.parametrize(("coverage", "said"), [(0.3875, "38 %"), (0.0125, "1.2 %"), (1e-5, "0.1 %")])
def test_a_sampled_audit_tells_how_much_it_covers(coverage: float, said: str) -> None:
    words = verdict_sentence(evaluated(made_result(batch_size=80), coverage=coverage), "manual")
    assert words.coverage == pytest.approx(coverage, abs=1e-3)
    assert any(
        note.endswith(f"{said} of the values audited: gluon and manual are right at every step of these.")
        for note in words.notes
    )


@pytest.mark.parametrize("edit", [{}, {"manual": adding(0.25)}])
def test_a_run_without_an_audit_says_so(edit: dict[str, Edit]) -> None:
    words = verdict_sentence(made_result(edits=edit, bidirectional=True), "manual")
    unknown = ": which side is wrong is not known" if edit else ""
    assert f"No step was audited{unknown}." in words.notes
    assert words.coverage is None


def test_a_users_recurrence_is_called_by_its_file() -> None:
    mine = "/somewhere/far/my_rnn.py"
    words = verdict_sentence(
        evaluated(made_result(("gluon", mine), edits={mine: adding(0.2)}, bidirectional=True)), mine
    )
    assert str(words).startswith("✘ my_rnn.py is wrong from ")
    assert "/" not in "".join(words.notes).replace(" / ", "")


@pytest.mark.parametrize("candidate", ["torch", ""])
def test_a_candidate_that_was_not_run_is_refused(candidate: str) -> None:
    with pytest.raises(KeyError):
        verdict_sentence(made_result(), candidate)
