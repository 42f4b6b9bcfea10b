"""Page of the value card with the arithmetic of a value: its numbers, equations, largest terms, and a proof."""

from collections.abc import Sequence
from html import escape
from math import isfinite

from PySide6.QtCore import QCoreApplication, QEvent, QLineF, QObject, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QHelpEvent, QPainter, QPaintEvent, QPen, QTextDocumentFragment
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QToolTip, QWidget

from rnnviz.core import number_format
from rnnviz.core.engine_spec import display_name
from rnnviz.core.masks import DIFFERENCE, NUMBERS, VERDICT, Mask, is_masked, masks_any
from rnnviz.core.places import Place
from rnnviz.explain.lines import format_distinct
from rnnviz.explain.value_sources import in_words
from rnnviz.frozen import dataclass
from rnnviz.gui.naming import named
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.value.page import MOST_TERMS, ActivationCurve, Comparison, Page, Proof
from rnnviz.gui.value.rows import EQUATION_HEIGHTS, MARGIN, MASKED, EquationList, Fonts, TermList, fitted, shorter
from rnnviz.gui.value.texts import (
    Masked,
    cause_note,
    engine_holds,
    equation_rows,
    point_text,
    short_number,
    term_lines,
)
from rnnviz.gui.views.base import Part, across, down
from rnnviz.gui.views.labels import ElidedLabel, LinkLabel, muted_palette


@dataclass(frozen=True)
class Readout:
    """A number in large type with a caption above it. `role` is its color, `tip` has all digits."""

    caption: str
    text: str
    role: str = "text"
    tip: str = ""


@dataclass(frozen=True)
class Status:
    """Words with an icon at the right of a number."""

    text: str = ""
    role: str = "muted"
    icon: str = ""


_NO_STATUS = Status()
_ONE, _SEVERAL = 38, 54


