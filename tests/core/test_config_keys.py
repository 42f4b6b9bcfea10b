"""A config is validated key by key, and every refusal names the key, its value and what is allowed."""

from dataclasses import dataclass
from typing import Any

import pytest

from rnnviz.cells.activations import clipped, elu, hard_sigmoid, linear
from rnnviz.cells.lstm import LSTM_PROJECTION
from rnnviz.core.config import SECTIONS
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import (
    LARGEST_SEED,
    LARGEST_SIZE,
    FieldSpec,
    config_field,
    declarations,
    display_key,
    display_value,
    listed,
    section_from_mapping,
)
from tests.core.config_factories import REQUIRED, config, mapping, refusal
from tests.refusals import refused_key

KEYS = [(section, key, limits) for section, kind in SECTIONS.items() for key, limits in declarations(kind).items()]


def refused(section: str, key: str, value: Any) -> str:
    """The sentence about one key, which is also the error's key."""
    error = refusal(mapping(**{section: {key: value}}))
    assert error.key == f"{section}.{key}"
    assert f"{section}.{key} = " in error.sentence
    return error.sentence


WRONG: dict[str, list[Any]] = {
    "int": [True, 2.0, "2", [2], float("nan"), -1, 10**30, -(10**30)],
    "float": [False, "0.1", [0.1], -0.5, float("nan"), float("inf"), float("-inf"), 10**400],
    "bool": [1, 0, "true", 1.0],
    "choice": ["nonsense", "", 1, True],
    "names": ["manual", [1], ["manual", "manual"], [""], 1],
    "activations": ["tanh", [1], [], ["tan"], ["elu(x)"], ["tanh(1)"], ["elu(1, 2)"], ["elu(inf)"]],
    "texts": ["x", [1], [], ["x", ""], 1],
    "paths": ["x", [1], [], ["x", ""], ["a\0"], 1],
    "path": [1, "", ["x"], True, "a\0b.npz"],
}
"""Values of wrong types and out of range by the kind of a key."""


def wrong_values(limits: FieldSpec) -> list[Any]:
    wrong = [{}, {"a": 1}, *WRONG.get(limits.kind, [1, "", ["x"], True])]
    if limits.kind == "int":
        wrong += [(limits.minimum or 0) - 1, (limits.maximum or LARGEST_SIZE) + 1]
    elif limits.kind == "float":
        wrong += [0, 0.0] if limits.above is not None else [-5e-324]
    elif limits.kind == "choice":
        wrong.append(limits.choices[0].upper() + "x")
    return wrong


@pytest.mark.parametrize(("section", "key", "limits"), KEYS, ids=[f"{section}.{key}" for section, key, _ in KEYS])
def test_invalid_value_names_the_allowed_ones(section, key, limits):
    for value in wrong_values(limits):
        sentence = refused(section, key, value)
        expected = f"{section}.{key} = {display_value(value)} is not allowed: it must be {limits.allowed}."
        assert sentence.partition(" Did you mean")[0] == expected, value


@pytest.mark.parametrize(("section", "key", "limits"), KEYS, ids=[f"{section}.{key}" for section, key, _ in KEYS])
def test_every_key_has_a_description(section, key, limits):
    assert limits.why.endswith(".")
    assert limits.allowed
    for choice in limits.choices:
        assert f'"{choice}"' in limits.allowed


@pytest.mark.parametrize("section", SECTIONS)
def test_unknown_key_lists_known_keys(section):
    sentence = refused(section, "hiden_size", 3)
    known = ", ".join(declarations(SECTIONS[section]))
    expected = f"{section}.hiden_size = 3 is not a known key: [{section}] may hold {known}."
    assert sentence.partition(" Did you mean")[0] == expected
    if section == "network":
        assert sentence.endswith(' Did you mean "hidden_size"?')


def test_unknown_table_lists_known_tables():
    error = refusal(mapping(networks={}))
    assert error.key == "networks"
    assert error.sentence == (
        "networks is not a known table: a config may hold network, sequence, parameters, initial_state, compare, "
        'backward, head, engines. Did you mean "network"?'
    )


