"""A config as a whole: what its keys ask of each other, what it says again, and what follows from it."""

from typing import Any

import pytest
from hypothesis import given

from rnnviz.cells import CellSpec, Gate, StateSpec, Step, Values, tanh
from rnnviz.cells.activations import Function
from rnnviz.core.config import DEFAULT_TOLERANCES, PROJECTIONS, Config, Network
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import declarations
from rnnviz.core.sequence import alphabet
from rnnviz.core.words import join_words
from tests.cases import cases
from tests.core.config_factories import config, mapping, refusal
from tests.refusals import refused_key
from tests.strategies import any_config_mappings

SEQUENCE: list[tuple[dict[str, Any], str, str]] = cases(__file__)["sequence"]
OTHERS: list[tuple[dict[str, Any], str, str]] = cases(__file__)["others"]


@pytest.mark.parametrize(
    ("tables", "key", "words"),
    [*(({"sequence": tables}, f"sequence.{key}", words) for tables, key, words in SEQUENCE), *OTHERS],
    ids=str,
)
def test_keys_that_need_or_exclude_each_other(tables, key, words):
    error = refusal(mapping(**tables))
    assert error.key == key
    assert error.sentence.startswith(key)
    assert words in error.sentence


def test_path_implies_source_file():
    taken = config(
        sequence={"path": "x.npy"}, parameters={"path": "w.npz", "entry": "e"}, initial_state={"path": "s.npz"}
    )
    assert taken.sequence.source == taken.parameters.initializer == taken.initial_state.source == "file"


def test_text_sets_its_sizes():
    taken = Config.from_mapping({"network": {"cell": "gru", "hidden_size": 4}, "sequence": {"text": "hello"}})
    assert alphabet("hello") == "ehlo"
    assert taken.network.input_size == 4
    assert (taken.sequence.source, taken.sequence.batch_size, taken.sequence.timesteps) == ("text", 1, 5)


def test_words_and_vocabulary_set_known_sizes():
    words = {"text": "to be or not to be", "tokens": "words"}
    network = {"cell": "gru", "hidden_size": 4}
    taken = Config.from_mapping({"network": network, "sequence": words})
    assert (taken.network.input_size, taken.sequence.timesteps) == (4, 6)
    looked_up = {"network": network, "sequence": {**words, "vocabulary": "v.txt"}}
    taken = Config.from_mapping(looked_up)
    assert taken.sequence.brings_input_size
    assert taken.network.input_size == 1
    assert (taken.sequence.batch_size, taken.sequence.timesteps) == (1, 6)
    assert Config.from_mapping({**looked_up, "network": {**network, "input_size": 9}}).network.input_size == 9
    in_weights = {"text": "x", "vocabulary": "v.txt", "embedding": "e"}
    assert config(sequence=in_weights, parameters={"path": "m.pt"}).sequence.embedded


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
def test_valid_key_combinations_are_preserved(sequence):
    tables = config(sequence=sequence).to_mapping()
    assert {key: tables["sequence"][key] for key in sequence} == sequence
    other = config(sequence=sequence).sequence.of_file("y.npy")
    assert (other.path, other.source, other.axes) == ("y.npy", "file", sequence.get("axes"))
    read = config(sequence={"path": "y.npy", **({"axes": other.axes} if other.axes else {})}).sequence
    assert other == read or "text" in sequence


@given(any_config_mappings())
def test_mapping_round_trip(values):
    first = Config.from_mapping(values)
    tables = first.to_mapping()
    assert Config.from_mapping(tables) == first
    for section, keys in values.items():
        for key, value in keys.items():
            if (section, key) != ("network", "input_size") or "text" not in values.get("sequence", {}):
                assert tables[section][key] == value


@pytest.mark.parametrize(("dtype", "expected"), DEFAULT_TOLERANCES.items())
def test_default_tolerances_equal_torch(dtype, expected):
    taken = config(network={"dtype": dtype})
    assert taken.tolerances == expected
    assert config(network={"dtype": dtype}, compare={"rtol": 0.5}).tolerances == (0.5, expected[1])
    assert config(network={"dtype": dtype}, compare={"atol": 0.0}).tolerances == (expected[0], 0.0)
    torch = pytest.importorskip("torch")
    from torch.testing._comparison import default_tolerances

    assert default_tolerances(getattr(torch, dtype)) == expected


