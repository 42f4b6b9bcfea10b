"""Toolbar: run, lesson, sample, time step, color, export."""

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QAction, QResizeEvent, QShowEvent, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QLabel, QMenu, QSizePolicy, QSpinBox, QToolBar, QToolButton, QWidget

from rnnviz.core.engine_spec import display_name
from rnnviz.core.words import plural
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.playback import PlaybackControls, Player, of_indices
from rnnviz.gui.commands.selection import SelectionCommands
from rnnviz.gui.theme.elided_combo import ElidedComboBox
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.lessons.index import Lesson, LessonEntry, lesson_entries
from rnnviz.reading.quantities import GRADIENTS, Quantity, choices_of
from rnnviz.verify.result import RunResult

WHY = (
    "Values of an engine.\n"
    "Error ratio: difference ÷ tolerance. Difference: candidate − reference. Split: both engines, side by side.\n"
    "Gates, cell state, pre-activations, and gradients of the loss.\n"
    "Next: Q. Previous: Shift+Q."
)
_NARROW = 9
_SAMPLE = "Sample of the batch shown in every view, counted from 0 ([ and ])."


class ColorByCombo(ElidedComboBox):
    """Shows and sets the quantity of the application state. Headings group the entries and cannot be selected.

    The data of an entry is (quantity, engine or None, whether the lanes are split between two engines).
    """

    def __init__(self, session: Session) -> None:
        super().__init__("Color by", WHY, _NARROW)
        self._session = session
        self.setMaxVisibleItems(30)
        self.activated.connect(self.choose)
        session.on_change(self._list_quantities, "result")
        session.on_change(self._select, "color_by", "engine", "swipe")
        self._list_quantities()

    def entries(self) -> list[str]:
        return [self.itemText(place) for place in self.places()]

    def step(self, by: int) -> None:
        """Select the next (1) or previous (-1) entry, with wrap-around."""
        places = self.places()
        if self.isEnabled() and places:
            here = places.index(self.currentIndex()) if self.currentIndex() in places else -1
            self.choose(places[(here + by) % len(places)])

    def _list_quantities(self) -> None:
        result = self._session.result
        with QSignalBlocker(self):
            self.clear()
            self.setEnabled(result is not None)
            if result is None:
                self._add("values", "value")
                self._add("error ratio", "error_ratio")
            else:
                self._list(result)
        self._select()

    def _list(self, result: RunResult) -> None:
        self._head("Values of")
        for name in result.traces:
            self._add(display_name(name), "value", engine=name)
        self._head("Comparison")
        self._add("error ratio", "error_ratio")
        self._add("difference", "difference")
        self._add("split at selection", "value", swiping=True)
        group = ""
        for choice in choices_of(result.config.network.kind, self._session.gradients):
            if choice.group != group:
                group = choice.group
                self._head(group)
            how = "given by the shown engine" if group == GRADIENTS else "computed from the shown engine's h"
            self._add(choice.text, choice.name, why=f"{choice.menu_title.capitalize()}, {how}.")

    def _head(self, text: str) -> None:
        model = self.model()
        assert isinstance(model, QStandardItemModel)
        item = QStandardItem(text)
        item.setEnabled(False)
        font = self.font()
        font.setBold(True)
        item.setFont(font)
        model.appendRow(item)

    def _add(
        self, text: str, quantity: Quantity, *, engine: str | None = None, swiping: bool = False, why: str = ""
    ) -> None:
        self.addItem(text, (quantity, engine, swiping))
        if why:
            self.setItemData(self.count() - 1, why, Qt.ItemDataRole.ToolTipRole)

    def places(self) -> list[int]:
        return [place for place in range(self.count()) if self.itemData(place) is not None]

    def _select(self) -> None:
        session = self._session
        engine = None if session.swiping or session.quantity != "value" else session.engine
        wanted = session.quantity, engine, session.swiping
        for place in self.places():
            if self.itemData(place) == wanted:
                self.setCurrentIndex(place)

    def choose(self, place: int) -> None:
        quantity, engine, swiping = self.itemData(place)
        if engine is not None:
            self._session.set_engine(engine)
        self._session.set_color_by(quantity)
        self._session.set_swiping(swiping)


_COLOR_CHARACTERS = (13, 11, 9, 7, 7)
_CANDIDATE_CHARACTERS = (20, 20, 18, 12, 7)
_LESSON_CHARACTERS = (22, 16, 11, 8, 8)
_MOST_SHORTENED = 4


