"""Ticks are at whole time steps."""

from hypothesis import given
from hypothesis import strategies as st

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
