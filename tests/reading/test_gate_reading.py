"""Reading gates: plain Python's numbers from any part of a lane, piece by piece, and no weights read twice."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.core import byte_cache
from rnnviz.core.byte_cache import FLOORS
from rnnviz.core.config import CELL_NAMES
from rnnviz.core.parameters import LayerParameters, Parameters
from rnnviz.core.trace import Trace
from rnnviz.reading import gates
from rnnviz.reading.gates import GateQuantity, GateReader, gate_blocks, gate_quantities
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.oracles.gates import gates_of
from tests.profiles import nightly_except

T, N, H = 6, 3, 4
_RESULTS: dict[tuple[str, str], RunResult] = {}


def result_of(cell: str, dtype: str = "float64") -> RunResult:
    """Both directions of two layers, whose dimensions all differ; the engine does not know its cell states."""
    if (cell, dtype) not in _RESULTS:
        sizes = {"timesteps": T, "batch_size": N, "input_size": 5, "hidden_size": H}
        made = make_result(cell=cell, num_layers=2, bidirectional=True, dtype=dtype, **sizes)
        traces = {name: trace.with_arrays({"c": None}) for name, trace in made.traces.items()}
        _RESULTS[cell, dtype] = replace(made, traces=traces)
    return _RESULTS[cell, dtype]


def expected_of(result: RunResult, trace: Trace) -> dict[str, np.ndarray]:
    """Every quantity by name, (L, D, T, N, H) or of the norm (L, D, T, N, 1)."""
    hidden = trace.hidden.astype(np.float64)
    h0 = result.inputs.initial_state["h"].reshape(2, 2, 1, N, H)
    before = np.stack(
        [np.concatenate([h0[:, 0], hidden[:, 0, :-1]], 1), np.concatenate([hidden[:, 1, 1:], h0[:, 1]], 1)], 1
    )
    norm = np.sqrt((hidden**2).sum(-1, keepdims=True))
    return {**gates_of(result.inputs, trace.hidden), "change": hidden - before, "norm": norm}


@pytest.mark.parametrize("values_at_a_time", nightly_except((1, 48, 1 << 20), 48))
@pytest.mark.parametrize("cell", CELL_NAMES)
def test_any_part_of_a_lane_is_that_of_plain_python(
    cell: str, values_at_a_time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gates, "_BLOCK_VALUES", values_at_a_time)
    result = result_of(cell)
    reader = GateReader(result.inputs, result["manual"])
    expected = expected_of(result, result["manual"])
    for times, samples, units in ((slice(0, T), slice(0, N), slice(0, H)), (slice(1, 4), slice(1, 3), slice(2, 4))):
        for layer, direction in product(range(2), range(2)):
            found = reader.samples(layer, direction, samples, tuple(expected), times, units)
            for name, whole in expected.items():
                own = whole[layer, direction, times, samples, slice(0, 1) if name == "norm" else units]
                np.testing.assert_allclose(found[name], own, rtol=1e-12, atol=1e-14, err_msg=name)
                one = reader.lane(layer, direction, 2, name, times, units)
                whole_one = whole[layer, direction, times, 2, slice(0, 1) if name == "norm" else units]
                np.testing.assert_allclose(one, whole_one, rtol=1e-12, atol=1e-14, err_msg=name)


def test_a_float32_trace_is_computed_in_float64_and_returned_in_float32() -> None:
    result = result_of("gru", "float32")
    for name, whole in expected_of(result, result["manual"]).items():
        found = GateReader(result.inputs, result["manual"]).lane(1, 1, 2, name, slice(0, T), slice(0, H))
        assert found.dtype == np.float32
        np.testing.assert_array_max_ulp(found, whole[1, 1, :, 2].astype(np.float32), 1)


def test_nonfinite_and_huge_numbers_follow_arithmetic_without_a_warning() -> None:
    result = result_of("lstm")
    hidden = np.array(result["manual"].hidden)
    hidden[0, 0, 2, 1, 0], hidden[0, 0, 4, 1, 0] = 1e200, np.inf
    trace = result["manual"].with_arrays({"h": hidden})
    norm = GateReader(result.inputs, trace).lane(0, 0, 1, "norm", slice(0, T), slice(0, H))
    assert np.isinf(norm).ravel().tolist() == [False, False, True, False, True, False]
    forget = GateReader(result.inputs, trace).lane(0, 0, 1, "f", slice(0, T), slice(0, H))
    assert set(forget[3]) | set(forget[5]) <= {0.0, 1.0}
    c = GateReader(result.inputs, trace).lane(0, 0, 1, "c", slice(0, T), slice(0, H))
    assert np.isfinite(c).all()


@pytest.mark.parametrize("direction", [0, 1])
def test_blocks_follow_each_other_as_large_as_is_asked_or_as_fits(
    direction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = result_of("lstm")
    expected = expected_of(result, result["manual"])
    for length, fitting, starts in ((4, 1, [0, 4]), (None, 2 * N * H, [0, 2, 4]), (None, 1, [0, 1, 2, 3, 4, 5])):
        monkeypatch.setattr(gates, "_EXPORTED_VALUES", fitting)
        blocks = list(gate_blocks(result.inputs, result["manual"], 1, direction, ["c", "norm"], length))
        assert [times.start for times, _ in blocks] == starts
        assert [times.stop for times, _ in blocks] == [*starts[1:], T]
        for name in ("c", "norm"):
            joined = np.concatenate([values[name] for _, values in blocks])
            np.testing.assert_allclose(joined, expected[name][1, direction], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("values", "layer", "samples", "lengths"),
    [
        # A layer reads 5 features or 4 units of itself, and the second one 8 of the layer below.
        (8 * 2 * 2, 0, slice(0, 2), [2, 2, 2]),
        (8 * 3 * 4, 1, slice(0, 3), [4, 2]),
        (8 * 4 + 31, 1, slice(1, 2), [6]),
        (8 * 3, 0, slice(0, 3), [1] * 6),
        (1, 0, slice(0, 3), [1] * 6),
    ],
)
@pytest.mark.parametrize("direction", [0, 1])
def test_reads_are_limited_and_in_the_order_of_computation(
    values: int, layer: int, samples: slice, lengths: list[int], direction: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[slice] = []
    real = gates.layer_input

    def counting(inputs: Any, trace: Any, layer: int, times: slice, samples: Any) -> Any:
        read.append(times)
        return real(inputs, trace, layer, times, samples)

    monkeypatch.setattr(gates, "layer_input", counting)
    monkeypatch.setattr(gates, "_BLOCK_VALUES", values)
    result = result_of("gru")
    reader = GateReader(result.inputs, result["manual"])
    reader.samples(layer, direction, samples, ("z", "pre_z", "r"), slice(0, T), slice(0, H))
    stops = np.cumsum(lengths).tolist()
    pieces = [slice(stop - length, stop) for stop, length in zip(stops, lengths, strict=True)]
    assert read == (pieces[::-1] if direction else pieces)


class Counted(Parameters):
    """Parameters that count how often a layer's are asked for."""

    asked = 0

    def layer(self, layer: int, direction: int) -> LayerParameters:
        """The same, counted."""
        type(self).asked += 1
        return super().layer(layer, direction)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], GateReader]:
    """Makes a reader whose cache of weights has this limit."""
    result = result_of("lstm")
    Counted.asked = 0
    parameters = Counted(result.inputs.network, dict(result.inputs.parameters.items()))

    def counted(limit: int) -> GateReader:
        monkeypatch.setattr(byte_cache, "LIMIT", 0)
        monkeypatch.setitem(FLOORS, "weights", limit)
        return GateReader(replace(result.inputs, parameters=parameters), result["manual"])

    return counted