# A list of engines is that of a sweep.
@pytest.mark.parametrize("section", [name for name in SECTIONS if name != "engines"])
@pytest.mark.parametrize(
    ("value", "told"), [(3, "3"), ("lstm", '"lstm"'), ([{}], "[{}]"), (True, "true"), (None, "None")], ids=str
)
def test_a_table_must_be_a_table(section, value, told):
    error = refusal({**mapping(), section: value})
    assert error.key == section
    assert error.sentence == f"{section} = {told} is not allowed: it must be a table, written [{section}]."


@pytest.mark.parametrize("value", [None, 3, [], "network"], ids=str)
def test_a_config_must_be_tables(value):
    error = refusal(value)
    assert (error.key, error.sentence) == ("config", "A config must be a table of tables, such as [network].")


@pytest.mark.parametrize("key", REQUIRED)
def test_missing_key_names_the_allowed_values(key):
    error = refusal({"network": {name: value for name, value in REQUIRED.items() if name != key}})
    assert error.key == f"network.{key}"
    allowed = declarations(SECTIONS["network"])[key].allowed
    assert error.sentence == f"network.{key} is missing and has no default: it must be {allowed}."


def test_defaults():
    assert config().to_mapping() == {
        "network": {
            **REQUIRED,
            "num_layers": 1,
            "bidirectional": False,
            "reverse": False,
            "layout": "NTC",
            "dtype": "float32",
        },
        "sequence": {"source": "normal", "batch_size": 16, "timesteps": 2, "seed": 0},
        "parameters": {"initializer": "xavier", "bias": "uniform", "scale": 0.1, "seed": 1},
        "initial_state": {"source": "zeros", "seed": 2},
        "compare": {"reference": "manual"},
    }


def test_integer_is_accepted_as_a_number():
    taken = config(parameters={"scale": 2}, compare={"rtol": 0, "atol": 1})
    assert (taken.parameters.scale, taken.tolerances) == (2.0, (0.0, 1.0))
    assert isinstance(taken.parameters.scale, float)
    for seed in (0, LARGEST_SEED):
        assert config(sequence={"seed": seed}).sequence.seed == seed
    assert refused("sequence", "seed", LARGEST_SEED + 1)


def test_long_value_is_shortened():
    assert display_value("x" * 58) == f'"{"x" * 58}"'
    assert display_value("x" * 59) == f'"{"x" * 56}...'
    assert display_key("x" * 60) == "x" * 60
    assert display_key("x" * 61) == "x" * 57 + "..."
    assert display_value(10**5_000) == "a number of thousands of digits"
    assert display_key(True) == "True"
    assert display_key("a\tb\u202e") == "a\\tb\\u202e"
    assert (display_value("größe\u202e\n"), display_value(False)) == ('"größe\\u202e\\n"', "false")
    assert " = a number of thousands of digits is not" in refused("network", "input_size", 10**5_000)


def test_long_list_of_names_is_cut_after_twelve():
    names = [f"a{place}" for place in range(14)]
    twelve = ", ".join(f'"a{place}"' for place in range(12))
    shown = ["", '"a0"', twelve, f"{twelve} and 1 more", f"{twelve} and 2 more"]
    assert [listed(names[:count]) for count in (0, 1, 12, 13, 14)] == shown


@pytest.mark.parametrize(
    ("spec", "value", "paths"),
    [
        (FieldSpec("path", ""), "a.npz", ("a.npz",)),
        (FieldSpec("path", ""), None, ()),
        (FieldSpec("paths", ""), ("a.npy", "b.npy"), ("a.npy", "b.npy")),
        (FieldSpec("paths", ""), None, ()),
        (FieldSpec("choice", "", choices=("lstm",), suffix=".py"), "./x.py", ("./x.py",)),
        (FieldSpec("choice", "", choices=("lstm",), suffix=".py"), "lstm", ()),
        (FieldSpec("text", ""), "a.npz", ()),
    ],
    ids=str,
)
def test_the_paths_in_a_value_are_found_and_changed(spec, value, paths):
    assert spec.paths_in(value) == paths
    moved = spec.with_paths(value, lambda path: f"to/{path}")
    if isinstance(value, tuple):
        assert moved == tuple(f"to/{path}" for path in paths)
    else:
        assert moved == (f"to/{value}" if paths else value)


