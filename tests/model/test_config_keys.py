"""A config is validated key by key, and every refusal names the key, its value and what is allowed."""

from typing import Any

import pytest

from rnnviz.model.config import SECTIONS
from rnnviz.model.fields import LARGEST_SEED, LARGEST_SIZE, Declared, declarations
from tests.model.made_configs import REQUIRED, config, mapping, refusal

KEYS = [(section, key, limits) for section, kind in SECTIONS.items() for key, limits in declarations(kind).items()]


SIZES = ("network.input_size", "network.hidden_size", "sequence.batch_size", "sequence.timesteps")


def refused(section: str, key: str, value: Any) -> str:
    """The sentence about one key, which is also the error's key."""
    error = refusal(mapping(**{section: {key: value}}))
    assert error.key == f"{section}.{key}"
    assert f"{section}.{key} = " in error.sentence
    return error.sentence


def wrong_values(limits: Declared) -> list[tuple[Any, str]]:
    """Values of wrong types and out of range, each with how the sentence shows it."""
    wrong: list[tuple[Any, str]] = [({}, "{}"), ({"a": 1}, "{'a': 1}")]
    if limits.kind == "int":
        wrong += [(True, "true"), (2.0, "2.0"), ("2", '"2"'), ([2], "[2]"), (float("nan"), "nan"), (-1, "-1")]
        wrong += [(10**30, str(10**30)), (-(10**30), str(-(10**30)))]
        wrong += [((limits.minimum or 0) - 1, str((limits.minimum or 0) - 1))]
        wrong += [((limits.maximum or LARGEST_SIZE) + 1, str((limits.maximum or LARGEST_SIZE) + 1))]
    elif limits.kind == "float":
        wrong += [(False, "false"), ("0.1", '"0.1"'), ([0.1], "[0.1]"), (-0.5, "-0.5")]
        wrong += [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf"), (10**400, "1000")]
        wrong += [(0, "0"), (0.0, "0.0")] if limits.above is not None else [(-5e-324, "-5e-324")]
    elif limits.kind == "bool":
        wrong += [(1, "1"), (0, "0"), ("true", '"true"'), (1.0, "1.0")]
    elif limits.kind == "choice":
        wrong += [
            ("nonsense", '"nonsense"'),
            ("", '""'),
            (limits.choices[0].upper() + "x", "X"),
            (1, "1"),
            (True, "true"),
        ]
    elif limits.kind == "names":
        wrong += [("manual", '"manual"'), ([1], "[1]"), (["manual", "manual"], "manual"), ([""], "['']"), (1, "1")]
    else:
        wrong += [(1, "1"), ("", '""'), (["x"], "['x']"), (True, "true")]
    return wrong


@pytest.mark.parametrize(("section", "key", "limits"), KEYS, ids=[f"{section}.{key}" for section, key, _ in KEYS])
def test_a_wrong_value_is_refused_with_what_is_allowed(section: str, key: str, limits: Declared) -> None:
    for value, shown in wrong_values(limits):
        sentence = refused(section, key, value)
        assert shown in sentence or shown.lower() in sentence.lower(), value
        assert sentence.endswith(f"it must be {limits.allowed}."), value


@pytest.mark.parametrize(("section", "key", "limits"), KEYS, ids=[f"{section}.{key}" for section, key, _ in KEYS])
def test_every_key_tells_in_words_what_it_is_and_what_it_may_be(section: str, key: str, limits: Declared) -> None:
    assert limits.why.endswith(".")
    assert limits.allowed
    for choice in limits.choices:
        assert f'"{choice}"' in limits.allowed


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_key_is_refused_with_the_known_ones(section: str) -> None:
    sentence = refused(section, "hiden_size", 3)
    assert f"{section}.hiden_size = 3 is not a known key" in sentence
    for key in declarations(SECTIONS[section]):
        assert key in sentence


def test_an_unknown_table_is_refused_with_the_known_ones() -> None:
    error = refusal(mapping(networks={}))
    assert error.key == "networks"
    for section in SECTIONS:
        assert section in error.sentence


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("value", [3, "lstm", [{}], True, None], ids=str)
def test_a_table_must_be_a_table(section: str, value: Any) -> None:
    error = refusal({**mapping(), section: value})
    assert error.key == section
    assert error.sentence.endswith(f"it must be a table, written [{section}].")


@pytest.mark.parametrize("value", [None, 3, [], "network"], ids=str)
def test_a_config_must_be_tables(value: Any) -> None:
    assert "table of tables" in refusal(value).sentence


@pytest.mark.parametrize("key", REQUIRED)
def test_a_missing_key_is_named_with_what_it_must_be(key: str) -> None:
    error = refusal({"network": {name: value for name, value in REQUIRED.items() if name != key}})
    assert error.key == f"network.{key}"
    assert f"network.{key} is missing" in error.sentence
    assert f"it must be {declarations(SECTIONS['network'])[key].allowed}" in error.sentence


def test_a_config_without_any_table_lacks_the_cell() -> None:
    assert refusal({}).key == "network.cell"


def test_the_defaults_are_those_of_the_contract() -> None:
    assert config().to_mapping() == {
        "network": {**REQUIRED, "num_layers": 1, "bidirectional": False, "layout": "NTC", "dtype": "float32"},
        "sequence": {"source": "normal", "batch_size": 16, "timesteps": 2, "seed": 0},
        "parameters": {"initializer": "xavier", "bias": "uniform", "scale": 0.1, "seed": 1},
        "initial_state": {"source": "zeros", "seed": 2},
        "compare": {"reference": "gluon", "candidates": ["manual"]},
    }


@pytest.mark.parametrize("key", SIZES)
def test_sizes_reach_from_one_to_a_billion(key: str) -> None:
    section, name = key.split(".")
    for size in (1, LARGEST_SIZE):
        assert config(**{section: {name: size}}).to_mapping()[section][name] == size
    for size in (0, -1, LARGEST_SIZE + 1):
        assert "a whole number from 1 to 1000000000" in refused(section, name, size)


def test_seeds_reach_from_zero_to_the_largest_integer_of_toml() -> None:
    for seed in (0, LARGEST_SEED):
        assert config(sequence={"seed": seed}).sequence.seed == seed
    assert refused("sequence", "seed", LARGEST_SEED + 1)


def test_a_whole_number_is_taken_where_a_number_is_asked_for() -> None:
    taken = config(parameters={"scale": 2}, compare={"rtol": 0, "atol": 1})
    assert (taken.parameters.scale, taken.tolerances) == (2.0, (0.0, 1.0))
    assert isinstance(taken.parameters.scale, float)


def test_a_long_value_is_cut_to_what_fits_a_sentence() -> None:
    sentence = refused("network", "cell", "x" * 10_000)
    assert len(sentence) < 250
    assert "x..." in sentence
    assert len(refused("network", "input_size", 10**5_000)) < 250


def test_a_value_of_several_lines_is_told_in_one() -> None:
    assert refused("network", "cell", "ls\ntm")


@pytest.mark.parametrize("section", ["sequence", "parameters", "initial_state"])
def test_a_path_that_no_system_can_have_is_refused(section: str) -> None:
    assert refused(section, "path", "a\0b.npz")
