"""Cell states that follow from a trace: how far back is read for them, and what is kept for the next look."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from rnnviz.cells.interpreters.arrays import ArrayBlock
from rnnviz.cells.interpreters.bounded import BoundedBlock
from rnnviz.cells.interpreters.graph import Node
from rnnviz.cells.interpreters.graph import trace as graph_of
from rnnviz.cells.interpreters.running_error import BoundedArray
from rnnviz.cells.lstm import LSTM
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.engines.manual import ManualEngine
from rnnviz.steps import states
from rnnviz.steps.inputs import bounded_layer, rounded_once
from rnnviz.steps.states import CellStates, SampleUnitBlock
from tests.oracles.computed import computed
from tests.oracles.gates import gates_of
from tests.profiles import nightly_except
from tests.verify.audit_helpers import inputs_of, with_parameters
from tests.verify.traces import trace_of

T, N, H = 40, 3, 4


def lstm(forget_bias: float, dtype: str = "float64", timesteps: int = T) -> tuple[Inputs, Trace]:
    """Two layers in both directions, and a trace of random hidden states: c follows from any."""
    network = {"cell": "lstm", "hidden_size": H, "num_layers": 2, "bidirectional": True, "dtype": dtype}
    inputs = inputs_of({"timesteps": timesteps, "batch_size": N}, **network)

    def change(name: str, array: FloatArray) -> FloatArray:
        if name.endswith("h2h_bias"):
            array[H : 2 * H] += forget_bias
        return array

    hidden = np.random.default_rng(1).uniform(-1, 1, (2, 2, timesteps, N, H)).astype(dtype)
    return with_parameters(inputs, change), trace_of(hidden, "manual")


def steady(dtype: str = "float64", timesteps: int = 200) -> tuple[Inputs, Trace]:
    """A forget gate of one half at every step, and an initial cell state of 2: after k steps 2 ** (1 - k) is left."""
    inputs, trace = lstm(0.0, dtype, timesteps)
    inputs = with_parameters(inputs, lambda name, array: np.zeros_like(array))
    c0 = np.full_like(inputs.initial_state["h"], 2.0)
    return replace(inputs, initial_state={**inputs.initial_state, "c": c0}), trace


CASES = {bias: lstm(bias) for bias in (-4.0, 0.0, 40.0)}


def own_blocks(inputs: Inputs, trace: Trace):
    """Blocks whose gates are computed in plain Python."""
    known = gates_of(inputs, trace.hidden)

    class Block(ArrayBlock):
        def leaf(self, node: Node) -> Any:
            raise AssertionError(node)

    def read(columns: SampleUnitBlock, times: slice) -> Block:
        at = columns.layer, columns.direction, times, slice(*columns.samples), slice(*columns.units)
        block = Block(graph_of(LSTM), times.stop - times.start)
        block.known = {block.graph.values[name]: known[name][at] for name in "ifgo"}
        return block

    return read


def small_searches(monkeypatch: pytest.MonkeyPatch, first: int, largest: int, block: int) -> None:
    """Look back `first` steps, at most `largest`, and go forwards by `block` steps of one sample."""
    values = {"_FIRST_LOOK": first, "_LARGEST_LOOK": largest, "_BLOCK_VALUES": block * H}
    for name, value in values.items():
        monkeypatch.setattr(states, name, value)


@pytest.fixture
def read(monkeypatch):
    """The time steps of the trace that were read, block by block."""
    blocks: list[tuple[int, int]] = []
    real = states.layer_input

    def noted(inputs, trace, layer, times, samples):
        blocks.append((times.start, times.stop))
        return real(inputs, trace, layer, times, samples)

    monkeypatch.setattr(states, "layer_input", noted)
    return blocks


@pytest.mark.parametrize(("bias", "given"), nightly_except(product(CASES, [False, True]), (0.0, True), (40.0, False)))
def test_c_of_any_columns_at_any_step_is_that_of_plain_python(bias, given, monkeypatch):
    small_searches(monkeypatch, 4, 16, 7)
    inputs, trace = CASES[bias]
    c0 = inputs.initial_state.get("c")
    assert c0 is not None
    c = gates_of(inputs, trace.hidden)["c"]
    cells = CellStates(inputs, trace, blocks=own_blocks(inputs, trace) if given else None)
    columns = [(slice(0, N), slice(0, H)), (slice(1, 3), slice(2, 3)), (slice(2, 3), slice(0, 3))]
    for t, (layer, direction, (samples, units)) in product((25, 0, 39), product((0, 1), (0, 1), columns)):
        before = t + 1 if direction else t - 1
        own = c0[2 * layer + direction] if before in (-1, T) else c[layer, direction, before]
        found = cells.before(layer, direction, t, samples, units)
        np.testing.assert_allclose(found.value, own[samples, units], rtol=1e-12, atol=1e-14)
        assert found.eps == 2.0**-52
        times = slice(t, min(t + 9, T))
        after = cells.after(layer, direction, times, samples, units)
        np.testing.assert_allclose(after.value, c[layer, direction, times, samples, units], rtol=1e-12, atol=1e-14)
        assert after.bound.shape == after.value.shape
        assert np.isnan(after.bound).all() == given


@pytest.mark.parametrize("direction", [0, 1])
def test_the_bounds_are_at_most_those_of_the_recurrence_from_its_start(direction):
    inputs, _ = CASES[40.0]
    trace = computed(ManualEngine(), inputs)[0].with_arrays({"c": None})
    c0 = inputs.initial_state.get("c")
    assert c0 is not None
    layer = bounded_layer(inputs, trace, 0, direction, np.arange(1, 4))
    c = BoundedArray(c0[direction, 1:3, 1:4].astype(np.float64), np.zeros((2, 3)), trace.eps)
    h = inputs.initial_state["h"][direction, 1:3]
    cells, narrowed = CellStates(inputs, trace), False
    for t in reversed(range(T)) if direction else range(T):
        found = cells.before(0, direction, t, slice(1, 3), slice(1, 4))
        assert_bounds(found.bound, c.bound, sure=narrowed)
        before = c
        c = BoundedBlock(layer, inputs.sequence[t : t + 1, 1:3], h[np.newaxis], {}, 0).follow({"c": c})[1]["c"]
        h = trace.hidden[0, direction, t, 1:3]
        after = CellStates(inputs, trace).after(0, direction, slice(t, t + 1), slice(1, 3), slice(1, 4))
        assert_bounds(after.bound[0], c.bound, sure=narrowed)
        narrowed |= t % 17 == 16
    assert found.bound.sum() < 0.95 * before.bound.sum()


def assert_bounds(found: np.ndarray, followed: np.ndarray, *, sure: bool) -> None:
    """Bounds of the recurrence as it is followed; less, where a hidden value on the way says more of c."""
    if sure:
        assert (found <= 1.01 * followed).all()
    else:
        np.testing.assert_allclose(found, followed, rtol=1e-9)


def test_cell_states_of_an_engine_are_as_exact_as_its_precision():
    inputs, trace = lstm(0.0, "float32")
    cell = np.random.default_rng(2).normal(size=trace.hidden.shape).astype(np.float32)
    told = trace.with_arrays({"c": cell})
    cells = CellStates(inputs, told)
    for direction, t, before in ((0, 9, 8), (1, 9, 10)):
        found = cells.before(1, direction, t, slice(1, 3), slice(0, 2))
        assert np.array_equal(found.value, cell[1, direction, before, 1:3, 0:2])
        assert found.bound == pytest.approx(np.abs(found.value) * 2.0**-23)
        assert (found.value.dtype, found.eps) == (np.float64, 2.0**-23)
        after = cells.after(1, direction, slice(3, 6), slice(1, 3), slice(0, 2))
        assert np.array_equal(after.value, cell[1, direction, 3:6, 1:3, 0:2])
    initial = cells.before(1, 1, T - 1, slice(0, N), slice(0, H))
    assert inputs.initial_state.get("c") is not None
    assert np.array_equal(initial.value, inputs.initial_state["c"][3])
    assert not initial.bound.any()
    assert cells._checkpoints.used == 0


@pytest.mark.parametrize(
    ("dtype", "steps"),
    [
        # |c| is at most 2 + 126 before step 126, and 2 ** -k of it is below 2 ** -60, or 2 ** -20 times float32's eps.
        ("float64", 68),
        ("float32", 51),
    ],
)
@pytest.mark.parametrize("direction", [0, 1])
def test_no_more_is_read_than_counts(dtype, steps, direction, read, monkeypatch):
    inputs, trace = steady(dtype)
    t = 200 - 1 - 126 if direction else 126
    for first, blocks in ((steps, [(126 - steps, 126)]), (steps - 1, [(127 - steps, 126), (0, 127 - steps)])):
        small_searches(monkeypatch, first, 4096, 1)
        read.clear()
        c = CellStates(inputs, trace).before(0, direction, t, slice(0, 1), slice(0, H))
        assert read == [(200 - stop, 200 - start) if direction else (start, stop) for start, stop in blocks]
        assert np.abs(c.value).max() < 1e-15
        assert not c.value.any() or first < steps


def test_a_search_continues_until_the_last_unit_has_forgotten(read):
    inputs, trace = steady()

    def change(name, array):
        if name == "l0_h2h_bias":
            array[H + 2] = 40.0
        return array

    cells = CellStates(with_parameters(inputs, change), trace)
    cells.before(0, 0, 150, slice(0, 1), slice(0, 2))
    assert read == [(86, 150), (0, 86)]
    found = cells.before(0, 0, 150, slice(0, 1), slice(0, H))
    assert found.value[0] == pytest.approx([0.0, 0.0, 2.0, 0.0])


def steps_read(cells: CellStates, read: list[tuple[int, int]], t: int, units: slice = slice(0, H)) -> int:
    """How many steps it takes to find c before a step of a lane that does not forget."""
    read.clear()
    cells.before(0, 0, t, slice(0, 1), units)
    return sum(stop - start for start, stop in read)


def test_the_path_starts_at_the_nearest_known_step(read, monkeypatch):
    small_searches(monkeypatch, 1, 1, 10)
    inputs, trace = CASES[40.0]
    cells = CellStates(inputs, trace)
    # One step back in vain each time, unless that leads to what is known.
    assert steps_read(cells, read, 35) == 1 + 35
    assert [steps_read(cells, read, t) for t in (35, 36, 30, 20, 10)] == [0, 1, 0, 0, 0]
    assert [steps_read(cells, read, t) for t in (18, 17, 19, 33)] == [1 + 8, 1 + 7, 1, 1 + 3]
    assert steps_read(cells, read, 35, slice(0, 2)) == 1 + 35
    assert cells._checkpoints.used == 9 * (2 * H * 8) + 4 * (2 * 2 * 8)
    # States after some time steps are kept as well.
    cells.after(0, 0, slice(36, 38), slice(0, 1), slice(0, H))
    assert steps_read(cells, read, 38) == 0


def test_every_other_checkpoint_is_kept_when_the_budget_is_spent(read, monkeypatch):
    small_searches(monkeypatch, 1, 1, 5)
    inputs, trace = CASES[40.0]
    size = 2 * H * 8
    cells = CellStates(inputs, trace, budget=4 * size)
    steps_read(cells, read, 30)
    # 5, 10, 15, 20, 25 leave 5, 15 and 25; then 30 fits.
    assert cells._checkpoints.used == 4 * size
    assert [steps_read(cells, read, t) for t in (5, 15, 25, 30)] == [0, 0, 0, 0]
    # A fifth place: 5, 15 and the last one stay, and what lies between begins at the one before.
    assert steps_read(cells, read, 38) == 1 + 8
    assert cells._checkpoints.used == 4 * size
    assert steps_read(cells, read, 35) == 0
    small = CellStates(inputs, trace, budget=1)
    steps_read(small, read, 30)
    assert small._checkpoints.used == size
    assert steps_read(small, read, 31) == 1


@pytest.mark.parametrize("direction", [0, 1])
def test_c_of_samples_of_different_lengths_is_that_of_each_sample_alone(direction):
    inputs, trace = CASES[0.0]
    lengths = (5, T, 12)
    padded = replace(inputs, lengths=lengths)
    samples, units, cells = slice(0, N), slice(1, 3), CellStates(padded, trace)
    for times in (slice(3, 9), slice(10, 14), slice(12, 13), slice(T - 2, T)):
        after = cells.after(1, direction, times, samples, units)
        before = cells.previous(1, direction, times, samples, units)
        assert after.value.shape == after.bound.shape == before.shape == (times.stop - times.start, N, 2)
        others = cells.after(1, direction, times, slice(1, N), units).value
        np.testing.assert_allclose(others, after.value[:, 1:], rtol=1e-12)
        for n, length in enumerate(lengths):
            c0 = {s: array[:, n : n + 1] for s, array in inputs.initial_state.items()}
            alone = replace(inputs, sequence=inputs.sequence[:length, n : n + 1], initial_state=c0)
            c = gates_of(alone, trace.hidden[:, :, :length, n : n + 1])["c"][1, direction, :, 0, units]
            initial = c0["c"][2 + direction, :, units]
            previous = np.concatenate([c[1:], initial] if direction else [initial, c[:-1]])
            for found, expected in ((after.value, c), (before, previous)):
                own = np.zeros((T, 2))
                own[:length] = expected
                np.testing.assert_allclose(found[:, n], own[times], rtol=1e-12, atol=1e-14)
            one = cells.before(1, direction, times.start, samples, units).value[n]
            np.testing.assert_allclose(one, before[0, n], rtol=1e-12, atol=1e-14)


def test_where_units_are_mixed_some_of_them_are_those_of_all():
    inputs = inputs_of({"timesteps": 6, "batch_size": 2}, cell="lstm", hidden_size=H, projection_size=2)
    assert inputs.network.graph.mixes_units
    trace = computed(ManualEngine(), inputs)[0]
    cells = CellStates(inputs, trace.with_arrays({"c": None}))
    after = cells.after(0, 0, slice(2, 5), slice(0, 2), slice(1, 3))
    np.testing.assert_allclose(after.value, trace["c"][0, 0, 2:5, :, 1:3], rtol=1e-5, atol=1e-6)
    before = cells.before(0, 0, 3, slice(0, 2), slice(1, 3))
    np.testing.assert_allclose(before.value, trace["c"][0, 0, 2, :, 1:3], rtol=1e-5, atol=1e-6)


def test_the_columns_that_were_not_used_for_longest_are_forgotten_first(read, monkeypatch):
    small_searches(monkeypatch, 1, 1, 40)
    cells = CellStates(*CASES[40.0], budget=2 * 2 * 2 * 8)
    first, second, third = slice(0, 2), slice(1, 3), slice(2, 4)
    for units in (first, second, first):
        steps_read(cells, read, 30, units)
    assert [steps_read(cells, read, 30, units) for units in (third, first, second)] == [1 + 30, 0, 1 + 30]
    assert cells._checkpoints.used == 2 * 2 * 2 * 8


def test_a_recorded_gradient_of_an_output_is_rounded_once_more():
    _, trace = CASES[0.0]
    d = BoundedArray(np.array([-2.0]), np.array([0.25]), 2.0**-10)
    assert rounded_once(replace(trace, computed_in="float16"), d).bound.tolist() == [0.25 + 2.0 * 2.0**-10]
    assert rounded_once(trace, d) is d


def test_nonfinite_values_are_computed_without_a_warning():
    inputs, trace = CASES[0.0]
    hidden = np.array(trace.hidden)
    hidden[0, 0, 5] = np.inf
    cells = CellStates(inputs, trace.with_arrays({"h": hidden}))
    assert np.isnan(cells.before(0, 0, 8, slice(0, N), slice(0, H)).value).any()
    found = cells.after(0, 0, slice(4, 9), slice(0, N), slice(0, H))
    assert np.isfinite(found.value[:2]).all()
    assert np.isnan(found.value[2:]).any()


def test_a_long_path_can_be_interrupted_and_continues_from_there():
    inputs, trace = CASES[40.0]
    cells = CellStates(inputs, trace)

    def give_up():
        raise InterruptedError

    cells.interrupt = give_up
    with pytest.raises(InterruptedError):
        cells.before(0, 0, T - 1, slice(0, N), slice(0, H))
    cells.interrupt = lambda: None
    found = cells.before(0, 0, T - 1, slice(0, N), slice(0, H)).value
    np.testing.assert_allclose(found, gates_of(inputs, trace.hidden)["c"][0, 0, T - 2], rtol=1e-12, atol=1e-14)
