"""A config is validated key by key, and every refusal names the key, its value and what is allowed."""

import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given

from rnnviz.model.config import DEFAULT_TOLERANCES, SECTIONS, Config
from rnnviz.model.errors import ConfigError, InputError
from rnnviz.model.fields import LARGEST_SEED, LARGEST_SIZE, Declared, declarations
from rnnviz.model.sequence_source import alphabet
from tests.strategies import any_config_mappings, config_mappings

REQUIRED = {"cell": "lstm", "input_size": 3, "hidden_size": 4}
KEYS = [(section, key, limits) for section, kind in SECTIONS.items() for key, limits in declarations(kind).items()]
SIZES = ("network.input_size", "network.hidden_size", "sequence.batch_size", "sequence.timesteps")


def mapping(**tables: dict[str, Any]) -> dict[str, Any]:
    """A config's tables, with the required keys where they are not given."""
    network = {**REQUIRED, **tables.pop("network", {})}
    return {"network": network, **tables}


def config(**tables: dict[str, Any]) -> Config:
    return Config.from_mapping(mapping(**tables))


def refusal(values: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        Config.from_mapping(values)
    error = caught.value
    assert str(error) == error.sentence
    assert error.sentence.endswith(".")
    assert "\n" not in error.sentence
    return error


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


@pytest.mark.parametrize(
    ("tables", "key", "words"),
    [
        ({"sequence": {"source": "file"}}, "sequence.path", 'sequence.source = "file" needs'),
        ({"parameters": {"initializer": "file"}}, "parameters.path", 'parameters.initializer = "file" needs'),
        ({"initial_state": {"source": "file"}}, "initial_state.path", 'initial_state.source = "file" needs'),
        ({"sequence": {"source": "sine", "path": "x.npy"}}, "sequence.path", '"x.npy" is not read'),
        ({"parameters": {"initializer": "xavier", "path": "w.npz"}}, "parameters.path", '"w.npz" is not read'),
        ({"initial_state": {"source": "zeros", "path": "s.npz"}}, "initial_state.path", '"s.npz" is not read'),
        ({"sequence": {"source": "text"}}, "sequence.text", "go together"),
        ({"sequence": {"source": "sine", "text": "hello"}}, "sequence.text", "go together"),
        ({"sequence": {"text": " \n", "tokens": "words"}}, "sequence.text", "holds no word"),
        ({"sequence": {"array": "x"}}, "sequence.array", "goes with a sequence.path that ends in .npz"),
        ({"sequence": {"path": "x.npy", "array": "x"}}, "sequence.array", 'sequence.array = "x" is not read here'),
        ({"sequence": {"path": "x.csv", "axes": "TNI"}}, "sequence.axes", "ends in .npy or .npz"),
        ({"sequence": {"text": "x", "axes": "NTI"}}, "sequence.axes", "ends in .npy or .npz"),
        ({"sequence": {"path": "x.npz", "frame": 80}}, "sequence.frame", "ends in .wav"),
        ({"sequence": {"tokens": "words"}}, "sequence.tokens", "goes with sequence.text"),
        ({"sequence": {"path": "x.npy", "vocabulary": "v.txt"}}, "sequence.vocabulary", "goes with sequence.text"),
        ({"sequence": {"text": "x", "unknown": "?"}}, "sequence.unknown", "goes with sequence.vocabulary"),
        ({"sequence": {"text": "x", "embedding": "e"}}, "sequence.embedding", "goes with sequence.vocabulary"),
        ({"sequence": {"text": "x", "embedding_path": "e.npy"}}, "sequence.embedding_path", "sequence.vocabulary"),
        (
            {"sequence": {"text": "x", "vocabulary": "v.txt", "embedding": "e"}},
            "sequence.embedding",
            "the file of parameters.path, which is missing",
        ),
        (
            {"sequence": {"text": "x", "vocabulary": "v.txt", "embedding": "e", "embedding_path": "e.NPY"}},
            "sequence.embedding",
            "an .npy file, which sequence.embedding_path is, holds one array and no names",
        ),
        ({"parameters": {"entry": "encoder"}}, "parameters.entry", '"encoder"'),
        ({"compare": {"candidates": []}}, "compare.candidates", "at least one engine"),
        ({"compare": {"reference": "manual"}}, "compare.candidates", '"manual", which is the reference'),
    ],
)
def test_keys_that_need_or_exclude_each_other(tables: dict[str, Any], key: str, words: str) -> None:
    error = refusal(mapping(**tables))
    assert error.key == key
    assert words in error.sentence


def test_a_path_alone_says_that_it_is_to_be_read() -> None:
    taken = config(
        sequence={"path": "x.npy"}, parameters={"path": "w.npz", "entry": "e"}, initial_state={"path": "s.npz"}
    )
    assert taken.sequence.source == taken.parameters.initializer == taken.initial_state.source == "file"


@pytest.mark.parametrize("section", ["sequence", "parameters", "initial_state"])
def test_a_path_that_no_system_can_have_is_refused(section: str) -> None:
    assert refused(section, "path", "a\0b.npz")


def test_a_text_brings_its_own_sizes() -> None:
    taken = Config.from_mapping({"network": {"cell": "gru", "hidden_size": 4}, "sequence": {"text": "hello"}})
    assert alphabet("hello") == "ehlo"
    assert taken.network.input_size == 4
    assert (taken.sequence.source, taken.sequence.batch_size, taken.sequence.timesteps) == ("text", 1, 5)


def test_words_and_a_vocabulary_bring_their_sizes_as_far_as_they_are_known() -> None:
    words = {"text": "to be or not to be", "tokens": "words"}
    network = {"cell": "gru", "hidden_size": 4}
    taken = Config.from_mapping({"network": network, "sequence": words})
    assert (taken.network.input_size, taken.sequence.timesteps) == (4, 6)
    looked_up = {"network": network, "sequence": {**words, "vocabulary": "v.txt"}}
    taken = Config.from_mapping(looked_up)
    assert taken.sequence.brings_input_size
    assert (taken.sequence.batch_size, taken.sequence.timesteps) == (1, 6)
    assert Config.from_mapping({**looked_up, "network": {**network, "input_size": 9}}).network.input_size == 9


@pytest.mark.parametrize(
    "sequence",
    [
        {"path": "x.npz", "array": "x", "axes": "TNI"},
        {"path": "x.NPY", "axes": "NTI"},
        {"path": "x.wav", "frame": 160},
        {"text": "x y", "tokens": "words", "vocabulary": "v.txt", "unknown": "?", "embedding_path": "e.npy"},
        {"text": "x", "vocabulary": "v.json", "embedding": "e", "embedding_path": "m.pt"},
    ],
    ids=lambda sequence: "-".join(sequence),
)
def test_keys_that_go_together_are_kept(sequence: dict[str, Any]) -> None:
    tables = config(sequence=sequence).to_mapping()
    assert {key: tables["sequence"][key] for key in sequence} == sequence
    other = config(sequence=sequence).sequence.of_file("y.npy")
    assert (other.path, other.source) == ("y.npy", "file")
    assert Config.from_mapping(mapping(sequence={"path": "y.npy"})).sequence == other or "text" in sequence


def test_an_embedding_may_be_in_the_file_of_the_weights() -> None:
    sequence = {"text": "x", "vocabulary": "v.txt", "embedding": "e"}
    assert config(sequence=sequence, parameters={"path": "m.pt"}).sequence.embedded


def test_a_text_does_not_take_the_place_of_other_missing_keys() -> None:
    assert refusal({"network": {"cell": "gru"}, "sequence": {"text": "hello"}}).key == "network.hidden_size"


@given(any_config_mappings())
def test_a_config_says_the_same_after_a_round_trip(values: dict[str, Any]) -> None:
    first = Config.from_mapping(values)
    tables = first.to_mapping()
    assert Config.from_mapping(tables) == first
    for section, keys in values.items():
        for key, value in keys.items():
            if (section, key) != ("network", "input_size") or "text" not in values.get("sequence", {}):
                assert tables[section][key] == value


@given(config_mappings())
def test_the_derived_shapes_fit_each_other(values: dict[str, Any]) -> None:
    network = Config.from_mapping(values).network
    gates = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}[network.cell]
    size, directions = network.hidden_size, 2 if network.bidirectional else 1
    shapes = network.parameter_shapes()
    assert list(shapes)[:4] == ["l0_i2h_weight", "l0_h2h_weight", "l0_i2h_bias", "l0_h2h_bias"]
    assert len(shapes) == 4 * directions * network.num_layers
    for layer in range(network.num_layers):
        features = network.input_size if layer == 0 else directions * size
        for side in "lr"[:directions]:
            assert shapes[f"{side}{layer}_i2h_weight"] == (gates * size, features)
            assert shapes[f"{side}{layer}_h2h_weight"] == (gates * size, size)
            assert shapes[f"{side}{layer}_i2h_bias"] == shapes[f"{side}{layer}_h2h_bias"] == (gates * size,)
    count = 0
    for shape in shapes.values():
        count += shape[0] * (shape[1] if len(shape) == 2 else 1)
    assert network.parameter_count == count
    assert network.state_shape(3) == (network.num_layers * directions, 3, size)


