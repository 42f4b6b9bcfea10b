"""Recurrent layers of Gluon models, recorded while they run."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.captures.rnn_capture import capture
from tests.captures.saved import assert_computed
from tests.needs import need
from tests.profiles import examples

need("mxnet")

mx = import_module("rnnviz.engines.gluon").mx
gluon, nd = mx.gluon, mx.nd
rnn = gluon.rnn
SIZES = st.integers(1, 5)


class Model(gluon.HybridBlock):
    """A stack of two layers behind an embedding, and a layer above it."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = gluon.nn.Embedding(10, 4)
        self.encoder = rnn.LSTM(5, 2, layout="NTC", bidirectional=True)
        self.decoder = rnn.GRU(6, layout="NTC")

    def hybrid_forward(self, F: Any, x: Any) -> Any:
        return self.decoder(self.encoder(self.embedding(x)))


def initialized(block: Any) -> Any:
    """The block with random weights and biases."""
    block.initialize(mx.init.Uniform(0.7))
    for parameter in block.collect_params().values():
        if parameter.name.endswith("bias"):
            parameter.initialize(mx.init.Uniform(0.7), force_reinit=True)
    return block


def normal(*shape: int, dtype: str = "float32") -> Any:
    return nd.array(np.random.default_rng(3).standard_normal(shape), dtype=dtype)


@pytest.mark.slow
@pytest.mark.parametrize("hybridized", [False, True])
def test_layers_are_recorded_and_results_stay_the_same(hybridized, tmp_path):
    model, x = initialized(Model()), nd.array(np.arange(21).reshape(3, 7) % 10)
    if hybridized:
        model.hybridize()
    expected = model(x).asnumpy()
    with capture(model) as captured:
        found = model(x).asnumpy()
    assert (found == expected).all()
    assert (model(x).asnumpy() == expected).all()
    assert model._active == hybridized
    assert "_forward_kernel" not in vars(model.encoder)
    assert [sequence.name for sequence in captured] == ["encoder", "decoder"]
    assert (captured[1].output.swapaxes(0, 1) == expected).all()
    for sequence in captured:
        assert sequence.hidden is not None
        assert_computed(sequence, tmp_path, 1e-6)


@pytest.mark.slow
@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_layers_equal_plain_loops(tmp_path_factory, data):
    kind = data.draw(st.sampled_from(("RNN", "LSTM", "GRU")))
    features, units, layers, samples, steps = (data.draw(SIZES) for _ in range(5))
    layers = min(layers, 3)
    layout, bidirectional = data.draw(st.sampled_from(("TNC", "NTC"))), data.draw(st.booleans())
    more = {"activation": data.draw(st.sampled_from(("relu", "tanh")))} if kind == "RNN" else {}
    # MXNet rounds a float64 relu to float32, which the step audit finds.
    dtype = "float32" if more == {"activation": "relu"} else data.draw(st.sampled_from(("float32", "float64")))
    block = getattr(rnn, kind)(
        units, layers, layout=layout, bidirectional=bidirectional, input_size=features, dtype=dtype, **more
    )
    initialized(block)
    x = normal(*((samples, steps) if layout == "NTC" else (steps, samples)), features, dtype=dtype)
    rows = layers * (1 + bidirectional)
    states = [normal(rows, samples, units, dtype=dtype) for _ in range(2 if kind == "LSTM" else 1)]
    with capture(block) as captured:
        block(x, *([states] if data.draw(st.booleans()) else []))
    (sequence,) = captured
    assert sequence.hidden is not None
    assert_computed(sequence, tmp_path_factory.mktemp("saved"), 3e-6 if dtype == "float32" else 1e-13)


def cells() -> list[Any]:
    """One cell of each kind, and one of other activations."""
    other = rnn.LSTMCell(4, activation="softsign", recurrent_activation="tanh")
    return [rnn.RNNCell(4, activation="relu"), rnn.RNNCell(4), rnn.LSTMCell(4), rnn.GRUCell(4), other]


def test_cells_are_recorded_where_they_are_unrolled(tmp_path):
    stack = rnn.HybridSequentialRNNCell()
    for cell in cells():
        stack.add(cell)
    initialized(stack)
    with capture(stack) as captured:
        stack.unroll(6, normal(2, 6, 3), layout="NTC", merge_outputs=True)
    assert [sequence.network.cell for sequence in captured] == ["rnn_relu", "rnn_tanh", "lstm", "gru", "lstm"]
    assert captured[4].network.activations == ("tanh", "softsign", "softsign")
    for sequence in captured:
        assert sequence.carried
        assert sequence.x.shape[:2] == (6, 2)
        assert_computed(sequence, tmp_path, 1e-6)


def test_weights_that_training_changes_are_recorded_with_each_call():
    mx.random.seed(1)
    layer = initialized(rnn.LSTM(4, input_size=3))
    # Small steps: units that saturate would get no further gradient.
    trainer = gluon.Trainer(layer.collect_params(), "sgd", {"learning_rate": 0.01})
    with capture(layer) as captured:
        for _ in range(2):
            with mx.autograd.record():
                loss = (layer(nd.ones((3, 2, 3))) ** 2).sum()
            loss.backward()
            trainer.step(1)
        layer(nd.ones((3, 2, 3)))
        layer(nd.ones((3, 2, 3)))
    weights = {sequence.parameters["l0_h2h_weight"].tobytes() for sequence in captured}
    assert len(weights) == 3
    assert captured[2].parameters is captured[3].parameters


def test_gradients_of_other_frameworks_are_refused():
    with pytest.raises(ValueError, match="PyTorch"):
        capture(initialized(rnn.GRU(3)), gradients=True)
