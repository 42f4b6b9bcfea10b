"""The settings panel: five forms built from the schema, validated after every edit."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import PurePath
from typing import Any

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import QApplication, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from rnnviz.cells import CellSpec
from rnnviz.core.config import DEFAULT_TOLERANCES, SECTIONS, Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import FieldSpec, declarations
from rnnviz.engines.registry import engines_of, with_candidates
from rnnviz.gui.settings_panel.editors import (
    CandidatesEditor,
    ChoiceEditor,
    Editor,
    Engines,
    LineEditor,
    ReferenceEditor,
    SwitchEditor,
    ValueEditor,
    make_editor,
)
from rnnviz.gui.settings_panel.fields import (
    ORDINARY,
    SECTION_TITLES,
    FieldState,
    Values,
    accessible_name,
    field_states,
    label,
    plain_label,
)
from rnnviz.gui.settings_panel.summary import NetworkSummary
from rnnviz.gui.settings_panel.widgets import FieldMessage, control_palette
from rnnviz.gui.theme.palettes import LIGHT, Theme
from rnnviz.gui.theme.scaling import scaled
from rnnviz.gui.tooltips import wrapped
from rnnviz.io.config_toml import is_unpacked
from rnnviz.verify.compare import defaults
from rnnviz.verify.result import RunResult


class Field:
    """A row of a form: control, label and message.

    `wrong` is the validation error, `failed` the error of a run; the first takes precedence.
    """

    def __init__(
        self,
        key: str,
        config_field: FieldSpec,
        make_editor: Callable[[], Editor],
        theme: Theme,
        grid: QGridLayout,
        row: int,
    ) -> None:
        self.key, self.config_field = key, config_field
        self.note: FieldMessage | None = None
        self.state = ORDINARY
        self.wrong = self.failed = ""
        self._make_editor = make_editor
        self._editor: Editor | None = None
        self._value: Any = None
        self._grid, self._row = grid, row
        self._theme = theme
        self._label: QLabel | None = None

    @property
    def editor(self) -> Editor:
        """The control. It is created when the field is first visible."""
        if self._editor is None:
            self._editor = self._make_editor()
            self._editor.show_value(self._value)
            self._add_row(self._editor)
        return self._editor

    def _add_row(self, editor: Editor) -> None:
        if not isinstance(editor, SwitchEditor):
            self._label = QLabel(label(self.key), self._grid.parentWidget())
            self._label.setBuddy(editor.controls[0])
            vertical = Qt.AlignmentFlag.AlignTop if editor.tall else Qt.AlignmentFlag.AlignVCenter
            self._label.setContentsMargins(0, 2 if editor.tall else 0, 0, 0)
            self._grid.addWidget(self._label, self._row, 0, Qt.AlignmentFlag.AlignRight | vertical)
        self._grid.addWidget(editor.widget, self._row, 1)
        for control in editor.controls:
            if not control.accessibleName():
                control.setAccessibleName(accessible_name(self.key))
        self._show_state()
        self._paint(bool(self.wrong or self.failed))

    def value(self) -> Any:
        return self._value if self._editor is None else self._editor.value()

    def show_value(self, value: Any) -> None:
        self._value = value
        if self._editor is not None:
            self._editor.show_value(value)
            self._show_tip()

    @property
    def shown(self) -> bool:
        return self.state.visible

    def set_state(self, use: FieldState) -> None:
        changed, self.state = use != self.state, use
        if changed and self._editor is not None:
            self._show_state()
        if use.visible or self._editor is not None:
            self.editor.show_fixed(use.fixed)

    def refresh(self) -> None:
        """Show the most important message below the control, or none."""
        if self._editor is None:
            return
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
        if self._editor is not None:
            self._paint(bool(self.wrong or self.failed))
            self.refresh()

    def focus(self) -> None:
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

    def _show_state(self) -> None:
        for widget in filter(None, (self.editor.widget, self._label)):
            # Before the window is shown, Qt would style a widget that is made visible twice.
            if widget.isHidden() == self.shown:
                widget.setVisible(self.shown)
        self._show_tip()

    def _show_tip(self) -> None:
        tip = f"{self.state.why or self.config_field.why}\n{self.key}"
        if isinstance(self._value, str) and self.config_field.is_path(self._value) and is_unpacked(self._value):
            tip = f"{PurePath(self._value).name}: a copy that the session contains.\n{tip}"
        for widget in (self.editor.widget, self.editor.controls[0]):
            widget.setToolTip(wrapped(tip))
        if self._label is not None:
            self._label.setToolTip(wrapped(tip))


def checked_tables(
    fields: Mapping[str, Field], states: Callable[[Values], Mapping[str, FieldState]]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """The tables of a TOML file by section, and the errors of fields by dotted key; sets the `states` of the fields."""
    values = {key: field.value() for key, field in fields.items()}
    uses, errors = states(values), dict[str, str]()
    tables: dict[str, dict[str, Any]] = {dotted.partition(".")[0]: {} for dotted in fields}
    for dotted, field in fields.items():
        field.set_state(uses.get(dotted, ORDINARY))
        name, _, key = dotted.partition(".")
        if not field.state.given or values[dotted] is None:
            continue
        try:
            tables[name][key] = field.config_field.check(dotted, values[dotted])
        except ConfigError as error:
            if field.state.evaluated:
                errors[dotted] = error.sentence
    return tables, errors


_MARGIN = 8


class SectionForms(QScrollArea):
    """The forms of some sections, one below the other. An invalid field shows its error below."""

    def __init__(self, name: str, sections: Mapping[str, type]) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setObjectName("panel_scroll")
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, _MARGIN)
        column.setSpacing(12)
        self._label_width = _label_width(self, sections)
        self._grids: dict[str, QGridLayout] = {}
        self.fields: dict[str, Field] = {}
        for section, declared in sections.items():
            grid = self._grids[section] = self._make_grid(section, content)
            column.addWidget(grid.parentWidget())
            for number, (key, config_field) in enumerate(declarations(declared).items()):
                dotted = f"{section}.{key}"
                make = partial(self._make_editor, dotted, config_field, grid.parentWidget())
                self.fields[dotted] = Field(dotted, config_field, make, LIGHT, grid, 1 + 2 * number)
        column.addStretch(1)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setWidget(content)
        for part in (content, self.viewport()):
            part.setAutoFillBackground(False)

    @property
    def errors(self) -> dict[str, str]:
        """Error sentences of the invalid fields, by dotted key."""
        return {key: field.wrong for key, field in self.fields.items() if field.wrong}

    def field(self, key: str) -> Field:
        return self.fields[key]

    def reveal_field(self, key: str) -> None:
        """Focus the field of a key, and scroll to it."""
        field = self.fields[key]
        field.focus()
        # A note that has just become visible has a geometry only after a layout.
        self.widget().adjustSize()
        if field.note is not None:
            self.ensureWidgetVisible(field.note)
        self.ensureWidgetVisible(field.editor.widget)

    def reveal_error(self) -> bool:
        """Reveal the first invalid field; False if there is none."""
        wrong = next(iter(self.errors), None)
        if wrong is not None:
            self.reveal_field(wrong)
        return wrong is not None

    def apply_theme(self, theme: Theme) -> None:
        for field in self.fields.values():
            field.apply_theme(theme)

    def _make_grid(self, section: str, parent: QWidget) -> QGridLayout:
        """A heading, and room for the rows of a section: label, control, and a message below."""
        form = QWidget(parent)
        form.setAccessibleName(SECTION_TITLES[section])
        grid = QGridLayout(form)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(4)
        grid.setColumnMinimumWidth(0, self._label_width)
        grid.setColumnStretch(1, 1)
        heading = QLabel(SECTION_TITLES[section], form)
        heading.setProperty("heading", True)
        font = heading.font()
        font.setWeight(font.Weight.DemiBold)
        heading.setFont(font)
        grid.addWidget(heading, 0, 0, 1, 2)
        return grid

    def _make_editor(self, key: str, config_field: FieldSpec, parent: QWidget) -> Editor:
        editor = make_editor(key, config_field, parent)
        editor.edited.connect(partial(self._on_edited, key))
        return editor

    def _on_edited(self, key: str) -> None:
        """Validate after an edit of a field."""
        raise NotImplementedError

    def _show_errors(self, errors: Mapping[str, str]) -> None:
        for dotted, field in self.fields.items():
            field.wrong = errors.get(dotted, "")
            field.refresh()


_VALUE = "backward.value"
_NEEDED_BY = {
    ("sequence.source", "text"): ("sequence.text", "hello world"),
    ("sequence.source", "file"): ("sequence.path", None),
    ("parameters.initializer", "file"): ("parameters.path", None),
    ("initial_state.source", "file"): ("initial_state.path", None),
    ("backward.loss", "file"): ("backward.path", None),
    ("backward.loss", "value"): ("backward.value", None),
}
"""The key that a source needs, and a default for it, by the key and the value of the source."""


class ConfigPanel(SectionForms):
    """Shows a config and lets the user edit it. With an invalid field, the last valid config stays in effect.

    The schema and `Config` validate, as on the command line.
    """

    help_page = "configs"
    config_edited = Signal(object)
    """The `Config` after an edit, if all fields are valid."""

    config_invalid = Signal(str, str)
    """After an edit with invalid fields: dotted key and error sentence of the first."""

    run_requested = Signal()
    """Enter was pressed in a field, and all fields are valid."""

    def __init__(self, config: Config) -> None:
        super().__init__("Settings", SECTIONS)
        self._config = config
        self._engines: Engines = {}
        network = self._grids["network"]
        self.summary = NetworkSummary(LIGHT, self._label_width, network.parentWidget())
        network.addWidget(self.summary, 1 + 2 * len(declarations(SECTIONS["network"])), 0, 1, 2)
        self.setMinimumWidth(scaled(220))
        self.selected_value: Callable[[], tuple[int, ...]] = lambda: (0, 0, 0, 0, 0)
        """Place of the selected hidden value."""
        reference, candidates = (self.fields[f"compare.{key}"].editor for key in ("reference", "candidates"))
        assert isinstance(reference, ReferenceEditor)
        assert isinstance(candidates, CandidatesEditor)
        self._reference, self._candidates = reference, candidates
        self._cells: dict[str, CellSpec] = {}
        self._of_recordings: tuple[tuple[str, ...], str, tuple[float, float]] = ((), "", (0.0, 0.0))
        """Engines of the last run, the coarser type of a recording among them, and the default tolerances of that."""
        self._write(config)

    @property
    def config(self) -> Config:
        return self._config

    def show_config(self, config: Config) -> None:
        """Show a config without emitting `config_edited`. It replaces invalid entries and errors.

        An edit returns here through the application state and must not change the text being typed: "1." would become
        "1.0".
        """
        network = config.network
        learned = network.custom is not None and self._cells.get(network.cell) != network.custom
        if learned and network.custom is not None:
            self._cells[network.cell] = network.custom
        if config == self._config and not self.errors and not learned:
            return
        self.clear_errors()
        self._write(config)

    def refresh_names(self) -> None:
        self.summary.refresh_names()
        layout = self.fields["network.layout"].editor
        assert isinstance(layout, ChoiceEditor)
        layout.refresh_names("network.layout")

    def show_result(self, result: RunResult | None) -> None:
        """Show the custom cell that a run has read, and the default tolerances of recordings."""
        if result is not None:
            traces = result.traces.values()
            kind = next((kind for trace in traces if (kind := trace.half or trace.precision)), "")
            self._of_recordings = (tuple(result.traces), kind, defaults(result.config, *traces))
            self._show_default_tolerances()
        network = self._config.network if result is None else result.config.network
        if network.custom is not None and self._cells.get(network.cell) != network.custom:
            self._cells[network.cell] = network.custom
            self._validate()

    def show_error(self, key: str, sentence: str) -> bool:
        """Show an error of the run below the field of a key. Neither the focus nor what is in sight moves.

        Returns False if no field of that key is visible.
        """
        field = self.fields.get(key)
        if field is None or not field.shown:
            return False
        with self._anchored():
            field.failed = sentence
            field.refresh()
        return True

    def clear_errors(self) -> None:
        """Clear the errors of `show_error`. Invalid fields stay marked."""
        failed = [field for field in self.fields.values() if field.failed]
        if failed:
            with self._anchored():
                for field in failed:
                    field.failed = ""
                    field.refresh()

    @property
    def visible_fields(self) -> dict[str, tuple[str, str]]:
        """Name and description of each visible field, by dotted key."""
        shown = {key: field for key, field in self.fields.items() if field.shown}
        return {key: (accessible_name(key), field.state.why or field.config_field.why) for key, field in shown.items()}

    def reveal_section(self, name: str) -> QWidget:
        """Scroll to the form of a section and return it."""
        form = self._grids[name].parentWidget()
        self.ensureWidgetVisible(form, 0, _MARGIN)
        self.verticalScrollBar().setValue(min(self.verticalScrollBar().value(), form.y() - _MARGIN))
        return form

    def reveal_shapes(self) -> NetworkSummary:
        """Expand the parameter shapes, scroll to the network summary and return it."""
        self.summary.unfold.setChecked(True)
        self._lay_out()
        self.ensureWidgetVisible(self.summary, 0, _MARGIN)
        return self.summary

    def set_engines(self, engines: Engines) -> None:
        """Set the engines, each with the reason why it is unavailable, or None."""
        self._engines = engines
        self._reference.set_engines(engines)
        self._candidates.set_engines(engines)
        for key in ("compare.reference", "compare.candidates"):
            self.fields[key].refresh()

    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.summary.apply_theme(theme)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
            return
        event.accept()
        if not self.reveal_error():
            self.run_requested.emit()

    def _make_editor(self, key: str, config_field: FieldSpec, parent: QWidget) -> Editor:
        editor = super()._make_editor(key, config_field, parent)
        if isinstance(editor, CandidatesEditor):
            editor.recordings_added.connect(self._add_recordings)
        elif isinstance(editor, ValueEditor):
            editor.taken.connect(self._take_selected)
        return editor

    def _add_recordings(self, names: tuple[str, ...]) -> None:
        self.set_engines({**self._engines, **dict.fromkeys(names)})

    def _write(self, config: Config) -> None:
        for name, section in SECTIONS.items():
            for key in declarations(section):
                if (name, key) != ("compare", "candidates"):
                    self.fields[f"{name}.{key}"].show_value(getattr(getattr(config, name), key))
        self._candidates.show_pair(config.compare.reference, config.compare.candidates)
        self._validate()

    def _on_edited(self, key: str) -> None:
        if key == "compare.reference":
            self._candidates.set_reference(self._reference.value())
        chooser, needed, default = self.fields[key].editor, None, None
        if isinstance(chooser, ChoiceEditor):
            needed, default = _NEEDED_BY.get((key, chooser.value()), (None, None))
        if needed is not None and not self.fields[needed].value():
            self.fields[needed].show_value(self.selected_value() if needed == _VALUE else default)
        self.clear_errors()
        self._validate()
        # A key may pass over this source on its way to another.
        if needed is not None and isinstance(chooser, ChoiceEditor) and not chooser.combo.by_key:
            self.reveal_field(needed)
        if errors := self.errors:
            self.config_invalid.emit(*next(iter(errors.items())))
        else:
            self.config_edited.emit(self._config)

    def _take_selected(self) -> None:
        self.fields[_VALUE].show_value(self.selected_value())
        self._on_edited(_VALUE)

    def _lay_out(self) -> None:
        """Give widgets that were shown or hidden their geometry at once."""
        content = self.widget()
        for layout in (self.summary.layout(), *self._grids.values(), content.layout()):
            if layout is not None:
                layout.activate()
        content.resize(content.sizeHint().expandedTo(self.viewport().size()))

    def _validate(self) -> None:
        """Validate all fields."""
        with self._anchored():
            self._check_fields()

    @contextmanager
    def _anchored(self) -> Iterator[None]:
        """Keep the control with the keyboard in its place, under the pointer, while rows appear and disappear."""
        content = self.widget()
        anchor = QApplication.focusWidget()
        # The summary has the keyboard for a moment at the start, and belongs below its fields wherever they are.
        others = (None, self.summary.unfold)
        if anchor in others or not content.isAncestorOf(anchor) or not self.isVisible():
            anchor = None
        before = 0 if anchor is None else anchor.mapTo(content, QPoint()).y()
        yield
        if anchor is not None:
            self._lay_out()
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() + anchor.mapTo(content, QPoint()).y() - before)

    def _check_fields(self) -> None:
        """Show the errors of all fields, and set the config if there are none."""
        tables, errors = checked_tables(self.fields, field_states)
        if not errors:
            try:
                config = Config.from_mapping(tables)
                self._config = config.with_custom_cell(self._cells.get(config.network.cell))
            except ConfigError as error:
                errors[error.key] = error.sentence
        self._show_errors(errors)
        if not errors:
            self.summary.show_config(self._config)
            self._candidates.show_default(with_candidates(self._config).compare.candidates)
            self._show_default_tolerances()

    def _show_default_tolerances(self) -> None:
        dtype = self._config.network.dtype
        usual = DEFAULT_TOLERANCES[dtype]
        engines, kind, recorded = self._of_recordings
        if kind and engines == engines_of(self._config):
            dtype, usual = kind, recorded
        for key, default in zip(("rtol", "atol"), usual, strict=True):
            editor = self.fields[f"compare.{key}"].editor
            assert isinstance(editor, LineEditor)
            editor.line.setPlaceholderText(f"{default:g} ({dtype})")


def _label_width(widget: QWidget, sections: Mapping[str, type]) -> int:
    """The width of the labels of all forms, in the font of a widget."""
    # A switch has its label next to it.
    words = [
        plain_label(f"{name}.{key}")
        for name, section in sections.items()
        for key, spec in declarations(section).items()
        if spec.kind != "bool"
    ]
    return max(widget.fontMetrics().horizontalAdvance(word) for word in [*words, "parameters"]) + 2
