"""What stands behind a verdict, each whole sentence from figures that were set by hand."""

from dataclasses import replace
from math import inf, nextafter
from typing import Any

import numpy as np
import pytest

from rnnviz.core.number_format import UNDEFINED_ULP
from rnnviz.core.trace_index import Location
from rnnviz.text import verdict_details
from rnnviz.verify.audit import WrongStep
from rnnviz.verify.comparison import Comparison, Mismatch
from rnnviz.verify.invariants import Check
from rnnviz.verify.result import Judgment, RunResult
from tests.factories import evaluated, made_result, setting

MINE = "/far/away/mine.py"
RESULT = made_result(("gluon", MINE))
NOTHING = RESULT.comparisons[0]


def compared(**figures: Any) -> Comparison:
    return replace(NOTHING, **figures)


@pytest.mark.parametrize(
    ("say", "figures", "words"),
    [
        (verdict_details.mismatch_count, {"mismatched": 1234, "elements": 5678}, "1,234 of 5,678 values"),
        (verdict_details.mismatch_count, {"mismatched": 1, "elements": 9, "unrecorded": 3}, "1 of 9 recorded values"),
        (verdict_details.compared, {"elements": 9600}, "9,600"),
        (verdict_details.compared, {"elements": 1000, "unrecorded": 2000}, "1,000 of 3,000"),
        (verdict_details.error_size, {"mismatched": 2, "max_abs_error": 0.25}, "by up to 0.25"),
        (verdict_details.error_size, {"mismatched": 2, "nonfinite_apart": 2}, "NaN or infinite on one side only"),
        (
            verdict_details.error_size,
            {"mismatched": 3, "nonfinite_apart": 2, "max_abs_error": 0.25},
            "by up to 0.25; 2 NaN or infinite on one side only",
        ),
        (
            verdict_details.size_of_difference,
            {"mismatched": 2, "elements": 40, "max_abs_error": 0.25},
            ("2 of 40 values differ, by up to 0.25.",),
        ),
        (verdict_details.size_of_difference, {}, ("gluon and mine.py agree within the tolerance all the same.",)),
        (verdict_details.values_and_error, {"elements": 40}, "all 40 values are equal"),
        (
            verdict_details.values_and_error,
            {"elements": 40, "max_abs_error": 3e-8},
            "40 values, largest difference 3e-8",
        ),
        (
            verdict_details.values_and_error,
            {"elements": 10, "unrecorded": 30},
            "10 of 40 values compared, the others not recorded, all equal",
        ),
        (verdict_details.first_values, {}, ()),
        (
            verdict_details.first_values,
            {"first_mismatch": Mismatch(Location(), 0.25, -1.5)},
            ("At the first difference, gluon has 0.250 and mine.py -1.500.",),
        ),
        (verdict_details.nonfinite, {}, ()),
        (
            verdict_details.nonfinite,
            {"nonfinite_reference": 1200, "nonfinite_candidate": 0, "nonfinite_apart": 1200},
            ("NaN or infinite: 1,200 of gluon's values, 0 of mine.py's, 1,200 of them apart.",),
        ),
        (
            verdict_details.nonfinite,
            {"nonfinite_reference": 2, "nonfinite_candidate": 2},
            ("NaN or infinite: 2 of gluon's values, 2 of mine.py's, all in the same places.",),
        ),
        (verdict_details.nonfinite, {"nonfinite_candidate": 1, "nonfinite_apart": 1}, (
            "NaN or infinite: 0 of gluon's values, 1 of mine.py's, 1 of them apart.",
        )),
        (
            verdict_details.tolerance,
            {"atol": 1e-5, "rtol": 0.25, "max_error_ratio": 1.0},
            "Tolerance 1e-5 + 0.25 · |gluon|, of which the largest violation takes 100 %.",
        ),
        (
            verdict_details.tolerance,
            {"atol": 1e-5, "rtol": 0.25, "max_error_ratio": 0.15},
            "Tolerance 1e-5 + 0.25 · |gluon|, of which the largest violation takes 15 %.",
        ),
        (
            verdict_details.tolerance,
            {"atol": 0.0, "rtol": 0.5, "max_error_ratio": 1.5},
            "Tolerance 0.0 + 0.5 · |gluon|, of which the largest violation takes 1.5 times.",
        ),
        (
            verdict_details.tolerance,
            {"atol": 0.0, "rtol": 0.0, "max_error_ratio": 0.0},
            "Tolerance 0.0 + 0.0 · |gluon| allows no difference, and there is none.",
        ),
        (
            verdict_details.tolerance,
            {"atol": 0.0, "rtol": 0.5, "max_error_ratio": 0.0},
            "Tolerance 0.0 + 0.5 · |gluon|, of which the largest violation takes 0 %.",
        ),
        (
            verdict_details.tolerance,
            {"atol": 0.0, "rtol": 0.0, "max_error_ratio": inf},
            (
                "Tolerance 0.0 + 0.0 · |gluon| allows no difference, and there is one: "
                "use an atol above 0 to let it pass."
            ),
        ),
        (
            verdict_details.tolerance,
            {"atol": 0.0, "rtol": 0.5, "max_error_ratio": inf},
            (
                "Tolerance 0.0 + 0.5 · |gluon| allows no difference where gluon has 0, and there is one: "
                "use an atol above 0 to let it pass."
            ),
        ),
        (
            verdict_details.tolerance,
            {"atol": 5e-324, "rtol": 0.0, "max_error_ratio": inf},
            (
                "Tolerance 5e-324 + 0.0 · |gluon| is exceeded more times than a number can say: "
                "use a larger atol to let such differences pass."
            ),
        ),
        (verdict_details.passing, {"smallest_passing_atol": 0.1201}, "The smallest passing atol is 0.13."),
        (
            verdict_details.passing,
            {"smallest_passing_atol": 0.1201, "nonfinite_apart": 1},
            "The smallest passing atol is 0.13 for the finite values.",
        ),
        (verdict_details.ulp, {"max_ulp": 0}, ()),
        (verdict_details.ulp, {"max_ulp": 1}, ("At most 1 ULP apart.",)),
        (verdict_details.ulp, {"max_ulp": UNDEFINED_ULP}, ("At most none ULP apart.",)),
    ],
)  # fmt: skip
def test_a_comparison_is_told_in_whole_sentences(say: Any, figures: dict[str, Any], words: object) -> None:
    assert say(compared(**figures)) == words


