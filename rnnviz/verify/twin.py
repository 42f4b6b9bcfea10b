"""The twin of a lane: its sizes with random numbers. Two changes that are equal there are equal for any numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.engines.known_bugs.hypotheses import EVERY, LaneReads, Reading, reading, values_at


def twin_of(reads: LaneReads) -> LaneReads:
    """A lane of the same sizes with random numbers."""
    generator = np.random.default_rng(7)

    def drawn(*shape: int) -> FloatArray:
        return generator.uniform(-1.0, 1.0, shape)

    def rows(parameters: Mapping[str, Reading]) -> dict[str, Reading]:
        return {name: reading(drawn(*read(EVERY).shape)) for name, read in parameters.items()}

    samples, steps = max(3, reads.x.shape[1]), 4
    width = {symbol: array.shape[-1] for symbol, array in reads.initial.items()}
    return replace(
        reads,
        parameters=rows(reads.parameters),
        own={name: drawn(*array.shape) for name, array in reads.own.items()},
        x=drawn(steps, samples, reads.x.shape[-1]),
        initial={symbol: drawn(samples, size) for symbol, size in width.items()},
        after={symbol: drawn(steps, samples, size) for symbol, size in width.items()},
        others={relation: rows(parameters) for relation, parameters in reads.others.items()},
        starts={
            relation: {symbol: drawn(samples, size) for symbol, size in width.items()} for relation in reads.starts
        },
    )


def every_step(reads: LaneReads) -> list[FloatArray]:
    """The values of every step of a twin."""
    steps, samples = np.indices(reads.x.shape[:2])
    return [*values_at(reads, steps.ravel(), samples.ravel()).values()]


def equal(one: Sequence[FloatArray], other: Sequence[FloatArray]) -> bool:
    """Whether both have values, which are equal."""
    pairs = zip(one, other, strict=True) if one and other else ()
    return bool(one and other) and all(np.allclose(a, b, rtol=0.0, atol=1e-12, equal_nan=True) for a, b in pairs)
