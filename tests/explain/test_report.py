"""The printed explanation of a value as a whole, in eighths, so that it can be checked on paper."""

import re

import pytest

from rnnviz.core.trace_index import Location
from rnnviz.explain.equations import format_short
from rnnviz.explain.explanation import explain_value
from rnnviz.explain.report import report
from rnnviz.explain.step_breakdown import explain
from rnnviz.explain.term_table import SHOWN_TERMS, first_parted_sum, ledger
from rnnviz.verify.result import RunResult
from tests.explain.arithmetics import tidy_result

GRU_WHERE = Location(1, 1, 2, 1, 1)
LSTM_WHERE = Location(0, 0, 0, 1, 1)


def split_at() -> RunResult:
    """A GRU whose second engine has another state before the step, and does not have what the step gives."""
    result = tidy_result(cell="gru", hidden_size=2, bidirectional=True, num_layers=2)
    own, other = result.traces.values()
    other.hidden[GRU_WHERE.moved(timestep=3, unit=0).index] -= 0.25
    for trace in (own, other):
        trace.hidden[GRU_WHERE.index] = explain(result.inputs, trace, GRU_WHERE).h
    other.hidden[GRU_WHERE.index] += 0.5
    return result


def agreeing() -> RunResult:
    """An LSTM at its first step, which both engines have right."""
    result = tidy_result(cell="lstm", hidden_size=2)
    for trace in result.traces.values():
        own = explain(result.inputs, trace, LSTM_WHERE)
        trace.hidden[LSTM_WHERE.index] = own.h
        if trace.cell is not None:
            trace.cell[LSTM_WHERE.index] = own.c
    return result