def test_inclusive_and_exclusive_limits():
    between = FieldSpec("float", "", minimum=1.0, maximum=2.0)
    assert [between.check("k", value) for value in (1, 1.5, 2)] == [1.0, 1.5, 2.0]
    above = FieldSpec("float", "", above=1.0)
    assert above.check("k", 1.0000001) == 1.0000001
    for limits, value in ((between, 2.0000001), (between, 0.9999999), (above, 1.0)):
        with pytest.raises(ConfigError, match=f"^k = {value} is not allowed"):
            limits.check("k", value)
    assert FieldSpec("choice", "", choices=("a",), optional=True).check("k", None) is None
    with pytest.raises(ConfigError, match=r"^k = None is not allowed: it must be true or false"):
        FieldSpec("bool", "").check("k", None)


@pytest.mark.parametrize(
    ("cell", "key", "value"),
    [
        ("gru", "projection_size", 3),
        ("lstm_peephole", "projection_size", 3),
        ("gru", "activations", ["tanh"]),
        ("rnn_tanh", "activations", ["sigmoid", "tanh"]),
    ],
)
def test_a_key_that_the_cell_does_not_have_is_refused(cell, key, value):
    error = refusal(mapping(network={"cell": cell, key: value}))
    assert error.key == f"network.{key}"
    assert cell in error.sentence


def test_the_cell_has_the_settings_of_its_keys():
    network = config(network={"activations": ["hard_sigmoid(0.3)", "elu", "linear"], "clip": 2.0}).network
    roles = dict(network.kind.activations)
    assert roles == {
        "gate": clipped(hard_sigmoid.with_constants(0.3), 2.0),
        "candidate": clipped(elu, 2.0),
        "output": linear,
    }
    assert config(network={"projection_size": 2}).network.kind == LSTM_PROJECTION
    assert config().to_mapping()["network"].keys().isdisjoint({"projection_size", "clip", "activations"})


def test_shapes_of_a_projection():
    network = config(network={"projection_size": 2, "num_layers": 2, "bidirectional": True}).network
    shapes = network.parameter_shapes()
    assert (shapes["r1_i2h_weight"], shapes["r1_h2h_weight"], shapes["r1_h2r_weight"]) == ((16, 4), (16, 2), (2, 4))
    assert (network.hidden_shape(5, 3), network.hidden_shape(5, 3, "c")) == ((2, 2, 5, 3, 2), (2, 2, 5, 3, 4))
    assert (network.state_shape(3), network.state_shape(3, "c")) == ((4, 3, 2), (4, 3, 4))
    assert network.output_shape(5, 3) == (3, 5, 4)


def test_a_section_has_the_keys_that_it_declares_and_their_defaults():
    @dataclass(frozen=True)
    class Part:
        size: int = config_field("int", "How many.", minimum=2, maximum=5)
        name: str | None = config_field("text", "What it is called.", None)
        share: float = config_field("float", "How much.", 0.5, above=0.0)
        made: int = 7

    assert declarations(Part) == {
        "size": FieldSpec("int", "How many.", minimum=2, maximum=5),
        "name": FieldSpec("text", "What it is called.", optional=True),
        "share": FieldSpec("float", "How much.", above=0.0),
    }
    assert section_from_mapping(Part, "part", {"size": 3}) == Part(3, None, 0.5, 7)
    assert section_from_mapping(Part, "part", {"name": "a", "share": 1}, size=9) == Part(9, "a", 1.0, 7)
    for values, key, sentence in (
        ({}, "part.size", "part.size is missing and has no default: it must be an integer from 2 to 5."),
        ({"made": 8}, "part.made", "part.made = 8 is not a known key: [part] may hold size, name, share."),
        ({"size": 6}, "part.size", "part.size = 6 is not allowed: it must be an integer from 2 to 5."),
    ):
        error = refused_key(section_from_mapping, Part, "part", values)
        assert (error.key, error.sentence) == (key, sentence)
