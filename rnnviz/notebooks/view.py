"""A run as a widget: the value that is selected in its page is the selection in Python, and the reverse."""

from collections.abc import Iterable
from operator import index
from typing import Any

import anywidget
from traitlets import Dict, TraitType, Unicode

from rnnviz.core.errors import InputError
from rnnviz.core.places import Place
from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location, check_index
from rnnviz.core.words import join_words
from rnnviz.explain.explanation import ExplanationCache, explain, padding_sentence
from rnnviz.explain.report import report
from rnnviz.io.export.interactive_page import first_selected, samples_of_page
from rnnviz.notebooks.display import view_html
from rnnviz.text.config_diff import config_in_words
from rnnviz.verify.result import RunResult

_NAMES = {"layer": "layer", "direction": "direction", "timestep": "time step", "sample": "sample", "unit": "unit"}
_NO_PLACE = (
    "selection must be a rnnviz.Location, or five indices: layer, direction, time step, sample, unit (got {value})."
)
_LEFT_OUT = (
    "selection must have sample {samples} (got {sample}), which are in this view: "
    "rnnviz.view(run, selection) makes one with another sample."
)


class _Selection(TraitType[Location, Any]):
    """A place in the run of a view; five integers are one, too."""

    def validate(self, view: "View", value: Any) -> Location:
        return view._place(value)


class View(anywidget.AnyWidget):
    """The interactive page of a run in a notebook.

    Attributes
    ----------
    run : RunResult
        The run.
    selection : Location
        The selected value. Set a Location, or its five indices, to select another one; `observe` calls a function when
        it changes.
    arithmetic : str
        The arithmetic of the selected value, as `rnnviz explain` prints it.
    audit : dict
        The step audit of the selected value: by engine and symbol, such as "h", the engine's value and that of the
        equations, with `difference`, `bound`, `ratio` and `right`.
    """

    _esm = resource_path("page", "view.js")
    _html = Unicode().tag(sync=True)
    selection = _Selection().tag(
        sync=True, to_json=lambda where, _: list(where.index), from_json=lambda indices, _: indices
    )
    arithmetic = Unicode(read_only=True)
    audit = Dict(read_only=True)

    def __init__(self, run: RunResult, selection: Location | Iterable[int] | None = None) -> None:
        self.run = run
        self._samples: list[int] = list(range(run.inputs.batch_size))
        self._cache = ExplanationCache(run)
        start = self._place(first_selected(run) if selection is None else selection)
        html = view_html(run, start)
        self._samples = samples_of_page(run, start)
        super().__init__(_html=html, selection=start)
        self._explain()
        self.observe(self._explain, "selection")

    def __repr__(self) -> str:
        return f"View of {config_in_words(self.run.config)}; selection: {self.selection}"

    def _place(self, value: Any) -> Location:
        """The place that a value names; raises an InputError if the view does not have it."""
        try:
            indices = tuple(map(index, value.index if isinstance(value, Location) else value))
            where = self.run.inputs.places.location(*indices)
        except TypeError:
            raise InputError(_NO_PLACE.format(value=repr(value))) from None
        if len(indices) != len(_NAMES):
            raise InputError(_NO_PLACE.format(value=repr(value)))
        for own, count, (name, noun) in zip(where.index, self.run.shape, _NAMES.items(), strict=True):
            check_index(f"selection: {name}", own, count, noun)
        if no_step := padding_sentence(self.run.inputs, where):
            raise InputError(no_step)
        if where.sample not in self._samples:
            samples = join_words(map(str, self._samples), "or")
            raise InputError(_LEFT_OUT.format(samples=samples, sample=where.sample))
        return where

    def _explain(self, _: Any = None) -> None:
        explanation = explain(self.run, Place.at("h", self.selection), self._cache)
        read = {name: own for name, own in explanation.breakdowns.items() if name not in explanation.unread}
        self.set_trait("arithmetic", report(explanation))
        self.set_trait("audit", {name: {own.symbol: own for own in step.outcomes} for name, step in read.items()})
