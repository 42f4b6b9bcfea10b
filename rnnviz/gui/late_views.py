"""The views that are drawn by pyqtgraph. Its import is a third of the whole start, and they are empty at first anyway:
the window imports this module once it has been seen."""

from dataclasses import dataclass, field

from rnnviz.gui.views.error_plot import ErrorPlot
from rnnviz.gui.views.units_plot import UnitsPlot
from rnnviz.gui.views.unrolled.view import UnrolledView


@dataclass(frozen=True)
class LateViews:
    """The lanes, and the views of the first tabs."""

    lanes: UnrolledView = field(default_factory=UnrolledView)
    units: UnitsPlot = field(default_factory=UnitsPlot)
    errors: ErrorPlot = field(default_factory=ErrorPlot)
