"""Reasons of the step audit, a network in words, and the HTML of a comparison."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import Location
from rnnviz.engines.known_bugs.registry import KNOWN_BUGS
from rnnviz.gui.lane_audits import reasons
from rnnviz.text.config_diff import config_in_words
from rnnviz.verify.compare import Mismatch
from tests.factories import Edit, make_result, with_judgment


def touching(*places: Location, out: float = 0.0, state: float = 0.0) -> Edit:
    """Moves some hidden values of the last step with what follows from them, and something in `out` or `state` alone.

    `out` is that of the first time step, which breaks one check, and `state` breaks two.
    """

    def edit(trace: Trace) -> None:
        for farther, where in enumerate(places):
            off = np.float32(0.5 + farther)
            trace.hidden[where.index] += off
            trace.output[where.timestep, where.sample, where.unit] += off
            trace.state_h[0, where.sample, where.unit] += off
        trace.output[0] += np.float32(out)
        trace.state_h[0] += np.float32(state)

    return edit


PLACES = (Location(0, 0, 4, 1, 2), Location(0, 0, 4, 1, 3))


@pytest.mark.parametrize(
    ("edit", "steps", "checks"),
    [
        (touching(*PLACES[:1]), 1, 0),
        (touching(*PLACES, out=1.0), 2, 1),
        (touching(state=1.0), 0, 2),
    ],
)
def test_a_wrong_engine_has_every_reason(edit, steps, checks):
    result = with_judgment(make_result(edits={"manual": edit}), diagnoses={"manual": (("no-h2h-bias",),)})
    assert result.judgment is not None
    assert result.judgment.audits["manual"].wrong == steps
    (reason,) = reasons(result)
    assert (f"{checks} consistency check" in reason) == (checks > 0)
    assert (f"{steps} value" in reason) == (steps > 0)
    assert KNOWN_BUGS["no-h2h-bias"].cause in reason


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"cell": "lstm", "num_layers": 2, "bidirectional": True, "dtype": "float64"},
         "lstm: 3 features, 4 units, 2 layers in both directions, float64"),
        ({"cell": "gru", "reverse": True}, "gru: 3 features, 4 units, 1 layer, backward, float32"),
        ({"cell": "gru", "hidden_size": 1}, "gru: 3 features, 1 unit, 1 layer, float32"),
        ({"cell": "gru", "hidden_size": 1200, "input_size": 1}, "gru: 1 feature, 1,200 units, 1 layer, float32"),
    ],
)  # fmt: skip
def test_a_network_is_described_in_a_line(network, words):
    config = make_result(timesteps=5).config
    config = replace(config, network=replace(config.network, **network))
    assert config_in_words(config) == words


def test_a_comparison_shows_two_values_that_three_decimals_cannot_distinguish_with_all_their_digits():
    own = make_result(("gluon", "/far/away/<mine>.py")).comparisons[0]
    html = replace(own, first_mismatch=Mismatch(Place.at("h", PLACES[0]), 0.25, 0.2500001))._repr_html_()
    assert all(f">{value}</td>" in html for value in ("0.25", "0.2500001", "40", "1e-5, 1.3e-6"))
    assert "&lt;mine&gt;.py" in html
