"""Recurrent layers of PyTorch models, recorded while they run."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnviz.captures.rnn_capture import capture
from rnnviz.core.naming import names_of_file
from rnnviz.io.config_toml import name_of_source
from rnnviz.io.inputs import load_inputs
from rnnviz.io.session import read_session
from rnnviz.verify.verdict import Verdict
from tests.captures.saved import assert_computed, assert_explained, opened
from tests.profiles import examples, nightly_except

torch = pytest.importorskip("torch")
rnn = torch.nn.utils.rnn
SIZES = st.integers(1, 5)


class Model(torch.nn.Module):
    """An encoder of two layers in both directions, and a decoder that is called one step at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = torch.nn.LSTM(4, 6, 2, batch_first=True, bidirectional=True)
        self.decoder = torch.nn.GRUCell(12, 5)

    def forward(self, x: Any) -> Any:
        y, _ = self.encoder(x)
        h = None
        for t in range(y.shape[1]):
            h = self.decoder(y[:, t], h)
        return h


@pytest.mark.slow
def test_layers_are_recorded_at_any_depth_and_results_stay_the_same(tmp_path):
    model, x = Model(), torch.randn(3, 7, 4)
    expected = model(x)
    with capture(model) as captured:
        found = model(x)
    assert torch.equal(found, expected)
    assert [sequence.name for sequence in captured] == ["encoder", "decoder"]
    encoder, decoder = captured
    assert encoder.hidden.shape == (2, 2, 7, 3, 6)
    assert decoder.carried
    assert decoder.seams == tuple(range(1, 7))
    assert (decoder.hidden[0, 0, -1] == expected.detach().numpy()).all()
    assert not model.encoder._forward_hooks
    assert not model.decoder._forward_hooks
    assert_computed(encoder, tmp_path, 1e-6)
    assert_explained(captured, tmp_path / "saved")


