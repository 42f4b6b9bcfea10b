"""Causes of wrong lanes: a change at a place is named with its place, and nothing is named by coincidence."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rnnviz.core.inputs import Inputs
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.hypotheses import (
    EVERY,
    handed,
    start_hypotheses,
    step_hypotheses,
    step_values,
    texts_of,
)
from rnnviz.engines.known_bugs.placed import PlacedBug, PlacedBugEngine
from rnnviz.text.cause_words import cause_phrase, pattern_words
from rnnviz.verify import causes, wrong_lane
from rnnviz.verify.audit import audit
from rnnviz.verify.causes import Cause, explain_lanes, wrong_lanes
from rnnviz.verify.consistency_checks import PADDING_CHECK, Check
from rnnviz.verify.diagnosis import Diagnosis, explain
from rnnviz.verify.patterns import pattern_of
from tests.oracles.computed import empty_trace
from tests.verify.faulty_traces import plain_trace
from tests.verify.planted import Planted, planted_trace, small_inputs


def explained(inputs: Inputs, trace: Trace) -> Diagnosis:
    return explain(inputs, trace, audit(inputs, trace, full=True))


def made_by(inputs: Inputs, engine: str) -> Trace:
    trace = empty_trace(inputs, cell=False, engine=engine)
    PlacedBugEngine(engine).run(inputs, trace, lambda _: None)
    return trace


ENGINES = {
    "no-h2h-bias@layer=1,direction=backward": ((1,), (1,), (), None),
    "no-h2h-bias@gate=f,from=5": ((), (), ("f",), (5, 11)),
    "rows-of-gate-o@layer=0,gate=i": ((0,), (), ("i",), None),
    "gate-left-out@layer=1,direction=forward,gate=f": ((1,), (0,), ("f",), None),
    "gates-i-o-f-g@layer=0,parameter=h2h_weight": ((0,), (), (), None),
    "forget-bias-one@layer=1,from=3,to=6": ((1,), (), (), (3, 6)),
    "state-not-carried@every=4,from=4": ((), (), (), (4, 8)),
    "hard_sigmoid-for-sigmoid@layer=1,gate=o": ((1,), (), ("o",), None),
    "reverse-not-reversed@layer=1": ((1,), (1,), (), None),
    "parameters-of-other-direction@layer=0,direction=backward": ((0,), (1,), (), None),
    "cell-state-clipped-at-1@layer=0": ((0,), (), (), None),
    "initial-states-exchanged@direction=forward": ((), (0,), (), None),
}
"""Layers, directions, gates and steps that are named, by the engine that has the cause."""


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engine_of_a_cause_at_a_place_is_found_again(engine):
    inputs = small_inputs()
    trace = made_by(inputs, f"bug:{engine}")
    (cause,) = explained(inputs, trace).causes
    where = cause.where
    assert engine.partition("@")[0] in (cause.name, *cause.aliases)
    assert (where.layers, where.directions, where.gates, where.steps) == ENGINES[engine]
    assert cause.distance <= 1.0
    again = made_by(inputs, f"bug:{cause.label}")
    np.testing.assert_allclose(again.hidden, trace.hidden, atol=1e-6)


@pytest.mark.parametrize("place", ["samples", "units"])
def test_a_cause_in_some_samples_or_units_says_which(place):
    inputs = small_inputs(bidirectional=False, num_layers=1)
    trace = made_by(inputs, f"bug:no-i2h-bias@{place[:-1]}=1")
    (cause,) = explained(inputs, trace).causes
    assert (cause.name, getattr(cause.where, place)) == ("no-i2h-bias", (1,))


def test_lanes_are_not_explained_one_by_one_where_padding_is_wrong():
    inputs = small_inputs()
    trace = made_by(inputs, "bug:no-h2h-bias@layer=1,direction=backward")
    checked = audit(inputs, trace, full=True)
    assert explain(inputs, trace, checked).causes
    assert explain(inputs, trace, checked, [Check(PADDING_CHECK, trace.engine, False, "")]).causes == ()


def test_two_lanes_with_a_bug_each_have_a_cause_each():
    inputs = small_inputs()
    first = made_by(inputs, "bug:no-h2h-bias@layer=1,direction=forward")
    second = made_by(inputs, "bug:state-doubled@layer=1,direction=backward")
    hidden = np.array(first.hidden)
    hidden[1, 1] = second.hidden[1, 1]
    trace = first.with_arrays({"h": hidden})
    lanes = wrong_lanes(inputs, trace, audit(inputs, trace, full=True).ratio_over_time)
    found = explain_lanes(inputs, trace, lanes)
    assert [(c.name, c.where.layers, c.where.directions) for c in found.causes] == [
        ("no-h2h-bias", (1,), (0,)),
        ("state-doubled", (1,), (1,)),
    ]


def test_two_changes_at_once_in_one_lane_are_named_together():
    inputs = small_inputs(num_layers=1, bidirectional=False)
    own: dict[str, Any] = {
        "parameters": lambda p: p | {"h2h_bias": 0.0 * p["h2h_bias"]},
        "state": lambda states: states[max(0, len(states) - 2)],
    }
    trace = planted_trace(inputs, Planted("both", frozenset({(0, 0)}), **own))
    lanes = wrong_lanes(inputs, trace, audit(inputs, trace, full=True).ratio_over_time)
    (cause,) = explain_lanes(inputs, trace, lanes, seconds=60.0).causes
    assert {cause.name, cause.beside} == {"no-h2h-bias", "state-two-before"}


PATTERNS: dict[str, tuple[dict[str, Any], str]] = {
    "first": ({"step": 0}, "only the first computed step is wrong"),
    "from": ({"from": 8}, "wrong from the 9th computed step on"),
    "every": ({"from": 4, "every": 4}, "every 4th computed step is wrong, from the 5th on"),
}


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize(
    ("lane", "where"),
    [
        ("", ""),
        ("layer=1,", ", in both directions of layer 1"),
        ("layer=1,direction=forward,", ", in the forward direction of layer 1"),
    ],
)
def test_the_pattern_of_wrong_steps_is_said_in_one_sentence(name, lane, where):
    place, sentence = PATTERNS[name]
    inputs = small_inputs(cell="gru")
    keys = ",".join(f"{key}={value}" for key, value in place.items())
    pattern = explained(inputs, made_by(inputs, f"bug:no-i2h-bias@{lane}{keys}")).pattern
    assert pattern is not None
    assert pattern_words(pattern, 2) == sentence + where


def test_a_constant_difference_is_said_with_its_size():
    inputs = small_inputs(12, 4, cell="rnn_tanh", num_layers=1, bidirectional=False)
    right = plain_trace(inputs)
    # The last step is read by no other: all its values are off by the same.
    hidden = np.array(right.hidden)
    hidden[:, :, -1] += 0.0078
    shifted = right.with_arrays({"h": hidden})
    lanes = wrong_lanes(inputs, shifted, audit(inputs, shifted, full=True).ratio_over_time)
    pattern = pattern_of(lanes, 1, 20, 240)
    assert pattern.steps == (11,)
    assert pattern.constant == pytest.approx(0.0078, rel=0.01)
    assert pattern_words(pattern, 1) == "every wrong value is too large by 0.0078, only the 12th computed step is wrong"


def test_every_hypothesis_has_a_cause_and_a_fix_in_words():
    for cell in ("lstm", "gru", "rnn_relu", "lstm_peephole", "gru_reset_before"):
        inputs = small_inputs(cell=cell)
        trace = plain_trace(small_inputs(cell="lstm")) if cell == "lstm" else empty_trace(inputs, cell=False)
        lane = causes.WrongLane(inputs, trace, 1, 1)
        for hypothesis in (*step_hypotheses(lane.reads), *start_hypotheses(lane.reads)):
            what, fix = texts_of(hypothesis.name)
            assert what, hypothesis.name
            assert fix, hypothesis.name
            assert cause_phrase(Cause(hypothesis.name)) == what


@pytest.mark.parametrize("place", ["from=1+2", "every=0", "direction=up", "layer=x", "speed=3", "layer"])
def test_a_place_that_is_none_is_refused(place):
    with pytest.raises(ValueError, match="whose place has"):
        PlacedBug.parse(f"bug:no-h2h-bias@{place}")


@pytest.mark.parametrize("samples", [1, 2])
def test_initial_states_with_equal_numbers_are_no_single_cause(samples):
    inputs = small_inputs(8, samples, cell="gru", num_layers=3, bidirectional=False)
    start = np.array(inputs.initial_state["h"])
    start[0] = start[2]
    equal = replace(inputs, initial_state={"h": start})
    trace = planted_trace(equal, Planted("", frozenset({(1, 0)}), start=lambda _: {"h": start[0].astype(np.float64)}))
    found = explained(equal, trace)
    assert (found.causes, found.candidates) == ((), 2)


def test_a_state_of_zeros_cannot_be_ignored():
    inputs = small_inputs(8, 1)
    start = {"h": inputs.initial_state["h"], "c": np.zeros_like(inputs.initial_state["c"])}
    halved = replace(inputs, initial_state=start)
    trace = planted_trace(halved, Planted("", frozenset({(1, 0)}), start=lambda s: {n: 0.0 * a for n, a in s.items()}))
    (cause,) = explained(halved, trace).causes
    assert (cause.name, cause.where.layers, cause.where.directions) == ("initial-state-ignored", (1,), (0,))


@pytest.mark.parametrize("every", [1, 3])
def test_a_cause_in_a_part_of_a_large_lane_says_in_which(every, monkeypatch):
    inputs = small_inputs(num_layers=1, bidirectional=False)
    monkeypatch.setattr(wrong_lane, "_MOST_STEPS", 9)
    monkeypatch.setattr(wrong_lane, "_MOST_VALUES", 2 * 9 * 5)
    (cause,) = explained(inputs, made_by(inputs, f"bug:no-h2h-bias@gate=f,from=2,every={every}")).causes
    where = cause.where
    assert (where.steps, where.every, where.looked_at) == ((2, 11), None if every == 1 else 3, (9, 2))
    assert cause.label == "no-h2h-bias@gate=f,parameter=h2h_bias,from=2" + ("" if every == 1 else ",every=3")
    assert "the first 9 steps of the first 2 samples" in cause_phrase(cause)


def exchanged_layers(inputs: Inputs) -> Inputs:
    """The network whose layers have each other's parameters and initial states."""
    names = {name: f"{name[0]}{1 - int(name[1])}{name[2:]}" for name in inputs.parameters}
    arrays = {name: np.array(inputs.parameters[other]) for name, other in names.items()}
    half = inputs.network.directions
    state = {s: np.concatenate([a[half:], a[:half]]) for s, a in inputs.initial_state.items()}
    return replace(inputs, parameters=Parameters(inputs.network, arrays), initial_state=state)


