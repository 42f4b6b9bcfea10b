"""Verdicts on the command line: step audit, diagnosis, undetectable bugs, and exit codes."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.calls import DETECTABLE, DISAGREEING, Called
from tests.cli.calls import write as write_config
from tests.engines.seeded_bugs import RIGHT
from tests.needs import need_engine, needs

pytestmark = pytest.mark.usefixtures("shared_worker")

ROOT = Path(__file__).parents[2]


def write(folder: Path, **tables: dict[str, Any]) -> str:
    """A config in which every known bug is detectable, changed by `tables`."""
    base: dict[str, dict[str, Any]] = {
        "network": {"cell": "gru", "input_size": 3, "hidden_size": 5, "bidirectional": True},
        **DETECTABLE,
        "compare": DISAGREEING,
    }
    return str(write_config(folder, **{table: {**base[table], **tables.get(table, {})} for table in base}))


def run(rnnviz: Called, *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, JSON and standard error."""
    answer = rnnviz("run", *words, "--json", "-")
    return answer.code, json.loads(answer.out) if answer.out else {}, answer.err


def test_wrong_engine_first_step_and_likely_cause(rnnviz, tmp_path):
    code, found, _ = run(rnnviz, write(tmp_path))
    assert code == 1
    assert found["verdict"] == "disagree"
    assert [own["name"] for own in found["diagnosis"]] == ["no-h2h-bias"]
    assert found["undetectable"] == []
    right, wrong = found["audit"]["manual"], found["audit"]["bug:no-h2h-bias"]
    assert list(found["audit"]) == ["manual", "bug:no-h2h-bias"]
    assert (right["verdict"], right["first_wrong"], right["coverage"]) == ("right", None, 1.0)
    assert 0 < right["worst_ratio"] < 8 < wrong["worst_ratio"]
    first = wrong["first_wrong"]
    assert first.items() >= {"layer": 0, "direction": "forward", "timestep": 0, "sample": 0, "unit": 0}.items()
    assert first["value"] == found["first_mismatch"]["candidate"]
    assert first["expected"] == pytest.approx(found["first_mismatch"]["reference"], abs=1e-6)


def test_a_cause_at_a_place_is_proved_and_says_what_to_change(rnnviz, tmp_path):
    engine = "bug:no-h2h-bias@direction=backward,gate=z"
    _, found, _ = run(rnnviz, write(tmp_path), "--engines", f"manual,{engine}")
    first = found["audit"][engine]["first_wrong"]
    assert first["with_cause"] == pytest.approx(first["value"], abs=1e-6) != pytest.approx(first["expected"], abs=1e-6)
    assert "with_cause" not in found["audit"]["manual"]
    answer = rnnviz("run", write(tmp_path), "--engines", f"manual,{engine}")
    assert "with the likely cause" in answer.out
    assert "To fix in the backward direction (r0_h2h_bias): " in answer.out


def test_a_step_that_is_two_steps_has_no_equations_with_its_cause(rnnviz, tmp_path):
    engine = "bug:step-fed-twice@direction=forward"
    code, found, _ = run(rnnviz, write(tmp_path), "--engines", f"manual,{engine}")
    assert (code, found["diagnosis"][0]["name"]) == (1, "step-fed-twice")
    assert "with_cause" not in found["audit"][engine]["first_wrong"]


def test_without_audit_no_engine_is_named(rnnviz, tmp_path):
    code, found, _ = run(rnnviz, write(tmp_path), "--audit", "off")
    assert (code, found["verdict"]) == (1, "disagree")
    assert not {"audit", "diagnosis", "undetectable"} & set(found)


def test_wrong_step_within_the_tolerance_disagrees(rnnviz, tmp_path):
    code, found, _ = run(rnnviz, write(tmp_path), "--atol", "10")
    assert (code, found["verdict"], found["mismatched"]) == (1, "disagree", 0)
    assert [own["name"] for own in found["diagnosis"]] == ["no-h2h-bias"]


