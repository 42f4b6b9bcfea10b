"""The form of a training task, made from its declarations."""

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QScrollArea, QVBoxLayout, QWidget

from rnnviz.core.config import Network, ParameterSource
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import FieldSpec, declarations
from rnnviz.gui.settings_panel.config_panel import Field, SectionForm, checked_tables, label_width
from rnnviz.gui.settings_panel.editors import Editor, make_editor
from rnnviz.gui.settings_panel.fields import task_field_states
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.training.task import Problem, Training, TrainingTask

_SECTIONS = {"problem": Problem, "training": Training, "network": Network, "parameters": ParameterSource}
_MARGIN = 8


class TaskPanel(QScrollArea):
    """Shows a task and lets the user edit it. An invalid field shows its error below, and there is no task then."""

    edited = Signal()
    """The task may have changed, or become valid or invalid."""

    def __init__(self, task: TrainingTask) -> None:
        super().__init__()
        self.setAccessibleName("Task")
        self.task: TrainingTask | None = task
        """The task, None while a field is invalid."""
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        column.setSpacing(12)
        width = label_width(self, _SECTIONS)
        self._fields: dict[str, Field] = {}
        for name, section in _SECTIONS.items():
            form = SectionForm(name, section, self._make_editor, LIGHT, width, content)
            self._fields |= form.fields
            column.addWidget(form)
        column.addStretch(1)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(content)
        self.show_task(task)

    @property
    def errors(self) -> dict[str, str]:
        """Error sentences of the invalid fields, by dotted key."""
        return {key: field.wrong for key, field in self._fields.items() if field.wrong}

    def field(self, key: str) -> Field:
        return self._fields[key]

    def show_task(self, task: TrainingTask) -> None:
        """Show a task in place of all entries."""
        for name, section in _SECTIONS.items():
            for key in declarations(section):
                self._fields[f"{name}.{key}"].show_value(getattr(getattr(task, name), key))
        self._validate()

    def reveal_error(self) -> None:
        """Focus the first invalid field, and scroll to it."""
        field = self._fields[next(iter(self.errors))]
        field.focus()
        self.ensureWidgetVisible(field.editor.widget if field.note is None else field.note)

    def apply_theme(self, theme: Theme) -> None:
        for field in self._fields.values():
            field.apply_theme(theme)

    def _make_editor(self, key: str, config_field: FieldSpec, parent: QWidget) -> Editor:
        editor = make_editor(key, config_field, parent)
        editor.edited.connect(partial(self._validate, emits=True))
        return editor

    def _validate(self, *, emits: bool = False) -> None:
        tables, errors = checked_tables(self._fields, task_field_states)
        self.task = None
        if not errors:
            try:
                self.task = TrainingTask.from_mapping(tables)
            except ConfigError as error:
                errors[error.key if error.key in self._fields else "problem.kind"] = error.sentence
        for dotted, field in self._fields.items():
            field.wrong = errors.get(dotted, "")
            field.refresh()
        if emits:
            self.edited.emit()
