"""Recurrent layers of Keras models, recorded while they run, on the backend that KERAS_BACKEND names."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.captures.rnn_capture import Capture, capture
from tests.captures.saved import assert_computed
from tests.profiles import examples

if importlib.util.find_spec("torch") is not None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
keras: Any = pytest.importorskip("keras", exc_type=ImportError)
L: Any = keras.layers
pytestmark = pytest.mark.slow
SIZES = st.integers(1, 5)
ON_JAX = keras.backend.backend() == "jax"
"""JAX compiles the time steps: those of the lower layers of a stack are not seen. It has no float64 by default."""


def numbers(*shape: int, dtype: str = "float32") -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


def sequential(*layers: Any, shape: tuple[int | None, ...] = (None, 3)) -> Any:
    return randomized(keras.Sequential([keras.Input(shape), *layers]))


def randomized(layer: Any) -> Any:
    """The layer with larger weights, so that no step is near 0."""
    generator = np.random.default_rng(3)
    for weight in layer.weights:
        if "seed" not in weight.path and "rnn_state" not in weight.path:
            weight.assign(generator.uniform(-0.8, 0.8, weight.shape))
    return layer


def arrays(results: Any) -> list[Any]:
    return [np.array(keras.ops.convert_to_numpy(result)) for result in keras.tree.flatten(results)]


def recorded(layer: Any, *args: Any, **kwargs: Any) -> Capture:
    """A capture of one call; the results are those of a call without it, and the layer is as before."""
    before = [dict(vars(one)) for one in own_layers(layer)]
    expected = arrays(layer(*args, **kwargs))
    for one in own_layers(layer):
        if getattr(one, "stateful", False):
            one.reset_state()
    with capture(layer) as captured:
        found = arrays(layer(*args, **kwargs))
    assert all(np.array_equal(one, other, equal_nan=True) for one, other in zip(found, expected, strict=True))
    for one, attributes in zip(own_layers(layer), before, strict=True):
        assert vars(one).keys() == attributes.keys()
        assert getattr(one, "return_sequences", None) == attributes.get("return_sequences")
    return captured


def own_layers(layer: Any) -> list[Any]:
    return list(layer._flatten_layers())


class Translation(keras.Model):
    """An encoder in both directions within a model, and a decoder that is called one step at a time."""

    def __init__(self) -> None:
        super().__init__(name="translation")
        self.encoder = sequential(
            L.Bidirectional(L.LSTM(4, return_sequences=True), merge_mode="sum", name="both"), L.GRU(5, name="top")
        )
        self.encoder.name = "encoder"
        self.decoder = L.GRUCell(5, name="decoder")

    def call(self, x: Any) -> Any:
        y = self.encoder(x)
        state, outputs = [y], []
        for _ in range(3):
            y, state = self.decoder(y, state)
            outputs.append(y)
        return keras.ops.stack(outputs, axis=1)


def test_layers_are_recorded_at_any_depth_and_results_stay_the_same(tmp_path):
    model, x = Translation(), numbers(2, 6, 3)
    with capture(model) as captured:  # Keras builds the model, and calls it without numbers at first
        model(x)
    assert len(captured) == 3
    assert not captured.skipped
    first = recorded(randomized(model), x)
    captured = recorded(model, x)
    assert [sequence.name for sequence in captured] == ["encoder/both", "encoder/top", "decoder"]
    both, top, decoder = captured
    assert both.network.bidirectional
    assert top.output.shape == (6, 2, 5)
    assert decoder.carried
    assert decoder.seams == (1, 2)
    assert (decoder.output.swapaxes(0, 1) == arrays(model(x))[0]).all()
    assert not captured.skipped
    for one, other in zip(first, captured, strict=True):
        assert np.array_equal(one.output, other.output)
        assert_computed(other, tmp_path, 2e-6)


ACTIVATIONS = ("tanh", "relu", "sigmoid", "hard_sigmoid", "softsign", "elu", "silu", "leaky_relu")


DTYPES = ("float32",) if ON_JAX else ("float32", "float64")
FORMS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(("SimpleRNN", "LSTM", "GRU")),
        "form": st.sampled_from(("layer", "cell", "stack", "both")),
        "units": SIZES,
        "dtype": st.sampled_from(DTYPES),
        "activation": st.sampled_from(ACTIVATIONS),
        "recurrent_activation": st.sampled_from(("sigmoid", "hard_sigmoid")),
        "reset_after": st.booleans(),
        "use_bias": st.booleans(),
        "options": st.sets(st.sampled_from(("return_sequences", "return_state", "go_backwards", "unroll"))),
    }
)


def built(form: dict[str, Any]) -> Any:
    names = {"LSTM": ("recurrent_activation",), "GRU": ("recurrent_activation", "reset_after")}
    keys = ("units", "dtype", "activation", "use_bias", *names.get(form["kind"], ()))
    cell = {key: form[key] for key in keys}
    options = dict.fromkeys(form["options"], True)
    if form["form"] in ("cell", "stack"):
        cells = [getattr(L, f"{form['kind']}Cell")(**cell) for _ in range(2)]
        one = cells[0] if form["form"] == "cell" else L.StackedRNNCells(cells, dtype=form["dtype"])
        return L.RNN(one, dtype=form["dtype"], **options)
    if form["form"] == "layer":
        return getattr(L, form["kind"])(**cell, **options)
    options.pop("go_backwards", None)
    return L.Bidirectional(getattr(L, form["kind"])(**cell, **options), dtype=form["dtype"])


def check(
    form: dict[str, Any], features: int, samples: int, steps: int, lengths: tuple[int, ...], folder: Path
) -> None:
    """Check that a layer of the form records the outputs that Keras returns, and that plain loops compute."""
    layer, x = built(form), numbers(samples, steps, features, dtype=form["dtype"])
    layer(x)
    randomized(layer)
    options = {"mask": np.arange(steps) < np.array(lengths)[:, None]} if lengths else {}
    (sequence,) = recorded(layer, x, **options)
    lengths = lengths or (steps,) * samples
    assert (sequence.lengths or (steps,) * samples) == lengths
    assert sequence.hidden is not None or (ON_JAX and form["form"] == "stack")
    sides = [layer.forward_layer, layer.backward_layer] if sequence.network.bidirectional else [layer]
    for side, output in zip(sides, np.split(sequence.output, len(sides), axis=2), strict=True):
        side.return_sequences, side.return_state = True, False
        whole = arrays(side(x, **options))[0].swapaxes(0, 1)[:: -1 if side.go_backwards else 1]
        for sample, length in enumerate(lengths):
            expected = whole[:length, sample].astype(sequence.network.dtype)
            assert np.array_equal(output[:length, sample], expected, equal_nan=True)
    # In float64, too, the products of Keras are float32; those of its layers on PyTorch are not.
    if sequence.hidden is not None:
        assert_computed(sequence, folder, 1e-13 if sequence.network.dtype == "float64" else 4e-6)


@settings(max_examples=examples(48), deadline=None)
@given(st.data())
def test_layers_with_any_options_equal_keras_and_plain_loops(tmp_path_factory, data):
    form = data.draw(FORMS)
    features, samples, steps = (data.draw(SIZES) for _ in range(3))
    lengths: tuple[int, ...] = ()
    # Keras on PyTorch fails where it unrolls from the end with a mask.
    backwards = "go_backwards" in form["options"] or form["form"] == "both"
    if not (backwards and "unroll" in form["options"]) and data.draw(st.booleans()):
        lengths = tuple(data.draw(st.integers(1, steps)) for _ in range(samples))
    check(form, features, samples, steps, lengths, tmp_path_factory.mktemp("saved"))


def test_given_states_and_those_of_stateful_layers_are_recorded(tmp_path):
    given_states = [numbers(2, 4), numbers(2, 4) + 1]
    layer, x = L.LSTM(4), numbers(2, 5, 3)
    layer(x)
    (sequence,) = recorded(randomized(layer), x, initial_state=given_states)
    assert (sequence.initial_state["c"][0] == given_states[1]).all()
    assert_computed(sequence, tmp_path, 2e-6)
    both = L.Bidirectional(L.GRU(4, return_state=True), merge_mode=None)
    both(x)
    (sequence,) = recorded(randomized(both), x, initial_state=given_states)
    assert (sequence.initial_state["h"] == np.stack(given_states)).all()
    assert_computed(sequence, tmp_path, 2e-6)
    model = randomized(keras.Sequential([keras.Input(batch_shape=(2, 3, 3)), L.LSTM(4, stateful=True)]))
    with capture(model) as captured:
        outputs = [arrays(model(part))[0] for part in np.split(numbers(2, 9, 3), 3, axis=1)]
    (sequence,) = captured
    assert sequence.seams == (3, 6)
    assert sequence.carried
    assert (sequence.output[[2, 5, 8]] == np.stack(outputs)).all()
    assert_computed(sequence, tmp_path, 2e-6)


CELLS: dict[str, Callable[[], Any]] = {
    "tanh": lambda: L.SimpleRNNCell(4),
    "lstm": lambda: L.LSTMCell(4, use_bias=False),
    "gru": lambda: L.GRUCell(4, reset_after=False),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_in_a_loop_are_one_sequence(name, tmp_path):
    cell, x = CELLS[name](), numbers(6, 2, 3)
    cell(x[0], cell.get_initial_state(batch_size=2))
    randomized(cell)
    for carries in (True, False):
        with capture(cell) as captured:
            state = cell.get_initial_state(batch_size=2)
            for step in x:
                _, new = cell(step, states=state)
                state = new if carries else state
        (sequence,) = captured
        assert len(sequence.x) == 6
        assert sequence.carried == carries
        assert (sequence.cell_states is None) == (name != "lstm")
        assert sequence.calls[0].parameters is sequence.calls[-1].parameters
        if carries:
            assert_computed(sequence, tmp_path, 2e-6)


class Forecast(keras.Model):
    """A cell that a layer has, too: the layer reads the past, and the cell its own output."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = L.LSTMCell(4, name="cell")
        self.warmup = L.RNN(self.cell, return_state=True, name="warmup")
        self.dense = L.Dense(3)

    def call(self, x: Any) -> Any:
        y, *state = self.warmup(x)
        found = [self.dense(y)]
        for _ in range(4):
            y, state = self.cell(found[-1], states=state)
            found.append(self.dense(y))
        return keras.ops.stack(found, axis=1)


