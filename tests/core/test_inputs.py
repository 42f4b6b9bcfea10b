"""Inputs of a run: their sizes, their initial state, and their folder."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from rnnviz.cells import CELLS
from rnnviz.core.cell_json import cell_to_json
from rnnviz.core.config import Config, InitialStateSource, Network
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs, checked_state, draw_initial_state, open_inputs, save_inputs, with_sequence_shape
from rnnviz.core.mmap_arrays import create_mapped
from rnnviz.core.multiscale import Level
from rnnviz.core.parameters import draw_parameters
from rnnviz.core.sequence import UNNAMED, Names, draw_sequence
from tests.strategies import SEEDS, network_tables

CONFIG = Config.from_mapping({"network": {"cell": "lstm", "input_size": 3, "hidden_size": 4}})


def test_another_number_of_features_is_refused_with_both_shapes():
    with pytest.raises(InputError) as caught:
        with_sequence_shape(CONFIG, (7, 2, 5))
    assert str(caught.value) == (
        "The input has 5 features, but network.input_size = 3: set network.input_size = 5 or use another file "
        "(shape (N, T, I) = (2, 7, 5))."
    )


def test_files_that_bring_the_input_size_decide_it():
    sequence = {"text": "to be", "tokens": "words", "vocabulary": "v.txt"}
    config = Config.from_mapping({"network": {"cell": "gru", "hidden_size": 4}, "sequence": sequence})
    taken = with_sequence_shape(config, (2, 1, 9))
    assert taken.network == replace(config.network, input_size=9)
    assert taken.sequence == config.sequence
    sized = with_sequence_shape(CONFIG, (7, 2, 3))
    assert (sized.sequence.timesteps, sized.sequence.batch_size, sized.network) == (7, 2, CONFIG.network)


def test_a_name_that_is_not_there_is_empty():
    names = Names(("a", "", "c"), ("x", "y"))
    assert [names.timestep(place) for place in range(-1, 4)] == ["", "a", "", "c", ""]
    assert [names.feature(place) for place in range(-1, 3)] == ["", "x", "y", ""]
    assert [bool(named) for named in (names, Names(("a",)), Names((), ("x",)), Names())] == [True, True, True, False]


def drawn(cell: str, dtype: str) -> Inputs:
    network = {"cell": cell, "input_size": 2, "hidden_size": 4, "num_layers": 3, "bidirectional": True, "dtype": dtype}
    return drawn_of(Config.from_mapping({"network": network, "initial_state": {"source": "normal"}}))


def drawn_of(config: Config) -> Inputs:
    config = with_sequence_shape(config, (5, 3, 2))
    return Inputs(
        config,
        draw_sequence(config.sequence, config.network.input_size, config.network.dtype),
        draw_parameters(config.network, config.parameters),
        draw_initial_state(config.network, config.initial_state, 3),
    )


@pytest.mark.parametrize("names", [UNNAMED, Names(("größer", "", "b", "c", "d"), ()), Names((), ("price", "volume"))])
@pytest.mark.parametrize(("cell", "dtype"), [("lstm", "float32"), ("gru", "float64")])
def test_inputs_are_the_same_in_their_folder_and_when_they_are_opened(tmp_path, cell, dtype, names):
    folder = tmp_path / "run" / "inputs"
    inputs = replace(drawn(cell, dtype), names=names, assumptions=("the cell was chosen",) if names else ())
    for kept in (save_inputs(folder, inputs), open_inputs(folder)):
        assert (kept.config, kept.folder) == (inputs.config, folder)
        assert (list(kept.names.timesteps), list(kept.names.features)) == (list(names.timesteps), list(names.features))
        assert kept.assumptions == inputs.assumptions
        assert list(kept.parameters) == list(inputs.parameters)
        assert len(kept.initial_state.values()) == (2 if cell == "lstm" else 1)
        held = (kept.sequence, *kept.parameters.values(), *kept.initial_state.values())
        given = (inputs.sequence, *inputs.parameters.values(), *inputs.initial_state.values())
        for array, expected in zip(held, given, strict=True):
            np.testing.assert_array_equal(array, expected)
            assert array.dtype == dtype
            assert not array.flags.writeable
    with pytest.raises(FileExistsError):
        save_inputs(folder, inputs)


def test_a_changed_folder_is_refused_and_coarser_copies_of_the_input_are_found(tmp_path):
    folder = tmp_path / "inputs"
    save_inputs(folder, drawn("lstm", "float32"))
    assert dict(open_inputs(folder).pyramids) == {}
    create_mapped(folder / "input-low.level-16x1.npy", "float32", (1, 1, 1, 3, 2))[:] = 7.0
    assert open_inputs(folder).pyramids["input-low"][Level(16, 1)].min() == 7.0
    (folder / "numbers.npy").unlink()
    np.save(folder / "numbers.npy", np.zeros(7, np.float32))
    with pytest.raises(ValueError, match="reshape"):
        open_inputs(folder)


def test_a_custom_cell_is_stored_with_the_inputs(tmp_path):
    cell = CELLS["gru"].with_clip(2.0)
    config = Config.from_mapping({"network": {"cell": "./x.py", "input_size": 2, "hidden_size": 4}})
    inputs = drawn_of(config.with_custom_cell(cell))
    save_inputs(tmp_path / "x", inputs)
    read = open_inputs(tmp_path / "x")
    assert read.network.is_known
    assert cell_to_json(read.network.kind) == cell_to_json(cell)
    np.testing.assert_array_equal(read.sequence, inputs.sequence)


LSTM = Network("lstm", 3, 4, num_layers=2, bidirectional=True, dtype="float64")
GRU = Network("gru", 3, 4, dtype="float64")
NETWORKS = network_tables(dtype="float64").map(lambda table: Network(**table))


@given(NETWORKS, SEEDS)
def test_a_random_state_is_pinned_to_numpys_generator_h_before_c(network, seed):
    state = draw_initial_state(network, InitialStateSource("normal", seed), 3)
    generator = np.random.default_rng(seed)
    shape = (network.num_layers * (2 if network.bidirectional else 1), 3, network.hidden_size)
    np.testing.assert_array_equal(state["h"], generator.normal(size=shape))
    assert (state.get("c") is not None) == (network.cell == "lstm")
    if state.get("c") is not None:
        np.testing.assert_array_equal(state.get("c"), generator.normal(size=shape))
    assert not any(array.flags.writeable for array in state.values())


def test_a_state_of_zeros_is_zero_and_float32_rounds_the_same_numbers():
    zeros = draw_initial_state(LSTM, InitialStateSource("zeros", 5), 3)
    assert not zeros["h"].any()
    assert not zeros["c"].any()
    exact = draw_initial_state(LSTM, InitialStateSource("normal", 5), 3)
    rounded = draw_initial_state(replace(LSTM, dtype="float32"), InitialStateSource("normal", 5), 3)
    for left, right in zip(exact.values(), rounded.values(), strict=True):
        assert (left.shape, right.dtype) == ((4, 3, 4), np.float32)
        np.testing.assert_array_equal(left.astype(np.float32), right)


@pytest.mark.parametrize(
    ("network", "shapes", "sentence"),
    [
        (LSTM, {"c": (4, 3, 4)}, "The initial state lacks h, which must have the shape (4, 3, 4)."),
        (LSTM, {"h": (4, 3, 4)}, "The initial state lacks c, which must have the shape (4, 3, 4)."),
        (
            LSTM,
            {"h": (4, 3, 4), "c": (3, 4, 4)},
            "c of the initial state has the shape (3, 4, 4), but the network needs (4, 3, 4).",
        ),
        (
            replace(LSTM, projection_size=2),
            {"h": (4, 3, 2), "c": (4, 3, 2)},
            "c of the initial state has the shape (4, 3, 2), but the network needs (4, 3, 4).",
        ),
        (GRU, {"h": (1, 3, 4), "c": (1, 3, 4)}, "The initial state holds c, but the cell gru has only h."),
        (
            LSTM,
            dict.fromkeys("hcm", (4, 3, 4)),
            "The initial state holds m, but the cell lstm has only h, c.",
        ),
    ],
)
def test_missing_misshapen_and_unknown_states_are_named(network, shapes, sentence):
    with pytest.raises(InputError) as caught:
        checked_state(network, 3, {name: np.zeros(shape) for name, shape in shapes.items()})
    assert str(caught.value) == sentence
