"""Figures for papers: lanes, curves and histograms of a run, which explain themselves without the window."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import unescape
from math import ceil
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QMarginsF, QRect, QRectF, QSizeF
from PySide6.QtGui import QImage, QPageSize, QPainter, QPdfWriter

from rnnviz.core.errors import InputError
from rnnviz.core.masks import Mask
from rnnviz.frozen import dataclass
from rnnviz.gui.export.lanes_figure import LanesFigure
from rnnviz.gui.export.picture import png_of
from rnnviz.gui.export.plot_figures import Content, Histogram, errors, gradients, units
from rnnviz.gui.export.sheet import EM, PAPERS, PER_INCH, POINT, VECTOR_DPI, Sheet, application, wrapped_lines
from rnnviz.gui.theme.palettes import Theme
from rnnviz.io.export.paper import MM, VIEWS, PaperFigure
from rnnviz.io.export.pictures import LANES_IN_WORDS, ReportPicture
from rnnviz.io.outputs import atomic_write
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict

_TITLE, _LINE = 1.6 * EM, 1.36 * EM
"""Heights of the title and of a line of the caption."""
_MOST_PIXELS = 1 << 28
_SVG_SIZE = re.compile(r'width="[^"]*" height="[^"]*"')
_SVG_TEXT = re.compile(r"<text(?P<rest>[^>]*)>(?P<text>[^<]*)</text>")
_REPORT_DPI, _REPORT_WIDTH = 226, 180 * MM

_CONTENTS: dict[str, Callable[[RunResult, PaperFigure, Theme], Content]] = dict(
    zip(VIEWS, (LanesFigure, units, errors, Histogram, gradients), strict=True)
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
        """The figure as pixels; `resolution` in dots per inch. Raises InputError if there are too many."""
        scale = resolution / PER_INCH
        across, down = round(self.figure.width * scale), round(self.height * scale)
        made = QImage(across, down, QImage.Format.Format_RGB32) if across * down <= _MOST_PIXELS else QImage()
        if made.isNull():
            raise InputError(
                f"The picture is too large (got {across:,} × {down:,} pixels): use a smaller size or --resolution."
            )
        made.setDotsPerMeterX(round(resolution / 0.0254))
        made.setDotsPerMeterY(round(resolution / 0.0254))
        painter = QPainter(made)
        painter.scale(across / self.figure.width, down / self.height)
        self._paint(painter, resolution)
        return made

    def encoded(self, ending: str) -> bytes:
        """The figure as a file of ".pdf", ".svg" or ".png"."""
        if ending.lower() == ".png":
            return png_of(self.image(self.figure.resolution))
        return self._pdf() if ending.lower() == ".pdf" else self._svg()

    def _paint(self, painter: QPainter, resolution: float = VECTOR_DPI) -> Sheet:
        width, height = self.figure.width, self.height
        painter.fillRect(QRectF(0, 0, width, height), self.theme.color("base"))
        sheet = Sheet(painter, self.theme, width, height, resolution)
        self.draw(sheet)
        painter.end()
        return sheet

    def _pdf(self) -> bytes:
        out = QBuffer()
        out.open(QIODevice.OpenModeFlag.WriteOnly)
        writer = QPdfWriter(out)
        writer.setResolution(round(PER_INCH))
        size = QSizeF(self.figure.width / POINT, self.height / POINT)
        writer.setPageSize(QPageSize(size, QPageSize.Unit.Point, "", QPageSize.SizeMatchPolicy.ExactMatch))
        writer.setPageMargins(QMarginsF())
        writer.setTitle(self.figure.title or self.figure.view)
        writer.setCreator("rnnviz")
        self._paint(QPainter(writer))
        return bytes(out.data().data())

    def _svg(self) -> bytes:
        from PySide6.QtSvg import QSvgGenerator

        out = QBuffer()
        out.open(QIODevice.OpenModeFlag.WriteOnly)
        writer = QSvgGenerator()
        writer.setOutputDevice(out)
        writer.setTitle(self.figure.title or self.figure.view)
        box = QRect(0, 0, round(self.figure.width), round(self.height))
        writer.setSize(box.size())
        writer.setViewBox(box)
        widths = self._paint(QPainter(writer)).written

        def fitted(found: re.Match[str]) -> str:
            # A program that lacks the font takes another one, whose letters are wider.
            wide = widths.get(unescape(found["text"]))
            length = "" if wide is None else f' textLength="{wide:.1f}" lengthAdjust="spacingAndGlyphs"'
            return f"<text{length}{found['rest']}>{found['text']}</text>"

        across, down = (side / PER_INCH * 25.4 for side in (self.figure.width, self.height))
        text = _SVG_TEXT.sub(fitted, bytes(out.data().data()).decode())
        return _SVG_SIZE.sub(f'width="{across:g}mm" height="{down:g}mm"', text, count=1).encode()

    def save(self, path: Path, content: bytes | None = None) -> None:
        """Write the figure as PDF, SVG or PNG, by the ending of the path, or its content as encoded before."""
        with atomic_write(path) as temporary:
            temporary.write_bytes(content or self.encoded(path.suffix))


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
    with application():
        Layout.of(figure, content_of(result, figure)).save(path)


def lanes_svg(result: RunResult, figure: PaperFigure, masks: Sequence[Mask]) -> bytes:
    """The lanes of a run as SVG, with "?" in place of masked numbers."""
    with application():
        return Layout.of(figure, LanesFigure(result, figure, PAPERS[figure.theme], masks=masks)).encoded(".svg")


def save_picture(result: RunResult, path: Path) -> None:
    """Write a picture of the lanes of a run as PDF, SVG or PNG, by the ending of the path."""
    write_figure(result, path, _lanes_of(result))


def save_report(result: RunResult, path: Path) -> None:
    """Write the report of a run with a picture of its lanes."""
    from rnnviz.io.export.report import write_report

    write_report(result, path, [report_picture(result)])


def report_picture(result: RunResult) -> ReportPicture:
    """The picture for a report, in light and dark."""
    lanes = _lanes_of(result)
    with application():
        layouts = [Layout.of(figure, content_of(result, figure)) for figure in (lanes, replace(lanes, theme="dark"))]
        light, dark = (layout.image(_REPORT_DPI) for layout in layouts)
        caption = layouts[0].content.caption()
        return ReportPicture(caption, LANES_IN_WORDS, light.width() // 2, png_of(light), png_of(dark))


def _lanes_of(result: RunResult) -> PaperFigure:
    """The lanes: of a wrong engine, its differences."""
    wrong = result.overall_verdict is Verdict.DISAGREE and bool(result.comparisons)
    return PaperFigure(width=_REPORT_WIDTH, quantity="difference" if wrong else None, theme="light")