PARTED = """\
h[t=2, u=1] of layer 1 backward ←, sample 1: GRU, 2 units, 4 inputs

  r, z = sigmoid(u + v)
  n = tanh(u_n + r · v_n)
  h = (1 - z) · n + z · h[t-1]
  with u = W_i2h x + b_i2h and v = W_h2h h[t-1] + b_h2h

                         gluon  manual
  h[t-1] = h[t=3, u=1]  -0.750  -0.750

r, reset gate
                                   gluon                       manual
                 weight  × input  = product     sum  × input  = product     sum
  h[t=2, u=0] →  -0.625   -0.375      0.234   0.234   -0.375      0.234   0.234
  h[t=2, u=1] →   0.250    0.500      0.125   0.359    0.500      0.125   0.359
  h[t=2, u=0] ←  -1.000    0.875     -0.875  -0.516    0.875     -0.875  -0.516
  h[t=2, u=1] ←  -0.125   -0.375      0.047  -0.469   -0.375      0.047  -0.469
  b_i2h                               0.125  -0.344               0.125  -0.344
  u                                  -0.344                      -0.344
≠ h[t=3, u=0]     0.375    0.500      0.188  -0.156    0.250      0.094  -0.250
  h[t=3, u=1]    -0.875   -0.750      0.656   0.500   -0.750      0.656   0.406
  b_h2h                               0.750   1.250               0.750   1.156
  v                                   1.594                       1.500
  u + v                                       1.250                       1.156

  r = sigmoid(u + v)
  0.777 = sigmoid(-0.344 + 1.594)   gluon
  0.761 = sigmoid(-0.344 + 1.500)   manual

z, update gate
                                   gluon                       manual
                 weight  × input  = product     sum  × input  = product     sum
  h[t=2, u=0] →   1.125   -0.375     -0.422  -0.422   -0.375     -0.422  -0.422
  h[t=2, u=1] →   0.875    0.500      0.438   0.016    0.500      0.438   0.016
  h[t=2, u=0] ←  -0.375    0.875     -0.328  -0.312    0.875     -0.328  -0.312
  h[t=2, u=1] ←   0.500   -0.375     -0.188  -0.500   -0.375     -0.188  -0.500
  b_i2h                              -0.250  -0.750              -0.250  -0.750
  u                                  -0.750                      -0.750
≠ h[t=3, u=0]    -0.375    0.500     -0.188  -0.938    0.250     -0.094  -0.844
  h[t=3, u=1]     0.500   -0.750     -0.375  -1.312   -0.750     -0.375  -1.219
  b_h2h                               0.375  -0.938               0.375  -0.844
  v                                  -0.188                      -0.094
  u + v                                      -0.938                      -0.844

  z = sigmoid(u + v)
  0.281 = sigmoid(-0.750 + (-0.188))   gluon
  0.301 = sigmoid(-0.750 + (-0.094))   manual

n, candidate
                                       gluon                               manual
                 weight  × input  = product     × r     sum  × input  = product     × r     sum
  h[t=2, u=0] →   0.625   -0.375     -0.234  -0.234  -0.234   -0.375     -0.234  -0.234  -0.234
  h[t=2, u=1] →  -0.625    0.500     -0.312  -0.312  -0.547    0.500     -0.312  -0.312  -0.547
  h[t=2, u=0] ←   0.250    0.875      0.219   0.219  -0.328    0.875      0.219   0.219  -0.328
  h[t=2, u=1] ←  -1.000   -0.375      0.375   0.375   0.047   -0.375      0.375   0.375   0.047
  b_i2h                              -0.625  -0.625  -0.578              -0.625  -0.625  -0.578
  u_n                                -0.578                              -0.578
≠ h[t=3, u=0]     1.000    0.500      0.500   0.389  -0.189    0.250      0.250   0.190  -0.388
  h[t=3, u=1]    -0.250   -0.750      0.188   0.146  -0.044   -0.750      0.188   0.143  -0.245
  b_h2h                               1.125   0.874   0.831               1.125   0.856   0.610
  v_n                                 1.812                               1.562
  u_n + r · v_n                                       0.831                               0.610

  n = tanh(u_n + r · v_n)
  0.681 = tanh(-0.578 + 0.777 · 1.812)   gluon
  0.544 = tanh(-0.578 + 0.761 · 1.562)   manual

  h = (1 - z) · n + z · h[t-1]
  0.278 = (1 - 0.281) · 0.681 + 0.281 · (-0.750)   gluon
  0.155 = (1 - 0.301) · 0.544 + 0.301 · (-0.750)   manual

                          gluon   manual
  h of this arithmetic  0.278    0.155
  h of the engine       0.278    0.655
  difference            0        0.5
  allowed for rounding  2.2e-14  2.2e-14

"""

TWO_TERMS = """\
h[t=0, u=1] of layer 0 forward →, sample 1: LSTM, 2 units, 3 inputs

  i, f, o = sigmoid(u + v)
  g = tanh(u + v)
  c = f · c[t-1] + i · g
  h = o · tanh(c)
  with u = W_i2h x + b_i2h and v = W_h2h h[t-1] + b_h2h

                     gluon  manual
  h[t-1] = h0[u=1]   0.750   0.750
  c[t-1] = c0[u=1]  -0.750  -0.750

i, input gate
                                 gluon                       manual
               weight  × input  = product     sum  × input  = product     sum
  x[t=0, i=1]   0.375    1.000      0.375   0.375    1.000      0.375   0.375
  x[t=0, i=2]  -0.875   -0.250      0.219   0.594   -0.250      0.219   0.594
  1 more                           -0.062   0.531              -0.062   0.531
  b_i2h                            -1.000  -0.469              -1.000  -0.469
  u                                -0.469                      -0.469
  2 terms                           0.188  -0.281               0.188  -0.281
  b_h2h                            -0.375  -0.656              -0.375  -0.656
  v                                -0.188                      -0.188
  u + v                                    -0.656                      -0.656

  i = sigmoid(u + v)
  0.342 = sigmoid(-0.469 + (-0.188))   gluon, manual

  c = f · c[t-1] + i · g
  0.171 = 0.220 · (-0.750) + 0.342 · 0.983   gluon, manual

  h = o · tanh(c)
  0.141 = 0.831 · tanh(0.171)   gluon, manual

                          gluon   manual
  c of this arithmetic  0.171    0.171
  c of the engine       0.171    0.171
  difference            0        0
  allowed for rounding  9.1e-15  9.1e-15
                          gluon   manual
  h of this arithmetic  0.141    0.141
  h of the engine       0.141    0.141
  difference            0        0
  allowed for rounding  9.8e-15  9.8e-15

No divergence: gluon and manual agree on every line (within tolerance).
"""