@pytest.mark.parametrize("name", ["no-h2h-bias", "h2h-transposed", "state-doubled", "gates-o-g-f-i"])
@pytest.mark.parametrize("seed", [0, 1])
def test_exchanging_layers_exchanges_the_place_of_a_cause(name, seed):
    inputs = small_inputs(6, 2, input_size=10)
    inputs = replace(inputs, sequence=np.random.default_rng(seed).normal(size=(6, 2, 10)).astype(np.float32))
    for run in (inputs, exchanged_layers(inputs)):
        for layer in (0, 1):
            place = f"layer={layer},direction={('forward', 'backward')[seed % 2]}"
            (cause,) = explained(run, made_by(run, f"bug:{name}@{place}")).causes
            assert (cause.name, cause.where.layers, cause.where.directions) == (name, (layer,), (seed % 2,))


@pytest.mark.parametrize(
    "engine", ["no-bias@gate=g,from=3", "state-two-before", "weights-rounded-to-5-bits", "i2h-bias-twice"]
)
def test_more_samples_never_make_another_cause_of_a_single_one(engine):
    inputs = small_inputs(6, 4, num_layers=1)
    trace = made_by(inputs, f"bug:{engine}")
    names = set()
    for count in (1, 2, 4):
        some = np.arange(count)
        found = explained(inputs.of_samples(some), trace.of_samples(some)).causes
        names |= {cause.name for cause in found}
    assert names == {engine.partition("@")[0]}


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn_tanh", "lstm_peephole"])
@pytest.mark.parametrize("name", ["no-h2h-bias", "h2h-weight-not-loaded", "input-of-step-before", "state-doubled"])
def test_the_engine_of_a_cause_has_the_numbers_of_the_screen_in_bits(cell, name):
    inputs = small_inputs(6, 3, cell=cell, dtype="float64")
    trace = made_by(inputs, f"bug:{name}@layer=1,direction=backward,from=2")
    reads, _, _ = wrong_lane.lane_reads(inputs, trace, 1, 1, range(3), 6, BugVariant())
    (change,) = (h.change(reads) for h in step_hypotheses(reads) if (h.name, h.gates) == (name, ()))
    # A state that is not recorded is that of the right step, so the first step with the change is compared.
    states = {s: np.array(a) for s, a in reads.initial.items()}
    for step in range(3):
        own = change if step == 2 else reads
        read = {s: handed(own.state if s in own.of else "", reads.initial[s], [states[s]]) for s in states}
        states = step_values(own, own.x[step], read, EVERY)
        np.testing.assert_array_equal(states["h"], reads.after["h"][step])


@pytest.mark.parametrize("cell", ["rnn_tanh", "rnn_relu"])
def test_a_lane_of_zeros_has_a_cause(cell):
    inputs = small_inputs(cell=cell, bidirectional=False)
    (cause,) = explained(inputs, made_by(inputs, "bug:parameters-not-loaded@layer=1")).causes
    assert (cause.name, cause.where.layers) == ("parameters-not-loaded", (1,))
