"""The compiled steps of cells: how many calls and buffers they take, and their loops."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest

from rnnviz.cells import CellSpec, ParameterSpec, Step, Values
from rnnviz.cells.activations import sigmoid, tanh
from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.numpy_program import NumpyProgram, program_source
from rnnviz.cells.interpreters.schedule import Call, Storage, schedule
from rnnviz.cells.lstm import LSTM
from tests.cases import cases
from tests.cells.layers import ALL_CELLS, draw_layer
from tests.cells.test_random_steps import random_cell

FIGURES = {name: tuple(figures) for name, figures in cases(__file__)["figures"].items()}
"""Calls of a step, also with all named values kept; buffers; gates with halved rows, and with a hoisted bias."""


@pytest.mark.parametrize("name", FIGURES)
def test_figures_of_a_step(name):
    cell = ALL_CELLS[name]
    plain, kept = schedule(cell), schedule(cell, tuple(trace(cell).values))
    halved = "".join(sorted({gate for _, gate in plain.halved}))
    hoisted = "".join(sorted(plain.hoisted))
    assert (len(plain.calls), len(kept.calls), plain.buffers, halved, hoisted) == FIGURES[name]
    assert plain.temporaries == ()


@pytest.mark.parametrize(("seed", "calls"), [(1043, 9), (1861, 5), (2267, 6)])
def test_an_operation_waits_for_others_of_its_kind(seed, calls):
    """The biases are added in one call, though one of the products is ready before the other."""
    assert len(schedule(random_cell(seed)).calls) == calls


PRODUCTS_LOOP = """\
def run(h, _all_u, _all_h_next):
    for u, h_next in zip(_all_u, _all_h_next):
        dot(h, W_h2h, product)
        add(v, b_i_and_g, v)
        multiply(u, v, v)
        tanh(v, v)
        multiply(v_i, v_g, h_next)
        h = h_next
    return h,
