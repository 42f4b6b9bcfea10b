"""The grid of a sweep: every combination once, and errors for invalid sweeps."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.core.config import Config, Network
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import declarations
from rnnviz.engines import registry
from rnnviz.sweeps import grid as sweep
from rnnviz.sweeps.grid import Sweep, key_spec
from tests.refusals import refused_key

NETWORK = {"cell": "gru", "input_size": 2, "hidden_size": 3}
SIZE = "an integer from 1 to 1,000,000,000"
DRAW = "an integer from 0 to 9,223,372,036,854,775,807"
LISTED = "it must be a list of at least one value, each"
NETWORK_KEYS = [f"network.{key}" for key in declarations(Network)]
TABLES = "network, sequence, parameters, initial_state, compare, backward, head"
NO_KEY = (
    "is not a known key: it must be one of a table and a key of it, such as network.hidden_size; "
    f"the tables are {TABLES}."
)

AXES: dict[str, st.SearchStrategy[Any]] = {
    "network.cell": st.sampled_from(("lstm", "gru", "rnn_relu", "rnn_tanh")),
    "network.hidden_size": st.integers(1, 9),
    "network.bidirectional": st.booleans(),
    "sequence.timesteps": st.integers(1, 5),
    "parameters.scale": st.floats(0.1, 2.0),
    "compare.rtol": st.floats(0.0, 1.0),
}


def grids() -> st.SearchStrategy[dict[str, list[Any]]]:
    lists = {key: st.lists(values, min_size=1, max_size=3, unique=True) for key, values in AXES.items()}
    return st.fixed_dictionaries({}, optional=lists)


@given(
    grids(),
    st.none() | st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(("onnx", "torch", "./mine.py", "bug:no-h2h-bias")), min_size=1, max_size=3, unique=True),
)
def test_every_combination_is_one_row_with_its_config(grid, seeds, engines):
    asked = {"network": NETWORK, "grid": grid, "engines": engines} | ({} if seeds is None else {"seeds": seeds})
    sweep = Sweep.from_mapping(asked)
    points = list(sweep.points())
    assert [point.index for point in points] == list(range(sweep.size))
    lists = [*grid.values(), *([] if seeds is None else [seeds]), engines]
    assert sorted(map(repr, (point.values for point in points))) == sorted(map(repr, product(*lists)))
    assert sweep.keys == (*grid, *(() if seeds is None else ("seed",)), "engine")
    for point in points:
        assert point.config is not None
        named = dict(zip(sweep.keys, point.values, strict=True))
        tables = point.config.to_mapping()
        for key in grid:
            table, name = key.split(".")
            assert tables[table][name] == named[key]
        if seeds is not None:
            assert {tables[name]["seed"] for name in ("sequence", "parameters", "initial_state")} == {named["seed"]}
        assert point.config.compare.candidates == (named["engine"],)
        assert Config.from_mapping(tables) == point.config


def test_without_engines_the_candidates_of_the_config_are_a_row_each():
    sweep = Sweep.from_mapping({"network": NETWORK, "compare": {"candidates": ["onnx", "torch"]}})
    assert [point.values for point in sweep.points()] == [("onnx",), ("torch",)]


@pytest.mark.parametrize(
    ("hidden", "compare", "engine", "candidates"),
    [
        ((), {}, "gluon", ("gluon",)),
        (("mxnet",), {}, "onnx", ("onnx",)),
        (("mxnet", "onnxruntime", "torch"), {}, "manual", ()),
        ((), {"reference": "gluon"}, "manual", ("manual",)),
    ],
)
def test_without_engines_and_candidates_the_default_one_is_a_row(monkeypatch, hidden, compare, engine, candidates):
    monkeypatch.setattr(registry, "find_spec", lambda name: None if name in hidden else object())
    monkeypatch.setattr(registry, "_why_mxnet_cannot_be_loaded", lambda: None)
    (point,) = Sweep.from_mapping({"network": NETWORK, "compare": compare}).points()
    assert point.values == (engine,)
    assert point.config is not None
    assert point.config.compare.candidates == candidates


def test_values_without_a_valid_config_are_rows_with_a_reason():
    grid = {"backward.value": [[0, 0, 0, 0, 0]], "backward.loss": ["value", "sum"]}
    first, second = Sweep.from_mapping({"network": NETWORK, "grid": grid, "engines": ["onnx"]}).points()
    assert first.config is not None
    assert second.config is None
    assert second.refusal.startswith("backward.value = [0, 0, 0, 0, 0] is not read with")
    assert first.refusal == ""


def test_the_reference_among_the_engines_runs_alone():
    first, second = Sweep.from_mapping({"network": NETWORK, "engines": ["manual", "onnx"]}).points()
    assert first.config is not None
    assert second.config is not None
    assert (first.config.compare.candidates, second.config.compare.candidates) == ((), ("onnx",))


HIDDEN = "network.hidden_size"
INVALID: list[tuple[dict[str, Any], str, str]] = [
    ({"gird": {}}, "gird", f"is not a known key: a sweep may hold base, {TABLES}, grid, seeds, engines, audit."),
    ({"grid": 3}, "grid", "is not allowed as a single value: it must be a table, written [grid]."),
    ({"grid": {"network.size": [1]}}, "grid.network.size", f"must be one of {', '.join(NETWORK_KEYS)}."),
    ({"grid": {"net.size": [1]}}, "grid.net.size", NO_KEY),
    ({"grid": {"seed": [1]}}, "grid.seed", NO_KEY),
    ({"grid": {HIDDEN: []}}, f"grid.{HIDDEN}", f" = [] is not allowed: {LISTED} {SIZE}."),
    ({"grid": {HIDDEN: 4}}, f"grid.{HIDDEN}", f" = 4 is not allowed: {LISTED} {SIZE}."),
    ({"grid": {HIDDEN: [4, 0]}}, f"grid.{HIDDEN}", f" = 0 is not allowed: it must be {SIZE}."),
    ({"grid": {"network.cell": ["gru", "gru"]}}, "grid.network.cell", 'holds "gru" twice: '),
    ({"grid": {"parameters.scale": [1, 1.0]}}, "grid.parameters.scale", "holds 1.0 twice: "),
    ({"grid": {"compare.candidates": [["a"]]}}, "grid.compare.candidates", "name the engines of a sweep in engines"),
    ({"seeds": [1, -1]}, "seeds", f" = -1 is not allowed: it must be {DRAW}."),
    ({"seeds": []}, "seeds", f" = [] is not allowed: {LISTED} {DRAW}."),
    ({"seeds": [1], "grid": {"sequence.seed": [2]}}, "grid.sequence.seed", "and seeds both set sequence.seed: "),
    ({"engines": []}, "engines", " = [] is not allowed: name at least one engine."),
    ({"engines": ["a", "a"]}, "engines", "it must be a list of engine names without repetition."),
    ({"audit": "some"}, "audit", ' = "some" is not allowed: it must be one of "off", "auto", "full".'),
    ({"network": {"cell": "gru"}}, "network.input_size", f"is missing and has no default: it must be {SIZE}."),
    ({"compare": {"candidates": []}}, "compare.candidates", " = [] is not allowed: name at least one engine."),
    ({"compare": 3}, "compare", " = 3 is not allowed: it must be a table, written [compare]."),
    ({"network": 3}, "network", " = 3 is not allowed: it must be a table, written [network]."),
    ({"sequence": {"size": 3}, "seeds": [1, 2]}, "sequence.size", " = 3 is not a known key: [sequence] may hold "),
]


@pytest.mark.parametrize(("changes", "key", "sentence"), INVALID, ids=repr)
def test_an_invalid_sweep_is_a_sentence_about_its_key(changes, key, sentence):
    error = refused_key(Sweep.from_mapping, {"network": NETWORK, **changes})
    assert error.key == key
    assert error.sentence.startswith(key)
    assert sentence in error.sentence


def test_the_number_of_rows_is_limited_and_the_audit_is_read(monkeypatch):
    monkeypatch.setattr(sweep, "MOST_ROWS", 6)
    asked = {"network": NETWORK, "grid": {"network.hidden_size": [1, 2, 3]}, "seeds": [1, 2], "audit": "full"}
    assert (Sweep.from_mapping(asked).size, Sweep.from_mapping(asked).audit) == (6, "full")
    assert Sweep.from_mapping({"network": NETWORK}).audit == "auto"
    monkeypatch.setattr(sweep, "MOST_ROWS", 5)
    with pytest.raises(ConfigError, match=r"has 6 rows, but at most 5 are allowed: network\.hidden_size has the most"):
        Sweep.from_mapping(asked)


def test_a_value_of_a_row_is_checked_by_its_key():
    held = (("seed", 3), ("engine", "onnx"), ("parameters.scale", 2))
    assert [key_spec(key).check(key, value) for key, value in held] == [3, "onnx", 2.0]
    for key, value, allowed in (("seed", -1, DRAW), ("engine", "", "a non-empty text"), (HIDDEN, 0, SIZE)):
        error = refused_key(key_spec(key).check, key, value)
        assert error.key == key
        assert error.sentence.endswith(f" is not allowed: it must be {allowed}.")
    for key in ("network", "network.size", "net.cell"):
        with pytest.raises(ValueError, match=f"{key} is not a key of a sweep"):
            key_spec(key)
