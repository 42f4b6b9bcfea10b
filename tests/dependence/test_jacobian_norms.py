"""Spectral norms against the matrices of the steps."""

import numpy as np
import pytest

from rnnviz.dependence.influence import LaneSteps, jacobian_norms
from tests.factories import make_result


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_jacobian_norms_are_those_of_the_matrices(cell, reverse):
    result = make_result(cell=cell, num_layers=2, reverse=reverse, lengths=[6, 4], timesteps=6)
    steps = LaneSteps(result.inputs, result["gluon"], 1, 0, 1)
    assert steps.known
    found = jacobian_norms(steps, lambda _: None)
    assert found.times.tolist() == [0, 1, 2, 3]
    matrices = steps.jacobians(found.times).matrices(tuple(steps.sizes))
    np.testing.assert_allclose(found.whole, np.linalg.norm(matrices, 2, axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found.hidden, np.linalg.norm(matrices[:, :4, :4], 2, axis=(1, 2)), rtol=1e-6)
    order = [0, 1, 2, 3] if reverse else [3, 2, 1, 0]
    product = np.linalg.multi_dot(matrices[order])
    assert found.product_steps == 4
    assert found.log_product == pytest.approx(np.log(np.linalg.norm(product, 2)))
    assert found.growth == pytest.approx(np.linalg.norm(product, 2) ** 0.25)


def test_a_large_layer_is_sampled(monkeypatch):
    monkeypatch.setattr("rnnviz.dependence.influence._NORMS_EFFORT", 1.0)
    monkeypatch.setattr("rnnviz.dependence.influence._PRODUCT_EFFORT", 1.0)
    result = make_result(cell="gru", hidden_size=70, timesteps=40)
    found = jacobian_norms(LaneSteps(result.inputs, result["manual"], 0, 0, 0), lambda _: None)
    assert len(found.times) == 16
    assert found.times[[0, -1]].tolist() == [0, 39]
    assert (found.product_steps, found.exact) == (16, False)
