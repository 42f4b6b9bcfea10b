"""Undetectable known bugs of a config: a green verdict verifies nothing about them. Every known bug of the network is
made on purpose in a small part of the run, which is audited as any engine is."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import DEFAULT_TOLERANCES, Config
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs, Load
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.backward import BackwardPasses
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.engines.known_bugs.hypotheses import step_change
from rnnviz.engines.known_bugs.registry import gradient_bugs_in, known_bugs_in
from rnnviz.verify.audit import audit
from rnnviz.verify.audited import spread
from rnnviz.verify.causes import Cause, Where, boxes, some_of
from rnnviz.verify.consistency_checks import consistency_checks, padding_check
from rnnviz.verify.diagnosis import distance_of, states_of
from rnnviz.verify.step_screen import SHOWN, ChangeName, lanes_of
from rnnviz.verify.verdict import PassName

_PARTS = ((3, 32, 30_000_000), (64, 512, 100_000_000))
"""Samples, timesteps and multiplications of the parts on which a known bug is made: mostly the first one reveals it."""

_LEAST_STEPS = 3

_TELLING_SCALE = 0.5
"""Weights and biases of this size neither vanish next to the rounding nor saturate the gates."""

_Changed: TypeAlias = tuple[tuple[int, int], ChangeName]
"""A lane and a change of it."""

Change: TypeAlias = tuple[tuple[str, str], Any]
"""A section and a key of a config, and the value that the key gets."""


def undetectable(inputs: Inputs, way: PassName = "forward", among: Collection[str] | None = None) -> tuple[str, ...]:
    """The names of the known bugs of a pass, all or some, that these inputs cannot reveal, in the catalog's order."""
    bugs, revealer = (known_bugs_in, _steps) if way == "forward" else (gradient_bugs_in, _gradients)
    blind = [bug for bug in bugs(inputs) if among is None or bug.name in among]
    for part in _parts(inputs):
        if not blind:
            break
        reveals = revealer(part)
        blind = [bug for bug in blind if not reveals(bug.faults(inputs.network)[0])]
    return tuple(bug.name for bug in blind)


def undetectable_changes(inputs: Inputs, blind: Collection[str]) -> tuple[str, ...]:
    """The changes of lanes and gates that a diagnosis tries and that no step shows with these inputs, as the engines
    that make them: "no-h2h-bias@layer=1,gate=n". Known bugs of `blind` are left out, since they are so everywhere."""
    shown, unseen, still = set[_Changed](), set[_Changed](), set[_Changed]()
    for k, part in enumerate(_parts(inputs)):
        for lane in lanes_of(part) if still or not k else ():
            for key, variants in lane.by_name().items():
                at, changes = (lane.place, key), [hypothesis.change for hypothesis in variants]
                if key[0] in blind or (k and at not in still):
                    continue
                if any(map(lane.shows, changes)):
                    shown.add(at)
                elif any(map(lane.matters, changes)):
                    unseen.add(at)
                    if not all(map(lane.is_same, changes)):
                        still.add(at)
    return tuple(_in_places(inputs, shown, unseen - shown))


def _in_places(inputs: Inputs, shown: set[_Changed], unseen: set[_Changed]) -> Iterator[str]:
    """Unseen changes with the places at which they are, as few as possible."""
    lanes = [*np.ndindex(inputs.network.num_layers, inputs.network.directions)]
    for name, gates in sorted({key for _, key in unseen}):
        # A gate goes without saying where all are unseen.
        places = [
            lane for lane in lanes if (lane, (name, gates)) in unseen and not (gates and (lane, (name, ())) in unseen)
        ]
        others = [lane for lane in lanes if (lane, (name, gates)) not in shown | unseen]
        for box in boxes(inputs, places, others) if places else ():
            yield Cause(name, Where(*some_of(inputs.network, box), gates)).label


def suggested_config(inputs: Inputs, blind: tuple[str, ...], load: Load) -> Config | None:
    """The config with the smallest change that detects the most bugs of `blind`; None if no change detects more."""
    changes = list(single_changes(inputs.config))
    fewest = len(blind) - 1
    if len(changes) > 1:
        # What all changes together do not reveal, fewer need not be tried for.
        fewest = min(fewest, _left(_changed(inputs.config, changes), load, blind, fewest))
    for count in range(1, len(changes) + 1):
        for chosen in combinations(changes, count):
            if len({field for field, _ in chosen}) == count:
                config = _changed(inputs.config, chosen)
                if _left(config, load, blind, fewest) <= fewest:
                    return config
    return None


def _left(config: Config, load: Load, blind: tuple[str, ...], limit: int) -> int:
    """How many bugs the config cannot reveal, of `blind` alone if above the limit; all if files do not fit it."""
    try:
        inputs = load(_short(config))
    except InputError:
        return len(blind)
    # Few of `blind` are quickly tried, and refute most configs.
    left = 0
    for bugs in (blind, None):
        left = len(undetectable(inputs, "forward", bugs)) + len(undetectable(inputs, "backward", bugs))
        if left > limit:
            break
    return left


def _changed(config: Config, changes: Iterable[Change]) -> Config:
    for (section, key), value in changes:
        config = replace(config, **{section: replace(getattr(config, section), **{key: value})})
    return config


