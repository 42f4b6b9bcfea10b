"""The summary of a run, for other programs: the verdict, its figures and their places."""

import json
import math

import pytest

from rnnviz.core.resources import resource_path
from rnnviz.io.export.data import json_text, summary, write_json
from tests.factories import make_result, setting
from tests.golden.runs import RUNS
from tools import summary_schema


def test_the_summary_of_an_agreeing_run(tmp_path):
    result = make_result()
    write_json(result, tmp_path / "out.json")
    figures = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert figures == json.loads(json_text(result)) == json.loads(json.dumps(summary(result)))
    assert (figures["verdict"], figures["reference"], figures["candidate"]) == ("agree", "gluon", "manual")
    assert (figures["elements"], figures["mismatched"], figures["first_mismatch"]) == (40, 0, None)
    assert figures["coverage"] == 1.0
    assert (figures["rtol"], figures["atol"]) == (1.3e-6, 1e-5)
    assert figures["seconds"] == {"gluon": 0.01, "manual": 0.01, "gluon.fused": 0.002}
    assert {"rnnviz", "python", "numpy", "gluon", "manual"} <= set(figures["versions"])
    assert [check["holds"] for check in figures["checks"]] == [True] * 6


def test_the_summary_of_a_mismatch_names_its_place():
    result = make_result(edits={"manual": setting((0, 1, 3, 1, 2), 9.0)}, bidirectional=True)
    figures = json.loads(json_text(result))
    place = {"layer": 0, "direction": "backward", "timestep": 3, "sample": 1, "unit": 2}
    reference = float(result["gluon"].hidden[0, 1, 3, 1, 2])
    assert figures["verdict"] == "disagree"
    assert figures["mismatched"] == 1
    assert figures["first_mismatch"] == {**place, "reference": reference, "candidate": 9.0}
    assert figures["max_abs_error"] == {"value": 9.0 - reference, **place}
    assert figures["max_error_ratio"] > 1.0
    assert isinstance(figures["max_ulp"], int)
    broken = [check for check in figures["checks"] if not check["holds"]]
    assert {check["engine"] for check in broken} == {"manual"}


@pytest.mark.parametrize(("value", "word"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")])
def test_numbers_that_json_lacks_are_spelled_out(value, word):
    figures = json.loads(json_text(make_result(edits={"manual": setting((0, 0, 1, 0, 0), value)})))
    assert figures["first_mismatch"]["candidate"] == word
    assert figures["nonfinite"] == {"reference": 0, "candidate": 1}
    huge = {name: setting((0, 0, 1, 0, 0), value) for name, value in (("gluon", -1.7e308), ("manual", 1.7e308))}
    figures = json.loads(json_text(make_result(edits=huge, dtype="float64")))
    assert figures["max_abs_error"]["value"] == figures["smallest_passing_atol"] == "Infinity"


def test_several_candidates_have_the_worst_verdict_at_the_top():
    result = make_result(("gluon", "manual", "onnx"), edits={"onnx": setting((0, 0, 1, 0, 0), 9.0)})
    figures = json.loads(json_text(result))
    assert (figures["verdict"], figures["candidate"]) == ("disagree", "onnx")
    assert [(each["candidate"], each["verdict"]) for each in figures["comparisons"]] == [
        ("manual", "agree"),
        ("onnx", "disagree"),
    ]
    for each in figures["comparisons"]:
        assert {check["engine"] for check in each["checks"]} == {"gluon", each["candidate"]}


def test_the_schema_is_that_of_the_records():
    assert json.loads(summary_schema.PATH.read_text(encoding="utf-8")) == summary_schema.schema(), (
        "renew it: python -m tools.summary_schema"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_every_kind_of_summary_follows_the_schema(name):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(resource_path("schemas", "summary.schema.json").read_text(encoding="utf-8"))
    validator, found = jsonschema.Draft202012Validator(schema), json.loads(json_text(RUNS[name]()))
    validator.validate(found)
    assert not validator.is_valid({**found, "verdict": "perhaps"})
    assert not validator.is_valid({key: value for key, value in found.items() if key != "mismatched"})


def test_gradients_are_under_backward():
    figures = summary(RUNS["gradients-wrong"]())
    assert (figures["verdict"], figures["overall_verdict"]) == ("agree", "disagree")
    backward = figures["backward"]
    assert backward["verdict"] == "disagree"
    place = {"layer": 1, "direction": "backward", "timestep": 4, "sample": 0, "unit": 3}
    assert backward["audit"]["manual"]["first_wrong"] == {"array": "grad.h", **place, "value": 9.0, "expected": 0.5}
    (compared,) = backward["comparisons"]
    assert compared["first_mismatch"].items() >= {"array": "grad.h", **place, "candidate": 9.0}.items()
    weight = compared["arrays"]["grad.parameters.l0_h2h_weight"]
    assert (weight["mismatched"], weight["first_mismatch"]["index"]) == (1, [2, 1])
    assert set(compared["arrays"]["grad.input"]["max_abs_error"]) == {"timestep", "sample", "feature", "value"}
    assert set(compared["arrays"]["grad.h0"]["max_abs_error"]) == {"layer", "direction", "sample", "unit", "value"}
    assert [cause["name"] for cause in backward["diagnosis"]] == ["a"]
    flow = backward["flow"]
    assert [(lane["layer"], lane["direction"]) for lane in flow["lanes"]] == [
        (layer, direction) for layer in (0, 1) for direction in ("forward", "backward")
    ]
    lane = flow["lanes"][3]
    assert (lane["begins"], lane["ends"], lane["verdict"], sum(lane["samples"].values())) == (0, 4, "neither", 2)
    assert lane["ratio"] == lane["norm_at_end"] / lane["norm_at_begin"]
    alone = summary(RUNS["gradients-of-one-engine"]())
    assert alone["backward"]["without_gradients"] == {"onnx": "ONNX Runtime has no backward pass"}
    assert [c["verdict"] for c in alone["backward"]["comparisons"]] == ["agree", None]