class Numbers(QWidget):
    """One number with a status, or several side by side. Painted, because they change with every selection."""

    def __init__(self) -> None:
        super().__init__()
        self._theme, self._fonts = LIGHT, Fonts(self.font())
        self.readouts: tuple[Readout, ...] = ()
        self.status = _NO_STATUS
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_numbers(self, readouts: Sequence[Readout], status: Status = _NO_STATUS) -> None:
        height = self.sizeHint().height()
        self.readouts, self.status = tuple(readouts), status
        words = (f"{each.caption} {each.text}".strip() for each in readouts)
        self.setAccessibleName(", ".join(filter(None, (*words, status.text))))
        if self.sizeHint().height() != height:
            self.updateGeometry()
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme, self._fonts = theme, Fonts(self.font())
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, scaled(_ONE if len(self.readouts) < 2 else _SEVERAL))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            at = min(event.pos().x() * len(self.readouts) // max(self.width(), 1), len(self.readouts) - 1)
            shown = (self.readouts[at].caption, self.readouts[at].tip) if self.readouts else ()
            QToolTip.showText(event.globalPos(), wrapped(": ".join(filter(None, shown))), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, fonts = QPainter(self), self._fonts
        inside = QRectF(self.rect()).adjusted(scaled(MARGIN), 0, -scaled(MARGIN), 0)
        if len(self.readouts) == 1:
            (number,) = self.readouts
            status = self._paint_status(painter, inside)
            room = inside.adjusted(0, 0, -status, 0)
            self._write(
                painter, room, fitted(fonts.large, shorter(number.text), room.width()), fonts.large, number.role
            )
        elif self.readouts:
            wide = (inside.width() - 8 * (len(self.readouts) - 1)) / len(self.readouts)
            # All in one size, the largest at which each fits.
            sizes = (fonts.medium, fonts.result)
            fits = (font for font in sizes if all(font.width_of(each.text) <= wide for each in self.readouts))
            font = next(fits, sizes[-1])
            for k, number in enumerate(self.readouts):
                column = QRectF(inside.left() + k * (wide + 8), 2, wide, scaled(18))
                self._write(painter, column, fitted(fonts.caption, (number.caption,), wide), fonts.caption, "muted")
                column = QRectF(column.left(), column.bottom(), wide, scaled(28))
                self._write(painter, column, fitted(font, shorter(number.text), wide), font, number.role)
        painter.end()

    def _paint_status(self, painter: QPainter, inside: QRectF) -> float:
        """Paint the status at the right, and return the width that it takes."""
        status, fonts = self.status, self._fonts
        if not status.text:
            return 0.0
        font = fonts.caption if status.role == "muted" else fonts.bold_caption
        wide = font.width_of(status.text)
        text = QRectF(inside.right() - wide - 1, inside.top() + 4, wide + 1, inside.height() - 4)
        self._write(painter, text, status.text, font, status.role)
        size = scaled(14) if status.icon else 0
        if status.icon:
            icon = QRectF(text.left() - size - 4, text.top(), size, text.height())
            Icons(self._theme).colored(status.icon, status.role).paint(painter, icon.toRect())
        return wide + size + 12

    def _write(self, painter: QPainter, rect: QRectF, text: str, font: QFont, role: str) -> None:
        painter.setFont(font)
        painter.setPen(self._theme.color(role))
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)


_CURVE_HEIGHT, _DOT = 146, 6.0


class ActivationPlot(QWidget):
    """The curve of an activation with the point of the value."""

    def __init__(self) -> None:
        super().__init__()
        self._theme, self._fonts = LIGHT, Fonts(self.font())
        self._curve: ActivationCurve | None = None
        self.setFixedHeight(scaled(_CURVE_HEIGHT))

    @property
    def has_curve(self) -> bool:
        return self._curve is not None

    def show_curve(self, curve: ActivationCurve | None) -> None:
        self._curve = curve
        self.setAccessibleName(point_text(curve))
        self.update()

    def apply_theme(self, theme: Theme) -> None:
        self._theme, self._fonts = theme, Fonts(self.font())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        curve, theme = self._curve, self._theme
        if curve is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QRectF(self.rect()).adjusted(scaled(30), 12, -scaled(30), -12)
        low, high = min(float(curve.y.min()), 0.0), float(curve.y.max())
        first, last = float(curve.x[0]), float(curve.x[-1])

        def at(x: float, y: float) -> QPointF:
            across = ground.width() / (last - first)
            return QPointF(
                ground.left() + (x - first) * across, ground.bottom() - (y - low) / (high - low) * ground.height()
            )

        zero = at(0.0, 0.0)
        painter.setPen(theme.color("grid"))
        painter.drawLine(QLineF(ground.left(), zero.y(), ground.right(), zero.y()))
        painter.drawLine(QLineF(zero.x(), ground.top(), zero.x(), ground.bottom()))
        painter.setPen(QPen(theme.color("accent"), 2.0))
        painter.drawPolyline([at(x, y) for x, y in zip(curve.x.tolist(), curve.y.tolist(), strict=True)])
        x, y = curve.point
        if isfinite(x) and isfinite(y):
            point = at(x, y)
            painter.setPen(QPen(theme.color("text"), 1.0, Qt.PenStyle.DashLine))
            painter.drawPolyline([at(x, 0.0), point, at(0.0, y)])
            painter.setPen(QPen(theme.color("text"), 2.5))
            painter.setBrush(theme.color("base"))
            painter.drawEllipse(point, _DOT, _DOT)
        painter.setFont(self._fonts.number)
        painter.setPen(theme.color("text"))
        # In the corner that an increasing curve leaves free, on the side of 0 that the point is not on.
        flags = Qt.AlignmentFlag
        corner = flags.AlignRight | flags.AlignBottom if x <= 0.0 else flags.AlignLeft | flags.AlignTop
        painter.drawText(ground, corner, point_text(curve))
        painter.end()


_LEAST_TERMS, _FEW = 4, 2
"""Terms that are always shown, and terms of which the tab would show no more."""
_HEIGHTS = tuple((height,) for height in EQUATION_HEIGHTS[:-1])
_PROVED_HEIGHTS = (50, 50), (42, 50), (28, 50), (28, 42)
"""Heights of the equations, and of the equations of a proof, for less and less room."""
_LONGEST = 9
"""Characters of a number in large type."""
_ROOM_FOR_CURVE = 520
"""Width in pixels from which the activation is drawn."""


class ArithmeticPage(QWidget):
    """The opened value, its equations, and the largest terms of one of them; of a wrong value a proof of its cause."""

    followed = Signal(object)
    """The `Place` of a followed link."""
    line_chosen = Signal(str)
    """The symbol of an equation that the user chose."""
    terms_requested = Signal(str)
    """The symbol of an equation whose terms are all to be shown."""

    def __init__(self) -> None:
        super().__init__()
        self._theme = LIGHT
        self._page: Page | None = None
        self._masks: Sequence[Mask] = ()
        self._upstream: Place | None = None
        """Where the engines diverge before this step."""
        self.numbers = Numbers()
        self.note = _text(wraps=True, link=True)
        self.heading, self.holds = _text(), ElidedLabel(middle=True)
        self.equations = EquationList("Equations with their numbers")
        self.term_heading, self.term_columns = _text(), ElidedLabel("weight × value = product")
        for label in (self.holds, self.term_columns):
            label.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.terms = TermList()
        self.rest, self.result = _text(), _text()
        self.curve = ActivationPlot()
        self.proof = _ProofCard()
        self.all_terms = _text(link=True)
        self._hint = _text("click a term to follow it")
        self._of_equations = _row(self.heading, (self.holds, 1))
        self._of_terms = QWidget()
        self._of_terms.setLayout(
            down(
                _line(),
                _row(self.term_heading, (self.term_columns, 1)),
                self.terms,
                _row(self.rest, None, self.result),
                spacing=scaled(4),
            )
        )
        content = QWidget()
        parts = (self.numbers, self.note, _line(), self._of_equations, self.equations, self._of_terms)
        content.setLayout(down(*parts, self.curve, self.proof, None, spacing=scaled(4)))
        self._scroll = QScrollArea()
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(content)
        for part in (content, self._scroll.viewport()):
            part.setAutoFillBackground(False)
        # Before the page is shown for the first time, the viewport has not yet the size that the page has.
        self._scroll.viewport().installEventFilter(self)
        links = _row(self.all_terms, None, self._hint)
        self.setLayout(down((self._scroll, 1), 4, links, 8, spacing=0))
        self.equations.chosen.connect(self.line_chosen)
        self.terms.followed.connect(self.followed)
        self.note.linkActivated.connect(self._follow_note)
        self.all_terms.linkActivated.connect(self.terms_requested)

    def show_page(self, page: Page, masks: Sequence[Mask]) -> None:
        """Show a page; `masks` are the numbers that a question asks for."""
        before = self._page
        moved = before is None or page.request.place != before.request.place
        # The proof of a shown value comes with the audit.
        proved = before is not None and before.proof is None and page.proof is not None
        self._page, self._masks = page, masks
        hides = any(masks_any(masks, word) for word in (VERDICT, DIFFERENCE)) or self._is_masked(page.request.place)
        comparison, proof = (None, None) if hides else (page.comparison, page.proof)
        self._show_numbers(page)
        self._show_note(page, hidden=hides)
        self._show_equations(page, comparison, proof)
        self._fit()
        if moved or proved:
            # New parts have their places only then.
            QTimer.singleShot(0, self, self.show_decisive)

    def copy_text(self) -> str:
        """The numbers as they are shown."""
        terms = [] if self._of_terms.isHidden() else self.terms.texts
        return "\n".join((self.numbers.accessibleName(), *self.equations.texts, *terms))

    def show_decisive(self) -> None:
        """Scroll to the proof of a wrong value, else to the top."""
        self._scroll.verticalScrollBar().setValue(0)
        if not self.proof.isHidden():
            self._fit()
            # The parts have their new places at once.
            QCoreApplication.sendPostedEvents(self._scroll.widget(), QEvent.Type.LayoutRequest.value)
            self._scroll.ensureWidgetVisible(self.proof, 0, 0)
            self._scroll.horizontalScrollBar().setValue(0)

    def forget(self, page: Page | None) -> None:
        """Keep no other page, whose result may be an earlier one."""
        self._page = page

    def reveal(self) -> None:
        """Give the equations the focus, with the part that decides in view."""
        self.equations.setFocus(Qt.FocusReason.OtherFocusReason)
        self.show_decisive()

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        for part in (self.numbers, self.equations, self.terms, self.curve, self.proof):
            part.apply_theme(theme)
        fonts, muted = Fonts(self.font()), muted_palette(theme)
        for label in (self.rest, self._hint, self.note):
            label.setPalette(muted)
            label.setFont(fonts.text if label is self.note else fonts.caption)
        for caption in (self.holds, self.term_columns):
            caption.use(fonts.caption, muted)
        self.result.setFont(fonts.number)
        if self._page is not None:
            self.show_page(self._page, self._masks)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._fit()
        return False

    def _is_masked(self, place: Place | None) -> bool:
        return place is not None and is_masked(self._masks, place)

    def _hides_result(self) -> bool:
        """Whether a question asks for the value of the chosen equation."""
        return MASKED in self._chosen_numbers()[:1]

    def _chosen_numbers(self) -> tuple[str, ...]:
        """The value of the chosen equation, and what it is computed from, as they are shown."""
        line = None if self._page is None else self._page.line.name
        return next(((row.value, *row.numbers[:1]) for row in self.equations.rows if row.symbol == line), ())

    def _show_numbers(self, page: Page) -> None:
        line, comparison, place = page.opened, page.comparison, page.request.place
        name = line.name
        if self._is_masked(place) or self._is_masked(Place(name, place.index)):
            self.numbers.show_numbers((Readout("", f"{name} = {MASKED}"),))
        elif comparison is None or masks_any(self._masks, DIFFERENCE):
            value = line.value if line.own is None else line.own.stored
            text, role, icon = ("recomputed from h", "muted", "") if line.own is None else _STATES[line.own.right]
            if masks_any(self._masks, VERDICT):
                text, icon = "", ""
            full = f"{name} = {number_format.full(value)}"
            self.numbers.show_numbers(
                (Readout("", f"{name} = {short_number(value)}", tip=full),), Status(text, role, icon)
            )
        else:
            role = "wrong" if comparison.wrong else "doubtful"
            values = comparison.value, comparison.other_value
            pair = format_distinct(*values)
            vanishes = any(value and not float(text) for value, text in zip(values, pair, strict=True))
            if max(map(len, pair)) > _LONGEST or vanishes:
                # The difference says it. A value that is not 0 does not read 0.
                pair = short_number(values[0]), short_number(values[1])
            names = comparison.engine, comparison.other
            captions = display_name(names[0]), display_name(names[1]) if names[1] else "the equations"
            one, two = (number_format.true_minus(text) for text in pair)
            apart = short_number(comparison.difference)
            self.numbers.show_numbers(
                (
                    Readout(captions[0], one, role, number_format.full(comparison.value)),
                    Readout(captions[1], two, "text", number_format.full(comparison.other_value)),
                    Readout("difference", apart, role, number_format.full(comparison.difference)),
                )
            )

    def _show_equations(self, page: Page, comparison: Comparison | None, proof: Proof | None) -> None:
        """Show the equations, and of a wrong value the proof of its cause, else the terms of the chosen equation."""
        shown, line = page.shown, page.line
        self._of_equations.setVisible(comparison is not None)
        alone = comparison is not None and not comparison.other
        who = "the equations say" if alone else f"{escape(display_name(shown.engine))} computes it"
        self.heading.setText(f"<b>As {who}</b>")
        self.holds.setText("" if comparison is None else engine_holds(page))
        hinted = not masks_any(self._masks, NUMBERS)
        rows = equation_rows(shown, shown.lines, self._is_masked, hinted=hinted)
        self.equations.show_lines(rows, "" if proof else line.name)
        has_terms = proof is None and (hinted or not self._hides_result())
        self._of_terms.setVisible(has_terms)
        self._hint.setVisible(has_terms)
        asked = any(MASKED in text for text in self._chosen_numbers())
        self.curve.show_curve(None if asked else page.curve)
        self.proof.setVisible(proof is not None)
        target, text = line.name, f"All {number_format.count(page.largest.count)} terms"
        if proof is not None:
            self.proof.show_proof(proof, self._is_masked)
            target = proof.changed[0].name if proof.changed else target
            text = f"All terms of {escape(target)}, side by side"
        linked = proof is not None or (has_terms and page.largest.count > _FEW)
        # Shift+Tab never leaves a link at the very beginning of a text.
        self.all_terms.setText("\u200b" + _link(target, text, self._theme) if linked else "")
        self.all_terms.setAccessibleName(text)
        self.all_terms.offer_links(linked)

    def _show_note(self, page: Page, *, hidden: bool) -> None:
        """Say where the engines diverge before this step, or that no known bug gives the value."""
        divergence, text = page.divergence, ""
        if divergence is not None and divergence.step == "input":
            self._upstream = page.explained.reference.read[divergence.kind == "h2h"].source(divergence.index or 0)
            place = _link("", in_words(self._upstream), self._theme)
            text = f"The engines diverge before this step, at {place}."
        elif page.comparison is not None and page.comparison.wrong and page.proof is None:
            text = escape(cause_note(page, page.comparison.engine))
        self.note.setText(number_format.true_minus_in(text))
        self.note.setAccessibleName(QTextDocumentFragment.fromHtml(text).toPlainText())
        self.note.offer_links("<a " in text)
        self.note.setVisible(bool(text) and not hidden)

    def _follow_note(self) -> None:
        if self._upstream is not None:
            self.followed.emit(self._upstream)

    def _fit(self) -> None:
        """Show as many terms as fit below the equations, and the activation where there is room."""
        page = self._page
        if page is None:
            return
        wide = self.width() >= scaled(_ROOM_FOR_CURVE)
        self.curve.setVisible(wide and self.curve.has_curve and self.proof.isHidden())
        content = self._scroll.widget().layout()
        assert content is not None, "the page has one"
        # Qt notices other sizes of parts that were hidden only later.
        content.invalidate()
        room, height = self._scroll.viewport().height(), self.terms.row_height
        # Texts of several lines are as high as the width wants.
        whole = content.totalHeightForWidth(self._scroll.viewport().width())
        whole = whole if whole > 0 else content.totalSizeHint().height()
        others, least = whole - self.equations.sizeHint().height(), 0
        choices: Sequence[tuple[int, ...]] = _HEIGHTS
        proved = not self.proof.isHidden()
        if proved:
            others, choices = others - self.proof.equations.sizeHint().height(), _PROVED_HEIGHTS
        elif not self._of_terms.isHidden():
            others, least = others - self.terms.sizeHint().height(), _LEAST_TERMS * height
        lists = [self.equations, *([self.proof.equations] if proved else [])]
        for heights in choices:
            needed = sum(len(each.rows) * scaled(pixels) for each, pixels in zip(lists, heights, strict=True))
            if others + least + needed <= room:
                break
        for each, pixels in zip(lists, heights, strict=True):
            each.show_height(pixels)
        if not proved:
            terms = (room - others - self.equations.sizeHint().height()) // height
            self._show_terms(page, min(max(terms, _LEAST_TERMS), MOST_TERMS, len(page.largest.rows)))

    def _show_terms(self, page: Page, count: int) -> None:
        self.terms.show_rows(term_lines(page, count, self._is_masked))
        every, name = page.largest.count, escape(page.line.name)
        left = every - count
        large = every > MOST_TERMS
        heading = f"Largest {count} of {number_format.count(every)} terms of {name}" if large else f"Terms of {name}"
        self.term_heading.setText(f"<b>{heading}</b>")
        hidden = self._hides_result()
        rest = f"{number_format.count(left)} smaller" if left else ""
        self.rest.setText(rest if hidden or not left else f"{rest} {short_number(page.largest.rest(count))}")
        total = "" if page.line.argument is not None and page.curve is None else f"= {short_number(page.line.value)}"
        text = point_text(page.curve) if page.line.kind == "gate" else total
        self.result.setText("" if hidden else text)


_STATES = {True: ("within rounding", "right", "check"), False: ("outside its rounding bound", "wrong", "cross")}


class _ProofCard(QFrame):
    """The equations with the likely cause, which give the engine's value, and what to write in their place."""

    def __init__(self) -> None:
        super().__init__()
        self.title = _text(wraps=True)
        self.title.setObjectName("proof_title")
        self.equations = EquationList("Equations with the likely cause", chooses=False)
        self.holds, self.same, self.stored = ElidedLabel(middle=True), _text(), _text()
        self.fix, self.to_write = _text(wraps=True), _text()
        self.to_write.setWordWrap(True)
        self.to_write.setObjectName("code_box")
        # In line with the frame above.
        self.fix.setContentsMargins(0, 2, 0, 2)
        for label in (self.fix, self.to_write):
            label.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        box = QFrame()
        box.setObjectName("proof")
        box.setLayout(
            down(self.title, self.equations, _line(), _row((self.holds, 1), self.same, self.stored), 4, spacing=4)
        )
        self.setLayout(down(box, 4, self.fix, self.to_write, margins=(scaled(MARGIN), 4, scaled(MARGIN), 4), spacing=4))

    def show_proof(self, proof: Proof, is_masked: Masked) -> None:
        own = proof.step.breakdown
        outcome = own.outcomes[-1]
        self.title.setText(f"<b>Proof: with {escape(number_format.true_minus_in(proof.step.cause))}</b>")
        rows = equation_rows(own, proof.changed, is_masked, last=True)
        self.equations.show_lines(rows)
        self.holds.setText(f"{display_name(own.engine)} holds")
        self.same.setText("<b>✓ the same</b>")
        self.stored.setText(short_number(outcome.stored))
        self.stored.setToolTip(wrapped(f"{number_format.full(outcome.stored)}, computed {outcome.computed}"))
        fixes = (escape(named(fix)).replace("To fix", "<b>To fix</b>", 1) for fix in proof.fixes)
        self.fix.setText("<br>".join(fixes))
        self.to_write.setText(number_format.true_minus_in(proof.to_write))
        self.to_write.setVisible(bool(proof.to_write))

    def apply_theme(self, theme: Theme) -> None:
        self.equations.apply_theme(theme)
        palette = muted_palette(theme)
        palette.setColor(palette.ColorRole.WindowText, theme.color("right"))
        self.same.setPalette(palette)
        fonts = Fonts(self.font())
        self.holds.use(fonts.text, theme.palette())
        self.stored.setFont(fonts.result)
        self.to_write.setFont(fonts.number)


def _text(text: str = "", *, wraps: bool = False, link: bool = False) -> LinkLabel:
    label = LinkLabel()
    label.setText(text)
    label.setTextFormat(Qt.TextFormat.RichText)
    label.setWordWrap(wraps)
    if wraps:
        label.setContentsMargins(scaled(MARGIN), 2, scaled(MARGIN), 2)
    if link:
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
    return label


def _link(target: str, text: str, theme: Theme) -> str:
    return f'<a href="{escape(target)}" style="color:{theme.accent}">{text}</a>'


def _row(*parts: Part) -> QWidget:
    row = QWidget()
    row.setLayout(across(*parts, margins=(scaled(MARGIN), 0, scaled(MARGIN), 0), spacing=8))
    row.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    return row


def _line() -> QFrame:
    line = QFrame()
    line.setObjectName("separator")
    line.setFixedHeight(1)
    return line