def test_the_cell_of_a_layer_is_recorded_where_it_is_called_by_itself(tmp_path):
    model, x = Forecast(), numbers(2, 6, 3)
    model(x)
    captured = recorded(randomized(model), x)
    assert [(sequence.name, len(sequence.x)) for sequence in captured] == [("warmup", 6), ("cell", 4)]
    layer = L.LSTM(4, name="own")
    layer(x)
    with capture(layer) as captured:
        layer.cell(x[:, 0], layer.cell.get_initial_state(batch_size=2))
    assert [sequence.name for sequence in captured] == ["LSTM/lstm_cell"]


def test_masks_other_than_padding_at_the_end_are_named():
    layer, x = L.LSTM(4), numbers(2, 5, 3)
    layer(x)
    for mask in ([[0, 1, 1, 1, 1]], [[1, 0, 1, 1, 1]], [[0, 0, 0, 0, 0]]):
        captured = recorded(layer, x, mask=np.array(mask * 2, bool))
        assert not captured
        assert "mask" in captured.skipped["LSTM"]
    assert recorded(layer, x, mask=np.ones((2, 5), bool))[0].lengths == ()


class OwnCell(L.SimpleRNNCell):
    def call(self, sequence: Any, states: Any, training: bool = False) -> Any:
        return super().call(sequence, [-state for state in states])


