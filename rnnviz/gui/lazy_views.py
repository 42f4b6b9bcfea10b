"""Lazy creation of the views in tabs, which are empty at first.

Each view is created in idle time, or when its tab is selected. Its module is imported only then.
"""

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

from PySide6.QtCore import QObject, QTimer, Signal

from rnnviz.gui.commands.explain_controller import ExplainController
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.views.base import ResultView

ARITHMETIC, KNOWN_BUGS, MISMATCHES, OUTPUT = "Arithmetic", "Known bugs", "Mismatches", "Output"
TABS = (
    ARITHMETIC,
    "Units over time",
    "Error over time",
    "Checks",
    MISMATCHES,
    "Audit",
    "Error histogram",
    KNOWN_BUGS,
    OUTPUT,
)
"""The titles of the views, from left to right."""
_MODULES = (
    "arithmetic.view",
    "units_plot",
    "error_plot",
    "checks",
    "mismatch_list",
    "audit",
    "error_histogram",
    "known_bugs",
    "stdout_view",
)
EAGER = frozenset({"Checks", "Audit", OUTPUT})
"""Views that follow a result while hidden, because their tab title shows a part of it."""


class LazyViews(QObject):
    """Creates the views and connects their individual signals to tabs and window."""

    made = Signal(object)
    """A new `ResultView`, to be added to the synchronizer and to its tab."""
    completed = Signal()
    """All views exist."""

    def __init__(
        self,
        main_layout: MainLayout,
        explain_controller: ExplainController,
        compute_bug: Callable[[str], None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._main_layout = main_layout
        self._explain_controller = explain_controller
        self._compute_bug = compute_bug
        makers = (
            self._arithmetic,
            self._units,
            self._errors,
            self._checks,
            self._mismatches,
            self._audit,
            self._histogram,
            self._known_bugs,
            self._output,
        )
        self._left: dict[str, Callable[[], ResultView]] = dict(zip(TABS, makers, strict=True))
        self._steps = self._in_small_steps()
        # Fires when no event is pending, so that no view is created between a key press and its effect.
        self._idle = QTimer(self, interval=0)
        self._idle.timeout.connect(self._next)
        main_layout.tab_chosen.connect(self.make)

    def begin(self) -> None:
        """Start to create the views in idle time."""
        self._idle.start()

    def stop(self) -> None:
        """Stop the creation of views in idle time."""
        self._idle.stop()

    def make(self, title: str) -> None:
        """Create the view of a tab unless it exists."""
        make = self._left.pop(title, None)
        if make is not None:
            self.made.emit(make())

    def _next(self) -> None:
        step = next(self._steps, None)
        if step is None:
            self._idle.stop()
            self.completed.emit()
        else:
            step()

    def _in_small_steps(self) -> Iterator[Callable[[], object]]:
        """Separate the import of a view's module from its creation: together they take longer than a frame."""
        for title, module in zip(TABS, _MODULES, strict=True):
            if title in self._left:
                yield partial(import_module, f"rnnviz.gui.views.{module}")
            if title in self._left:
                yield partial(self.make, title)

    def _arithmetic(self) -> ResultView:
        from rnnviz.gui.views.arithmetic.view import ArithmeticView

        view = ArithmeticView()
        self._explain_controller.bind_view(view)
        return view

    def _units(self) -> ResultView:
        from rnnviz.gui.views.units_plot import UnitsPlot

        return UnitsPlot()

    def _errors(self) -> ResultView:
        from rnnviz.gui.views.error_plot import ErrorPlot

        return ErrorPlot()

    def _checks(self) -> ResultView:
        from rnnviz.gui.views.checks import ChecksTable

        view = ChecksTable()
        view.title_changed.connect(partial(self._main_layout.set_tab_text, view.title))
        return view

    def _mismatches(self) -> ResultView:
        from rnnviz.gui.views.mismatch_list import MismatchList

        return MismatchList()

    def _audit(self) -> ResultView:
        from rnnviz.gui.views.audit import AuditTable

        view = AuditTable()
        view.title_changed.connect(partial(self._main_layout.set_tab_text, view.title))
        return view

    def _histogram(self) -> ResultView:
        from rnnviz.gui.views.error_histogram import ErrorHistogram

        return ErrorHistogram()

    def _known_bugs(self) -> ResultView:
        from rnnviz.gui.views.known_bugs import KnownBugsView

        view = KnownBugsView()
        view.bug_requested.connect(self._compute_bug)
        return view

    def _output(self) -> ResultView:
        from rnnviz.gui.views.stdout_view import StdoutView

        view = StdoutView()
        view.presence_changed.connect(lambda present: self._main_layout.show_tab(OUTPUT, present=present))
        return view