def asked(reader: GateReader, *gates_read: str) -> list[int]:
    """How often parameters were read for each of some gates, one after the other."""
    counts = []
    for name in gates_read:
        before = Counted.asked
        reader.lane(1, 0, 0, "pre_" + name, slice(0, 1), slice(0, H))
        counts.append(Counted.asked - before)
    return counts


def test_weights_are_read_once_while_the_cache_holds_them(counted: Callable[[int], GateReader]) -> None:
    one_gate = H * (2 * H + H) * 8
    # Two fit, and the least recently used one is dropped.
    assert asked(counted(2 * one_gate), "i", "f", "i", "g", "i", "f", "g") == [1, 1, 0, 1, 0, 1, 1]
    assert asked(counted(2 * one_gate - 1), "i", "f", "f", "i") == [1, 1, 0, 1]
    assert asked(counted(0), "o", "o", "g", "o") == [1, 0, 1, 1]
    assert asked(counted(4 * one_gate), "i", "f", "g", "o", "i", "f", "g", "o") == [1, 1, 1, 1, 0, 0, 0, 0]


def test_a_cells_quantities_have_their_names_and_limits() -> None:
    change = GateQuantity("change", "change from the previous step", None, None, True)
    norm = GateQuantity("norm", "norm of the hidden state", 0.0, None, False)
    assert gate_quantities(CELLS["lstm"]) == (
        GateQuantity("i", "input gate", 0.0, 1.0),
        GateQuantity("f", "forget gate", 0.0, 1.0),
        GateQuantity("g", "candidate", -1.0, 1.0),
        GateQuantity("o", "output gate", 0.0, 1.0),
        GateQuantity("c", "cell state"),
        GateQuantity("pre_i", "pre-activation of i"),
        GateQuantity("pre_f", "pre-activation of f"),
        GateQuantity("pre_g", "pre-activation of g"),
        GateQuantity("pre_o", "pre-activation of o"),
        change,
        norm,
    )
    assert gate_quantities(CELLS["rnn_relu"]) == (GateQuantity("pre_h", "pre-activation of h"), change, norm)


def test_the_error_of_a_quantity_that_a_cell_lacks_lists_those_that_it_has() -> None:
    result = result_of("gru")
    with pytest.raises(KeyError) as refused:
        GateReader(result.inputs, result["manual"]).lane(0, 0, 0, "f", slice(0, 1), slice(0, 1))
    assert refused.value.args == (
        "f is not a quantity of the cell gru: it has r, z, n, pre_r, pre_z, pre_n, change, norm",
    )