class OwnLoop(L.SimpleRNN):
    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
        return super().inner_loop(-sequences, initial_state, mask, training)


REFUSED: dict[str, Callable[[], Any]] = {
    "cells differ": lambda: L.RNN([L.LSTMCell(4), L.LSTMCell(3)]),
    "OwnCell": lambda: L.RNN(OwnCell(4)),
    "OwnLoop": lambda: OwnLoop(4),
    "its activation": lambda: L.GRU(4, activation="mish"),
    "its activation is <lambda>": lambda: L.GRU(4, activation=lambda x: keras.ops.tanh(x)),
    "ConvLSTM": lambda: L.ConvLSTM1D(2, 2),
    "directions": lambda: L.Bidirectional(L.RNN([L.GRUCell(4), L.GRUCell(4)])),
}
if not ON_JAX:  # where such a stack cannot be called
    REFUSED["one cell of one size and type"] = lambda: L.RNN(L.StackedRNNCells([L.GRUCell(4)], dtype="mixed_bfloat16"))


@pytest.mark.parametrize("reason", REFUSED)
def test_layers_that_no_network_computes_are_named(reason):
    layer, x = REFUSED[reason](), numbers(2, 5, 3, *((2,) if reason == "ConvLSTM" else ()))
    layer(x)
    captured = recorded(layer, x)
    assert reason in captured.skipped[type(layer).__name__]


