"""The influence on one hidden value equals the Jacobians of loops of PyTorch's cells, and finite differences."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.core.errors import InputError
from rnnviz.core.trace_index import Location
from rnnviz.dependence.influence import influence, is_known
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.profiles import nightly_except

torch = pytest.importorskip("torch")
LIBRARY = pytest.importorskip("rnnviz.engines.torch").LIBRARY

MODULES = {"rnn_tanh": "RNNCell", "lstm": "LSTMCell", "gru": "GRUCell"}


def by_torch(result: RunResult, where: Location) -> tuple[np.ndarray, np.ndarray]:
    """The norms (L, D, T) and (T,), by zeros that are added to each hidden state of a loop."""
    inputs, network = result.inputs, result.inputs.network
    n, length, cell = where.sample, inputs.length(where.sample), network.kind

    def step(layer: int, direction: int):
        p = {k: torch.from_numpy(np.array(v)) for k, v in vars(inputs.parameters.layer(layer, direction)).items()}
        if cell.name not in MODULES:
            return lambda x, state: dict(step_values(cell, p, x, state, LIBRARY))
        module = getattr(torch.nn, MODULES[cell.name])(p["i2h_weight"].shape[1], network.hidden_size).double()
        with torch.no_grad():
            for ours, theirs in (("i2h_weight", "weight_ih"), ("h2h_weight", "weight_hh"), ("i2h_bias", "bias_ih")):
                getattr(module, theirs).copy_(p[ours])
            module.bias_hh.copy_(p["h2h_bias"])

        def run(x, state):
            found = module(x, tuple(state.values()) if len(state) > 1 else state["h"])
            return dict(zip(state, found if len(state) > 1 else (found,), strict=True))

        return run

    def value(added, x):
        layer_input = list(x)
        for layer in range(network.num_layers):
            outs = []
            for direction in range(network.directions):
                k, run, out = layer * network.directions + direction, step(layer, direction), [None] * length
                state = {s: torch.from_numpy(np.array(a[k, n : n + 1])) for s, a in inputs.initial_state.items()}
                for t in range(length)[:: -1 if network.backward(direction) else 1]:
                    found = run(layer_input[t][None], state)
                    state = {s: found[s] for s in state}
                    state["h"] = state["h"] + added[layer, direction, t]
                    out[t] = state["h"][0]
                outs.append(out)
            if layer == where.layer:
                return outs[where.direction][where.timestep][where.unit]
            layer_input = [torch.cat(parts) for parts in zip(*outs, strict=True)]
        raise AssertionError

    added = torch.zeros((network.num_layers, network.directions, length, network.output_size), dtype=torch.float64)
    x = torch.from_numpy(np.array(inputs.sequence[:length, n]))
    hidden, of_input = torch.autograd.functional.jacobian(value, (added, x))
    norms = np.zeros(result.shape[:3])
    norms[:, :, :length] = hidden.norm(dim=-1).numpy()
    return norms, np.append(of_input.norm(dim=-1).numpy(), np.zeros(inputs.timesteps - length))


@pytest.mark.parametrize(
    "cell",
    nightly_except(
        ["rnn_tanh", "lstm", "gru", "gru_reset_before", "lstm_peephole", "lstm_projection"], "lstm_projection"
    ),
)
def test_every_cell_equals_torch(cell, monkeypatch):
    monkeypatch.setattr("rnnviz.dependence.influence._BACKWARD_VALUES", 40)
    sizes = {"cell": "lstm", "projection_size": 3} if cell == "lstm_projection" else {"cell": cell}
    result = make_result(num_layers=2, bidirectional=True, dtype="float64", timesteps=7, lengths=[7, 5], **sizes)
    for where in (Location(1, 0, 3, 1, 2), Location(1, 1, 0, 0, 1), Location(0, 1, 4, 1, 0)):
        hidden, inputs = by_torch(result, where)
        of = influence(result, where, "manual")
        np.testing.assert_allclose(of.hidden, hidden, rtol=1e-9, atol=1e-14)
        np.testing.assert_allclose(of.inputs, inputs, rtol=1e-9, atol=1e-14)
        assert of.hidden[where.index[:3]] == 1.0
        assert of.largest >= 1.0


def test_a_reversed_network_is_influenced_by_later_steps():
    result = make_result(cell="gru", reverse=True, num_layers=2, dtype="float64", timesteps=6)
    where = Location(1, 0, 2, 1, 1, reverse=True)
    of = influence(result, where, "manual")
    np.testing.assert_allclose(of.hidden, by_torch(result, where)[0], rtol=1e-9, atol=1e-14)
    assert (of.hidden[:, :, 2:] > 0.0).all()
    assert not of.hidden[:, :, :2].any()


def test_an_engine_without_cell_states_has_them_derived():
    result = make_result(cell="lstm", num_layers=2, timesteps=9)
    without = replace(result, traces={**result.traces, "gluon": result["gluon"].with_arrays({"c": None})})
    where = Location(1, 0, 8, 1, 2)
    np.testing.assert_allclose(influence(without, where).hidden, influence(result, where, "manual").hidden, rtol=1e-5)


def test_a_recording_without_lower_layers_knows_that_of_none():
    result = make_result(num_layers=2)
    lacking = replace(result["manual"], missing=frozenset({"h"}))
    result = replace(result, traces={**result.traces, "manual": lacking})
    assert not is_known(result, Location(1), "manual")
    with pytest.raises(InputError):
        influence(result, Location(1), "manual")


def test_it_can_be_canceled():
    class Canceled(Exception):
        pass

    def cancel(fraction):
        raise Canceled

    result = make_result()
    with pytest.raises(Canceled):
        influence(result, Location(), check=cancel)