def check(engine: str, name: str) -> Check:
    return replace(RESULT.checks[0], engine=engine, name=name)


@pytest.mark.parametrize(
    ("failed", "words"),
    [
        ([], ()),
        ([check(MINE, "one")], ("A check fails: mine.py: one.",)),
        ([check("gluon", "one"), check(MINE, "two")], ("2 checks fail: gluon: one; mine.py: two.",)),
        ([check("gluon", f"{n}") for n in range(4)], ("4 checks fail: gluon: 0; gluon: 1; and 2 more.",)),
        ([check("gluon", f"{n}") for n in range(3)], ("3 checks fail: gluon: 0; gluon: 1; and 1 more.",)),
    ],
)
def test_of_checks_that_fail_the_first_two_are_named(failed: list[Check], words: tuple[str, ...]) -> None:
    assert verdict_details.failed_checks(failed) == words


def test_checks_that_fail_are_counted_within_a_sentence() -> None:
    assert verdict_details.how_many([check(MINE, "one")]) == "a check fails"
    assert verdict_details.how_many([check(MINE, "one")] * 1200) == "1,200 checks fail"


@pytest.mark.parametrize(
    ("coverage", "words"),
    [
        (0.0, "none"),
        (0.0009, "less than 0.1 %"),
        (0.001, "0.1 %"),
        (0.0999, "9.9 %"),
        (0.1, "10 %"),
        (0.105, "10 %"),
        (0.3899, "38 %"),
        (0.99, "99 %"),
        (0.9911, "99.1 %"),
        (0.99999, "99.9 %"),
        (nextafter(1.0, 0.0), "99.9 %"),
    ],
)
def test_a_share_is_never_rounded_up(coverage: float, words: str) -> None:
    assert verdict_details.covered(coverage) == words


