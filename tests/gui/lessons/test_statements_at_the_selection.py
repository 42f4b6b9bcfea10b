"""Statements about the selected value, checked again for each selection."""

from dataclasses import replace

import numpy as np
import pytest

from rnnviz.core.trace_index import Location
from rnnviz.lessons.index import lesson_entries
from tests.gui.lessons.conftest import Read, changed

FOLLOWING = '''# A lesson that follows
What it is about.

## The step
```step
config = "vanilla-t1"
[set]
"sequence.timesteps" = 3
[[statement]]
text = "It is relu(u + v)."
expression = """close(h(layer, direction)[timestep][sample][unit], \\
               relu(gate('pre_h', layer, direction)[timestep][sample][unit]))"""
[[statement]]
text = "The cursor stands at the first step."
expression = "timestep == 0"
```
'''


@pytest.mark.slow
def test_a_statement_about_the_selected_value_follows_the_selection(qtbot, window, make_entry):
    reading = Read(qtbot, window, make_entry(FOLLOWING))
    reading.open()
    hidden = window.session.result.reference.hidden
    for where, second in ((Location(timestep=2, sample=5, unit=3), "False"), (Location(unit=9), "True")):
        window.session.set_location(where)
        shown = f"{hidden[where.index]:.3f}"
        qtbot.waitUntil(
            lambda shown=shown, marks=["True", second]: (
                reading.pane.rows[0].shown_numbers[1] == shown and reading.marks == marks
            )
        )


@pytest.mark.slow
@pytest.mark.parametrize("layers", [1, 2])
def test_the_first_lesson_ends_with_any_number_of_the_users_network(qtbot, window, settings, layers):
    entry = lesson_entries()[0]
    settings.set_lesson_step(entry.name, 3)
    reading = Read(qtbot, window, entry)
    reading.open()
    assert (reading.pane.place.text(), reading.marks) == ("step 4 of 4", ["True"] * 3)
    own = changed(window.session.config, timesteps=4)
    own = replace(own, parameters=replace(own.parameters, seed=99), network=replace(own.network, num_layers=layers))
    window.document.edit(own)
    reading.finish_pending()
    hidden = window.session.result.reference.hidden
    of_own = [f"{mark} for your config" for mark in ("True", "True", "False")]
    for place in np.argwhere(hidden > 0)[::23].tolist():
        where = Location(*place)
        window.session.set_location(where)
        shown = f"{hidden[where.index]:.3f}"
        qtbot.waitUntil(lambda shown=shown: reading.pane.rows[0].shown_numbers[1] == shown and reading.marks == of_own)