@pytest.mark.parametrize(("dtype", "expected"), DEFAULT_TOLERANCES.items())
def test_the_default_tolerances_are_those_of_torch(dtype: str, expected: tuple[float, float]) -> None:
    taken = config(network={"dtype": dtype})
    assert taken.tolerances == expected
    assert config(network={"dtype": dtype}, compare={"rtol": 0.5}).tolerances == (0.5, expected[1])
    assert config(network={"dtype": dtype}, compare={"atol": 0.0}).tolerances == (expected[0], 0.0)
    torch = pytest.importorskip("torch")
    from torch.testing._comparison import default_tolerances

    assert default_tolerances(getattr(torch, dtype)) == expected


def test_the_first_engine_is_the_reference_unless_another_is_named() -> None:
    chosen = config().with_engines(("manual", "gluon"))
    assert (chosen.compare.reference, chosen.compare.candidates) == ("manual", ("gluon",))
    chosen = config().with_engines(("manual", "gluon", "onnx"), "gluon")
    assert chosen.compare.engines == ("gluon", "manual", "onnx")
    chosen = config().with_engines(("manual",), "gluon")
    assert chosen.compare.engines == ("gluon", "manual")


@pytest.mark.parametrize("engines", [(), ("manual",), ("manual", "manual"), ("gluon", "manual", "manual")], ids=str)
def test_too_few_engines_or_one_twice_are_refused(engines: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        config().with_engines(engines)
    assert caught.value.key == "compare.candidates"


def test_a_config_error_keeps_its_key_through_a_pipe() -> None:
    error = refusal({})
    received = pickle.loads(pickle.dumps(error))
    assert (received.key, received.sentence) == (error.key, error.sentence)
    assert isinstance(received, InputError)


def test_nothing_in_a_config_can_be_changed() -> None:
    taken = config()
    with pytest.raises(FrozenInstanceError):
        taken.network.cell = "gru"  # type: ignore[misc]
    assert hash(taken) == hash(config())
