"""Figures for papers: lanes, curves and histograms of a run, which explain themselves without the window."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path

from PySide6.QtGui import QImage

from rnnviz.core.errors import InputError
from rnnviz.core.masks import Mask
from rnnviz.frozen import dataclass
from rnnviz.gui.export.lanes_figure import LanesFigure
from rnnviz.gui.export.picture import png_of
from rnnviz.gui.export.plot_figures import Content, Error, GradientFlow, Histogram, Units
from rnnviz.gui.export.sheet import EM, PAPERS, Sheet, application, encoded, image_of, wrapped_lines
from rnnviz.gui.theme.palettes import Theme
from rnnviz.io.export.paper import MM, VIEWS, PaperFigure
from rnnviz.io.export.pictures import LANES_IN_WORDS, ReportPicture
from rnnviz.io.outputs import atomic_write
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

_TITLE, _LINE = 1.6 * EM, 1.36 * EM
"""Heights of the title and of a line of the caption."""
_REPORT_DPI, _REPORT_WIDTH = 226, 180 * MM

_CONTENTS: dict[str, Callable[[RunResult, PaperFigure, Theme], Content]] = dict(
    zip(VIEWS, (LanesFigure, Units, Error, Histogram, GradientFlow), strict=True)
)


@dataclass(frozen=True, eq=False)
class Layout:
    """A figure whose height is known: title, content and caption, from the top."""

    figure: PaperFigure
    content: Content
    height: float

    @classmethod
    def of(cls, figure: PaperFigure, content: Content) -> "Layout":
        """Lay a figure out. Raises InputError if its height is too small."""
        above = _TITLE if figure.title else 0.0
        rest = above + _caption_height(figure)
        least, natural = (rest + height for height in content.heights(figure.width))
        height = natural if figure.height is None else figure.height
        if height < least:
            raise figure.refused("height", f"at least {ceil(least / MM)}mm for this figure", f"{height / MM:.0f}mm")
        return cls(figure, content, height)

    @property
    def theme(self) -> Theme:
        return PAPERS[self.figure.theme]

    def draw(self, sheet: Sheet) -> None:
        figure, top, whole = self.figure, 0.0, sheet.height
        if figure.title:
            sheet.text(sheet.width / 2.0, EM, figure.title, at=0.5, bold=True)
            top = _TITLE
        sheet.height -= _caption_height(figure)
        self.content.draw(sheet, top)
        y, sheet.height = sheet.height + _LINE, whole
        for line in wrapped_lines(figure.caption, figure.width):
            sheet.text(0.0, y, line)
            y += _LINE

    def image(self, resolution: int) -> QImage:
        """The figure as pixels; `resolution` in dots per inch."""
        return image_of(self.draw, self.theme, self.figure.width, self.height, resolution)

    def encoded(self, ending: str) -> bytes:
        """The figure as a file of ".pdf", ".svg" or ".png"."""
        figure = self.figure
        title = figure.title or figure.view
        return encoded(ending, self.draw, self.theme, figure.width, self.height, figure.resolution, title)

    def save(self, path: Path, content: bytes | None = None) -> None:
        """Write the figure as PDF, SVG or PNG, by the ending of the path, or its content as encoded before."""
        content = self.encoded(path.suffix) if content is None else content
        with atomic_write(path) as temporary:
            temporary.write_bytes(content)


def _caption_height(figure: PaperFigure) -> float:
    lines = sum(1 for _ in wrapped_lines(figure.caption, figure.width))
    return (lines + 0.4) * _LINE if lines else 0.0


def content_of(result: RunResult, figure: PaperFigure) -> Content:
    """The content of a figure. Raises InputError if the run lacks it."""
    if figure.where is not None and figure.where.within(result.shape) != figure.where:
        raise InputError(
            f"The figure shows {figure.where}, but the shape (L, D, T, N, H) of the run is {result.shape}."
        )
    return _CONTENTS[figure.view](result, figure, PAPERS[figure.theme])


def write_figure(result: RunResult, path: Path, figure: PaperFigure) -> None:
    """Write a figure as PDF, SVG or PNG, by the ending of the path. No display is needed.

    Raises InputError if the run lacks what the figure shows, the size is too small, or the file cannot be written.
    """
    running = application()
    Layout.of(figure, content_of(result, figure)).save(path)
    del running


def lanes_svg(result: RunResult, figure: PaperFigure, masks: Sequence[Mask]) -> bytes:
    """The lanes of a run as SVG, with "?" in place of masked numbers."""
    running = application()
    drawn = Layout.of(figure, LanesFigure(result, figure, PAPERS[figure.theme], masks=masks)).encoded(".svg")
    del running
    return drawn


def save_picture(result: RunResult, path: Path) -> None:
    """Write a picture of the lanes of a run as PDF, SVG or PNG, by the ending of the path."""
    write_figure(result, path, _lanes_of(result))


def save_report(result: RunResult, path: Path) -> None:
    """Write the report of a run with a picture of its lanes."""
    from rnnviz.io.export.report import write_report

    write_report(result, path, [report_picture(result)])


def report_picture(result: RunResult) -> ReportPicture:
    """The picture for a report, in light and dark."""
    running, lanes = application(), _lanes_of(result)
    layouts = [Layout.of(figure, content_of(result, figure)) for figure in (lanes, replace(lanes, theme="dark"))]
    light, dark = (layout.image(_REPORT_DPI) for layout in layouts)
    del running
    caption = layouts[0].content.caption()
    return ReportPicture(caption, LANES_IN_WORDS, light.width() // 2, png_of(light), png_of(dark))


def _lanes_of(result: RunResult) -> PaperFigure:
    """The lanes: of a wrong engine, its differences."""
    wrong = result.overall_verdict is Verdict.DISAGREE and bool(result.comparisons)
    return PaperFigure(width=_REPORT_WIDTH, quantity="difference" if wrong else None, theme="light")
