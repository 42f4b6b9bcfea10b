"""What a recording does not hold is neither held against itself nor taken for something that was returned."""

from dataclasses import replace

import pytest

from rnnviz.analysis.claims.errors import UnansweredError
from rnnviz.analysis.claims.scope import Scope
from rnnviz.analysis.final_states import agreement, lanes, places, values_at
from rnnviz.analysis.result import RunResult
from rnnviz.analysis.wording import verdict_sentence
from rnnviz.files.summary import summary
from tests.made_results import made_result

GOLDEN = "trace:/far/away/golden.npz"


def result_without(*untold: str) -> RunResult:
    result = made_result(("manual", GOLDEN), bidirectional=True)
    trace = replace(result[GOLDEN], untold=frozenset(untold))
    return replace(result, traces={**result.traces, GOLDEN: trace})


@pytest.mark.parametrize(("untold", "missing"), [("output", "out"), ("state_h", "state")])
def test_a_place_that_was_not_recorded_has_no_numbers_and_agrees_with_nothing(untold: str, missing: str) -> None:
    result = result_without(untold)
    network = result.inputs.network
    for last in lanes(network, 5, sample=0):
        values = {place.kind: values_at(result[GOLDEN], network, place) for place in places(network, last)}
        assert [kind for kind, numbers in values.items() if numbers is None] == [missing]
        assert str(agreement(result[GOLDEN], network, last, 0.0, 0.0)) == "not compared"
        assert str(agreement(result["manual"], network, last, 0.0, 0.0)) == "equal"


def test_a_claim_about_what_was_not_recorded_is_neither_true_nor_false() -> None:
    scope = Scope(result_without("output"))
    with pytest.raises(UnansweredError, match=r"^golden\.npz did not return out\.$"):
        scope.member("candidate", "out")
    assert len(scope.member("candidate", "state")) == 1
    assert scope.member("reference", "out").shape == (2, 5, 8)


def test_the_summary_lists_what_was_not_recorded() -> None:
    assert summary(result_without("output", "state_h"))["unrecorded"] == {GOLDEN: ["output", "state"]}
    assert "unrecorded" not in summary(result_without())


def test_the_verdict_says_what_was_not_recorded() -> None:
    notes = verdict_sentence(result_without("state_h", "output"), GOLDEN).notes
    assert "golden.npz holds no output and no state, so that nothing is checked there." in notes
    assert not any("holds no" in note for note in verdict_sentence(result_without(), GOLDEN).notes)
