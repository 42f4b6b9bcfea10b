"""How a parameter of one network follows from that of another one: each relation, and the tolerance of equality."""

from collections.abc import Callable

import numpy as np
import pytest

from rnnviz.cells import CELLS
from rnnviz.verify.parameter_relations import BIAS_SUM, BIASES_EXCHANGED, Tolerance, parameter_differences

Arrays = dict[str, np.ndarray]
EXACT = Tolerance(0.0, 1e-9)
LSTM = CELLS["lstm"]
SIZE = 4


def lanes(prefixes: str = "lr", layers: int = 1) -> Arrays:
    """Random parameters of an LSTM with four features and four units, in some directions and layers."""
    drawn, found = np.random.default_rng(3), Arrays()
    for layer in range(layers):
        for side in prefixes:
            for kind, shape in (
                ("i2h_weight", (16, 4)),
                ("h2h_weight", (16, 4)),
                ("i2h_bias", (16,)),
                ("h2h_bias", (16,)),
            ):
                found[f"{side}{layer}_{kind}"] = drawn.normal(size=shape)
    return found


def relations(b: Arrays, a: Arrays | None = None, tolerance: Tolerance = EXACT) -> dict[str, str | None]:
    """The relations of the parameters that differ."""
    found = parameter_differences(LSTM, lanes() if a is None else a, b, tolerance)
    return {own.name: own.relation for own in found if own.differs}


def gates_of(array: np.ndarray, order: list[int]) -> np.ndarray:
    return np.concatenate([np.split(array, 4)[k] for k in order])


def by_gate(array: np.ndarray, change: Callable[[np.ndarray], np.ndarray], *gates: int) -> np.ndarray:
    return np.concatenate([change(part) if k in gates else part for k, part in enumerate(np.split(array, 4))])


def nudged(array: np.ndarray, index: tuple[int, ...], by: float) -> np.ndarray:
    found = array.copy()
    found[index] += by
    return found


W = lanes()["l0_i2h_weight"]
CHANGES: dict[str, tuple[np.ndarray, str | None]] = {
    "zeros": (0.0 * W, "all zeros in B"),
    "gate order": (gates_of(W, [0, 1, 3, 2]), "rows permuted: gates in the order i, f, o, g instead of i, f, g, o"),
    "gate order of transposed blocks": (
        np.concatenate([np.split(W, 4)[k].T for k in (3, 1, 2, 0)]),
        "rows permuted: gates in the order o, f, g, i instead of i, f, g, o, each transposed",
    ),
    "one gate transposed": (by_gate(W, np.transpose, 2), "gate g: transposed"),
    "two gates negated": (by_gate(W, np.negative, 0, 3), "gates i and o: the sign is changed"),
    "each gate transposed": (by_gate(W, np.transpose, 0, 1, 2, 3), "each gate: transposed"),
    "two gates in two ways": (by_gate(by_gate(W, np.transpose, 0), np.negative, 1), "only gates i and f differ"),
    "columns": (W.T.reshape(W.shape), "transposed: the numbers are in the order of the columns"),
    "rows": (W.reshape(4, 16).T.copy(), "transposed: the numbers are in the order of the rows"),
    "reversed": (W[::-1], "rows in reverse order"),
    "permuted rows": (np.roll(W, 3, axis=0), "rows permuted"),
    "permuted columns": (W[:, [1, 0, 3, 2]], "columns permuted"),
    "half": (W.astype(np.float16).astype(float), "rounded to float16 in B"),
    "sign": (-W, "the sign is changed"),
    "scaled": (1.25 * W, "scaled by 1.25"),
    "shifted": (W + 0.5, "shifted by 0.5"),
    "one weight": (nudged(W, (9, 2), 0.01), "only [9, 2] differs"),
    "one gate": (by_gate(W, lambda part: part**2, 1), "only gate f differs"),
    "all": (W**3, None),
}


@pytest.mark.parametrize("name", CHANGES)
def test_the_relation_of_a_changed_weight_is_named(name):
    changed, expected = CHANGES[name]
    assert relations(lanes() | {"l0_i2h_weight": changed}) == {"l0_i2h_weight": expected}


def test_what_a_is_to_b_is_named_from_the_side_of_a():
    given = lanes()
    assert relations(given, given | {"l0_h2h_weight": 0.0 * W}) == {"l0_h2h_weight": "all zeros in A"}
    half = given["l0_h2h_weight"].astype(np.float16).astype(float)
    assert relations(given, given | {"l0_h2h_weight": half}) == {"l0_h2h_weight": "rounded to float16 in A"}
    fewer = {name: array for name, array in given.items() if name != "r0_h2h_bias"}
    assert relations(fewer) == {"r0_h2h_bias": "only A has it"}
    assert relations(given, fewer) == {"r0_h2h_bias": "only B has it"}


