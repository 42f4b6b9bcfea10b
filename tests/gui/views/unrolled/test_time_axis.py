"""Ticks are at whole time steps."""

from hypothesis import given
from hypothesis import strategies as st

from rnnviz.gui.views.unrolled.time_axis import TimeAxis, tick_step


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


def test_the_first_step_alone_is_not_counted_in_thousandths(qapp: object) -> None:
    axis = TimeAxis()
    axis.show_timesteps(1, ())
    axis.setRange(-0.5, 0.5)
    assert axis.label.toPlainText().strip() == "time step"
    assert axis.autoSIPrefixScale == 1.0
