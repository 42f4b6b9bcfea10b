"""An ONNX model at other lengths and for other numbers of samples: sizes that are frozen, and values that change."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnviz.captures.onnx_axes import SAMPLES, TIME, find_axes, sizes_of
from rnnviz.captures.onnx_differences import Aligned, Alignments, axis_of, first_differing, split_axis
from rnnviz.captures.onnx_operations import Operation, Operations, Values, failed_operation, opened
from rnnviz.captures.onnx_taps import Array
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.progress import stage
from rnnviz.core.words import join_words, plural
from rnnviz.results.model_calls import SizeCause, SizesSummary, SizeTrial, size_sentence

_LONGER, _MOST_ALONE = 3, 8
"""How many time steps are appended, and how many samples are computed alone."""
_DEPENDS = (SizeCause.BACKWARD, SizeCause.NEIGHBORS, SizeCause.ROUNDING)
"""Causes that are correct: the values of a time step depend on later ones, or on the order of the sums."""


def vary_sizes(
    path: Path, given: Mapping[str, str], axes: Mapping[str, str], wanted: Mapping[str, int | None]
) -> SizesSummary:
    """Run the model at other sizes of the axes T and N, of which `wanted` has one, or None for several; to be called in
    a subprocess.

    Raises an EngineError if ONNX Runtime refuses the model, or fails to run it at its own sizes, else an InputError.
    """
    with opened(path, given) as operations:
        found = find_axes(operations, axes)
        timesteps, samples = sizes_of(operations, found)
        trials = []
        base = operations.run(operations.feeds)
        planned = [own for letter, size in wanted.items() for own in _planned(letter, size, timesteps, samples)]
        for number, own in enumerate(planned):
            if not any(own.letter in letters for letters in found.values()):
                raise InputError(f"No input of {path} has an axis {own.letter}: name it with --axes.")
            with stage(number / len(planned), (number + 1) / len(planned)):
                trials.append(_Trial(operations, found, base, own, (timesteps, samples)).summary())
        frozen = dict.fromkeys(own.axis for own in trials if own.verdict in ("frozen", "fails"))
        bad = frozen or any(own.verdict == "differ" for own in trials)
        return SizesSummary(timesteps, samples, found, tuple(trials), tuple(frozen), "differ" if bad else "same")


@dataclass(frozen=True)
class _Plan:
    """The places of an axis, T or N, that a trial reads; `alone` is the only sample."""

    letter: str
    places: tuple[int, ...]
    alone: int | None = None


def _planned(letter: str, size: int | None, timesteps: int, samples: int) -> Iterator[_Plan]:
    own = timesteps if letter == TIME else samples
    if size is not None:
        yield _Plan(letter, _repeated(size, own))
    elif letter == TIME:
        yield from (_Plan(letter, _repeated(n, own)) for n in (own + _LONGER, own // 2) if n)
    else:
        yield _Plan(letter, _repeated(own + 1, own))
        if own > 1:
            yield from (_Plan(letter, (sample,), sample) for sample in range(min(own, _MOST_ALONE)))


def _repeated(size: int, own: int) -> tuple[int, ...]:
    return tuple(place % own for place in range(size))


class _Trial:
    """One run at another size, compared with the run at the model's own sizes."""

    def __init__(
        self, operations: Operations, axes: Mapping[str, str], base: Values, plan: _Plan, sizes: tuple[int, int]
    ) -> None:
        self._operations, self._axes, self._base, self._plan = operations, axes, base, plan
        self._timesteps, self._samples = sizes
        self._own = sizes[plan.letter == SAMPLES]
        self._size = len(plan.places)
        self._varied = frozenset(name for name, letters in axes.items() if plan.letter in letters)
        self._values: Values = {}

    def summary(self) -> SizeTrial:
        own = self._computed()
        declared = dict(self._declared())
        if not declared:
            return own
        words = {"own": self._words(min(declared.values())), "size": self._words(self._size)}
        rest = own.sentence or size_sentence(SizeCause.UNDECLARED)
        sentence = f"{size_sentence(SizeCause.DECLARED, inputs=join_words(declared, 'and'), **words)} {rest}"
        return replace(own, verdict="frozen", declared=tuple(declared), cause=SizeCause.DECLARED, sentence=sentence)

    def _declared(self) -> Iterator[tuple[str, int]]:
        """The inputs that declare another size of the axis, and that size."""
        for name in sorted(self._varied):
            sizes = self._operations.declared[name]
            size = sizes[self._axes[name].index(self._plan.letter)] if sizes else None
            if size not in (None, self._size):
                yield name, size

    def _computed(self) -> SizeTrial:
        """The trial without the sizes that the inputs declare."""
        operations = self._operations
        try:
            self._values = operations.run(self._feeds())
        except EngineError as error:
            operator, name, why = failed_operation(error)
            cause = SizeCause.FAILS if operator else SizeCause.MODEL_FAILS
            return self._trial("fails", cause, operator, name, why=why)
        wanted = operations.ancestors(operations.outputs)
        own = self._words(self._own)
        for operation in operations.operations:
            frozen = self._frozen(operation) if wanted.intersection(operation.outputs) else None
            if frozen is not None:
                return self._trial("frozen", frozen, operation.operator, operation.name, own=own)
        output = self._same_output()
        if output is not None:
            return self._trial("frozen", SizeCause.OUTPUT, "", output, own=own)
        found = first_differing(operations, wanted, self._align)
        if found is None:
            return SizeTrial(self._plan.letter, self._size, "same", self._plan.alone)
        operation, differs, _ = found
        cause, operation = self._cause(operation), self._reducing(operation)
        trial = self._trial("depends" if cause in _DEPENDS else "differ", cause, operation.operator, operation.name)
        trial = replace(trial, max_abs_difference=differs.max_abs_difference)
        if self._plan.letter == TIME:
            return replace(trial, timestep=differs.place)
        return replace(trial, sample=differs.place)

    def _trial(self, verdict: str, cause: SizeCause, operator: str, name: str, **words: str) -> SizeTrial:
        sentence = size_sentence(cause, operator=operator, node=name, **words)
        own = SizeTrial(self._plan.letter, self._size, verdict, self._plan.alone)
        return replace(own, name=name, operator=operator, cause=cause, sentence=sentence)

    def _words(self, size: int) -> str:
        return plural(size, "time step" if self._plan.letter == TIME else "sample")

    def _feeds(self) -> dict[str, Array]:
        feeds: dict[str, Array] = {}
        for name, array in self._operations.feeds.items():
            if name in self._varied:
                array = np.ascontiguousarray(array.take(self._plan.places, self._axes[name].index(self._plan.letter)))
            elif self._plan.letter == TIME and name in self._operations.lengths - self._varied:
                array = np.where(array == self._timesteps, self._size, array.clip(max=self._size)).astype(array.dtype)
            feeds[name] = array
        return feeds

    def _frozen(self, operation: Operation) -> SizeCause | None:
        """Why an operation computes only the model's own size."""
        if operation.recurrent and self._plan.letter == TIME and self._size > self._timesteps:
            lengths = self._operations.constant(operation.input("sequence_lens"))
            if lengths is not None and lengths.max(initial=0) <= self._timesteps:
                return SizeCause.LENGTHS
        for name in operation.inputs:
            axis = self._axis(name)
            if axis is None:
                continue
            size, rank = self._base[name].shape[axis], self._base[name].ndim
            for output in operation.outputs:
                same = output in self._values and self._values[output].shape == self._base[output].shape
                if same and size > 1 and self._base[output].ndim == rank and self._base[output].shape[axis] == size:
                    return SizeCause.CONSTANT
        return None

    def _axis(self, name: str) -> int | None:
        """The axis of a value that has another size than in the model's own run."""
        if name not in self._values or name not in self._base:
            return None
        return axis_of([self._base[name], self._values[name]])

    def _same_output(self) -> str | None:
        """An output that has the model's own number of time steps, as an unrolled loop gives it."""
        others = {self._samples, *(size for own in self._axes for size in self._others(own))}
        hidden = {self._base[own.outputs[0]].shape[-1] for own in self._operations.operations if own.recurrent}
        if self._plan.letter != TIME or self._size < self._own or self._own in others | hidden | {1}:
            return None
        for name in self._operations.outputs:
            if self._operations.depends.get(name, frozenset()) & self._varied and name in self._values:
                shapes = [values[name].shape for values in (self._base, self._values)]
                if shapes[0] == shapes[1] and self._own in shapes[0]:
                    return str(name)
        return None

    def _others(self, name: str) -> Iterator[int]:
        """The sizes of an input that are not time steps or samples."""
        shape = self._operations.feeds[name].shape
        return (size for size, letter in zip(shape, self._axes[name], strict=True) if letter not in (TIME, SAMPLES))

    def _align(self, name: str) -> Alignments:
        """The places of a value that both runs have."""
        varied = self._operations.depends.get(name, frozenset()) & self._varied
        axis = self._axis(name) if varied else None
        if axis is None or self._base[name].dtype.kind != "f":
            return ()
        one, other, samples = self._base[name], self._values[name], self._samples
        if self._plan.letter == TIME:
            ways = [_first_places(one, other, axis)]
            split = split_axis(one, axis, samples), split_axis(other, axis, samples)
            if split[0] is not None and split[1] is not None:
                ways.append(_first_places(split[0], split[1], axis + 1))
            return ways
        places = list(self._plan.places)
        if one.shape[axis] == samples:
            return (Aligned(np.moveaxis(one.take(places, axis), axis, 0), np.moveaxis(other, axis, 0)),)
        return tuple(self._of_rows(one, other, axis, places))

    def _of_rows(self, one: Array, other: Array, axis: int, places: list[int]) -> Iterator[Aligned]:
        """The samples of a value whose axis has several rows of each sample, next to each other or far apart."""
        rows, rest = divmod(one.shape[axis], self._samples)
        if rest or other.shape[axis] != rows * self._size:
            return
        for number, (outer, inner) in enumerate(((-1, rows), (rows, -1))):
            split = [
                array.reshape(*array.shape[:axis], outer, inner, *array.shape[axis + 1 :]) for array in (one, other)
            ]
            own = axis + number
            yield Aligned(np.moveaxis(split[0].take(places, own), own, 0), np.moveaxis(split[1], own, 0))

    def _reducing(self, operation: Operation) -> Operation:
        """The last operation before this one that computes one value of all places of the axis, else this one."""
        varied = [name for name in operation.inputs if self._operations.depends.get(name, frozenset()) & self._varied]
        read = self._operations.ancestors([name for name in varied if self._axis(name) is None])
        for own in reversed(self._operations.operations):
            if read.intersection(own.outputs) and any(self._axis(name) is not None for name in own.inputs):
                return own
        return operation

    def _cause(self, operation: Operation) -> SizeCause:
        if operation.recurrent:
            return SizeCause.BACKWARD if operation.backward and self._plan.letter == TIME else SizeCause.ROUNDING
        return SizeCause.NEIGHBORS if self._plan.letter == TIME else SizeCause.SAMPLES


def _first_places(one: Array, other: Array, axis: int) -> Aligned:
    common = min(one.shape[axis], other.shape[axis])
    one, other = (np.moveaxis(array, axis, 0)[:common] for array in (one, other))
    return Aligned(one, other)