def test_rounding_to_bfloat16_is_to_the_nearest_even():
    """Seven bits behind the binary point: halves go to the even neighbor."""
    given = lanes()
    halves, even = 1.0 + np.array([1, 3, 5, 7]) * 2.0**-8, 1.0 + np.array([0, 4, 4, 8]) * 2.0**-8
    more, above = 1.0 + np.array([2**-8 + 2**-20, 2**-7, 2**-8 - 2**-20, 0]), 1.0 + np.array([2**-7, 2**-7, 0, 0])
    a, b = (
        np.tile(np.concatenate([own, -own, 4 * rest, -rest]), (4, 1)).T.copy()
        for own, rest in ((halves, more), (even, above))
    )
    assert relations(given | {"l0_i2h_weight": b}, given | {"l0_i2h_weight": a}) == {
        "l0_i2h_weight": "rounded to bfloat16 in B"
    }
    wrong = nudged(b, (0, 0), 2.0**-7)
    assert relations(given | {"l0_i2h_weight": wrong}, given | {"l0_i2h_weight": a}) != {
        "l0_i2h_weight": "rounded to bfloat16 in B"
    }


def test_another_shape_is_said_or_is_that_of_the_transposed_array():
    given = lanes()
    assert relations(given | {"l0_i2h_weight": W.T}) == {"l0_i2h_weight": "transposed"}
    assert relations(given | {"l0_i2h_weight": W[:, :3]}) == {"l0_i2h_weight": "the shapes are 16 × 4 and 16 × 3"}
    turned = nudged(W.T, (0, 0), 1.0)
    assert relations(given | {"l0_i2h_weight": turned}) == {"l0_i2h_weight": "the shapes are 16 × 4 and 4 × 16"}


def test_biases_that_are_exchanged_moved_or_summed():
    given = lanes("l")
    one, other = given["l0_i2h_bias"], given["l0_h2h_bias"]
    exchanged = {"l0_i2h_bias": other, "l0_h2h_bias": one}
    assert set(relations(given | exchanged, given).values()) == {BIASES_EXCHANGED}
    for summed in (
        {"l0_i2h_bias": one + other, "l0_h2h_bias": 0.0 * one},
        {"l0_i2h_bias": one + 1, "l0_h2h_bias": other - 1},
    ):
        assert set(relations(given | summed, given).values()) == {BIAS_SUM}
    single = given | {"l0_h2h_bias": 0.0 * other}
    moved = given | {"l0_i2h_bias": 0.0 * one, "l0_h2h_bias": one}
    assert set(relations(moved, single).values()) == {BIAS_SUM}
    assert relations(given | {"l0_i2h_bias": other}, given) == {"l0_i2h_bias": None}


def test_layers_and_directions_that_are_exchanged_or_repeated():
    given = lanes("lr", 2)
    name = "l1_h2h_weight"
    repeated = given | {name: given["l0_h2h_weight"]}
    assert relations(repeated, given) == {name: "layer repeated: equal to l0_h2h_weight"}
    assert (
        relations(repeated, given | {"l0_h2h_weight": -W})["l1_h2h_weight"]
        == "layer repeated: equal to l0_h2h_weight of B"
    )
    layers = given | {name: given["l0_h2h_weight"], "l0_h2h_weight": given[name]}
    assert relations(layers, given)[name] == "the layers are exchanged: equal to l0_h2h_weight of A"
    sides = given | {name: given["r1_h2h_weight"], "r1_h2h_weight": given[name]}
    assert relations(sides, given)[name] == "the directions are exchanged: equal to r1_h2h_weight of A"
    both = given | {name: given["r0_h2h_weight"], "r0_h2h_weight": given[name]}
    assert relations(both, given)[name] == "the layers are exchanged: equal to r0_h2h_weight of A"


def test_the_tolerance_is_absolute_and_relative_to_a():
    tolerance, given = Tolerance(1e-3, 1e-6), lanes()
    given["l0_i2h_weight"] = nudged(W, (0, 0), -W[0, 0])
    given["l0_i2h_weight"][3, 3] = 2.0
    for index, by, differs in (
        ((0, 0), 9e-7, False),
        ((0, 0), 1.1e-6, True),
        ((3, 3), 1.9e-3, False),
        ((3, 3), 2.1e-3, True),
    ):
        for sign in (1.0, -1.0):
            other = given | {"l0_i2h_weight": nudged(given["l0_i2h_weight"], index, sign * by)}
            (own,) = (
                each for each in parameter_differences(LSTM, given, other, tolerance) if each.name == "l0_i2h_weight"
            )
            assert (own.differs, own.max_abs_difference) == (differs, pytest.approx(by))
            assert own.relation == (f"only {list(index)} differs" if differs else None)


def test_the_work_is_stopped_before_any_parameter():
    seen = []

    def check() -> None:
        seen.append(None)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parameter_differences(LSTM, lanes(), lanes(), EXACT, check)
    assert len(seen) == 3
