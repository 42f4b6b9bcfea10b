"""Where the running sums of two engines diverge in a ledger."""

import numpy as np

from rnnviz.explain.divergence import Divergence
from rnnviz.explain.step_breakdown import StepBreakdown
from rnnviz.explain.term_table import TermTable
from rnnviz.verify.metrics import abs_error, tolerance


def first_parted_sum(
    ledger: TermTable, reference: StepBreakdown, engine: int, parting: Divergence | None
) -> int | None:
    """The first row whose sums differ by more than the tolerance of `parting`; None where none do.

    The sums are those of the first engine, whose arithmetic `reference` is, and of the one at place `engine`. Before
    the line in which the two diverge they agree by the tolerance, and what is left of a difference that later terms
    cancel is not a divergence.
    """
    if parting is None or not parting.reaches(ledger.line, reference):
        return None
    pairs = [
        (row, own.stop, other.stop)
        for row, (own, other) in enumerate((row.figures[0], row.figures[engine]) for row in ledger.rows)
        if own.stop is not None and other.stop is not None
    ]
    ours, theirs = np.array([pair[1] for pair in pairs]), np.array([pair[2] for pair in pairs])
    apart = np.flatnonzero(~(abs_error(ours, theirs) <= tolerance(ours, parting.rtol, parting.atol)))
    return pairs[int(apart[0])][0] if apart.size else None
