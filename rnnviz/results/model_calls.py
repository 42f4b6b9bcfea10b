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
    CallCause.NOT_RETURNED: "The state of {node} comes from the input {input}, and no output returns its final state.",
    CallCause.NOT_FINAL: (
        "The state of {node} comes from the input {input}. It gets the output {output} of the previous chunk, which is "
        "not the final state."
    ),
    CallCause.SWAPPED: "The states h and c of {node} are exchanged from one chunk to the next.",
    CallCause.BACKWARD: "The backward direction of {node} reads from the end, which a chunk does not have.",
    CallCause.INNER: "{operator} {node} has states that begin again in each chunk.",
    CallCause.NEIGHBORS: "{operator} {node} reads neighboring time steps, also those in other chunks.",
    CallCause.ALL_STEPS: "{operator} {node} computes over all time steps that it reads.",
    CallCause.ROUNDING: "The state of {node} is carried: the differences are rounding errors that grow over time.",
}


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
    state: Annotated[str, ("carried", "zeros", "constant", "swapped", "other")]


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
    verdict: Annotated[str, ("same", "differ")]