def single_changes(config: Config) -> Iterator[Change]:
    """Single changes of a key, the mildest first; a key may come twice with its last value the strongest."""
    parameters, sequence = config.parameters, config.sequence
    if parameters.initializer != "file" and parameters.bias == "zeros":
        yield ("parameters", "bias"), "uniform"
    if config.initial_state.source == "zeros":
        yield ("initial_state", "source"), "normal"
    if sequence.source not in ("file", "text"):
        yield from ((("sequence", "timesteps"), steps) for steps in (2, 3) if sequence.timesteps < steps)
        if sequence.batch_size < 2:
            yield ("sequence", "batch_size"), 2
        if sequence.source in ("impulse", "sine"):
            yield ("sequence", "source"), "normal"
        if sequence.lengths is not None and sequence.lengths != "file":
            yield ("sequence", "lengths"), "uniform"
    if config.backward.enabled:
        if config.backward.truncate is not None:
            yield ("backward", "truncate"), None
        if config.backward.loss == "sum":
            yield ("backward", "loss"), "normal"
        if config.backward.final_state == "zeros":
            yield ("backward", "final_state"), "normal"
    if parameters.initializer != "file" and parameters.scale != _TELLING_SCALE:
        yield ("parameters", "scale"), _TELLING_SCALE


def _short(config: Config) -> Config:
    """The config with as much of a drawn sequence as is looked at."""
    most_samples, most_steps, _ = _PARTS[-1]
    sequence = config.sequence
    if sequence.source in ("file", "text"):
        return config
    # The initial state of a file has one row for each sample, and the loss of a file a gradient of each output.
    whole = config.backward.loss in ("file", "value")
    files = whole or "file" in (config.initial_state.source, sequence.lengths)
    samples = sequence.batch_size if files else min(sequence.batch_size, most_samples)
    steps = sequence.timesteps if whole or sequence.lengths == "file" else min(sequence.timesteps, most_steps)
    lengths = sequence.lengths
    if isinstance(lengths, tuple):
        lengths = _scaled(lengths[:samples], sequence.timesteps, steps)
    seams = tuple(seam for seam in sequence.seams or () if seam < steps) or None
    sequence = replace(sequence, batch_size=samples, timesteps=steps, lengths=lengths, seams=seams)
    return replace(config, sequence=sequence)


def _scaled(lengths: Iterable[int], timesteps: int, steps: int) -> tuple[int, ...]:
    """Lengths of fewer time steps: a sample with padding has some left."""
    return tuple(max(1, length * steps // timesteps) for length in lengths)


def _parts(inputs: Inputs) -> Iterator[Inputs]:
    """The first time steps of some samples, spread evenly: enough for every known bug to show, if it does at all."""
    network = inputs.network
    per_step = 0
    for layer in range(network.num_layers):
        rows = network.directions * network.kind.gate_count * network.hidden_size
        per_step += rows * (network.layer_input_size(layer) + network.output_size)
    seen: set[tuple[int, int]] = set()
    for most_samples, most_steps, work in _PARTS:
        samples = min(inputs.batch_size, most_samples, max(_PARTS[0][0], work // (_LEAST_STEPS * per_step)))
        steps = min(inputs.timesteps, most_steps, max(_LEAST_STEPS, work // (per_step * samples)))
        if (samples, steps) not in seen:
            seen.add((samples, steps))
            yield _part(inputs, spread(inputs.batch_size, samples), steps)


def _part(inputs: Inputs, samples: NDArray[np.intp], steps: int) -> Inputs:
    value = None if inputs.loss is None else inputs.loss.value
    part = inputs.of_samples(samples if value is None else np.union1d(samples, [value[3]]))
    lengths = _scaled(part.lengths, inputs.timesteps, steps)
    # Where no call begins in the part, one does in proportion.
    seams = tuple(inputs.seams[inputs.seams < steps].tolist())
    seams = seams or tuple(sorted(set(_scaled(inputs.seams.tolist(), inputs.timesteps, steps))))
    config = replace(part.config, sequence=replace(part.config.sequence, seams=seams or None))
    part = replace(part, config=config, sequence=np.ascontiguousarray(part.sequence[:steps]), lengths=lengths)
    if part.loss is None or part.loss.value is None:
        return part
    # The one value that is the loss stays in the part, and is at the last time step if it was.
    layer, direction, t, sample, unit = part.loss.value
    last = part.length(sample) - 1
    t = last if value and t == inputs.length(value[3]) - 1 else min(t, max(0, last - 1))
    return replace(part, loss=replace(part.loss, value=(layer, direction, t, sample, unit)))


def _gradients(inputs: Inputs) -> Callable[[BugVariant], bool]:
    """A test of whether a gradient with a bug differs from the correct one by more than the tolerance of its type."""
    passes = BackwardPasses(inputs, states_of(inputs, faulty_trace(BugVariant(), inputs)), "float64")
    correct: dict[str, Any] = {}
    for name, index, array in passes.gradients(BugVariant(), keep=True):
        correct.setdefault(name, {})[index] = array
    tolerance = DEFAULT_TOLERANCES[inputs.network.dtype][1]
    return lambda fault: not distance_of(passes.gradients(fault, keep=True), correct, tolerance, 1.0) <= 1.0


def _steps(inputs: Inputs) -> Callable[[BugVariant], bool]:
    """A test of whether a step is wrong or a check broken with a bug. Nearly every bug that changes steps is shown by a
    few of them; the others are made in the whole network."""
    lanes = lanes_of(inputs)

    def reveals(fault: BugVariant) -> bool:
        change = step_change(fault)
        if change is not None:
            if any(lane.few.ratio(change) > SHOWN for lane in lanes):
                return True
            largest = max(lane.whole.ratio(change) for lane in lanes)
            if largest > SHOWN or (largest == 0.0 and all(lane.complete for lane in lanes)):
                return largest > SHOWN
        trace = faulty_trace(fault, inputs)
        return (
            bool(inputs.lengths and not padding_check(trace).holds)
            or not all(check.holds for check in consistency_checks(trace, *inputs.config.tolerances))
            or bool(audit(inputs, trace, full=True).wrong)
        )

    return reveals
