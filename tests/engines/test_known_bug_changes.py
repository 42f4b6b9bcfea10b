"""Parameters as code with a known bug reads them, from arrays of one layer."""

import numpy as np
import pytest

from rnnviz.cells import CELLS, CellSpec, Sizes, Step, Values
from rnnviz.core.config import Network
from rnnviz.core.parameters import LayerParameters
from rnnviz.engines.known_bugs import changes
from rnnviz.engines.known_bugs.changes import BugVariant, ParameterChange

SIZES = Sizes(2, 3, 2)
"""I, H and P."""


def parameters_of(name: str) -> tuple[CellSpec, LayerParameters]:
    """A cell and arrays in which every number is another one."""
    cell, count = CELLS[name], 1.0
    arrays = {}
    for key, shape in cell.parameter_shapes(SIZES if CELLS[name].projects else Sizes(2, 3)).items():
        arrays[key] = count + np.arange(np.prod(shape)).reshape(shape)
        count += arrays[key].size
    return cell, LayerParameters(**arrays)


def changed(change: ParameterChange, name: str) -> tuple[LayerParameters, LayerParameters, set[str]]:
    """The parameters before and after a change, and the names of those that differ; the change copies."""
    cell, before = parameters_of(name)
    kept = {key: array.copy() for key, array in vars(before).items()}
    after = change(cell, before)
    assert all(np.array_equal(array, kept[key]) for key, array in vars(before).items())
    assert {key: array.shape for key, array in vars(after).items()} == {key: a.shape for key, a in kept.items()}
    return before, after, {key for key, array in vars(after).items() if not np.array_equal(array, kept[key])}


@pytest.mark.parametrize("side", ["i2h", "h2h"])
def test_a_bias_is_left_out(side: str) -> None:
    _, after, different = changed(getattr(changes, f"without_{side}_bias"), "lstm")
    assert different == {f"{side}_bias"}
    assert not getattr(after, f"{side}_bias").any()


def test_each_recurrent_block_is_transposed() -> None:
    before, after, different = changed(changes.h2h_transposed, "gru")
    assert different == {"h2h_weight"}
    expected = before.h2h_weight.reshape(3, 3, 3).swapaxes(1, 2).reshape(9, 3)
    np.testing.assert_array_equal(after.h2h_weight, expected)


def test_rows_are_read_in_another_order() -> None:
    before, after, different = changed(changes.read_in_order(("i", "o", "f", "g")), "lstm")
    assert different == {"i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias"}
    for key in different:
        blocks = dict(zip("iofg", np.split(getattr(before, key), 4), strict=True))
        np.testing.assert_array_equal(getattr(after, key), np.concatenate([blocks[gate] for gate in "ifgo"]))


def test_one_is_added_to_the_forget_bias() -> None:
    before, after, different = changed(changes.forget_bias_one, "lstm")
    assert different == {"h2h_bias"}
    np.testing.assert_array_equal(after.h2h_bias - before.h2h_bias, np.repeat([0.0, 1.0, 0.0, 0.0], 3))


def test_the_bias_of_the_candidate_moves_to_the_input_part() -> None:
    before, after, different = changed(changes.n_bias_outside_reset, "gru")
    assert different == {"i2h_bias", "h2h_bias"}
    moved = np.r_[np.zeros(6), before.h2h_bias[6:]]
    np.testing.assert_array_equal(after.i2h_bias, before.i2h_bias + moved)
    np.testing.assert_array_equal(after.h2h_bias, before.h2h_bias - moved)


@pytest.mark.parametrize(("name", "gate", "rows"), [("gru", "z", slice(3, 6)), ("lstm_peephole", "f", slice(3, 6))])
def test_a_gate_is_inverted(name: str, gate: str, rows: slice) -> None:
    before, after, different = changed(changes.gate_inverted(gate), name)
    own = {"c2f_weight"} if name == "lstm_peephole" else set()
    assert different == {"i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias"} | own
    for key in different:
        signs = np.ones_like(getattr(before, key))
        signs[... if key in own else rows] = -1.0
        np.testing.assert_array_equal(getattr(after, key), signs * getattr(before, key))


def test_a_projection_is_transposed() -> None:
    before, after, different = changed(changes.h2r_transposed, "lstm_projection")
    assert different == {"h2r_weight"}
    (a, b, c), (d, e, f) = before.h2r_weight
    np.testing.assert_array_equal(after.h2r_weight, [[a, d, b], [e, c, f]])


def test_peepholes_are_left_out_or_exchanged() -> None:
    _, after, different = changed(changes.without_peepholes, "lstm_peephole")
    assert different == {"c2i_weight", "c2f_weight", "c2o_weight"}
    assert not any(getattr(after, key).any() for key in different)
    before, after, different = changed(changes.peepholes_in_order_ifo, "lstm_peephole")
    assert different == {"c2f_weight", "c2o_weight"}
    np.testing.assert_array_equal(after.c2f_weight, before.c2o_weight)
    np.testing.assert_array_equal(after.c2o_weight, before.c2f_weight)


def test_peepholes_of_a_cell() -> None:
    assert set(changes.peepholes(CELLS["lstm_peephole"])) == {"c2i_weight", "c2f_weight", "c2o_weight"}
    assert changes.peepholes(CELLS["lstm_projection"]) == ()


def test_the_output_gate_sees_the_previous_cell_state() -> None:
    def step(u: Values, v: Values, state: Values, p: Values, *, gate: object = None) -> Step:
        return Step(c=2.0 * state.c, h=p.c2o_weight * (2.0 * state.c) + p.c2i_weight * state.c + u.o + v.o, gate=gate)

    values = (Values("u", {"o": 1.0}), Values("v", {"o": 10.0}), Values("state", {"c": 100.0}))
    p = Values("p", {"c2o_weight": 3.0, "c2i_weight": 5.0})
    found = changes.output_peephole_of_old_state(step)(*values, p, gate="g")
    assert dict(found) == {"c": 200.0, "h": 300.0 + 500.0 + 11.0, "gate": "g"}


@pytest.mark.parametrize("name", ["rnn_relu", "lstm", "gru"])
def test_a_clip_is_dropped_by_an_unclipped_fault_alone(name: str) -> None:
    clipped = Network(name, 3, 4, clip=1.0).kind
    assert BugVariant().changed(clipped) == clipped != CELLS[name]
    assert BugVariant(unclipped=True).changed(clipped) == CELLS[name]
