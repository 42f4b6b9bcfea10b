"""The verdict strip on a screen, and a result for it."""

import numpy as np
import pytest

from rnnviz.core.trace import Trace
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.verify.result import RunResult
from tests.factories import make_result
from tests.gui.views.verdicts import PLACE


@pytest.fixture
def line(qtbot) -> VerdictBar:
    view = VerdictBar()
    qtbot.addWidget(view)
    view.resize(1400, view.sizeHint().height())
    view.show()
    return view


@pytest.fixture
def mismatching() -> RunResult:
    def edit(trace: Trace) -> None:
        trace.hidden[PLACE.index] += np.float32(0.25)

    return make_result(edits={"manual": edit}, bidirectional=True)
