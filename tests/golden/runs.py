"""Representative results whose texts are kept as golden files."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.verify.audit import WrongValue
from rnnviz.verify.compare import compare_all
from rnnviz.verify.consistency_checks import Check
from rnnviz.verify.result import PassJudgment, RunResult
from tests.factories import Edit, make_result, with_judgment

WHERE = Location(0, 1, 3, 1, 2)
ELSEWHERE = Location(1, 0, 2, 0, 0)
EXACT = {"atol": 0.0, "rtol": 0.0}


def edited(value: float, where: Location = WHERE) -> Edit:
    """Set a hidden value to a number that does not depend on the machine."""

    def edit(trace: Trace) -> None:
        trace.hidden[where.index] = np.float32(value)

    return edit


def other_state(trace: Trace) -> None:
    """Change the first final state, which breaks consistency checks."""
    trace.state_h[0] += 1.0


def made(engines: tuple[str, ...] = ("gluon", "manual"), **options: object) -> RunResult:
    """A result of a bidirectional network with two layers."""
    return make_result(engines, **{"bidirectional": True, "num_layers": 2, **options})


def nearly(steps: int) -> Edit:
    """Move a hidden value by a few ulps."""

    def edit(trace: Trace) -> None:
        value = trace.hidden[WHERE.index]
        trace.hidden[WHERE.index] = value + np.float32(steps * np.spacing(value))

    return edit


def recorded(missing: frozenset[str]) -> RunResult:
    """The candidate is a recording that lacks arrays."""
    result = made(("gluon", "manual"))
    partial = replace(result["manual"], missing=missing)
    found = compare_all(result["gluon"], partial, *result.config.tolerances)
    return replace(result, traces={**result.traces, "manual": partial}, comparisons=(found,))


def with_known_issue(result: RunResult) -> RunResult:
    """The result with a check that fails by a bug of a library."""
    check = Check(
        "the stack gives the same out", "gluon", False, "3 values differ", known_issue="the library ignores it"
    )
    return replace(result, checks=(*result.checks, check))


def remedied(result: RunResult, *bugs: str) -> RunResult:
    """The result with undetectable bugs, and the config that would reveal more."""
    remedy = replace(result.config, parameters=replace(result.config.parameters, bias="zeros"))
    return with_judgment(result, blind=bugs, remedy=remedy)


BOTH = ("gluon", "manual")
WEIGHT = "grad.parameters.l0_h2h_weight"


def other_gradients(trace: Trace) -> None:
    """Change gradients of two lanes and of a parameter."""
    for index in (WHERE.index, (1, 1, 4, 0, 3)):
        trace["grad.h"][index] = np.float32(9.0)
    trace[WEIGHT][2, 1] = np.float32(0.5)


def judged(result: RunResult, **changes: object) -> RunResult:
    """The result with every gradient audited, and changes of the judgment on them."""
    result = with_judgment(result)
    assert result.judgment is not None
    assert result.judgment.backward is not None
    backward: PassJudgment = replace(result.judgment.backward, **changes)
    return replace(result, judgment=replace(result.judgment, backward=backward))


def with_wrong_gradient(result: RunResult) -> RunResult:
    """The result with a wrong gradient of manual, and its likely cause."""
    result = judged(result, diagnoses={"manual": (("a",),)}, causes={"a": "cell gradient dropped"})
    assert result.judgment is not None
    assert result.judgment.backward is not None
    place = Place.at("grad.h", Location(1, 1, 4, 0, 3))
    wrong = replace(result.judgment.backward.audits["manual"], wrong=2, first_wrong=WrongValue(place, 9.0, 0.5))
    backward = replace(result.judgment.backward, audits={**result.judgment.backward.audits, "manual": wrong})
    return replace(result, judgment=replace(result.judgment, backward=backward))


RUNS: dict[str, Callable[[], RunResult]] = {
    "agree-unaudited": made,
    "agree-audited": lambda: with_judgment(made()),
    "agree-sampled": lambda: with_judgment(made(), coverage=0.3875),
    "agree-undetectable-bugs": lambda: remedied(made(), "no-i2h-bias", "no-h2h-bias"),
    "agree-recording-lacks-values": lambda: recorded(frozenset({"h", "state.h"})),
    "agree-padding": lambda: with_known_issue(with_judgment(made(lengths=(2, 5)))),
    "agree-nan": lambda: made(edits={"gluon": edited(np.nan), "manual": edited(np.nan)}),
    "differ-unaudited": lambda: made(edits={"manual": edited(9.0)}),
    "differ-nan": lambda: made(edits={"manual": edited(np.nan)}),
    "differ-no-tolerance": lambda: made(edits={"gluon": edited(0.0), "manual": edited(9.0)}, compare_with=EXACT),
    "drift": lambda: with_judgment(made(edits={"manual": nearly(2)}, compare_with=EXACT)),
    "wrong": lambda: with_judgment(made(edits={"gluon": edited(9.0)}), diagnoses={"gluon": (("no-h2h-bias",),)}),
    "wrong-both": lambda: with_judgment(
        made(edits={"gluon": edited(9.0), "manual": edited(9.0, ELSEWHERE)}),
        diagnoses={"gluon": (("no-h2h-bias", "h2h-transposed"),), "manual": ()},
        ambiguous={"manual": 2},
    ),
    "wrong-checks": lambda: with_judgment(made(edits={"manual": other_state})),
    "gradients-agree": lambda: judged(made(gradients=BOTH)),
    "gradients-differ-unaudited": lambda: made(gradients=BOTH, edits={"manual": other_gradients}),
    "gradients-drift": lambda: judged(made(gradients=BOTH, edits={"manual": other_gradients})),
    "gradients-of-one-engine": lambda: judged(made(("gluon", "manual", "onnx"), gradients=BOTH), undetectable=("a",)),
    "gradients-wrong": lambda: with_wrong_gradient(made(gradients=BOTH, edits={"manual": other_gradients})),
    "three-engines": lambda: with_judgment(made(("gluon", "manual", "torch"), edits={"torch": edited(9.0)})),
}
