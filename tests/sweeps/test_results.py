"""The result of a row as JSON, and invalid rows."""

import json
from math import inf, isnan, nan
from typing import Any

import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.number_format import json_number
from rnnviz.core.trace_index import Location
from rnnviz.sweeps.results import FirstWrong, SweepResult, number

FOUND = SweepResult(
    "disagree", "No.", 1.5, 0.25, inf, FirstWrong("manual", Location(1, 1, 4, 2, 3)), {"gluon": 0.5, "manual": 0.125}
)
WRITTEN: dict[str, Any] = {
    "verdict": "disagree",
    "max_error_ratio": 1.5,
    "max_abs_error": 0.25,
    "audit_worst_ratio": "Infinity",
    "first_wrong": {"engine": "manual", "layer": 1, "direction": "backward", "timestep": 4, "sample": 2, "unit": 3},
    "seconds": {"gluon": 0.5, "manual": 0.125},
    "reason": "No.",
}


def test_a_finding_is_written_under_its_names_and_reads_back() -> None:
    assert FOUND.to_mapping() == WRITTEN
    assert SweepResult.from_mapping(json.loads(json.dumps(WRITTEN))) == FOUND
    assert str(FOUND.first_wrong) == "manual at layer 1, backward, t = 4, sample 2, unit 3"
    bare = SweepResult("refused")
    assert bare.to_mapping() == {
        **dict.fromkeys(("max_error_ratio", "max_abs_error", "audit_worst_ratio", "first_wrong")),
        "verdict": "refused",
        "seconds": {},
        "reason": "",
    }
    assert SweepResult.from_mapping(bare.to_mapping()) == bare


def test_each_number_keeps_its_own_place() -> None:
    numbers = {"max_error_ratio": 3.0, "max_abs_error": -inf, "audit_worst_ratio": nan}
    written = SweepResult("agree", **numbers).to_mapping()
    assert [written[name] for name in numbers] == [3.0, "-Infinity", "NaN"]
    read = SweepResult.from_mapping(written)
    assert (read.max_error_ratio, read.max_abs_error) == (3.0, -inf)
    assert read.audit_worst_ratio is not None
    assert isnan(read.audit_worst_ratio)


def test_a_number_that_json_lacks_has_a_name() -> None:
    for value, name in ((inf, "Infinity"), (-inf, "-Infinity"), (0.0, 0.0), (-2.5, -2.5)):
        assert json_number(value) == name
        assert number(name) == value
    assert json_number(nan) == "NaN"
    assert number(None) is None
    assert number(3) == 3.0
    assert isinstance(number(3), float)
    with pytest.raises(KeyError):
        number("infinity")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"verdict": "good"},
            'verdict = "good" is not allowed: it must be one of refused, agree, drift, disagree, failed.',
        ),
        ({"seconds": {"gluon": nan}}, "nan is not a time in seconds."),
        (
            {"seconds": {"gluon": "soon"}},
            "A row of the table is damaged: ValueError: could not convert string to float",
        ),
        ({"seconds": 3}, "A row of the table is damaged: AttributeError: 'int' object has no attribute 'items'."),
        ({"max_error_ratio": "much"}, "A row of the table is damaged: KeyError: 'much'."),
        ({"max_abs_error": []}, "A row of the table is damaged: TypeError: float() argument must be "),
        ({"first_wrong": {"engine": "x"}}, "A row of the table is damaged: KeyError: 'layer'."),
        (
            {"first_wrong": {**WRITTEN["first_wrong"], "direction": "up"}},
            "A row of the table is damaged: ValueError: tuple.index(x): x not in tuple.",
        ),
    ],
    ids=repr,
)
def test_an_invalid_result_is_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as raised:
        SweepResult.from_mapping({**WRITTEN, **changes})
    told = str(raised.value)
    assert told == sentence or (not sentence.endswith(".") and told.startswith(sentence))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_row_that_lacks_something_is_damaged(name: str) -> None:
    with pytest.raises(InputError, match=rf"^A row of the table is damaged: KeyError: '{name}'\.$"):
        SweepResult.from_mapping({key: value for key, value in WRITTEN.items() if key != name})
