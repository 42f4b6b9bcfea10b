"""The views that the first picture of the window does without: they are empty at first anyway.

Some are drawn by pyqtgraph, whose import is a third of the whole start. The window imports this module once it has
been seen.
"""

from dataclasses import dataclass, field

from rnnviz.gui.views.audit_table import AuditTable
from rnnviz.gui.views.error_histogram import ErrorHistogram
from rnnviz.gui.views.error_plot import ErrorPlot
from rnnviz.gui.views.printed_text import PrintedText
from rnnviz.gui.views.units_plot import UnitsPlot
from rnnviz.gui.views.unrolled.view import UnrolledView
from rnnviz.gui.views.what_if import WhatIf


@dataclass(frozen=True)
class LateViews:
    """The lanes, the views of the first tabs, and those of the last."""

    lanes: UnrolledView = field(default_factory=UnrolledView)
    units: UnitsPlot = field(default_factory=UnitsPlot)
    errors: ErrorPlot = field(default_factory=ErrorPlot)
    audit: AuditTable = field(default_factory=AuditTable)
    histogram: ErrorHistogram = field(default_factory=ErrorHistogram)
    what_if: WhatIf = field(default_factory=WhatIf)
    printed: PrintedText = field(default_factory=PrintedText)
