"""Form for one section of the config, built from its schema."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from rnnviz.core.schema import FieldSpec, declarations
from rnnviz.core.words import wrapped
from rnnviz.gui.panels.editors import Editor, LineEditor, SwitchEditor
from rnnviz.gui.panels.field_message import FieldMessage
from rnnviz.gui.panels.field_visibility import ORDINARY, FieldState
from rnnviz.gui.panels.labels import SECTION_TITLES, accessible_name, label
from rnnviz.gui.panels.widgets import control_palette
from rnnviz.gui.theme.palettes import Theme

EditorFactory = Callable[[str, FieldSpec, QWidget], Editor]


class SectionForm(QWidget):
    """A heading, and a row for each key: label, control, and a message below."""

    def __init__(
        self, name: str, section: type, make_editor: EditorFactory, theme: Theme, label_width: int, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.setAccessibleName(SECTION_TITLES[name])
        self.grid = QGridLayout(self)
        self.grid.setContentsMargins(0, 0, 0, 0)
        self.grid.setHorizontalSpacing(8)
        self.grid.setVerticalSpacing(5)
        self.grid.setColumnMinimumWidth(0, label_width)
        self.grid.setColumnStretch(1, 1)
        heading = QLabel(SECTION_TITLES[name], self)
        heading.setProperty("heading", True)
        font = heading.font()
        font.setWeight(font.Weight.DemiBold)
        heading.setFont(font)
        self.grid.addWidget(heading, 0, 0, 1, 2)
        self.fields: dict[str, Field] = {}
        for number, (key, config_field) in enumerate(declarations(section).items()):
            dotted = f"{name}.{key}"
            editor = make_editor(dotted, config_field, self)
            self.fields[dotted] = Field(dotted, config_field, editor, theme, self.grid, 1 + 2 * number)


class Field:
    """A row of a form: control, label and message.

    `wrong` is the validation error, `failed` the error of a run; the first takes precedence.
    """

    def __init__(
        self, key: str, config_field: FieldSpec, editor: Editor, theme: Theme, grid: QGridLayout, row: int
    ) -> None:
        self.key, self.config_field, self.editor = key, config_field, editor
        self.note: FieldMessage | None = None
        self.state = ORDINARY
        self.wrong = self.failed = ""
        self._grid, self._row = grid, row
        self._theme = theme
        self._label = None if isinstance(editor, SwitchEditor) else QLabel(label(key), grid.parentWidget())
        if self._label is not None:
            self._label.setBuddy(editor.controls[0])
            vertical = Qt.AlignmentFlag.AlignTop if editor.tall else Qt.AlignmentFlag.AlignVCenter
            self._label.setContentsMargins(0, 2 if editor.tall else 0, 0, 0)
            grid.addWidget(self._label, row, 0, Qt.AlignmentFlag.AlignRight | vertical)
        grid.addWidget(editor.widget, row, 1)
        for control in editor.controls:
            if not control.accessibleName():
                control.setAccessibleName(accessible_name(key))
        self._explain("")
        self._paint(False)

    @property
    def shown(self) -> bool:
        """Whether the field applies to the selected sources."""
        return self.state.visible

    def set_state(self, use: FieldState) -> None:
        """Show, hide or fix the field."""
        if use != self.state:
            self.state = use
            self.editor.widget.setVisible(use.visible)
            if self._label is not None:
                self._label.setVisible(use.visible)
            self._explain(use.why)
        self.editor.show_fixed(use.fixed)

    def refresh(self) -> None:
        """Show the most important message below the control, or none."""
        wrong = self.wrong or self.failed
        sentence = wrong or self.editor.warning
        if self.note is None and sentence:
            self.note = FieldMessage(self._grid.parentWidget())
            self._grid.addWidget(self.note, self._row + 1, 0, 1, 2)
        if self.note is not None:
            self.note.show_sentence(sentence, self._theme.color("wrong" if wrong else "doubtful"))
            self.note.setVisible(bool(sentence) and self.shown)
        if bool(wrong) is not self._painted_wrong:
            self._paint(bool(wrong))
        self.editor.controls[0].setAccessibleDescription(sentence or self.state.why or self.config_field.why)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._paint(bool(self.wrong or self.failed))
        self.refresh()

    def focus(self) -> None:
        """Give the control keyboard focus."""
        self.editor.controls[0].setFocus(Qt.FocusReason.OtherFocusReason)

    def _paint(self, wrong: bool) -> None:
        self._painted_wrong = wrong
        palette = control_palette(self._theme)
        if wrong:
            palette.setColor(QPalette.ColorRole.Base, self._theme.color("wrong_surface"))
        controls = list(self.editor.controls)
        if isinstance(self.editor, LineEditor):
            # With a style sheet, the line edit of a spin box does not inherit the palette.
            controls.append(self.editor.line)
        for control in controls:
            control.setPalette(palette)

    def _explain(self, why: str) -> None:
        tip = f"{why or self.config_field.why}\n{self.key}"
        for widget in (self.editor.widget, self.editor.controls[0]):
            widget.setToolTip(wrapped(tip))
        if self._label is not None:
            self._label.setToolTip(wrapped(tip))
