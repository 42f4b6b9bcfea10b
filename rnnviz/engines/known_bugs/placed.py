"""Known bugs and other changes at a place: the engine `bug:NAME@layer=1,direction=backward,gate=n,from=8`.

The keys are layer, direction, gate, parameter, from, to, every, step, sample and unit; several values are joined by +.
Steps are counted from 0 in the order of computation. Without a key the change is everywhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.errors import EngineError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import DIRECTIONS
from rnnviz.engines.base import EngineReport, LayerTask, Progress, RunLayer, run_stack
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import KnownBugEngine, faulty_layer
from rnnviz.engines.known_bugs.hypotheses import (
    EVERY,
    Change,
    Hypothesis,
    LaneReads,
    Reading,
    handed,
    rows_of,
    start_hypotheses,
    step_hypotheses,
    step_values,
)
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS, PREFIX
from rnnviz.frozen import dataclass

KEYS = "layer", "direction", "gate", "parameter", "from", "to", "every", "step", "sample", "unit"

SINGLE = "from", "to", "every"
"""Keys that have one value."""


@dataclass(frozen=True)
class PlacedBug:
    """The name of a change, and its place by key; see the module."""

    name: str
    place: Mapping[str, tuple[str, ...]]

    @classmethod
    def parse(cls, engine: str) -> "PlacedBug":
        """Read the name of an engine. Raises a ValueError with the end of a sentence."""
        name, _, text = engine.removeprefix(PREFIX).partition("@")
        place: dict[str, tuple[str, ...]] = {}
        for piece in filter(None, text.split(",")):
            key, _, values = piece.partition("=")
            if key not in KEYS or not values:
                raise ValueError(f"whose place has {piece!r}: give KEY=VALUE with a key of {', '.join(KEYS)}.")
            place[key] = tuple(values.split("+"))
            allowed = DIRECTIONS if key == "direction" else ()
            for value in place[key]:
                wrong = value not in allowed if allowed else key not in ("gate", "parameter") and not value.isdecimal()
                if wrong:
                    expected = " or ".join(allowed) or "a whole number from 0 on"
                    raise ValueError(f"whose place has {key}={value}: {key} must be {expected}.")
            if key in SINGLE and len(place[key]) > 1:
                raise ValueError(f"whose place has {piece!r}: {key} must be one number.")
        if place.get("every") == ("0",):
            raise ValueError("whose place has every=0: every must be 1 or more.")
        return cls(name, place)

    def numbers(self, key: str) -> tuple[int, ...]:
        return tuple(map(int, self.place.get(key, ())))

    def in_lane(self, layer: int, backward: bool) -> bool:
        """Whether the place has this lane."""
        layers, directions = self.numbers("layer"), self.place.get("direction", ())
        return (not layers or layer in layers) and (not directions or DIRECTIONS[backward] in directions)

    def steps(self, count: int) -> Iterator[bool]:
        """Whether the place has each of the steps in the order of computation."""
        (first,) = self.numbers("from") or (0,)
        (last,) = self.numbers("to") or (count - 1,)
        (every,) = self.numbers("every") or (1,)
        single = self.numbers("step")
        return (s in single if single else first <= s <= last and not (s - first) % every for s in range(count))

    def hypothesis(self, reads: LaneReads) -> Hypothesis | None:
        """The first change of a lane with the name, and the gates and parameters if the place says which."""
        gates, kinds = self.place.get("gate", ()), self.place.get("parameter", ())
        named = [h for make in (step_hypotheses, start_hypotheses) for h in make(reads) if h.name == self.name]
        fit = (h for h in named if set(h.gates) == set(gates) and (not kinds or set(h.parameters) == set(kinds)))
        return next(fit, None)


class PlacedBugEngine(KnownBugEngine):
    """The engine of a known bug or another change at a place. Values are computed in float64 and stored in the
    network's type."""

    def __init__(self, name: str) -> None:
        self._placed = PlacedBug.parse(name)

    def gradients(self, network: object) -> tuple[str, ...]:
        return ()

    def run(self, inputs: Inputs, trace: Trace, progress: Progress) -> EngineReport:
        def run_layer(task: LayerTask, progress: Progress) -> Mapping[str, FloatArray]:
            if not placed.in_lane(task.lane[0], task.backward):
                return right(task, progress)
            reads = reads_of(inputs, task)
            found, fault = placed.hypothesis(reads), _of_lane(placed, inputs)
            if found is None and fault is None:
                return right(task, progress)
            met.add(task.lane)
            if found is not None:
                return run_changed(task, reads, found.change, placed)
            assert fault is not None
            return faulty_layer(fault, seams=inputs.seams)(task, progress)

        placed, right, met = self._placed, faulty_layer(BugVariant()), set[tuple[int, int]]()
        with np.errstate(all="ignore"):
            run_stack(inputs, trace, run_layer, progress, run_lengths=run_by_length)
        if not met:
            raise EngineError(
                f"{PREFIX}{placed.name} changes nothing at this place of the network: choose a layer, direction, gate "
                "or parameter that it has."
            )
        return EngineReport()


