"""The interactive page as a file: what it contains, what it may load, and how large it is."""

import json
import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.parameters import Parameters
from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.gui.theme.palettes import THEMES
from rnnviz.io.export import interactive_page
from rnnviz.io.export.interactive_page import page_html, samples_of_page, write_page
from tests.explain.arithmetics import explain_at
from tests.factories import make_result, setting, with_judgment
from tests.io.export.report.reading import parsed

WHEN = datetime(2025, 1, 2, 3, 4, tzinfo=UTC)
PACKED = re.compile(r'"data":"([^"]*)"')
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def data_of(page: str) -> dict:
    return json.loads(DATA.search(page)[1])


def unpacked(packed: dict) -> np.ndarray:
    kind = {"float32": "<f4", "float64": "<f8"}[packed["type"]]
    return np.frombuffer(b64decode(packed["data"]), kind).reshape(packed["shape"])


def test_a_page_has_the_run_and_may_load_nothing():
    result = make_result(
        cell="lstm",
        num_layers=2,
        bidirectional=True,
        gradients=("gluon",),
        edits={"manual": setting((1, 0, 3, 1, 2), 0.5)},
    )
    page = page_html(with_judgment(result), WHEN)
    parsed(page)
    data = data_of(page)
    assert "default-src 'none'; script-src 'sha256-" in page
    assert not re.findall(r'(?:src|href|action)="', page)
    assert "unsafe" not in page.split("</head>")[0]
    assert data["start"] == [1, 0, 3, 1, 2]
    assert data["startEngine"] == 1
    for engine, trace in zip(data["engines"], result.traces.values(), strict=True):
        for name in ("h", "c", "grad.h"):
            if name in trace:
                assert np.array_equal(unpacked(engine["arrays"][name]), trace[name])
        assert unpacked(engine["arrays"]["f"]).dtype == np.float32
    assert np.array_equal(unpacked(data["x"]), result.inputs.sequence)
    assert data_of(page_html(result, WHEN, Location(timestep=2)))["start"] == [0, 0, 2, 0, 0]


def test_a_page_has_what_the_terms_of_gradients_need():
    made = {"cell": "lstm", "projection_size": 2, "activations": ["hard_sigmoid", "tanh", "tanh"], "num_layers": 2}
    result = make_result(gradients=("gluon",), lengths=[5, 3], **made)
    data = data_of(page_html(result, WHEN))
    given, missing = data["engines"]
    assert not missing["backward"]
    assert missing["withoutTerms"]
    assert not given["withoutTerms"]
    assert [line["name"] for line in data["backward"]["lines"]] == ["grad.h"]
    # The gates have other units than h: their gradients, which go through weights, are in the page.
    found = {
        name: unpacked(packed)
        for name, packed in given["arrays"].items()
        if name.startswith(("own.", "slope.", "contribution."))
    }
    assert {array.shape for array in found.values()} == {(2, 1, 5, 2, 4)}
    assert len([name for name in found if name.startswith("contribution.")]) >= 8
    assert not any(array[:, :, 3:, 1].any() for array in found.values())
    assert data_of(page_html(make_result(), WHEN))["backward"] is None


def test_a_page_has_the_weights_of_an_engine_that_has_its_own():
    result = make_result()
    own = Parameters(result.config.network, {name: 2 * array for name, array in result.inputs.parameters.items()})
    result = replace(result, inputs=replace(result.inputs, weights={"manual": own}))
    data = data_of(page_html(result, WHEN))
    of_engines = {engine: given["parameters"] for engine, given in zip(result.traces, data["engines"], strict=True)}
    for engine, given in of_engines.items():
        assert (given is None) == (engine != "manual")
    assert np.array_equal(unpacked(of_engines["manual"][0]["i2h_weight"]), own["l0_i2h_weight"])
    assert np.array_equal(unpacked(data["parameters"][0]["i2h_weight"]), result.inputs.parameters["l0_i2h_weight"])


def test_a_page_has_the_values_of_the_units_behind_a_projection():
    result = make_result(cell="lstm", projection_size=2, num_layers=2, bidirectional=True)
    data = data_of(page_html(result, WHEN))
    cell, where = data["cell"], Location(1, 1, 2, 1, 1)
    assert [name for name, _ in cell["behind"]] == ["i", "f", "g", "o", "c", "m"]
    for engine, own in zip(data["engines"], explain_at(result, where).breakdowns.values(), strict=True):
        for name, node in cell["behind"]:
            lanes = unpacked(engine["arrays"][f"across.{node}"])
            np.testing.assert_allclose(lanes[1, 1, 2, 1], own.across[name], rtol=1e-12)
    assert data_of(page_html(make_result(cell="gru"), WHEN))["cell"]["behind"] == []


def test_a_page_names_the_likely_cause_of_an_engine():
    engine = "bug:no-h2h-bias"
    result = with_judgment(make_result(("manual", engine)), diagnoses={engine: (("no-h2h-bias",),)})
    causes = [own["cause"] for own in data_of(page_html(result, WHEN))["engines"]]
    assert causes == ["", KNOWN_BUGS["no-h2h-bias"].cause]


def test_texts_of_a_run_are_escaped(monkeypatch):
    result = make_result(("manual", "gluon"))
    monkeypatch.setattr(interactive_page, "distinct_names", lambda names: dict.fromkeys(names, "</script><b>"))
    page = page_html(result, WHEN)
    assert "</script><b>" not in page
    assert data_of(page)["engines"][0]["title"] == "</script><b>"


def test_a_large_run_leaves_samples_out_and_says_so_or_is_refused(monkeypatch, tmp_path):
    result = make_result(batch_size=6, edits={"manual": setting((0, 0, 3, 4, 2), 9.0)})
    monkeypatch.setattr(interactive_page, "_REST", 0)
    sizes = []
    for count in (6, 3):
        monkeypatch.setattr(interactive_page, "LARGEST", sizes[0] // 2 if sizes else 10**6)
        samples = samples_of_page(result)
        assert 4 in samples
        assert 1 < len(samples) <= count
        sizes.append(sum(len(packed) for packed in PACKED.findall(page_html(result, WHEN))))
    assert sizes[1] < interactive_page.LARGEST
    assert 'id="left-out"' in page_html(result, WHEN)
    monkeypatch.setattr(interactive_page, "LARGEST", 1000)
    with pytest.raises(InputError, match="one sample"):
        write_page(result, tmp_path / "b.html")
    assert not (tmp_path / "b.html").exists()


@pytest.mark.parametrize("name", THEMES)
def test_the_colors_are_those_of_the_window(name):
    style = resource_path("page", "page.css").read_text(encoding="utf-8")
    blocks = {"light": style.split("}")[0], "dark": style.split('[data-theme="dark"] {')[1].split("}")[0]}
    for role, color in re.findall(r"--([\w-]+): ([^;]+);", blocks[name]):
        own = getattr(THEMES[name], role.replace("-", "_"))
        assert color == (own if isinstance(own, str) else " ".join(own)), role
