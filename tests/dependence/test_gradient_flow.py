"""Gradient flow: verdicts at the limits, and norms over time."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import clear_padding
from rnnviz.dependence.gradient_flow import (
    EXPLODING,
    VANISHING,
    FlowVerdict,
    flow_of,
    flow_sentence,
    gradient_flow,
    mark_of,
    norm_of,
)
from rnnviz.verify.result import RunResult
from tests.factories import make_result


def with_gradients(result: RunResult, seed: int = 0) -> RunResult:
    """The result with drawn gradients of the states in every trace."""
    generator = np.random.default_rng(seed)

    def added(trace: Trace) -> Trace:
        arrays = {}
        for symbol in result.inputs.network.kind.state_symbols:
            if symbol in trace:
                arrays[f"grad.{symbol}"] = generator.normal(size=trace[symbol].shape).astype(np.float32)
                clear_padding(result.inputs.lengths, arrays[f"grad.{symbol}"])
        return trace.with_arrays(arrays)

    return replace(result, traces={name: added(trace) for name, trace in result.traces.items()})


def test_verdicts_begin_at_the_step_that_passes_a_limit():
    factors = np.array([1.0, 1e-2, 2.0 * VANISHING, 0.5 * VANISHING, 0.1 * VANISHING])
    flow = flow_of(3.0 * factors[::-1], backward=False)
    assert (flow.verdict, flow.begins, flow.ends, flow.since) == (FlowVerdict.VANISHING, 4, 0, 1)
    assert flow.at_begin == 3.0
    assert flow.ratio == pytest.approx(1e-7)
    assert flow.per_step == pytest.approx(10.0 ** (-7 / 4))
    assert flow_of(3.0 * factors, backward=True).since == 3
    # A gradient that comes back, as with a loss at each time step, has not vanished.
    assert flow_of(np.array([1.0, *factors[::-1]]), backward=False).verdict is FlowVerdict.NEITHER
    grown = flow_of(np.array([1.0, 2.0 * EXPLODING, 10.0, 1.0]), backward=False)
    assert (grown.verdict, grown.since) == (FlowVerdict.EXPLODING, 1)
    assert flow_of(np.array([1.0, np.nan, 1.0]), backward=False).verdict is FlowVerdict.EXPLODING


@pytest.mark.parametrize(
    ("norms", "verdict", "since", "verb"),
    [
        # From the last computed step back: the first number of the list is t = 0.
        (0.35 ** np.arange(5.0)[::-1], FlowVerdict.VANISHING, 1, "Vanishes"),
        (0.95 ** np.arange(60.0)[::-1], FlowVerdict.NEITHER, None, "Shrinks slowly"),
        (0.95 ** np.arange(100.0)[::-1], FlowVerdict.NEITHER, None, "Vanishes slowly"),
        (0.35 ** np.arange(3.0)[::-1], FlowVerdict.NEITHER, None, "Shrinks"),
        (1.5 ** np.arange(7.0)[::-1], FlowVerdict.EXPLODING, 0, "Explodes"),
        (1.5 ** np.arange(4.0)[::-1], FlowVerdict.NEITHER, None, "Grows"),
        # A loss at every step, added up.
        (np.arange(1.0, 41.0)[::-1], FlowVerdict.NEITHER, None, "Grows slowly"),
        (np.array([0.9, 0.8, 1.1, 1.0]), FlowVerdict.NEITHER, None, "Keeps its size"),
    ],
)
def test_a_short_way_is_judged_by_its_factor_per_time_step(norms, verdict, since, verb):
    for flow, at in ((flow_of(norms, backward=False), since), (flow_of(norms[::-1], backward=True), since)):
        assert flow.verdict is verdict
        if flow.begins:
            assert flow.since == at
        assert flow_sentence(flow).startswith(f"{verb}:")


def test_the_mark_is_where_the_curve_falls_to_a_hundredth_for_good():
    norms = 0.976 ** np.arange(300.0)[::-1]
    flow = flow_of(5.0 * norms, backward=False)
    assert flow.pace == pytest.approx(0.976)
    at, text = mark_of(flow)
    assert norms[at] <= 0.01 < norms[at + 1]
    assert f"{299 - at} steps back" in text
    assert mark_of(flow_of(norms[::-1], backward=True), backward=True)[0] == 299 - at
    norms[0] = 0.5
    assert mark_of(flow_of(norms, backward=False)) is None


def test_a_lane_begins_at_its_first_gradient():
    norms = np.array([0.0, 0.0, 0.5, 1.0, 0.0])
    flow = flow_of(norms, backward=False)
    assert (flow.verdict, flow.begins, flow.ends, flow.since) == (FlowVerdict.VANISHING, 3, 0, 1)
    # The mean is of the way on which there is a gradient.
    assert (flow.ratio, flow.per_step) == (0.0, 0.5)
    cut = flow_of(norms, backward=False, truncated=True)
    assert (cut.verdict, cut.begins, cut.ends, cut.ratio) == (FlowVerdict.NEITHER, 3, 2, 0.5)
    assert flow_of(np.zeros(4), backward=True).verdict is FlowVerdict.NONE


def test_norms_do_not_overflow():
    values = np.array([[3e200, 4e200], [3e-200, 4e-200], [0.0, 0.0], [np.inf, 1.0], [3.0, 4.0]])
    np.testing.assert_allclose(norm_of(values), [5e200, 5e-200, 0.0, np.inf, 5.0], rtol=1e-14)


def test_an_engines_flow_has_its_own_norms_without_padding():
    result = with_gradients(
        make_result(cell="lstm", num_layers=2, bidirectional=True, lengths=[5, 3], timesteps=5, batch_size=2)
    )
    flow = gradient_flow(result)
    assert flow is not None
    assert (flow.engine, list(flow.norms)) == ("gluon", ["h", "c"])
    trace = result["gluon"]
    np.testing.assert_allclose(flow.norms["h"], np.linalg.norm(trace["grad.h"].astype(float), axis=-1), rtol=1e-6)
    short = flow.of_lane(1, 0, 1)
    assert (short.begins, short.ends) == (2, 0)
    assert flow.of_lane(1, 1, 1).ends == 2
    assert sum(flow.counts(0, 0).values()) == 2
    whole = np.linalg.norm(trace["grad.h"][0, 0, 4].astype(float))
    assert flow.of_lane(0, 0).at_begin == pytest.approx(whole, rel=1e-6)
    assert gradient_flow(result, "manual").engine == "manual"
    assert gradient_flow(make_result()) is None
