"""A trace larger than the memory of the window can be explored."""

from typing import Any

import psutil
import pytest

from rnnviz.core.trace_index import Location
from tests.gui.views.unrolled.seen import empty_view, picture_complete
from tools.benchmarks.large_results import large_result

TIMESTEPS, UNITS = 300_000, 128


@pytest.mark.nightly
def test_a_long_trace_takes_little_memory_at_any_position(qtbot: Any) -> None:
    with large_result(TIMESTEPS, UNITS, 1, 1, samples=1) as result:
        stored = sum(trace.hidden.nbytes for trace in (result["one"], result["other"]))
        assert {level.times for level in result["other"].pyramids["h.low"]} == {16, 64, 256}
        view = empty_view()
        qtbot.addWidget(view)
        view.resize(1200, 700)
        view.show()
        view.show_result(result, "other")
        qtbot.waitUntil(lambda: picture_complete(view), timeout=20_000)
        before = psutil.Process().memory_info().rss
        for color_by in ("value", "error_ratio", "difference"):
            view.session.set_color_by(color_by)
            for zoom in (1.0, 8.0, 64.0, 512.0):
                view.fit()
                view.zoom_time(zoom)
                for timestep in range(0, TIMESTEPS, TIMESTEPS // 6):
                    view.show_location(Location(timestep=timestep))
                    qtbot.waitUntil(lambda: picture_complete(view), timeout=20_000)
        held = psutil.Process().memory_info().rss - before
        assert stored > 300e6
        assert held < 150e6
        view.show_result(None, None)
