"""The form of a training task, made from its declarations, and the task in one line."""

from dataclasses import replace

from PySide6.QtCore import Signal

from rnnviz.core.config import Network, ParameterSource
from rnnviz.core.engine_spec import display_name
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import declarations
from rnnviz.core.words import plural
from rnnviz.gui.settings_panel.config_panel import SectionForms, checked_tables
from rnnviz.gui.settings_panel.fields import task_field_states
from rnnviz.training.task import Problem, Training, TrainingTask

_SECTIONS = {"problem": Problem, "training": Training, "network": Network, "parameters": ParameterSource}


class TaskForm(SectionForms):
    """Shows a task and lets the user edit it. With an invalid field there is no task."""

    edited = Signal()
    """The task may have changed, or become valid or invalid."""

    def __init__(self, task: TrainingTask) -> None:
        super().__init__("Task", _SECTIONS)
        self.task: TrainingTask | None = task
        """The task, None while a field is invalid."""
        self.show_task(task)

    def show_task(self, task: TrainingTask) -> None:
        """Show a task in place of all entries."""
        for name, section in _SECTIONS.items():
            for key in declarations(section):
                self.fields[f"{name}.{key}"].show_value(getattr(getattr(task, name), key))
        self._validate()

    def _on_edited(self, _key: str) -> None:
        self._validate()
        self.edited.emit()

    def _validate(self) -> None:
        tables, errors = checked_tables(self.fields, task_field_states)
        self.task = None
        if not errors:
            try:
                self.task = TrainingTask.from_mapping(tables)
            except ConfigError as error:
                errors[error.key if error.key in self.fields else "problem.kind"] = error.sentence
        self._show_errors(errors)


_CHANGEABLE = ("steps", "learning_rate", "momentum", "clip_norm", "truncate", "checkpoint_every")
"""Keys of the training that may differ when it goes on."""


def continues(begun: TrainingTask, task: TrainingTask) -> bool:
    """Whether a training that has begun can go on with a task."""
    known = replace(begun.training, **{key: getattr(task.training, key) for key in _CHANGEABLE})
    return task.with_input_size(begun.network.input_size) == replace(begun, training=known)


def settings_text(task: TrainingTask) -> str:
    """The settings that matter most, such as "Adam 0.01 · 32 sequences · clip 1 · 1,500 steps"."""
    training = task.training
    parts = [
        f"{'Adam' if training.optimizer == 'adam' else 'SGD'} {training.learning_rate:g}",
        plural(task.problem.batch_size, "sequence"),
        f"clip {training.clip_norm:g}" if training.clip_norm else "no clipping",
        plural(training.steps, "step"),
    ]
    if training.library is not None:
        parts.append(f"with {display_name(training.library)}")
    return " · ".join(parts)