def _of_lane(placed: PlacedBug, inputs: Inputs) -> BugVariant | None:
    """The known bug's first variant, where it is a change of a lane and the place names nothing within one."""
    bug = KNOWN_BUGS.get(placed.name)
    if bug is None or bug.kind not in ("forward", "seams") or set(placed.place) - {"layer", "direction"}:
        return None
    fault = next(iter(bug.faults(inputs.network)), None)
    whole = fault is None or fault.concat_swapped or fault.batch_as_time
    return None if whole else fault


def reads_of(inputs: Inputs, task: LayerTask) -> LaneReads:
    """The numbers that a lane reads, in its order of computation; it has computed nothing yet."""
    layer, direction = task.lane
    readings, own = rows_of(task.parameters, task.cell)
    others, starts = other_lanes(inputs, task.lane, task.samples)
    x = task.x[::-1] if task.backward else task.x
    return LaneReads(task.cell, layer, direction, readings, own, x, task.state, {}, others=others, starts=starts)


def other_lanes(
    inputs: Inputs, lane: tuple[int, int], samples: slice | NDArray[np.intp] | list[int]
) -> tuple[dict[str, dict[str, Reading]], dict[str, dict[str, FloatArray]]]:
    """The parameters of the other lanes, and their initial states of some samples, by their relation to a lane."""
    network, others, starts = inputs.network, dict[str, dict[str, Reading]](), dict[str, dict[str, FloatArray]]()
    for k, other in enumerate(np.ndindex(network.num_layers, network.directions)):
        if other != lane:
            relation = _relation(lane, other)
            others[relation] = rows_of(inputs.parameters.layer(*other), network.kind)[0]
            starts[relation] = {s: array[k][samples].astype(np.float64) for s, array in inputs.initial_state.items()}
    return others, starts


def _relation(lane: tuple[int, ...], other: tuple[int, ...]) -> str:
    """The name of another lane, relative to this one."""
    apart = other[0] - lane[0]
    names = {0: "", -1: "layer-below", 1: "layer-above"}
    layer = names.get(apart, f"layer-{abs(apart)}-{'above' if apart > 0 else 'below'}")
    direction = "other-direction" if other[1] != lane[1] else ""
    return "-".join(part for part in (layer, direction) if part)


def run_changed(task: LayerTask, reads: LaneReads, change: Change, placed: PlacedBug) -> dict[str, FloatArray]:
    """Run a lane step by step, with the change where the place has the step, sample and unit."""
    changed, symbols, dtype = change(reads), task.cell.state_symbols, task.x.dtype
    samples, units = placed.numbers("sample"), placed.numbers("unit")
    some = (
        np.isin(np.arange(len(reads.initial["h"])), samples) if samples else np.ones(len(reads.initial["h"]), np.bool_)
    )
    last = [dict(reads.initial)]
    for s, (t, here) in enumerate(zip(task.timesteps, placed.steps(len(task.x)), strict=True)):
        made = step_values(reads, np.asarray(reads.x[s], np.float64), last[-1], EVERY)
        if here:
            start, before = changed.initial, last if s else [dict(changed.initial)]
            read = {
                k: handed(changed.state if k in changed.of else "", start[k], [b[k] for b in before]) for k in symbols
            }
            other = step_values(changed, np.asarray(changed.x[s], np.float64), read, EVERY)
            for k in symbols:
                width = np.arange(other[k].shape[-1])
                where = some[:, np.newaxis] & (np.isin(width, units) if units else width >= 0)
                made[k] = np.where(where, other[k], made[k])
        last = [last[-1], {k: array.astype(dtype) for k, array in made.items()}]
        for k, series in task.series.items():
            series[t] = last[-1][k]
    return last[-1]


def run_by_length(
    lengths: Sequence[int], run_layer: RunLayer, task: LayerTask, progress: Progress
) -> dict[str, FloatArray]:
    """Run a layer on samples of different lengths, those of one length together: each as a separate sequence."""
    finals = {name: np.array(array) for name, array in task.state.items()}
    for length in sorted(set(lengths)):
        samples = np.flatnonzero(np.asarray(lengths) == length)
        series = {n: np.empty((length, len(samples), a.shape[2]), a.dtype) for n, a in task.series.items()}
        state = {name: array[samples] for name, array in task.state.items()}
        x = np.ascontiguousarray(task.x[:length, samples])
        piece = replace(task, x=x, state=state, series=series, samples=samples)
        for name, final in run_layer(piece, progress).items():
            finals[name][samples] = final
        for name, array in series.items():
            task.series[name][:length, samples] = array
    return finals