class ToolBar(QToolBar):
    """Follows the application state. Requests to the window are signals."""

    lesson_chosen = Signal(object)
    """The `LessonEntry` of a lesson, or a `Lesson`, its config, to open."""

    def __init__(
        self,
        session: Session,
        cursor: SelectionCommands,
        player: Player,
        actions: Actions,
        lessons: tuple[Lesson, ...],
        export: QMenu,
    ) -> None:
        super().__init__("Controls")
        self.setObjectName("controls")
        self.setMovable(False)
        self.toggleViewAction().setVisible(False)
        self._session = session
        self._icons: Icons | None = None
        self._labels: list[QAction] = []
        self._shortened = 0
        self._needed: dict[int, int] = {}
        self._fitting = False

        self.run_button = self._button(actions, "run", "Run")
        self._button(actions, "stop", "Stop").setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        self.addSeparator()
        self.lesson = self._lesson_box(lessons)
        self._lesson_end = self.addSeparator()
        self.sample = self._sample_box(cursor)
        self.addSeparator()
        self.transport = PlaybackControls(session, cursor, player, actions)
        self.transport.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(self.transport)
        self._set_icon_size()
        self.addSeparator()
        self.colors = self._colors_box()
        self.candidate = self._candidate_box()
        self.export = self._export_button(export)

        session.on_change(self._on_result, "result")
        session.on_change(self._on_location, "location", "result")
        session.on_change(self._on_candidate, "candidate", "result")
        self._on_result()

    def mark_stale(self, stale: bool) -> None:
        self.run_button.setProperty("stale", stale)
        self.run_button.setAccessibleDescription("Settings changed since the last run." if stale else "")
        self.run_button.style().unpolish(self.run_button)
        self.run_button.style().polish(self.run_button)
        self._draw_run()

    def show_lesson(self, title: str) -> None:
        """Select the lesson of a title, or show the title of a file."""
        self.lesson.setPlaceholderText(title)
        with QSignalBlocker(self.lesson):
            titles = [_origin(self.lesson.itemData(place)) for place in range(self.lesson.count())]
            self.lesson.setCurrentIndex(titles.index(title) if title in titles else -1)

    def apply_icons(self, icons: Icons) -> None:
        self._icons = icons
        self.export.setIcon(icons["export"])
        self._draw_run()

    def _draw_run(self) -> None:
        if self._icons is not None:
            stale = bool(self.run_button.property("stale"))
            self.run_button.setIcon(self._icons.colored("run", "on_accent" if stale else "text"))

    def _button(self, actions: Actions, command: str, name: str) -> QToolButton:
        button = QToolButton()
        button.setDefaultAction(actions[command])
        button.setText(name)
        button.setAccessibleName(name)
        button.setObjectName(f"{command}_button")
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.addWidget(button)
        return button

    def _fix_width(self, box: QComboBox, characters: int) -> None:
        """Make the width of a box independent of its texts, so that the controls behind it do not move."""
        box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        box.setMinimumContentsLength(characters)
        # QComboBox keeps a minimum size hint that it has computed once.
        box.setFixedWidth(QComboBox.sizeHint(box).width())

    def rescale(self) -> None:
        self._set_icon_size()
        level, self._shortened = self._shortened, -1
        self._needed.clear()
        self._shorten(level)
        self._fit()

    def _set_icon_size(self) -> None:
        self.setIconSize(QSize(scaled(20), scaled(20)))
        for button in self.transport.findChildren(QToolButton):
            button.setIconSize(QSize(scaled(16), scaled(16)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        # Before it is shown, a control has the size hint of a style without the stylesheet.
        self._needed.clear()
        self._fit()

    def _fit(self) -> None:
        """Shorten as little as fits: first labels, then texts and buttons, at last the lesson box."""
        if self._fitting:
            # A width that is tried may resize the window.
            return
        self._fitting = True
        self._try_levels()
        self._fitting = False

    def _try_levels(self) -> None:
        for level in range(_MOST_SHORTENED + 1):
            if self._needed.get(level, 0) <= self.width():
                self._shorten(level)
                self._needed[level] = self._needed_width()
                if self._needed[level] <= self.width():
                    return

    def _needed_width(self) -> int:
        layout = self.layout()
        assert layout is not None, "every toolbar has one"
        items = (layout.itemAt(place) for place in range(layout.count()))
        widths = [item.minimumSize().width() for item in items if item is not None and not item.isEmpty()]
        margins = layout.contentsMargins()
        return sum(widths) + layout.spacing() * (len(widths) - 1) + margins.left() + margins.right()

    def _shorten(self, level: int) -> None:
        if level == self._shortened:
            return
        self._shortened = level
        for label in self._labels:
            label.setVisible(level < 1)
        beside, alone = Qt.ToolButtonStyle.ToolButtonTextBesideIcon, Qt.ToolButtonStyle.ToolButtonIconOnly
        self.export.setToolButtonStyle(beside if level < 2 else alone)
        self.run_button.setToolButtonStyle(beside if level < 3 else alone)
        self._fix_width(self.lesson, _LESSON_CHARACTERS[level])
        for action in (self._lesson_action, self._lesson_end):
            action.setVisible(level < 4)
        self._fix_width(self.colors, _COLOR_CHARACTERS[level])
        self._fix_width(self.candidate, min(self._longest_candidate(), _CANDIDATE_CHARACTERS[level]))
        self.transport.show_ends(shown=level < 3)

    def _longest_candidate(self) -> int:
        """Width of the longest entry in characters as wide as an "X"."""
        metrics = self.candidate.fontMetrics()
        texts = map(self.candidate.itemText, range(self.candidate.count()))
        widest = max(map(metrics.horizontalAdvance, texts), default=0)
        return max(-(-widest // metrics.horizontalAdvance("X")), _COLOR_CHARACTERS[-1])

    def _labeled(self, text: str, control: QWidget, why: str) -> None:
        label = QLabel(f"{text} ")
        label.setToolTip(wrapped(why))
        label.setBuddy(control)
        control.setToolTip(wrapped(why))
        control.setAccessibleName(text)
        self._labels.append(self.addWidget(label))
        self.addWidget(control)

    def _lesson_box(self, lessons: tuple[Lesson, ...]) -> QComboBox:
        why = "Open a lesson, or only its config."
        # No label: it would push the last controls out of a small window.
        box = ElidedComboBox("Lesson", why, _LESSON_CHARACTERS[0])
        for entry in lesson_entries():
            box.addItem(f"{entry.number}  {entry.title}", entry)
        if box.count():
            box.insertSeparator(box.count())
        for lesson in lessons:
            box.addItem(f"Config: {lesson.title}", lesson)
        self._fix_width(box, _LESSON_CHARACTERS[0])
        for place in range(box.count()):
            if box.itemData(place) is not None:
                box.setItemData(place, box.itemData(place).summary, Qt.ItemDataRole.ToolTipRole)
        box.activated.connect(lambda index: self.lesson_chosen.emit(box.itemData(index)))
        self._lesson_action = self.addWidget(box)
        return box

    def _sample_box(self, cursor: SelectionCommands) -> QSpinBox:
        box = QSpinBox()
        box.setKeyboardTracking(False)
        box.setRange(0, 999)
        box.setSuffix(of_indices(1000))
        box.setFixedWidth(box.sizeHint().width())
        box.valueChanged.connect(cursor.go_to_sample)
        box.valueChanged.connect(self._show_length)
        self._labeled("Sample", box, _SAMPLE)
        return box

    def _colors_box(self) -> ColorByCombo:
        box = ColorByCombo(self._session)
        self._fix_width(box, _COLOR_CHARACTERS[0])
        self._labeled("Color by", box, WHY)
        return box

    def _candidate_box(self) -> QComboBox:
        box = ElidedComboBox("Candidate", "Candidate to compare with the reference.", 9)
        box.activated.connect(lambda index: self._session.set_candidate(box.itemData(index)))
        self._fix_width(box, _COLOR_CHARACTERS[0])
        self._candidate_action = self.addWidget(box)
        return box

    def _export_button(self, export: QMenu) -> QToolButton:
        button = QToolButton()
        button.setText("Export")
        button.setAccessibleName("Export")
        button.setToolTip("Save a picture, a report or the numbers.")
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setMenu(export)
        self.addSeparator()
        self.addWidget(button)
        return button

    def _on_result(self) -> None:
        result = self._session.result
        samples = 1 if result is None else result.shape[3]
        with QSignalBlocker(self.sample):
            self.sample.setRange(0, samples - 1)
            self.sample.setSuffix(of_indices(samples))
            self.sample.setEnabled(samples > 1)
        self._show_length()
        self.candidate.clear()
        comparisons = () if result is None else result.comparisons
        for comparison in comparisons:
            self.candidate.addItem(f"vs {display_name(comparison.candidate)}", comparison.candidate)
        self._candidate_action.setVisible(len(comparisons) > 1)
        level, self._shortened = self._shortened, -1
        self._needed.clear()
        self._shorten(level)
        self._fit()

    def _on_location(self) -> None:
        sample = self._session.location.sample
        if sample != self.sample.value():
            with QSignalBlocker(self.sample):
                self.sample.setValue(sample)
            self._show_length()

    def _show_length(self) -> None:
        """Say how many time steps of the sample are not padding, where samples have padding."""
        result, sample = self._session.result, self._session.location.sample
        words = ""
        if result is not None and result.inputs.lengths:
            steps = plural(result.inputs.length(sample), "time step")
            words = f"Sample {sample} has {steps} of {result.shape[2]:,}. The rest are padding."
        self.sample.setToolTip(f"{_SAMPLE}\n{words}".strip())
        self.sample.setAccessibleDescription(words)

    def _on_candidate(self) -> None:
        with QSignalBlocker(self.candidate):
            self.candidate.setCurrentIndex(self.candidate.findData(self._session.candidate))


def _origin(listed: LessonEntry | None) -> str | None:
    """The document title of an entry; None for a separator."""
    return listed.title if isinstance(listed, Lesson) else None if listed is None else listed.heading
