"""Random steps: every interpreter gives the values of the step's own operations on arrays."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from rnnviz.cells import CellSpec, Gate, ParameterSpec, StateSpec, Step, Values
from rnnviz.cells.activations import clip, relu, sigmoid, tanh
from rnnviz.cells.interpreters.arrays import step_values
from rnnviz.cells.interpreters.bounded import BoundedBlock, BoundedLayer
from rnnviz.cells.interpreters.graph import trace
from rnnviz.cells.interpreters.numpy_program import NumpyProgram
from rnnviz.cells.interpreters.symbols import code_lines, helper_lines
from tests.cells.layers import DrawnLayer, draw_layer, gradients_of
from tests.cells.test_blocks import Block

GATES = (Gate("a", ""), Gate("b", ""))
PARAMETERS = (ParameterSpec("y"), ParameterSpec("z"), ParameterSpec("w", ("H", "H"), "weight"))
STATES = (StateSpec("h"), StateSpec("c"))
BATCH = 21
each_batch = pytest.mark.parametrize(
    "seeds",
    [pytest.param(range(n, n + BATCH), marks=pytest.mark.slow if n else (), id=str(n)) for n in range(0, 300, BATCH)],
)
"""Many steps in one test: whoever changes an interpreter sees the first failure soon."""


def random_cell(seed: int) -> CellSpec:
    """Up to nine operations, each on inputs, states, parameters or earlier results, some of which have names."""

    def step(u: Values, v: Values, state: Values, p: Values) -> Step:
        draw, named = random.Random(seed), {}
        pool = [u.a, u.b, v.a, v.b, state.h, state.c, p.y, p.z]
        operations: list[Callable[..., object]] = [
            lambda x, y: x + y, lambda x, y: x - y, lambda x, y: x * y, lambda x, _: 1 - x, lambda x, _: 0.5 * x,
            lambda x, y: sigmoid(x + y), lambda x, _: sigmoid(x), lambda x, _: tanh(x), lambda x, _: relu(x),
            lambda x, _: clip.with_constants(0.3)(x), lambda x, _: x.recurrent(draw.choice("ab")),
            lambda x, _: p.w @ x,
        ]  # fmt: skip
        for k in range(draw.randint(2, 9)):
            result = draw.choice(operations)(draw.choice(pool), draw.choice(pool))
            pool += [result] * draw.randint(1, 2)
            if draw.random() < 0.4:
                named[f"n{k}"] = result
        h = draw.choice(pool)
        values = [*named.items(), ("c", draw.choice(pool)), ("h", h if draw.random() < 0.2 else tanh(h))]
        return Step(**dict(draw.sample(values, len(values))))

    return CellSpec(f"random {seed}", "", step, GATES, states=STATES, parameters=PARAMETERS)


def layer_and_values(seed: int) -> tuple[DrawnLayer, dict[str, np.ndarray]]:
    """A layer of the cell, and its named values (T, N, H)."""
    layer = draw_layer(random_cell(seed), seed=seed, timesteps=3, scale=0.5)
    state = layer.state
    values: dict[str, list[np.ndarray]] = {name: [] for name in trace(layer.cell).values}
    for x in layer.x:
        state = step_values(layer.cell, layer.parameters, x, state)
        for name, found in values.items():
            found.append(np.broadcast_to(state[name], (3, 4)))
    return layer, {name: np.stack(found) for name, found in values.items()}


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, array in found.items():
        # A value of parameters alone is there once for all samples.
        np.testing.assert_allclose(
            np.broadcast_to(array, expected[name].shape), expected[name], rtol=1e-9, atol=1e-10, err_msg=name
        )


@each_batch
def test_the_compiled_calls(seeds):
    for seed in seeds:
        layer, expected = layer_and_values(seed)
        every = tuple(name for name in expected if name not in "hc")
        for order in ("samples", "features"):
            for names in (every, ()):
                out = layer.outputs(names)
                NumpyProgram(layer.cell, layer.parameters, 3, names, order).run(layer.x, layer.state, out)
                assert_equal(out, expected)


@each_batch
def test_the_source_of_a_notebook(seeds):
    for seed in seeds:
        layer, expected = layer_and_values(seed)
        lines = code_lines(layer.cell)
        source, names = "\n".join([*helper_lines(lines), *lines]), layer.parameters | layer.state | {"np": np}
        for t, x in enumerate(layer.x):
            names["x"] = x
            exec(source, names)
            assert_equal({name: names[name] for name in "hc"}, {name: expected[name][t] for name in "hc"})


@each_batch
def test_values_with_bounds(seeds):
    for seed in seeds:
        layer, expected = layer_and_values(seed)
        bounded = BoundedLayer(layer.cell, layer.parameters)
        carried, before = {"c": bounded.leaf(layer.state["c"])}, layer.before(expected["h"])
        found, _ = BoundedBlock(bounded, layer.x, before, {}, 0).follow(carried, tuple(expected))
        assert_equal({name: value.value for name, value in found.items()}, expected)


@each_batch
def test_values_of_a_block_of_arrays(seeds):
    for seed in seeds:
        layer, expected = layer_and_values(seed)
        found, _ = Block(layer, expected["h"]).follow({"c": layer.state["c"]}, tuple(expected))
        assert_equal(found, expected)


@each_batch
def test_gradients_are_those_of_finite_differences(seeds):
    """The loss is a sum of h at every step and of the last states, along one direction in the space of all inputs."""
    for seed in seeds:
        layer, _ = layer_and_values(seed)
        generator = np.random.default_rng(seed)
        given = {"x": layer.x, **{f"s.{k}": v for k, v in layer.state.items()}, **layer.parameters}
        along = {name: generator.normal(size=array.shape) for name, array in given.items()}
        direct, final = generator.normal(size=(3, 3, 4)), {name: np.ones((3, 4)) for name in "hc"}
        gradients = gradients_of(layer, direct, final)
        found = {"x": gradients.x, **{f"s.{k}": v for k, v in gradients.before.items()}, **gradients.parameters}
        slope = sum(float(np.vdot(found[name], along[name])) for name in given)
        below, above = (
            _loss(layer.cell, {name: a + d * along[name] for name, a in given.items()}, direct) for d in (-1e-6, 1e-6)
        )
        assert slope == pytest.approx((above - below) / 2e-6, rel=1e-5, abs=1e-5), seed


def _loss(cell: CellSpec, given: dict[str, np.ndarray], direct: np.ndarray) -> float:
    state, loss = {name: given[f"s.{name}"] for name in "hc"}, 0.0
    for x, weight in zip(given["x"], direct, strict=True):
        values = step_values(cell, given, x, state)
        state = {name: np.broadcast_to(values[name], (3, 4)) for name in "hc"}
        loss += float((weight * state["h"]).sum())
    return loss + float(sum(array.sum() for array in state.values()))
