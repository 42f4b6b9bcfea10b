"""Calls of an ONNX model compared: the whole with its chunks, and other lengths and numbers of samples."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from rnnviz.frozen import dataclass
from rnnviz.results.summary import Count


class CallCause(StrEnum):
    """Why a model gives other values in other calls."""

    ZEROS = "state-begins-at-zeros"
    CONSTANT = "state-begins-at-a-constant"
    NOT_CARRIED = "state-not-carried"
    NOT_RETURNED = "state-not-returned"
    NOT_FINAL = "returned-state-is-not-final"
    SWAPPED = "states-swapped"
    BACKWARD = "backward-direction"
    INNER = "inner-states-begin-again"
    NEIGHBORS = "reads-other-time-steps"
    ALL_STEPS = "computes-over-all-time-steps"
    ROUNDING = "rounding"


_SENTENCES = {
    CallCause.ZEROS: "The state of {node} begins at zeros in each chunk: the model has no input for it.",
    CallCause.CONSTANT: "The state of {node} begins at the same numbers in each chunk: the model has no input for it.",
    CallCause.NOT_CARRIED: "The state of {node} does not begin at the final state of the previous chunk.",
    CallCause.NOT_RETURNED: "The state of {node} comes from {input}, and no output returns its final state.",
    CallCause.NOT_FINAL: (
        "The state of {node} comes from {input}, which gets {output} of the previous chunk: not the final state."
    ),
    CallCause.SWAPPED: "The states h and c of {node} are exchanged from one chunk to the next.",
    CallCause.BACKWARD: "The backward direction of {node} reads from the end, which a chunk does not have.",
    CallCause.INNER: "{operator} {node} has states that begin again in each chunk.",
    CallCause.NEIGHBORS: "{operator} {node} reads other time steps than its own, also those in other chunks.",
    CallCause.ALL_STEPS: "{operator} {node} computes over all time steps that it reads.",
    CallCause.ROUNDING: "The state of {node} is carried: the differences are rounding errors that grow over time.",
}


STATES = {
    "carried": "is carried from chunk to chunk",
    "zeros": "begins at zeros in each chunk",
    "constant": "begins at the same numbers in each chunk",
    "swapped": "is carried with h and c exchanged",
    "other": "does not begin at the final state of the previous chunk",
}
"""How the state of a recurrent node begins in each chunk but the first."""


def cause_sentence(cause: CallCause, **names: str) -> str:
    return _SENTENCES[cause].format_map(names)


@dataclass(frozen=True)
class OutputDifference:
    """One output of the model: the whole compared with all chunks."""

    name: str
    max_abs_difference: Annotated[float | None, "Largest absolute difference; null where the shapes differ."]
    mismatched: Count
    elements: Count
    chunk: Annotated[
        int | None, "First chunk that differs, from 0; null without a difference or an axis of time steps."
    ]
    timestep: Annotated[int | None, "First time step of the output that differs."]


@dataclass(frozen=True)
class RecurrentState:
    """One recurrent node: how its state begins in each chunk but the first."""

    name: str
    operator: str
    state: Annotated[str, tuple(STATES)]


@dataclass(frozen=True)
class FirstOperation:
    """First operation with other values though all that it reads is the same, and why."""

    name: str
    operator: str
    chunk: Annotated[int | None, "First chunk that differs, from 0."]
    timestep: Annotated[int | None, "First time step of its output that differs."]
    max_abs_difference: Annotated[float | None, "Largest absolute difference; null where the shapes differ."]
    cause: CallCause
    sentence: str


@dataclass(frozen=True)
class ChunksSummary:
    """One call with a whole sequence compared with calls of its chunks."""

    chunk_size: Count
    chunks: Count
    axes: Annotated[Mapping[str, str], "Axes of each input: T time steps, N samples, other letters other axes."]
    states: Annotated[Mapping[str, str], "Inputs that get the value of an output in the next chunk, with its name."]
    outputs: tuple[OutputDifference, ...]
    recurrent: tuple[RecurrentState, ...]
    first: FirstOperation | None
    verdict: Annotated[str, ("same", "drift", "differ")]


class SizeCause(StrEnum):
    """Why a model does not give the same values at another size."""

    DECLARED = "declared-size"
    UNDECLARED = "not-declared"
    FAILS = "operation-fails"
    MODEL_FAILS = "model-fails"
    CONSTANT = "constant-size"
    LENGTHS = "stored-lengths"
    OUTPUT = "output-of-one-size"
    BACKWARD = "backward-direction"
    NEIGHBORS = "reads-other-time-steps"
    SAMPLES = "reads-other-samples"
    ROUNDING = "rounding"


_SIZE_SENTENCES = {
    SizeCause.DECLARED: "ONNX Runtime refuses {size}: {own} is declared for {inputs}.",
    SizeCause.UNDECLARED: "Without the declaration the model computes them.",
    SizeCause.FAILS: "{operator} {node} fails: {why}.",
    SizeCause.MODEL_FAILS: "The model fails: {why}.",
    SizeCause.CONSTANT: "{operator} {node} always gives {own}.",
    SizeCause.LENGTHS: "{operator} {node} reads stored lengths, and computes {own} only.",
    SizeCause.OUTPUT: "The output {node} always has {own}, as that of a loop that the export unrolled.",
    SizeCause.BACKWARD: "The backward direction of {node} reads from the end, so values depend on the length.",
    SizeCause.NEIGHBORS: "{operator} {node} reads other time steps, so values depend on the length.",
    SizeCause.SAMPLES: "{operator} {node} reads other samples, so the values of a sample depend on the others.",
    SizeCause.ROUNDING: "The values of {node} differ by rounding errors that grow over time.",
}


def size_sentence(cause: SizeCause, **names: str) -> str:
    return _SIZE_SENTENCES[cause].format_map(names)


@dataclass(frozen=True)
class SizeTrial:
    """One run at another size, compared with the run at the sizes of the given inputs."""

    axis: Annotated[str, ("T", "N")]
    size: Count
    verdict: Annotated[str, ("same", "depends", "differ", "frozen", "fails")]
    alone: Annotated[int | None, "The sample that is computed alone."] = None
    declared: Annotated[tuple[str, ...], "Inputs that declare another size, which ONNX Runtime refuses."] = ()
    name: Annotated[str, "First operation that fails, has one size, or gives other values."] = ""
    operator: str = ""
    timestep: Annotated[int | None, "First time step of its output that differs."] = None
    sample: Annotated[int | None, "First sample that differs, in the order of the trial."] = None
    max_abs_difference: float | None = None
    cause: SizeCause | None = None
    sentence: str = ""


@dataclass(frozen=True)
class SizesSummary:
    """A model at other lengths and for other numbers of samples."""

    timesteps: Count
    samples: Count
    axes: Annotated[Mapping[str, str], "Axes of each input: T time steps, N samples, other letters other axes."]
    trials: tuple[SizeTrial, ...]
    frozen: Annotated[tuple[str, ...], "The axes that have one size only: T, N."]
    verdict: Annotated[str, ("same", "differ")]