@pytest.mark.slow
def test_zero_tolerance_is_drift_and_strict_fails(rnnviz, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(RIGHT["gru"], encoding="utf-8")
    words = (write(tmp_path), "--engines", f"manual,{mine}", "--atol", "0", "--rtol", "0")
    code, found, _ = run(rnnviz, *words)
    assert (code, found["verdict"]) == (0, "drift")
    assert run(rnnviz, *words, "--strict")[0] == 1


def test_code_named_by_a_config_needs_the_option(rnnviz, tmp_path):
    folder = tmp_path / "a project, ünd more"
    folder.mkdir()
    ran = tmp_path / "ran"
    mine = folder / "mine.py"
    mine.write_text(f"open({str(ran)!r}, 'w').close()\n{RIGHT['gru']}", encoding="utf-8")
    config = write(folder, compare={"candidates": ["mine.py"]})
    code, _, sentence = run(rnnviz, config)
    assert code == 2
    assert sentence.startswith(f'rnnviz: compare.candidates names "{mine}", which is Python code')
    assert "--engines" in sentence
    assert sentence.count("\n") == 1
    assert not ran.exists()
    # The comma in the folder's name is why the file is moved.
    plain = tmp_path / "plain"
    folder.rename(plain)
    code, found, _ = run(rnnviz, str(plain / "config.toml"), "--engines", f"manual,{plain / 'mine.py'}")
    assert (code, found["verdict"]) == (0, "agree")
    assert ran.exists()


def test_permission_is_for_one_file(rnnviz, tmp_path):
    for name in ("mine.py", "other.py"):
        (tmp_path / name).write_text(RIGHT["gru"], encoding="utf-8")
    config = write(tmp_path, compare={"candidates": [str(tmp_path / "other.py")]})
    code, _, sentence = run(rnnviz, config, "--reference", str(tmp_path / "mine.py"))
    assert code == 2
    assert "other.py" in sentence


@needs("onnxruntime")
def test_a_full_audit_lists_changes_that_no_step_shows(rnnviz, tmp_path):
    path = write(tmp_path, parameters={"bias": "zeros"})
    _, found, _ = run(rnnviz, path)
    assert "undetectable_changes" not in found
    _, found, _ = run(rnnviz, path, "--audit", "full")
    # In a GRU the two biases are not the same for the candidate.
    assert {"no-i2h-bias", "no-h2h-bias"} <= set(found["undetectable"])
    assert "biases-exchanged" in found["undetectable_changes"]
    assert not set(found["undetectable"]) & set(found["undetectable_changes"])


def test_onnx_can_be_the_reference_and_a_candidate(rnnviz, tmp_path):
    for engines in ("onnx,manual", "manual,onnx"):
        code, found, _ = run(rnnviz, write(tmp_path), "--engines", engines, "--strict")
        assert (code, found["verdict"]) == (0, "agree")
        assert f"{found['reference']},{found['candidate']}" == engines
        assert found["versions"]["onnx"].startswith("onnxruntime ")


@pytest.mark.parametrize("candidate", ["onnx", pytest.param("torch", marks=pytest.mark.slow)])
def test_gradients_are_computed_by_an_option(rnnviz, tmp_path, candidate):
    need_engine(candidate)
    jsonschema = pytest.importorskip("jsonschema")
    code, found, _ = run(rnnviz, write(tmp_path), "--engines", f"manual,{candidate}", "--backward")
    assert (code, found["verdict"], found["overall_verdict"]) == (0, "agree", "agree")
    backward, engines = found["backward"], ["manual"] if candidate == "onnx" else ["manual", candidate]
    assert list(backward["seconds"]) == list(backward["audit"]) == engines
    assert set(backward["without_gradients"]) == {"manual", candidate} - set(engines)
    assert {audit["verdict"] for audit in backward["audit"].values()} == {"right"}
    (compared,) = backward["comparisons"]
    arrays = {"grad.h", "grad.out", "grad.r", "grad.z", "grad.n", "grad.input", "grad.h0"}
    assert {name for name in compared["arrays"] if "parameters" not in name} == (arrays if engines[1:] else set())
    schema = json.loads((ROOT / "resources" / "schemas" / "summary.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(found)


@pytest.mark.slow
@needs("mxnet")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lengths_that_mxnet_ignores_are_a_known_issue(rnnviz, tmp_path, dtype):
    path = write(tmp_path, network={"cell": "lstm", "dtype": dtype}, sequence={"lengths": [4, 2, 1]})
    summary = tmp_path / "run.json"
    answer = rnnviz("run", path, "--engines", "gluon,manual", "--strict", "--json", summary)
    found = json.loads(summary.read_text(encoding="utf-8"))
    assert (answer.code, found["verdict"], found["lengths"]) == (0, "agree", [4, 2, 1])
    failed = [check for check in found["checks"] if not check["holds"]]
    # In float64 MXNet refuses the option.
    assert len(failed) == (2 if dtype == "float32" else 0)
    assert all("issue 19323" in check["known_issue"] for check in failed)
    assert not any("known_issue" in check for check in found["checks"] if check["holds"])
    assert ("issue 19323" in answer.out) == bool(failed)