def test_a_page_has_every_term_of_every_engine_each_sum_and_the_divergence() -> None:
    page, _, sentences = report(explain_value(split_at(), GRU_WHERE)).rpartition("\n\n")
    assert page + "\n\n" == PARTED
    assert sentences.splitlines() == [
        (
            "manual is wrong here: it returned h = 0.655; "
            "the equations give 0.155 for manual's own previous state and input."
        ),
        "First divergence before this step, at h[t=3, u=0] of layer 1, backward: gluon has 0.500, manual 0.250.",
    ]


def test_a_page_of_the_heaviest_terms_sums_the_others_up() -> None:
    blocks = report(explain_value(agreeing(), LSTM_WHERE), top=2).split("\n\n")
    assert "\n\n".join([*blocks[:5], *blocks[-4:]]) + "\n" == TWO_TERMS


@pytest.mark.parametrize("top", [None, 2])
def test_the_printed_sums_are_those_of_the_ledger_in_the_window(top: int | None) -> None:
    explanation = explain_value(split_at(), GRU_WHERE)
    each = list(explanation.arithmetics.values())
    parting = explanation.partings["manual"]
    blocks = report(explanation, top).split("\n\n")
    for symbol in "rzn":
        (block,) = [own.splitlines() for own in blocks if own.startswith(f"{symbol}, ")]
        found = ledger(each, symbol, top=top, parting=parting)
        printed = {re.split(r"\s{2,}", line[2:])[0]: line[2:].split() for line in block[3:]}
        assert list(printed) == [row.name for row in found.rows]
        for row in found.rows:
            stops = [format_short(own.stop) for own in row.figures if own.stop is not None]
            half = 1 if row.kind == "total" else (len(printed[row.name]) - len(row.name.split())) // 2
            if stops:
                assert [printed[row.name][-1 - half], printed[row.name][-1]] == stops, row.name
        marked = [place for place, line in enumerate(block[3:]) if line.startswith("≠ ")]
        assert marked == [first_parted_sum(found, each[0], 1, parting)]


def test_a_long_name_widens_the_last_of_its_columns() -> None:
    name = "/far/away/a_name_that_is_longer_than_its_own_three_columns.py"
    result = tidy_result(("gluon", name), cell="rnn_tanh", hidden_size=2)
    above, header, first, *_ = report(explain_value(result, LSTM_WHERE)).split("\n\n")[3].splitlines()[1:]
    assert above.split() == ["gluon", "a_name_that_is_longer_than_its_own_three_columns.py"]
    assert header == "               weight  × input  = product     sum  × input  = product" + " " * 30 + "sum"
    assert len(first) == len(header) == len(above)


def test_all_terms_are_listed_up_to_the_limit_and_the_heaviest_beyond() -> None:
    for inputs in (SHOWN_TERMS - 2, SHOWN_TERMS - 1):
        result = tidy_result(cell="rnn_tanh", hidden_size=2, input_size=inputs)
        text = report(explain_value(result, LSTM_WHERE))
        assert sum(line.startswith(("  x[", "  h0[")) for line in text.splitlines()) == SHOWN_TERMS
        assert ("1 more" in text) == (inputs == SHOWN_TERMS - 1)
