"""The arithmetic of a value of every cell: its terms and equations give the value of plain loops."""

from typing import Any

import numpy as np
import pytest

from rnnviz.core.places import Place
from rnnviz.core.trace_index import Location
from rnnviz.engines.manual import ManualEngine
from rnnviz.explain.explanation import Explanation
from rnnviz.explain.report import report, to_json
from rnnviz.explain.terms import Divergence, term_table
from tests.cases import cases
from tests.explain.arithmetics import breakdown_at
from tests.oracles.computed import computed
from tests.oracles.recurrence import recurrence
from tests.verify.audit_helpers import inputs_of

NETWORKS: dict[str, dict[str, Any]] = cases(__file__)["every-cell-networks"]


@pytest.mark.slow
@pytest.mark.parametrize("direction", [pytest.param(0, marks=pytest.mark.slow), 1])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_terms_and_equations_of_every_cell_give_its_value(name, direction):
    sizes = {"hidden_size": 3, "num_layers": 2, "bidirectional": True, "dtype": "float64"}
    inputs = inputs_of({"timesteps": 5, "batch_size": 2}, **sizes, **NETWORKS[name])
    trace = computed(ManualEngine(), inputs)[0]
    hidden = recurrence(inputs).hidden
    for timestep in (0, 4):
        for unit in range(trace.shape[-1]):
            where = Location(1, direction, timestep, 1, unit)
            found = breakdown_at(inputs, trace, where)
            assert found.by_name["h"].value == pytest.approx(hidden[where.index], abs=1e-12)
            assert found.right
            for line in found.lines:
                assert np.isfinite(line.value)
                assert line.equation.result.value == line.value
                total = line.value if line.argument is None else line.argument
                table = term_table([line], top=100)
                stops = [row.figures[0].stop for row in table.rows if row.kind in ("term", "bias")]
                assert line.kind == "state" or stops[-1] == pytest.approx(total, abs=1e-12)
                assert table.rows[-1].figures[0].stop == pytest.approx(total)
                assert Divergence("input", "x", 0.0, 1.0).reaches(line, found)
            explanation = Explanation(Place.at("h", where), {found.engine: found}, {})
            assert len(to_json(explanation)["gates"]) == len(found.gates)
            assert all(f"{gate.name}, {gate.title}" in report(explanation) for gate in found.gates)
