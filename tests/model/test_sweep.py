"""The grid of a sweep: every combination once, and a sentence for whatever is no sweep."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.model.config import Config
from rnnviz.model.errors import ConfigError
from rnnviz.model.sweep import MOST_ROWS, Sweep

NETWORK = {"cell": "gru", "input_size": 2, "hidden_size": 3}

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
    st.lists(
        st.sampled_from(("onnx", "torch", "./mine.py", "mistake:no-h2h-bias")), min_size=1, max_size=3, unique=True
    ),
)
def test_every_combination_is_one_row_with_its_config(
    grid: dict[str, list[Any]], seeds: list[int] | None, engines: list[str]
) -> None:
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


def test_without_engines_the_candidates_of_the_config_are_a_row_each() -> None:
    sweep = Sweep.from_mapping({"network": NETWORK, "compare": {"candidates": ["onnx", "torch"]}})
    assert [point.values for point in sweep.points()] == [("onnx",), ("torch",)]
    assert Sweep.from_mapping({"network": NETWORK}).engines == ("manual",)


def test_the_grid_may_give_what_the_base_lacks() -> None:
    grid = {"network.hidden_size": [1, 2]}
    sweep = Sweep.from_mapping({"network": {"cell": "gru", "input_size": 2}, "grid": grid})
    assert all(point.config is not None for point in sweep.points())


def test_values_that_make_no_config_together_are_rows_that_say_why() -> None:
    grid = {"compare.reference": ["gluon", "manual"]}
    first, second = Sweep.from_mapping({"network": NETWORK, "grid": grid, "engines": ["manual"]}).points()
    assert first.config is not None
    assert second.config is None
    assert second.refusal.startswith('compare.candidates holds "manual", which is the reference')


@pytest.mark.parametrize(
    ("changes", "key", "sentence"),
    [
        ({"gird": {}}, "gird", "gird is not a known key: a sweep may hold base, network, "),
        ({"grid": 3}, "grid", "it must be a table, written [grid]."),
        ({"grid": {"network.size": [1]}}, "grid.network.size", "must be one of network.cell, network.input_size,"),
        ({"grid": {"net.size": [1]}}, "grid.net.size", "the tables are network, sequence,"),
        ({"grid": {"seed": [1]}}, "grid.seed", "such as network.hidden_size"),
        ({"grid": {"network.hidden_size": []}}, "grid.network.hidden_size", "it must hold at least one value"),
        ({"grid": {"network.hidden_size": 4}}, "grid.network.hidden_size", "= 4 is not allowed: it must be a list"),
        (
            {"grid": {"network.hidden_size": [4, 0]}},
            "grid.network.hidden_size",
            "grid.network.hidden_size = 0 is not allowed: it must be a whole number from 1",
        ),
        ({"grid": {"network.cell": ["gru", "gru"]}}, "grid.network.cell", 'holds "gru" twice'),
        ({"grid": {"parameters.scale": [1, 1.0]}}, "grid.parameters.scale", "holds 1.0 twice"),
        (
            {"grid": {"compare.candidates": [["a"]]}},
            "grid.compare.candidates",
            "name the engines of a sweep in engines",
        ),
        ({"seeds": [1, -1]}, "seeds", "seeds = -1 is not allowed: it must be a whole number from 0"),
        ({"seeds": []}, "seeds", "it must hold at least one value"),
        ({"seeds": [1], "grid": {"sequence.seed": [2]}}, "grid.sequence.seed", "both set sequence.seed"),
        ({"engines": []}, "engines", "engines = [] is not allowed: name at least one engine."),
        ({"engines": ["a", "a"]}, "engines", "a list of engine names without repetition"),
        ({"audit": "some"}, "audit", 'it must be one of "off", "auto", "full"'),
        ({"network": {"cell": "gru"}}, "network.input_size", "network.input_size is missing"),
        ({"network": 3}, "network", "network = 3 is not allowed: it must be a table"),
        ({"sequence": {"size": 3}, "seeds": [1, 2]}, "sequence.size", "sequence.size = 3 is not a known key"),
    ],
    ids=repr,
)
def test_what_is_no_sweep_is_a_sentence_about_its_key(changes: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Sweep.from_mapping({"network": NETWORK, **changes})
    assert raised.value.key == key
    assert sentence in raised.value.sentence


def test_too_many_rows_are_refused_with_their_number_before_they_are_made() -> None:
    grid = {"network.hidden_size": list(range(1, 1001)), "sequence.timesteps": list(range(1, 1002))}
    with pytest.raises(
        ConfigError, match=f"has 1,001,000 rows, but at most {MOST_ROWS:,} are allowed: sequence.timesteps"
    ):
        Sweep.from_mapping({"network": NETWORK, "grid": grid})