def test_directions_that_differ_are_recorded_one_by_one(tmp_path):
    ahead = L.LSTM(4, return_sequences=True, name="ahead")
    layer = L.Bidirectional(ahead, backward_layer=L.LSTM(3, return_sequences=True, go_backwards=True, name="behind"))
    layer(numbers(2, 5, 3))
    captured = recorded(randomized(layer), numbers(2, 5, 3))
    assert [sequence.network.reverse for sequence in captured] == [False, True]
    assert captured.skipped.keys() == {"Bidirectional"}
    for sequence in captured:
        assert_computed(sequence, tmp_path, 2e-6)


def test_active_dropout_is_named_and_inactive_is_recorded():
    model, x = sequential(L.LSTM(4, dropout=0.5, name="one"), L.Dropout(0.5)), numbers(2, 5, 3)
    with capture(model) as captured:
        model(x, training=True)
    assert "dropout" in captured.skipped["one"]
    assert len(recorded(model, x)) == 1


def test_a_model_that_is_called_for_its_shapes_is_recorded_where_it_has_numbers():
    model = sequential(L.GRU(4))
    with capture(model) as captured:
        model(keras.Input((5, 3)))
        model(numbers(2, 5, 3))
    assert len(captured) == 1
    assert not captured.skipped


def test_calls_without_numbers_are_named():
    layer = L.Bidirectional(L.LSTM(4, name="one"), name="both")
    model = sequential(layer, L.Dense(2))
    with capture(model) as captured:
        keras.Sequential([keras.Input((None, 3)), model])
    assert "call model(x)" in captured.skipped["both"]
    with capture(model) as captured:
        model.predict(numbers(2, 5, 3), verbose=0)
    compiled = keras.backend.backend() in ("jax", "tensorflow")
    assert len(captured) == (0 if compiled else 1)
    assert ("both" in captured.skipped) == compiled


def test_overrides_are_removed_after_an_exception():
    layer, x = L.GRU(4), numbers(2, 5, 3)
    layer(x)
    before = set(vars(layer))

    def fails(captured):
        with captured:
            layer(x)
            layer(x[:, :, :2])

    captured = capture(layer)
    with pytest.raises(Exception, match="GRU"):
        fails(captured)
    assert vars(layer).keys() == before
    assert not layer.return_sequences
    assert len(captured) == 1


def test_numbers_are_those_of_the_call_where_weights_change():
    layer, x = L.LSTM(4), numbers(2, 5, 3)
    layer(x)
    with capture(layer) as captured:
        layer(x)
        layer(x)
        kernel = np.array(captured._recorded[0][1].parameters["l0_i2h_weight"])
        layer.cell.kernel.assign(layer.cell.kernel * 2)
        layer(x)
    one, same, other = captured
    assert one.parameters is same.parameters
    assert (one.parameters["l0_i2h_weight"] == kernel).all()
    assert (other.parameters["l0_i2h_weight"] == 2 * kernel).all()


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="tensors of other backends have no data")
@pytest.mark.parametrize("both", [False, True])
def test_weights_whose_data_change_are_those_of_each_call(both):
    layer, x = L.GRU(4), numbers(2, 5, 3)
    layer = L.Bidirectional(layer) if both else layer
    layer(x)
    cell = layer.backward_layer.cell if both else layer.cell
    with capture(layer) as captured:
        for _ in range(3):
            layer(x)
            cell.recurrent_kernel.value.data.mul_(2)
    first, *others = (sequence.parameters[f"{'r' if both else 'l'}0_h2h_weight"] for sequence in captured)
    assert [np.array_equal(weight, factor * first) for weight, factor in zip(others, (2, 4), strict=True)] == [True] * 2


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_mixed_precision_is_recorded_as_the_layer_read_it(kind):
    layer, x = L.LSTM(4, dtype=f"mixed_{kind}"), numbers(2, 5, 3)
    layer(x)
    (sequence,) = recorded(randomized(layer), x)
    assert sequence.calls[0].computed_in == kind
    assert sequence.network.dtype == "float32"
    for name in ("l0_i2h_weight", "l0_i2h_bias"):
        weights = sequence.parameters[name].astype("float32")
        assert (arrays(keras.ops.cast(keras.ops.cast(weights, kind), "float32"))[0] == weights).all()
        assert len(np.unique(weights)) > 1