def with_coverage(result: RunResult, **audited: int) -> RunResult:
    """Audited, but for how many of an engine's 40 values are said to have been looked at."""
    found = evaluated(result)
    assert found.judgment is not None
    audits = {
        name: replace(audit, audited=audited.get(name, audit.elements)) for name, audit in found.judgment.audits.items()
    }
    return replace(found, judgment=replace(found.judgment, audits=audits))


THREE = made_result(("gluon", "manual", "torch"))
WRONG = setting((0, 0, 1, 0, 0), 9.0)


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (THREE, ("No step was audited.",)),
        (with_coverage(THREE), ("gluon and manual are right at every step.",)),
        (
            with_coverage(THREE, gluon=10, manual=20, torch=2),
            ("25 % of the values audited: gluon and manual are right at every step of these.",),
        ),
        (
            with_coverage(THREE, gluon=10, manual=0),
            (
                "25 % of the values audited: gluon is right at every step of these.",
                "No step of manual can be audited: what each one reads was not recorded.",
            ),
        ),
        (
            with_coverage(THREE, gluon=0, manual=0),
            tuple(
                f"No step of {name} can be audited: what each one reads was not recorded."
                for name in ("gluon", "manual")
            ),
        ),
        (
            made_result(("gluon", "manual", "torch"), edits={"manual": WRONG}),
            ("No step was audited: which side is wrong is not known.",),
        ),
        (made_result(("gluon", "manual", "torch"), edits={"torch": WRONG}), ("No step was audited.",)),
        (
            evaluated(made_result(("gluon", "manual"), edits={"gluon": WRONG})),
            ("manual is right at every step.",),
        ),
        (evaluated(made_result(("gluon", "manual"), edits={"gluon": WRONG, "manual": WRONG})), ()),
    ],
)  # fmt: skip
def test_who_is_right_is_told_of_the_engines_that_are_asked_for(result: RunResult, said: tuple[str, ...]) -> None:
    assert verdict_details.who_is_right(result, ("gluon", "manual")) == said


def test_each_engine_that_is_wrong_is_told_with_what_it_has_and_should_have() -> None:
    audits = evaluated(RESULT).judgment
    assert audits is not None
    right, other = audits.audits["gluon"], audits.audits[MINE]
    wrong = replace(other, wrong=1, first_wrong=WrongStep(Location(), 0.25001, 0.25))
    assert verdict_details.first_wrong_values([right, wrong]) == (
        "At its first wrong step mine.py has 0.25001, where its own previous state gives 0.25.",
    )


def test_blind_spots_are_named_with_what_would_reveal_them() -> None:
    def said(*blind: str, **remedy: Any) -> tuple[str, ...]:
        return verdict_details.blind_spots(replace(RESULT, judgment=Judgment({}, {}, blind, remedy.get("config"))))

    assert verdict_details.blind_spots(RESULT) == said() == ()
    assert said("a", "b") == ("This run could not reveal a, b.",)
    more = replace(RESULT.config, sequence=replace(RESULT.config.sequence, timesteps=9))
    assert said("a", config=more) == ("This run could not reveal a: use 9 timesteps to reveal more.",)


def test_how_the_other_candidates_fare_is_told_and_whether_worse() -> None:
    assert verdict_details.others(RESULT, MINE) is None
    engines = ("gluon", "manual", MINE, "torch")
    result = made_result(engines, edits={MINE: setting((0, 0, 1, 0, 0), inf)})
    assert verdict_details.others(result, "manual") == ("Of the other candidates, mine.py differs, torch agrees.", True)
    assert verdict_details.others(result, "torch") == ("Of the other candidates, manual agrees, mine.py differs.", True)
    exact = {"num_layers": 2, "compare_with": {"atol": 0.0, "rtol": 0.0}}
    engines, place = ("gluon", "manual", "torch"), (0, 0, 2, 0, 0)
    near = np.nextafter(made_result(engines, **exact)["gluon"].hidden[place], np.float32(2))
    drifting = evaluated(made_result(engines, edits={"torch": setting(place, near)}, **exact))
    assert verdict_details.others(drifting, "manual") == ("Of the other candidates, torch drifts.", True)
    assert verdict_details.others(result, MINE) == ("Of the other candidates, manual agrees, torch agrees.", False)