"""


def products_of_parts(u: Values, v: Values, state: Values, p: Values) -> Step:
    i, g = tanh(u.i * v.i), tanh(u.g * v.g)
    return Step(i=i, g=g, h=i * g)


def sigmoid_of_a_difference(u: Values, v: Values, state: Values, p: Values) -> Step:
    return Step(h=sigmoid(u.i - v.i - p.y * state.h + 0.25))


def test_halves_are_taken_in_the_rows_of_differences():
    cell = CellSpec("x", "", sigmoid_of_a_difference, LSTM.gates[:1], parameters=(ParameterSpec("y"),))
    assert schedule(cell).halved == {("u", "i"), ("v", "i")}
    assert [call.function for call in schedule(cell).calls].count("multiply") == 1


def test_biases_of_several_gates_are_added_at_once():
    cell = CellSpec("x", "", products_of_parts, LSTM.gates[:1] + LSTM.gates[2:3])
    source, first = program_source(cell), products_of_parts.__code__.co_firstlineno
    assert source.loop.text == PRODUCTS_LOOP
    # The line that asks for each call; for the product that is none.
    assert [lines for _, lines in source.lines] == [(), (first + 1,), (first + 1,), (first + 1,), (first + 2,)]


def test_a_failing_call_is_located_in_the_program_of_its_cell():
    run = program_source(LSTM).loop.bound_to({})
    with pytest.raises(NameError, match="dot") as caught:
        run(0, 0, [0], [0], [0])
    assert str(caught.traceback[-1].path).endswith("<program of lstm>")


# What a cell of the user's may do that those of the program do not: each is compared with its steps on arrays.


def states_exchanged(u: Values, v: Values, state: Values, p: Values) -> Step:
    """The new c is the old h itself, and h reads what c was."""
    h = sigmoid(u.i + v.i + state.c)
    return Step(h=h, c=state.h)


def one_value_under_two_names(u: Values, v: Values, state: Values, p: Values) -> Step:
    h = sigmoid(u.i + v.i)
    return Step(i=h, h=h, c=h)


def parts_used_twice(u: Values, v: Values, state: Values, p: Values) -> Step:
    """Neither biases nor halves may be moved into rows that something else reads, too."""
    i = sigmoid(u.i + v.i)
    g = u.i * v.i + sigmoid(v.g) + u.g
    return Step(i=i, g=g, h=i * g, c=2 * state.c - 0.5 * u.i)


def two_recurrent_parts(u: Values, v: Values, state: Values, p: Values) -> Step:
    i = sigmoid(u.i + v.i)
    g = sigmoid(u.g + v.g + (i * state.h).recurrent("g"))
    return Step(i=i, g=g, h=i * g, c=state.c)


def many_terms(u: Values, v: Values, state: Values, p: Values) -> Step:
    i = sigmoid(0.5 - (u.i - v.i) * 3 + state.c)
    g = sigmoid((u.g + (v.g + state.h)) + 1)
    return Step(i=i, g=g, h=g * state.h * i, c=i - g)


def parts_of_other_gates(u: Values, v: Values, state: Values, p: Values) -> Step:
    """The input part of one gate beside the recurrent part of the other."""
    i, g = sigmoid(u.i + v.g), sigmoid(u.g + v.i)
    return Step(i=i, g=g, h=i * g, c=state.c)


def rows_used_twice(u: Values, v: Values, state: Values, p: Values) -> Step:
    """Both products with the rows of g need these as they are, though a sigmoid reads one alone."""
    i = sigmoid(u.i + v.i)
    g = sigmoid(u.g + (i * state.h).recurrent("g"))
    return Step(i=i, g=g, h=i * tanh(i.recurrent("g")), c=g)


def values_that_are_not_computed(u: Values, v: Values, state: Values, p: Values) -> Step:
    return Step(i=u.i, g=state.c, h=sigmoid(u.g + v.g), c=2 * u.i)


def states_read_late(u: Values, v: Values, state: Values, p: Values) -> Step:
    """Both previous states are read after the new ones are known, each by another line."""
    c = sigmoid(u.i + v.i)
    i = sigmoid(u.g) * state.c
    h = sigmoid(i + c)
    return Step(c=c, i=i, h=h, g=h - state.h)


def an_input_part_kept_for_the_next_step(u: Values, v: Values, state: Values, p: Values) -> Step:
    """The new c is an input part, which a later line reads beside the previous c."""
    c = u.i
    g = sigmoid(u.i * state.c + u.g + v.g)
    return Step(c=c, g=g, h=g * c)


def a_state_that_stays(u: Values, v: Values, state: Values, p: Values) -> Step:
    """A later line reads c, and one more the previous h, whose new value has two names."""
    g = sigmoid(u.g + v.g + state.c)
    return Step(c=state.c, g=g, h=g, i=g * state.h)


def a_mean_with_its_weights_on_the_right(u: Values, v: Values, state: Values, p: Values) -> Step:
    i, g = sigmoid(u.i + v.i), tanh(u.g + v.g)
    return Step(i=i, g=g, h=g * (1 - i) + state.h * i, c=state.c)


def three_values_of_a_gate_at_once(u: Values, v: Values, state: Values, p: Values) -> Step:
    """What is read late takes a second buffer, and a third."""
    i = tanh(u.i + v.i)
    a, b = sigmoid(i), tanh(i * i)
    h = tanh(i - a * b)
    return Step(h=h * (a + i) * (b - a) + u.g, c=state.c)


UNUSUAL = [
    states_exchanged, one_value_under_two_names, parts_used_twice, two_recurrent_parts, many_terms,
    parts_of_other_gates, rows_used_twice, values_that_are_not_computed, states_read_late,
    an_input_part_kept_for_the_next_step, a_state_that_stays, a_mean_with_its_weights_on_the_right,
    three_values_of_a_gate_at_once,
]  # fmt: skip


def unusual_cell(step: Callable[..., Step]) -> CellSpec:
    return CellSpec(step.__name__, "", step, LSTM.gates[:1] + LSTM.gates[2:3], states=LSTM.states)


def test_unusual_steps():
    for step, dtype in product(UNUSUAL, ("float32", "float64")):
        cell = unusual_cell(step)
        layer = draw_layer(cell, timesteps=4, scale=0.4).in_type(dtype)
        names = tuple(name for name in trace(cell).values if name not in "hc")
        for order, wanted in product(("samples", "features"), (names, ())):
            out, state = layer.outputs(wanted), layer.state
            NumpyProgram(cell, layer.parameters, 3, wanted, order).run(layer.x, state, out)
            for t, x in enumerate(layer.x):
                state = step_values(cell, layer.parameters, x, state)
                for key, array in out.items():
                    np.testing.assert_allclose(
                        array[t], state[key], rtol=0.0, atol=3e-6 if dtype == "float32" else 1e-13, err_msg=cell.name
                    )


def test_a_state_that_no_operation_gives_is_copied():
    def step(u, v, state, p):
        return Step(h=sigmoid(u.i + v.i), c=state.h)

    assert Call("copyto", (Storage("state", "h"),), Storage("next", "c")) in schedule(unusual_cell(step)).calls


def test_a_gate_has_as_many_buffers_as_values_that_are_read_later():
    plan = schedule(unusual_cell(three_values_of_a_gate_at_once))
    assert plan.buffers == 2
    assert {call.out.kind for call in plan.calls} == {"v", "w0", "w1", "next"}


def test_biases_are_moved_out_of_nested_sums():
    """The parts of g are terms of one sum, however it is written; those of i are not added."""
    cell = CellSpec("many", "", many_terms, LSTM.gates[:1] + LSTM.gates[2:3], states=LSTM.states)
    assert schedule(cell).hoisted == {"g"}
    twice = CellSpec("twice", "", sum_used_twice, LSTM.gates[:1], states=LSTM.states)
    assert schedule(twice).hoisted == {"i"}


def sum_used_twice(u: Values, v: Values, state: Values, p: Values) -> Step:
    """The bias may be moved within the inner sum, of which the outer ones read the result."""
    inner = u.i + v.i
    return Step(h=sigmoid(inner + state.h), c=sigmoid(inner + state.c))


def products_in_a_step(u: Values, v: Values, state: Values, p: Values) -> Step:
    """Each product reads a value that nothing else reads, of its own size."""
    i = (tanh(u.i) * u.g).recurrent("i")
    return Step(i=i, h=p.w @ tanh(p.w @ tanh(i)))


def test_a_product_is_not_written_over_what_it_reads():
    """NumPy would allocate a copy of the operand in every step."""
    cell = CellSpec("products", "", products_in_a_step, LSTM.gates[:1] + LSTM.gates[2:3],
                    parameters=(ParameterSpec("w", ("H", "H"), "weight"),))  # fmt: skip
    calls = [call for call in schedule(cell).calls if call.function in ("recurrent", "matrix")]
    assert len(calls) == 3
    assert all(call.out not in call.operands for call in calls)