def test_first_engine_is_the_default_reference():
    for engines, reference, chosen in (
        (("manual", "gluon"), None, ("manual", "gluon")),
        (("manual", "gluon", "onnx"), "gluon", ("gluon", "manual", "onnx")),
        (("manual",), "gluon", ("gluon", "manual")),
        (("torch",), None, ("torch",)),
    ):
        assert config().with_engines(engines, reference).compare.engines == chosen
    for repeated in (("manual", "manual"), ("gluon", "manual", "manual")):
        assert refused_key(config().with_engines, repeated).key == "compare.candidates"


def test_candidates_that_no_one_named_are_not_written():
    assert "candidates" not in config().to_mapping()["compare"]
    alone = config(compare={"candidates": []})
    assert Config.from_mapping(alone.to_mapping()) == alone != config()


def custom(*, size: str = "H", roles: bool = False) -> CellSpec:
    """A cell with one state, whose step has an activation as an argument or none."""

    def plain(u: Values, v: Values, state: Values, p: Values) -> Step:
        return Step(h=u.a)

    def with_role(u: Values, v: Values, state: Values, p: Values, *, gate: Function = tanh) -> Step:
        return Step(h=gate(u.a))

    return CellSpec("x", "x", with_role if roles else plain, (Gate("a", "a"),), states=(StateSpec("h", size),))


@pytest.mark.parametrize(
    ("key", "value", "fit"),
    [("projection_size", 2, {"size": "P"}), ("clip", 1.0, {"roles": True}), ("activations", ["tanh"], {"roles": True})],
)
def test_a_custom_cell_has_what_the_keys_set(key, value, fit):
    network = {"cell": "./x.py", "input_size": 2, "hidden_size": 3}
    with_key, without = (Config.from_mapping({"network": network | keys}) for keys in ({key: value}, {}))
    assert without.with_custom_cell(custom()).network.is_known
    assert without.with_custom_cell(custom()).with_custom_cell(None).network.custom is None
    assert with_key.with_custom_cell(custom(**fit)).network.is_known
    assert refused_key(with_key.with_custom_cell, custom()).key == f"network.{key}"
    two = Config.from_mapping({"network": {**network, "activations": ["tanh", "relu"]}})
    with pytest.raises(ConfigError, match=r"has 2 activations, but \./x\.py needs 1"):
        two.with_custom_cell(custom(roles=True))


def test_the_file_of_a_custom_cell_has_a_path_without_a_null_character():
    for cell in ("./x.py\0", "./x\0.py", "./x.txt"):
        assert refusal({"network": {"cell": cell, "input_size": 2, "hidden_size": 3}}).key == "network.cell"
    assert declarations(Network)["cell"].is_path("./x.py")
    assert not declarations(Network)["cell"].is_path("./x\0.py")
    assert not declarations(Network)["cell"].is_path("lstm")


def test_a_bidirectional_network_is_not_reversed():
    tables = {"cell": "gru", "input_size": 2, "hidden_size": 3, "reverse": True}
    assert refusal({"network": {**tables, "bidirectional": True}}).key == "network.reverse"
    assert Config.from_mapping({"network": tables}).network.reverse


def test_a_part_of_a_file_needs_the_file():
    network = {"cell": "gru", "input_size": 2, "hidden_size": 3}
    for section, key, what in (
        ("parameters", "entry", "a layer of a file"),
        ("initial_state", "final_of", "an engine of a run's archive"),
    ):
        error = refusal({"network": network, section: {key: "x"}})
        assert error.key == f"{section}.{key}"
        assert f'"x" names {what}, but {section}.path is missing' in error.sentence


def test_the_cells_with_a_projection_are_named():
    error = refusal({"network": {"cell": "gru", "input_size": 2, "hidden_size": 3, "projection_size": 2}})
    assert error.key == "network.projection_size"
    assert f"needs the cell {join_words(PROJECTIONS, 'or')}, but" in error.sentence
