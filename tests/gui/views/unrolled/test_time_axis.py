"""Ticks are at whole time steps."""

from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QPicture

from rnnviz.gui.views.unrolled.time_axis import Metrics, TickLabels, TimeAxis, tick_step


@given(st.floats(0.0, 1e7))
def test_a_tick_step_is_the_smallest_round_number_that_fits(least: float) -> None:
    step = tick_step(least)
    assert step >= least
    assert str(step)[0] in "125"
    assert step == 1 or step / 2.5 <= max(least, 1.0)


def test_ticks_are_whole_time_steps_and_the_initial_states_column(qapp: object) -> None:
    axis = TimeAxis()
    axis.show_timesteps(3, (-1, 3))
    (_, values), *others = axis.tickValues(-1.5, 3.5, 600.0)
    assert (values, others) == ([0.0, 1.0, 2.0, -1.0, 3.0], [])
    assert axis.tickStrings(values, 1.0, 1.0) == ["0", "1", "2", "h0", "h0"]


def test_long_sequences_have_few_ticks(qapp: object) -> None:
    axis = TimeAxis()
    axis.show_timesteps(10_000, ())
    (_, values), *_ = axis.tickValues(-0.5, 9999.5, 700.0)
    assert values == [0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0, 6000.0, 7000.0, 8000.0, 9000.0]
    assert axis.tickStrings(values[-1:], 1.0, 1.0) == ["9,000"]
    # The name of an initial state out of view changes nothing that is drawn.
    axis.picture = drawn = QPicture()
    axis.show_timesteps(10_000, (), "grad.h0")
    assert axis.picture is drawn


def test_the_first_step_alone_is_not_counted_in_thousandths(qapp: object) -> None:
    axis = TimeAxis()
    axis.show_timesteps(1, ())
    axis.setRange(-0.5, 0.5)
    assert axis.label.toPlainText().strip() == "time step"
    assert axis.autoSIPrefixScale == 1.0


WIDE = 8.0


def elided(text: str, width: float) -> str:
    if len(text) * WIDE <= width:
        return text
    return text[: max(int(width / WIDE) - 1, 0)] + "…"


METRICS = Metrics(15.0, lambda text: len(text) * WIDE, elided)


def test_every_character_is_drawn_where_it_fits_and_some_elsewhere() -> None:
    text = "abcdefghij" * 1000
    names = TickLabels(text)
    near = names.in_view(20.5, 20.0, 600.0, METRICS)
    assert [(name.timestep, name.text) for name in near] == [(t, text[t]) for t in range(21, 41)]
    far = names.in_view(-0.5, 10_000.0, 1000.0, METRICS)
    assert 10 < len(far) <= 1000 / METRICS.height
    assert {name.timestep % (far[1].timestep - far[0].timestep) for name in far} == {0}


def test_a_step_without_a_name_is_left_out_and_a_long_name_is_cut_to_its_place() -> None:
    names = TickLabels(("Mon", "", "a name that has no end in sight", " "))
    found = names.in_view(-0.5, 4.0, 400.0, METRICS)
    assert [(name.timestep, name.text) for name in found] == [(0, "Mon"), (2, "a name tha…"), (3, "␣")]
    wider = names.in_view(1.5, 1.0, 400.0, METRICS)
    assert [name.text for name in wider] == ["a name that has no end in sight"]
