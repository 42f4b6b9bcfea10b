"""Two files compared: what `rnnviz compare` writes as JSON, and the figures that only its text has."""

from typing import Annotated

from rnnviz.frozen import dataclass
from rnnviz.results.summary import AnyPlace, Count, Exact
from rnnviz.verify.parameter_relations import SAME_SUM, ParameterDifference


@dataclass(frozen=True)
class StructureDifference:
    """A key of the network in which the files differ, with both values. The dtype alone does not decide the verdict."""

    name: str
    a: str
    b: str


@dataclass(frozen=True)
class ParameterSummary:
    """One parameter, by Gluon's name."""

    name: str
    max_abs_difference: Annotated[float | None, "Largest absolute difference; null where the shapes differ."]
    relation: Annotated[str | None, "How the one of B follows from A; null without a difference or a known relation."]


@dataclass(frozen=True)
class InputDifference:
    """An array that both files bring: the sequence, or an initial state."""

    name: str
    max_abs_difference: Annotated[float | None, "Largest absolute difference; null where the shapes differ."]
    first: Annotated[
        tuple[int, ...], "Index of the first number that differs: (T, N, I), or (L·D, N, H) of a state."
    ] = ()


@dataclass(frozen=True)
class FirstDivergence:
    """First hidden value in the order of computation that differs by more than the tolerance."""

    where: AnyPlace
    a: float
    b: float


@dataclass(frozen=True)
class UnitDifference:
    """One unit of a lane: its mean difference over all time steps and samples, and the largest one with its place."""

    where: AnyPlace
    mean_abs_difference: float
    max_abs_difference: float


@dataclass(frozen=True)
class FilesSummary:
    """Comparison of two files, A and B: model files, configs or sessions."""

    structure: tuple[StructureDifference, ...]
    parameters: tuple[ParameterSummary, ...]
    inputs: Annotated[tuple[InputDifference, ...], "Arrays of both files that differ."]
    first_divergence: FirstDivergence | None
    units: Annotated[tuple[UnitDifference, ...], "Units whose hidden values differ most, by the mean, at most 5."]
    verdict: Annotated[str, ("same", "differ")]


@dataclass(frozen=True)
class FileComparison:
    """The comparison of A and B. `values` is None where their networks have no values in common; `recorded` says that
    they are those of two recordings."""

    structure: tuple[StructureDifference, ...]
    parameters: tuple[ParameterDifference, ...]
    inputs: tuple[InputDifference, ...]
    rtol: Exact
    atol: Exact
    values: "ValueDifferences | None"
    recorded: bool = False
    assumptions: tuple[str, ...] = ()

    @property
    def changed(self) -> tuple[ParameterDifference, ...]:
        """The parameters that differ by more than the tolerance, or of which one file has none."""
        return tuple(own for own in self.parameters if own.differs)

    @property
    def same_values(self) -> bool:
        """Whether the parameters give the same values. Biases of equal sums are judged by the values that they give."""
        same_sums = all(own.relation in SAME_SUM for own in self.changed)
        return same_sums and self.values is not None and not self.values.mismatched

    @property
    def same(self) -> bool:
        """Whether the files hold one network."""
        keys = [own for own in self.structure if own.name != "dtype"]
        return self.same_values and not (keys or self.inputs)

    @property
    def summary(self) -> FilesSummary:
        first, units = (None, ()) if self.values is None else (self.values.first, self.values.units)
        parameters = tuple(ParameterSummary(own.name, own.max_abs_difference, own.relation) for own in self.parameters)
        return FilesSummary(self.structure, parameters, self.inputs, first, units, "same" if self.same else "differ")


@dataclass(frozen=True)
class ValueDifferences:
    """All hidden values of A and of B from one input compared; `units` differ most, where values mismatch."""

    elements: Count
    mismatched: Count
    max_abs_difference: float
    first: FirstDivergence | None
    units: tuple[UnitDifference, ...] = ()