def randomized(module: Any) -> Any:
    """The module with larger weights, so that no step is near 0."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.uniform_(-0.8, 0.8)
    return module


# PyTorch says so once.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:LSTM with projections")
@settings(max_examples=examples(40), deadline=None)
@given(st.data())
def test_layers_with_any_options_equal_plain_loops(tmp_path_factory, data):
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    kind = data.draw(st.sampled_from(("RNN", "LSTM", "GRU")))
    features, units, layers, samples, steps = (data.draw(SIZES) for _ in range(5))
    layers = min(layers, 3)
    options = {name: data.draw(st.booleans()) for name in ("batch_first", "bidirectional", "bias")}
    projected = units - 1 if kind == "LSTM" and data.draw(st.booleans()) else 0
    dtype = data.draw(st.sampled_from((torch.float32, torch.float64)))
    extra = {"proj_size": projected} if kind == "LSTM" else {}
    module = randomized(getattr(torch.nn, kind)(features, units, layers, dtype=dtype, **options, **extra))
    form = data.draw(st.sampled_from(("batch", "packed", "alone")))
    x = torch.randn(samples, steps, features, dtype=dtype)
    lengths = [data.draw(st.integers(1, steps)) for _ in range(samples)]
    if form == "packed":
        x = x if options["batch_first"] else x.transpose(0, 1)
        x = rnn.pack_padded_sequence(x, lengths, batch_first=options["batch_first"], enforce_sorted=False)
    elif form == "alone":
        x, samples = x[0], 1
    elif not options["batch_first"]:
        x = x.transpose(0, 1)
    states = ()
    if data.draw(st.booleans()):
        rows = layers * (1 + options["bidirectional"])
        batch = () if form == "alone" else (samples,)
        h = torch.randn(rows, *batch, projected or units, dtype=dtype)
        states = ((h, torch.randn(rows, *batch, units, dtype=dtype)) if kind == "LSTM" else h,)
    with torch.no_grad(), capture(module) as captured:
        module(x, *states)
    (sequence,) = captured
    assert sequence.hidden is not None
    assert_computed(sequence, tmp_path_factory.mktemp("saved"), 2e-6 if dtype == torch.float32 else 1e-13)


CELLS: dict[str, Callable[[], Any]] = {
    "tanh": lambda: torch.nn.RNNCell(3, 4),
    "relu": lambda: torch.nn.RNNCell(3, 4, nonlinearity="relu", bias=False),
    "lstm": lambda: torch.nn.LSTMCell(3, 4),
    "gru": lambda: torch.nn.GRUCell(3, 4),
}


@pytest.mark.parametrize("name", CELLS)
def test_cells_in_a_loop_are_one_sequence_for_each_text(name):
    cell = randomized(CELLS[name]())
    with torch.no_grad():
        # A relu cell whose h is 0 everywhere would seem to pass on the state that is not given.
        cell.weight_ih.abs_()
    for carries, texts in ((True, 1), (True, 2), (False, 1)):
        with torch.no_grad(), capture(cell) as captured:
            for _ in range(texts):
                state = None
                for x in torch.rand(6, 2, 3):
                    new = cell(x, state)
                    state = new if carries else state
        assert [(sequence.x.shape, sequence.carried) for sequence in captured] == [((6, 2, 3), carries)] * texts
        assert (captured[0].cell_states is None) == (name != "lstm")
        assert captured[0].calls[0].parameters is captured[-1].calls[-1].parameters


def test_streams_in_chunks_are_one_sequence_and_batches_are_several():
    module, x = randomized(torch.nn.LSTM(3, 4, 2)), torch.randn(9, 2, 3)
    with torch.no_grad(), capture(module) as captured:
        _, state = module(x[:4])
        module(x[4:], state)
        module(x)
    assert [len(sequence.x) for sequence in captured] == [9, 9]
    assert captured[0].seams == (4,)
    assert captured[1].seams == ()
    with torch.no_grad():
        for join, lengths in (("none", [3, 3]), ("all", [6])):
            with capture(module, join=join) as captured:
                module(x[:3])
                module(x[:3])
            assert [len(sequence.x) for sequence in captured] == lengths
            assert captured[0].carried == (join == "none")


def test_chunks_whose_state_is_not_passed_on_are_counted_in_the_list_and_in_the_run(tmp_path):
    module, x = randomized(torch.nn.LSTM(3, 4)), torch.randn(9, 2, 3)
    with torch.no_grad(), capture(module) as captured:
        for begin in (0, 3, 6):
            module(x[begin : begin + 3])
        module(x, (torch.ones(1, 2, 4),) * 2)
    assert [sequence.from_zeros for sequence in captured] == [3, 3, 3, 0]
    assert "3 sequences" in repr(captured)
    assert [len(opened(sequence, tmp_path)[0].assumptions) for sequence in captured] == [1, 1, 1, 0]
    with torch.no_grad(), capture(module) as captured:
        module(x[:3])
        module.weight_hh_l0.data.add_(0.1)
        module(x[3:])
    assert [sequence.from_zeros for sequence in captured] == [0, 0]


def test_an_opened_capture_was_saved_when_it_was_written_and_has_its_name(tmp_path):
    module, path = torch.nn.LSTM(3, 4), tmp_path / "mine.rnnviz"
    with torch.no_grad(), capture(module) as captured:
        module(torch.ones(2, 1, 3))
    captured[0].save(path)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    unpacked = read_session(path, lambda: tmp_path).config.parameters.path
    assert unpacked is not None
    assert Path(unpacked).stat().st_mtime == 1_000_000_000
    assert name_of_source(unpacked) == "mine.rnnviz"
    assert names_of_file(unpacked) == "pytorch"
    assert name_of_source(str(path)) == "mine.rnnviz"


def test_a_loop_that_swaps_h_and_c_is_one_sequence_whose_second_step_is_wrong(tmp_path):
    for module, shape in ((torch.nn.LSTMCell(3, 4), (2, 3)), (torch.nn.LSTM(3, 4), (2, 2, 3))):
        randomized(module)
        with torch.no_grad(), capture(module) as captured:
            h = c = torch.zeros(*([1] if len(shape) == 3 else []), 2, 4)
            for _ in range(4):
                result = module(torch.randn(shape), (h, c))
                c, h = result if len(shape) == 2 else result[1]
        (sequence,) = captured
        assert sequence.state == "swapped"
        first = opened(sequence, tmp_path)[1].first_wrong
        assert first is not None
        assert first.where.timestep == sequence.seams[0]


def test_a_cell_that_reads_several_sequences_in_turn_has_each_of_them(tmp_path):
    cell = randomized(torch.nn.GRUCell(4, 4))
    with torch.no_grad(), capture(cell) as captured:
        lower = upper = None
        for x in torch.randn(5, 2, 4):
            lower = cell(x, lower)
            upper = cell(lower, upper)
    assert [(len(sequence.x), sequence.state) for sequence in captured] == [(5, "carried")] * 2
    assert (captured[1].x == captured[0].output).all()
    assert_computed(captured[1], tmp_path, 1e-6)


def test_classes_with_their_own_forward_are_named():
    class Doubled(torch.nn.LSTM):
        def forward(self, x, scale=2):
            output, state = super().forward(x)
            return scale * output, state

    with torch.no_grad(), capture(Doubled(3, 4)) as captured:
        captured._model(torch.ones(2, 1, 3), scale=3)
    assert len(captured) == 0
    assert "forward()" in captured.skipped["Doubled"]


@pytest.mark.slow
def test_calls_without_numbers_are_named():
    meta, cell = torch.nn.GRU(3, 4, device="meta"), torch.nn.GRUCell(3, 4)
    with capture(meta) as captured:
        meta(torch.ones(2, 1, 3, device="meta"))
    assert "without numbers" in captured.skipped["GRU"]
    with capture(cell) as captured:
        cell(torch.ones(0, 3))
    assert captured.skipped.keys() == {"GRUCell"}


def test_copies_of_the_model_are_not_recorded():
    cell = torch.nn.GRUCell(3, 4)
    with capture(cell) as captured:
        other = copy.deepcopy(cell)
        other(torch.ones(2, 3))
    other(torch.ones(2, 3))
    assert len(captured) == 0
    with captured:
        cell(torch.ones(2, 3))
    assert len(captured) == 1
    assert not captured.skipped


@pytest.mark.slow
@pytest.mark.parametrize("compiled_before", [True, False])
def test_compiled_models_are_recorded(compiled_before):
    model, x = Model(), torch.randn(3, 3, 4)
    if compiled_before:
        compiled = torch.compile(model, backend="eager")
        compiled(x)
    with torch.no_grad(), capture(model) as captured:
        if not compiled_before:
            compiled = torch.compile(model, backend="eager")
        found = compiled(x)
    # With autograd, PyTorch may take other kernels.
    with torch.no_grad():
        assert torch.equal(found, model(x))
    assert [len(sequence.x) for sequence in captured] == [3, 3]
    assert not captured.skipped


@pytest.mark.slow
def test_a_model_that_is_compiled_as_a_whole_is_refused_with_advice():
    cell = torch.nn.GRUCell(12, 5)
    whole = torch.compile(cell, backend="eager", fullgraph=True)
    with pytest.raises(Exception, match="without fullgraph=True"), capture(cell):
        whole(torch.randn(3, 12))


def test_numbers_are_those_of_the_call_where_the_model_overwrites_them():
    module, x = randomized(torch.nn.GRU(3, 4)), torch.ones(2, 1, 3)
    with torch.no_grad(), capture(module) as captured:
        expected, h = (tensor.clone() for tensor in module(x))
        output, state = module(x, torch.zeros(1, 1, 4))
        for tensor in (x, output, state):
            tensor.zero_()
        for parameter in module.parameters():
            parameter.zero_()
        module(torch.ones(2, 1, 3))
    assert (captured[1].output == expected.numpy()).all()
    assert (captured[1].final_state["h"] == h.numpy()).all()
    assert captured[1].x.min() == 1.0
    assert captured[0].parameters is captured[1].parameters
    assert captured[2].parameters["l0_h2h_weight"].max() == 0.0


def _scaled(module: Any) -> Any:
    return torch.nn.utils.parameters_to_vector(module.parameters()) * 1.1


CHANGES: dict[str, Callable[[Any], Any]] = {
    "in place": lambda module: module.weight_hh_l0.add_(0.1),
    "data": lambda module: module.weight_hh_l0.data.add_(0.1),
    "other data": lambda module: setattr(module.weight_hh_l0, "data", module.weight_hh_l0.data * 1.1),
    "gates in another order": lambda module: module.weight_hh_l0.data.copy_(module.weight_hh_l0.data.roll(1, 0)),
    "vector": lambda module: torch.nn.utils.vector_to_parameters(_scaled(module), module.parameters()),
    "numpy": lambda module: np.multiply(module.bias_hh_l0.numpy(), 2, out=module.bias_hh_l0.numpy()),
    "other parameter": lambda module: setattr(module, "bias_ih_l0", torch.nn.Parameter(module.bias_ih_l0 * 2)),
    "assigned": lambda module: module.load_state_dict({k: p * 2 for k, p in module.state_dict().items()}, assign=True),
}


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("change", CHANGES)
def test_each_call_has_the_weights_that_it_used(change, kind):
    module, x = randomized(torch.nn.GRU(3, 4, dtype=getattr(torch, kind))).requires_grad_(False), torch.ones(2, 1, 3)
    if change == "numpy" and kind == "bfloat16":
        pytest.skip("no case: numpy has no bfloat16")
    with capture(module) as captured:
        for _ in range(3):
            module(x.to(module.weight_hh_l0.dtype))
            used = module.weight_hh_l0.float().numpy().copy(), module.bias_hh_l0.float().numpy().copy()
            recorded = captured._recorded[-1][1].parameters
            assert (recorded["l0_h2h_weight"] == used[0]).all()
            assert (recorded["l0_h2h_bias"] == used[1]).all()
            CHANGES[change](module)
    assert captured[0].parameters is not captured[1].parameters


class Dropped(torch.nn.Module):
    def forward(self, weight: Any) -> Any:
        return torch.nn.functional.dropout(weight, 0.5)


def _spectral(module: Any, name: str) -> None:
    torch.nn.utils.parametrizations.spectral_norm(module, name)


def _dropped(module: Any, name: str) -> None:
    torch.nn.utils.parametrize.register_parametrization(module, name, Dropped(), unsafe=True)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [_spectral, _dropped])
@pytest.mark.parametrize("kind", ["GRU", "GRUCell"])
def test_weights_that_each_call_computes_are_those_of_the_call(wrap, kind, tmp_path):
    """Such weights change where they are read once more, and random ones take numbers of the model."""

    def outputs(captures):
        torch.manual_seed(2)
        module = randomized(getattr(torch.nn, kind)(3, 4))
        wrap(module, "weight_hh" if kind == "GRUCell" else "weight_hh_l0")
        rows = () if kind == "GRUCell" else (1,)
        captured = capture(module, join="none")
        with captured if captures else torch.enable_grad():
            results = [module(torch.randn(*rows, 2, 3), torch.randn(*rows, 2, 4)) for _ in range(3)]
        return captured, results

    captured, results = outputs(True)
    for found, expected in zip(results, outputs(False)[1], strict=True):
        assert torch.equal(found[0], expected[0])
    for sequence in captured:
        assert_computed(sequence, tmp_path, 1e-6)


def test_hooks_are_removed_after_an_exception():
    module = torch.nn.LSTM(3, 4)
    captured = capture(module)

    def fails():
        with captured:
            module(torch.ones(2, 1, 3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not module._forward_hooks
    assert len(captured) == 1


def test_limits_keep_the_first_calls_and_name_the_rest():
    module, x = torch.nn.LSTM(3, 4), torch.ones(2, 1, 3)
    for limits in ({"calls": 2}, {"limit": 300}):
        with torch.no_grad(), capture(module, **limits) as captured:
            for _ in range(5):
                module(x)
        assert len(captured) == 2
        assert captured.skipped["LSTM"].startswith("3 calls")


def test_models_and_options_that_cannot_be_recorded_are_refused():
    with pytest.raises(TypeError):
        capture("model")
    with pytest.raises(ValueError, match="no recurrent layer"):
        capture(torch.nn.Linear(2, 3))
    for options in ({"calls": 0}, {"join": "some"}):
        with pytest.raises(ValueError, match=next(iter(options))):
            capture(torch.nn.GRU(2, 3), **options)


def test_active_dropout_and_layers_that_were_not_called_are_named():
    model = torch.nn.ModuleDict({"one": torch.nn.LSTM(3, 4, 2, dropout=0.5), "other": torch.nn.GRU(3, 4)})
    with torch.no_grad(), capture(model) as captured:
        model["one"](torch.ones(2, 1, 3))
    assert captured.skipped.keys() == {"one", "other"}
    model.eval()
    with torch.no_grad(), capture(model) as captured:
        model["one"](torch.ones(2, 1, 3))
    assert [sequence.name for sequence in captured] == ["one"]


def test_inference_mode_is_recorded(tmp_path):
    module = randomized(torch.nn.GRU(3, 4))
    with torch.inference_mode(), capture(module) as captured:
        module(torch.randn(4, 2, 3))
    assert_computed(captured[0], tmp_path, 1e-6)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("form", nightly_except(["batch first", "packed", "projected", "cell"], "packed"))
def test_gradients_of_outputs_and_parameters_are_recorded(form, tmp_path):
    torch.manual_seed(0)
    options = {"num_layers": 2, "bidirectional": True}
    module = {
        "batch first": lambda: torch.nn.LSTM(3, 4, batch_first=True, **options),
        "packed": lambda: torch.nn.GRU(3, 4),
        "projected": lambda: torch.nn.LSTM(3, 4, proj_size=2),
        "cell": lambda: torch.nn.GRUCell(3, 4),
    }[form]()
    x: Any = torch.randn(3, 5, 3)
    if form == "packed":
        x = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([1, 3, 2, 3, 1]), enforce_sorted=False)
    elif form == "cell":
        x = x[0]

    def backward():
        module.zero_grad()
        output, final = (own := module(x), own) if form == "cell" else module(x)
        final = final[-1] if isinstance(final, tuple) else final
        read = output.data if form == "packed" else output
        for tensor in (read, final):
            tensor.retain_grad()
        (read.sin().sum() + (final**2).sum()).backward()
        return [read.grad, final.grad, *(parameter.grad.clone() for parameter in module.parameters())]

    before = backward()
    with capture(module, gradients=True) as captured:
        after = backward()
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not captured.skipped
    found = captured[0].gradients
    assert found is not None
    of_output = after[0].numpy()
    if form == "batch first":
        of_output = of_output.swapaxes(0, 1)
    elif form == "packed":
        of_output = torch.nn.utils.rnn.pad_packed_sequence(x._replace(data=after[0]))[0].numpy()
    elif form == "cell":
        of_output = of_output[np.newaxis]
    np.testing.assert_array_equal(found.loss["output"], of_output)
    last = {"packed": "h", "cell": "output"}.get(form, "c")
    np.testing.assert_array_equal(found.loss[last], after[1].numpy().reshape(found.loss[last].shape))
    side = "" if form == "cell" else "_l0"
    np.testing.assert_array_equal(found.parameters["l0_h2h_weight"], getattr(module, f"weight_hh{side}").grad.numpy())
    captured[0].save(tmp_path / "gradients.rnnviz")
    loss = load_inputs(read_session(tmp_path / "gradients.rnnviz", lambda: tmp_path).config).loss
    assert loss is not None
    np.testing.assert_array_equal(loss.out, of_output)
    assert form == "cell" or np.array_equal(loss.state[last], found.loss[last])
    run = captured[0].run()
    comparison = run.comparison("manual")
    assert len(comparison.gradients) - len(comparison.gradients_over_time) == len(list(module.parameters()))
    assert not any(own.mismatched for own in comparison.gradients.values())
    assert run.overall_verdict is Verdict.AGREE


def test_gradients_belong_to_the_call_before_the_backward_pass():
    module, x = torch.nn.GRU(2, 3), torch.randn(4, 1, 2)
    with capture(module, gradients=True) as captured:
        for factor in (1.0, 2.0):
            # Gradients of other steps of the optimizer are not added.
            (factor * module(x)[0]).sum().backward()
    ones = np.ones((4, 1, 3), np.float32)
    assert [float((own.gradients.loss["output"] / ones).max()) for own in captured] == [1.0, 2.0]
    first, second = (own.gradients.parameters["l0_i2h_bias"] for own in captured)
    np.testing.assert_allclose(second, 2.0 * first, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "calls", "backward", "named"),
    [
        *(("GRU", 1, False, "did not reach"), ("GRU", 2, True, "called again"), ("GRU", 0, False, "not called")),
        ("LSTMCell", 1, True, "LSTMCell"),
    ],
)
def test_gradients_that_are_not_known_are_named(kind, calls, backward, named, tmp_path):
    module, shape = getattr(torch.nn, kind)(2, 3), (1, 2) if kind == "LSTMCell" else (4, 1, 2)
    with capture(module, gradients=True, join="none") as captured:
        outputs = [module(torch.randn(shape))[0] for _ in range(calls)]
        if backward:
            torch.cat(outputs).sum().backward()
    assert named in captured.skipped[kind]
    assert all(sequence.gradients is None for sequence in captured)
    for path in map(Path, captured.save(tmp_path)):
        assert not read_session(path, lambda: tmp_path).config.backward.enabled


def test_calls_without_gradients_have_none():
    module, x = torch.nn.GRU(2, 3), torch.randn(4, 1, 2)
    with capture(module, gradients=True) as captured:
        with torch.no_grad():
            module(x)
        module(x)[0].sum().backward()
    assert [sequence.gradients is None for sequence in captured] == [True, False]
    with capture(module) as captured:
        module(x)[0].sum().backward()
    assert captured[0].gradients is None
    assert not captured.skipped
