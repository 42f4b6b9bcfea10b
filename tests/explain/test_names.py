"""An explanation calls time steps and features by their names."""

from dataclasses import replace

from rnnviz.core.axis_labels import Names
from rnnviz.core.trace_index import Location
from rnnviz.explain.explanation import explain_value
from rnnviz.explain.provenance import InputPlace, in_words, origin
from rnnviz.explain.report import report, to_json
from tests.factories import make_result

NAMES = Names(("Mon", "", "Wed", "Thu", "Fri"), ("open", "", "close"))
RESULT = make_result(cell="lstm", num_layers=2)
NAMED = replace(RESULT, inputs=replace(RESULT.inputs, names=NAMES))


def test_terms_and_the_heading_have_names_and_the_numbers_stay() -> None:
    named, plain = (report(explain_value(result, Location(timestep=2))).splitlines() for result in (NAMED, RESULT))
    assert named[0].startswith("h[t=2, u=0] of layer 0 forward →, sample 0, t = 2 'Wed': ")
    assert [line for line in named if line.startswith('  x[t=2, i="open"] ')]
    assert [line for line in named if line.startswith("  x[t=2, i=1] ")]
    assert [line.split()[2:] for line in named if '"close"' in line] == [
        line.split()[2:] for line in plain if line.startswith("  x[t=2, i=2]")
    ]


def test_unnamed_time_steps_and_upper_layers_are_unchanged() -> None:
    where = Location(layer=1, timestep=1)
    assert report(explain_value(NAMED, where)) == report(explain_value(RESULT, where))


def test_json_has_names_and_indices() -> None:
    found = to_json(explain_value(NAMED, Location(timestep=2)))
    assert found["names"] == {"timestep": "Wed", "features": ["open", "", "close"]}
    plain = to_json(explain_value(RESULT, Location(timestep=2)))
    assert {key: value for key, value in found.items() if key != "names"} == plain


def test_a_place_is_equal_by_any_name_and_the_end_of_a_trail_names_it() -> None:
    place = InputPlace(2, 0, 0, NAMES)
    assert place == InputPlace(2, 0, 0)
    assert hash(place) == hash(InputPlace(2, 0, 0))
    assert in_words(place) == 'x[t=2, i="open"]'
    found = origin(NAMED.inputs, InputPlace(2, 0, 0))
    assert found.name == 'x[t=2, i="open"]'
    assert found.sentences[0] == "Feature 0 'open' of x at t = 2 'Wed', sample 0."
