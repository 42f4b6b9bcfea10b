"""Which known mistakes would make an engine compute what it computed."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from rnnviz.analysis.audit import Audit
from rnnviz.analysis.elementwise import violation
from rnnviz.engines.mistakes.catalogue import Mistake, mistakes_of
from rnnviz.engines.mistakes.deviation import Deviation
from rnnviz.engines.mistakes.lanes import LanePart, expected_and_found
from rnnviz.engines.stack import layer_output
from rnnviz.model.arrays import FloatArray
from rnnviz.model.inputs import Inputs
from rnnviz.model.trace import Trace

_STEPS = 24
"""How many steps of each lane a mistake has to explain."""

_MOST_STEPS = 4096
_SAMPLES = 3

_ALLOWED = 10.0
"""The violation up to which a trace counts as the mistake's: other code rounds otherwise, over a few steps."""


def diagnose(inputs: Inputs, trace: Trace, audit: Audit) -> tuple[tuple[str, ...], ...]:
    """The mistakes that explain a wrong engine's trace, each a tuple of one name; if no single one does, of two.

    A mistake explains a trace if it gives every lane's first steps, the first wrong step among them, as well as
    out and the final states. An engine that the right recurrence explains, too, has no mistake of the catalogue.
    """
    parts = list(_parts(inputs, audit))
    if _explains(Deviation(), inputs, trace, parts):
        return ()
    single = {mistake.name for mistake, deviation in _deviations(inputs) if _explains(deviation, inputs, trace, parts)}
    if single:
        return tuple((mistake.name,) for mistake in mistakes_of(inputs.network) if mistake.name in single)
    pairs = []
    for (first, one), (second, other) in combinations(list(_deviations(inputs)), 2):
        both = one.together_with(other) if first is not second else None
        if both is not None and (first.name, second.name) not in pairs and _explains(both, inputs, trace, parts):
            pairs.append((first.name, second.name))
    return tuple(pairs)


def _deviations(inputs: Inputs) -> Iterator[tuple[Mistake, Deviation]]:
    for mistake in mistakes_of(inputs.network):
        for deviation in mistake.variants[inputs.network.cell]:
            yield mistake, deviation


def _parts(inputs: Inputs, audit: Audit) -> Iterator[LanePart]:
    """What is looked at of each lane; the lane of the first wrong step comes first, as it refutes most."""
    network, wrong = inputs.network, None if audit.first_wrong is None else audit.first_wrong.where
    lanes = [(layer, direction) for layer in range(network.num_layers) for direction in range(network.directions)]
    if wrong is not None:
        lanes.sort(key=lambda lane: lane != (wrong.layer, wrong.direction))
    samples = {0, inputs.batch_size - 1}
    if wrong is not None:
        samples = {wrong.sample, *samples}
    chosen = tuple(sorted(samples, key=lambda sample: wrong is None or sample != wrong.sample)[:_SAMPLES])
    for layer, direction in lanes:
        steps = _STEPS
        if wrong is not None and (layer, direction) == (wrong.layer, wrong.direction):
            step = inputs.timesteps - 1 - wrong.timestep if direction else wrong.timestep
            steps = min(max(steps, step + 2), _MOST_STEPS)
        yield LanePart(layer, direction, steps, chosen)


def _explains(deviation: Deviation, inputs: Inputs, trace: Trace, parts: list[LanePart]) -> bool:
    return (
        all(_near(inputs, *expected_and_found(deviation, inputs, trace, part)) for part in parts)
        and _explains_output(deviation, inputs, trace)
        and _explains_state(deviation, inputs, trace)
    )


def _explains_output(deviation: Deviation, inputs: Inputs, trace: Trace) -> bool:
    """Whether out is the top layer's directions as the deviation joins them."""
    top = np.asarray(trace.hidden[-1][:, :_STEPS])
    joined = layer_output(top[::-1] if deviation.concat_swapped else top)
    return _near(inputs, joined, np.asarray(trace.output[:_STEPS]))


def _explains_state(deviation: Deviation, inputs: Inputs, trace: Trace) -> bool:
    """Whether the final hidden states are where the deviation takes them from."""
    if deviation.batch_as_time:
        # There are as many states as timesteps, which do not fit the samples.
        return True
    at_last = deviation.final_at_last_timestep or deviation.backward != "reversed"
    finals = [
        trace.hidden[layer, direction, 0 if direction and not at_last else -1]
        for layer in range(inputs.network.num_layers)
        for direction in range(inputs.network.directions)
    ]
    return _near(inputs, np.stack(finals), np.asarray(trace.state_h))


def _near(inputs: Inputs, expected: FloatArray, found: FloatArray) -> bool:
    return bool(np.all(violation(expected, found, *inputs.config.tolerances) <= _ALLOWED))
