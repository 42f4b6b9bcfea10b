"""A call of an ONNX model with a whole sequence, compared with calls of its chunks, one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from rnnviz.captures.onnx_axes import TIME, find_axes, sizes_of
from rnnviz.captures.onnx_differences import (
    Aligned,
    Alignments,
    Difference,
    axis_of,
    difference,
    first_differing,
    split_axis,
)
from rnnviz.captures.onnx_operations import Operation, Operations, Values, failed_operation, opened
from rnnviz.captures.onnx_taps import Array
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.progress import stage
from rnnviz.core.words import join_words, plural
from rnnviz.results.model_calls import (
    STATES,
    CallCause,
    ChunksSummary,
    FirstOperation,
    OutputDifference,
    RecurrentState,
    cause_sentence,
)

_WITH_GRAPHS = ("Loop", "Scan", "If")
_LIKE = 0.5
_NOT_FED = "no input gets an output of the previous one"
_CAUSES = {
    "zeros": CallCause.ZEROS,
    "constant": CallCause.CONSTANT,
    "swapped": CallCause.SWAPPED,
    "other": CallCause.NOT_CARRIED,
}


def compare_chunks(path: Path, given: Mapping[str, str], axes: Mapping[str, str], size: int) -> ChunksSummary:
    """Run the model on the whole input and on chunks of `size` time steps; to be called in a subprocess.

    Raises an EngineError if ONNX Runtime refuses or fails to run the model, else an InputError.
    """
    with opened(path, given) as operations:
        return _Chunks(operations, axes, size).summary()


class _Chunks:
    """The values of the whole, those of each chunk, and the inputs that carry states, each with its output."""

    def __init__(self, operations: Operations, named: Mapping[str, str], size: int) -> None:
        self.operations, self.size = operations, size
        self.axes = find_axes(operations, named)
        timesteps, self.samples = sizes_of(operations, self.axes)
        if size >= timesteps:
            raise InputError(f"--chunks {size} must be less than the {plural(timesteps, 'time step')} of the input.")
        self.timed = frozenset(name for name, letters in self.axes.items() if TIME in letters)
        self.whole: Values = {}
        failed: EngineError | None = None
        with stage(0.0, 0.4):
            try:
                self.whole = operations.run(operations.feeds)
            except EngineError as error:
                failed = error
        starts = range(0, timesteps, size)
        self.parts = [operations.run(self._part(0, {}))]
        self.states = self._states(self.parts[0])
        with stage(0.4, 0.9) as notify:
            for number, start in enumerate(starts[1:], 1):
                last = self.parts[-1]
                carried = {name: last[output] for name, output in self.states.items()}
                try:
                    self.parts.append(operations.run(self._part(start, carried)))
                except EngineError as error:
                    if start + size <= timesteps:
                        raise
                    raise EngineError(
                        f"The model fails with the last chunk of {plural(timesteps - start, 'time step')}: give "
                        f"an input of {start:,} time steps, a multiple of {size:,}. {error}"
                    ) from error
                notify(number / len(starts))
        if failed is not None:
            raise EngineError(self._without_whole(failed)) from failed

    def _without_whole(self, failed: EngineError) -> str:
        """A sentence about the states of a model that cannot be run with the whole sequence."""
        operator, name, why = failed_operation(failed)
        chunk = plural(self.size, "time step")
        carried = join_words(
            (f"{name} gets {output} of the previous one" for name, output in self.states.items()), "and"
        )
        states = [f"the state of {own.name} {STATES[own.state]}" for own in self.recurrent()]
        return (
            f"{self.operations.path} runs with chunks of {chunk}, but not with the whole, so they cannot be compared: "
            f"{operator} {name} fails: {why}. In each chunk, {carried or _NOT_FED}; "
            f"{join_words(states, 'and') or 'no recurrent node is in the main graph'}."
        )

    def _part(self, start: int, carried: Values) -> dict[str, Array]:
        """The inputs of the chunk from a time step on. Lengths become those that a chunk has."""
        feeds: dict[str, Array] = {}
        for name, array in self.operations.feeds.items():
            if name in self.timed:
                axis = self.axes[name].index(TIME)
                times = range(start, min(start + self.size, array.shape[axis]))
                array = np.ascontiguousarray(array.take(times, axis))
            elif name in self.operations.lengths:
                array = (array - start).clip(0, self.size).astype(array.dtype)
            feeds[name] = array
        return {**feeds, **carried}

    def _states(self, first: Values) -> dict[str, str]:
        """The inputs without time steps that an output of the same shape continues, by the most similar names."""
        held = [
            name for name, array in self.operations.feeds.items() if name not in self.timed and array.dtype.kind == "f"
        ]
        pairs = [
            (-_likeness(name, output), -self._finals(name, output), held.index(name), place, name, output)
            for name in held
            for place, output in enumerate(self.operations.outputs)
            if output in first
            and first[output].dtype == first[name].dtype
            and all(run[output].shape == first[name].shape for run in (first, self.whole) if run)
            and self.operations.depends.get(output, frozenset()) & self.timed
        ]
        found: dict[str, str] = {}
        for *_, name, output in sorted(pairs):
            if name not in found and output not in found.values():
                found[name] = output
        return found

    def _finals(self, name: str, output: str) -> int:
        """How many final states that belong to initial states from an input are read for an output."""
        read = self.operations.ancestors([output])
        states = (pair for own in self.operations.operations if own.recurrent for pair in own.states)
        return sum(name in self.operations.depends.get(initial, ()) and final in read for initial, final in states)

    def align(self, name: str) -> Alignments:
        """The whole of a value, and its chunks one after the other; a value without time steps is that of the last."""
        depends = self.operations.depends.get(name, frozenset()) & self.timed
        if not depends or name not in self.whole or self.whole[name].dtype.kind != "f":
            return ()
        whole, parts = self.whole[name], [part[name] for part in self.parts]
        axis = axis_of([whole, *parts])
        if axis is None:
            same = whole.shape == parts[-1].shape
            return (Aligned(whole[np.newaxis], parts[-1][np.newaxis]),) if same else ()
        ways = [(whole, parts, axis)]
        split = [split_axis(array, axis, self.samples) for array in (whole, *parts)]
        if all(array is not None for array in split):
            arrays = [array for array in split if array is not None]
            ways.append((arrays[0], arrays[1:], axis + 1))
        return tuple(_joined(*way) for way in ways)

    def recurrent(self) -> list[RecurrentState]:
        return [
            RecurrentState(own.name, own.operator, self._state_of(own))
            for own in self.operations.operations
            if own.recurrent
        ]

    def _state_of(self, operation: Operation) -> str:
        """How the node's state begins in the chunks after the first one."""
        pairs = operation.states
        found = set()
        for before, part in zip(self.parts, self.parts[1:], strict=False):
            begins = [self._initial(name, part, before[final]) for name, final in pairs]
            ends = [before[final] for _, final in pairs]
            first = [self._initial(name, self.parts[0], before[final]) for name, final in pairs]
            if all(map(np.array_equal, begins, ends)):
                found.add("carried")
            elif not any(array.any() for array in begins):
                found.add("zeros")
            elif len(pairs) == 2 and all(map(np.array_equal, begins, ends[::-1])):
                found.add("swapped")
            else:
                found.add("constant" if all(map(np.array_equal, begins, first)) else "other")
        return found.pop() if len(found) == 1 else "other"

    def _initial(self, name: str, values: Values, like: Array) -> Array:
        found = values.get(name) if name else np.zeros_like(like)
        found = self.operations.constant(name) if found is None else found
        assert found is not None
        return found

    def summary(self) -> ChunksSummary:
        outputs = tuple(self._outputs())
        differing = [own.name for own in outputs if own.mismatched or own.max_abs_difference is None]
        first = self._first_of(self.operations.ancestors(differing)) if differing else None
        recurrent = tuple(self.recurrent())
        if first is not None and first.cause is CallCause.ROUNDING:
            # Rounding errors of one layer hide the lost state of another one.
            lost = {own.name for own in recurrent if own.state != "carried"}
            values = (own.outputs for own in self.operations.operations if own.recurrent and own.name in lost)
            first = self._first_of({name for outputs in values for name in outputs}) or first
        drift = first is not None and first.cause is CallCause.ROUNDING
        verdict = "drift" if drift else "differ" if differing else "same"
        return ChunksSummary(self.size, len(self.parts), self.axes, self.states, outputs, recurrent, first, verdict)

    def _outputs(self) -> Iterator[OutputDifference]:
        for name in self.operations.outputs:
            ways = self.align(name)
            if not ways:
                continue
            found = difference(ways)
            if found is None:
                yield OutputDifference(name, 0.0, 0, ways[0].one.size, None, None)
            else:
                largest = None if found.sizes else found.max_abs_difference
                yield OutputDifference(name, largest, found.mismatched, found.elements, *_place(found, ways))

    def _first_of(self, wanted: set[str]) -> FirstOperation | None:
        """The first operation that differs in some values."""
        differing = first_differing(self.operations, wanted, self.align)
        if differing is None:
            return None
        operation, found, ways = differing
        cause, names = self._cause(operation, ways)
        chunk, timestep = _place(found, ways)
        sentence = cause_sentence(cause, node=operation.name, operator=operation.operator, **names)
        largest = None if found.sizes else found.max_abs_difference
        return FirstOperation(operation.name, operation.operator, chunk, timestep, largest, cause, sentence)

    def _cause(self, operation: Operation, ways: Alignments) -> tuple[CallCause, dict[str, str]]:
        if not operation.recurrent:
            if operation.operator in _WITH_GRAPHS:
                return CallCause.INNER, {}
            return CallCause.NEIGHBORS if ways[0].ends else CallCause.ALL_STEPS, {}
        state = self._state_of(operation)
        if state == "carried":
            return (CallCause.BACKWARD if operation.backward else CallCause.ROUNDING), {}
        if operation.backward:
            return CallCause.BACKWARD, {}
        inputs = [
            name
            for initial, _ in operation.states
            for name in sorted(self.operations.depends.get(initial, frozenset()) - self.timed)
        ]
        if not inputs or state == "swapped":
            return _CAUSES[state], {}
        unfed = [name for name in inputs if name not in self.states]
        if unfed:
            return CallCause.NOT_RETURNED, {"input": join_words(unfed, "and")}
        return CallCause.NOT_FINAL, {"input": inputs[0], "output": self.states[inputs[0]]}


def _joined(whole: Array, parts: Sequence[Array], axis: int) -> Aligned:
    whole, joined = np.moveaxis(whole, axis, 0), np.moveaxis(np.concatenate(parts, axis), axis, 0)
    return Aligned(whole, joined, tuple(np.cumsum([part.shape[axis] for part in parts]).tolist()))


def _place(found: Difference, ways: Alignments) -> tuple[int | None, int | None]:
    """The chunk and the time step of a difference, where the value has time steps."""
    return (found.chunk, found.place) if ways[0].ends and found.sizes is None else (None, None)


def _likeness(name: str, output: str) -> float:
    """How similar the letters of two names are, 0 if by less than half."""
    one, other = ("".join(filter(str.isalpha, own.lower())) for own in (name, output))
    ratio = SequenceMatcher(None, one, other).ratio()
    return ratio if ratio >= _LIKE else 0.0
