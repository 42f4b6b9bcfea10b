"""Parameters as code with a known bug reads them, from arrays of one layer, and the cell with the bug."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rnnviz.cells import CELLS, Sizes, Step, Values
from rnnviz.core.config import Network
from rnnviz.core.parameters import LayerParameters
from rnnviz.engines.known_bugs import BugVariant, output_peephole_of_old_state
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS

Array = np.ndarray[Any, Any]
ROWS = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")


def negated(names: tuple[str, ...], rows: slice = slice(None)) -> dict[str, Callable[[Any], Array]]:
    def change(name: str) -> Callable[[Any], Array]:
        def of(p: Any) -> Array:
            signs = np.ones_like(getattr(p, name))
            signs[rows] = -1.0
            return np.asarray(signs * getattr(p, name))

        return of

    return {name: change(name) for name in names}


CHANGES: dict[tuple[str, str], dict[str, Callable[[Any], Array]]] = {
    # With I, H, P = 2, 3, 2.
    ("h2h-transposed", "lstm_projection"): {
        "h2h_weight": lambda p: np.vstack([a.T.reshape(3, 2) for a in np.split(p.h2h_weight, 4)])
    },
    ("coupled-gates-exchanged", "lstm_coupled"): negated(ROWS, slice(0, 3)),
    ("coupled-gates-exchanged", "lstm_coupled_peephole"): negated(ROWS, slice(0, 3)) | negated(("c2i_weight",)),
    ("projection-transposed", "lstm_projection"): {"h2r_weight": lambda p: p.h2r_weight.T.reshape(2, 3)},
    ("no-peepholes", "lstm_peephole"): {
        "c2i_weight": lambda p: 0.0 * p.c2i_weight,
        "c2f_weight": lambda p: 0.0 * p.c2f_weight,
        "c2o_weight": lambda p: 0.0 * p.c2o_weight,
    },
    ("peepholes-i-f-o", "lstm_peephole"): {"c2f_weight": lambda p: p.c2o_weight, "c2o_weight": lambda p: p.c2f_weight},
}
"""By bug and cell: the parameters that change, from those before. Other cells are compared with users' code."""


@pytest.mark.parametrize(("bug", "cell"), CHANGES)
def test_a_bug_reads_other_parameters(bug, cell):
    kind, count, arrays = CELLS[cell], 1.0, dict[str, Array]()
    for name, shape in kind.parameter_shapes(Sizes(2, 3, 2) if kind.projects else Sizes(2, 3)).items():
        arrays[name] = count + np.arange(np.prod(shape)).reshape(shape)
        count += arrays[name].size
    before = LayerParameters(**{name: array.copy() for name, array in arrays.items()})
    (fault,) = KNOWN_BUGS[bug].variants[cell]
    after = fault.read(kind, before)
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(before, name), array, name)
        expected = CHANGES[bug, cell][name](before) if name in CHANGES[bug, cell] else array
        np.testing.assert_array_equal(getattr(after, name), expected, name)


def test_the_output_gate_sees_the_previous_cell_state():
    def step(u, v, state, p, *, gate=None):
        return Step(c=2.0 * state.c, h=p.c2o_weight * (2.0 * state.c) + p.c2i_weight * state.c + u.o + v.o, gate=gate)

    values = (Values("u", {"o": 1.0}), Values("v", {"o": 10.0}), Values("state", {"c": 100.0}))
    p = Values("p", {"c2o_weight": 3.0, "c2i_weight": 5.0})
    found = output_peephole_of_old_state(step)(*values, p, gate="g")
    assert dict(found) == {"c": 200.0, "h": 300.0 + 500.0 + 11.0, "gate": "g"}


@pytest.mark.parametrize("name", ["rnn_relu", "lstm", "gru"])
def test_a_clip_is_dropped_by_an_unclipped_fault_alone(name):
    clipped = Network(name, 3, 4, clip=1.0).kind
    assert BugVariant().changed(clipped) == clipped != CELLS[name]
    assert BugVariant(unclipped=True).changed(clipped) == CELLS[name]
