"""Summary of the network: equations of the cell, number of parameters, shapes."""

import re

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QGridLayout, QLabel, QToolButton, QWidget

from rnnviz.core.config import Config
from rnnviz.core.memory_budget import available_memory, demand, readable
from rnnviz.core.words import wrapped
from rnnviz.gui.naming import named
from rnnviz.gui.panels.equation import equation_table, equation_words
from rnnviz.gui.panels.field_message import FieldMessage, WrappedText
from rnnviz.gui.panels.shape_text import demand_words, output_words, parameter_rows, parameter_words, state_words
from rnnviz.gui.theme.palettes import Theme

_SHAPE = re.compile(r"\(.*?\)")

_RESOURCES = "resources"
_ROWS = {
    "parameters": "Number of parameters: weights and biases.",
    "out": "Shape of out: hidden states of the top layer at all time steps, both directions concatenated.",
    "state": "Shape of state: final state of each layer and direction, bottom layer first.",
    _RESOURCES: "Minimum of memory and disk space. The arrays of every engine stay on disk while they are shown.",
}


_UNREAD = "The next run reads the equations of the custom cell."


class NetworkSummary(QWidget):
    """Follows every edit. Parameter shapes expand on demand."""

    def __init__(self, theme: Theme, label_width: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._config: Config | None = None
        self._renamed = False
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 4, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(3)
        self._grid.setColumnMinimumWidth(0, label_width)
        self._grid.setColumnStretch(1, 1)
        self.equation = self._text()
        self.equation.setTextFormat(Qt.TextFormat.RichText)
        self.equation.setToolTip(
            wrapped("Equations of each layer at every time step; x is the output of the layer below.")
        )
        self.equation.setContentsMargins(0, 0, 0, 4)
        self._grid.addWidget(self.equation, 0, 0, 1, 2)
        self.values: dict[str, WrappedText] = {}
        self._captions: dict[str, QLabel] = {}
        for row, (name, why) in enumerate(_ROWS.items(), start=1):
            self._add_row(row, name, why)
        self.warning = FieldMessage(self)
        self.warning.hide()
        self._grid.addWidget(self.warning, len(_ROWS) + 1, 0, 1, 2)
        self.unfold = QToolButton(self)
        self.unfold.setText("parameter shapes")
        self.unfold.setToolTip("Show the name and the shape of each parameter.")
        self.unfold.setAutoRaise(True)
        self.unfold.setCheckable(True)
        self.unfold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.unfold.setArrowType(Qt.ArrowType.RightArrow)
        self.unfold.toggled.connect(self._on_unfold)
        self._grid.addWidget(self.unfold, len(_ROWS) + 2, 0, 1, 2, Qt.AlignmentFlag.AlignLeft)
        self.shapes = self._text()
        self.shapes.setTextFormat(Qt.TextFormat.RichText)
        self.shapes.hide()
        self._grid.addWidget(self.shapes, len(_ROWS) + 3, 0, 1, 2)
        self.apply_theme(theme)

    def show_config(self, config: Config) -> None:
        """Summarize a config."""
        before, self._config = self._config, config
        network = config.network
        known = network.is_known
        self.unfold.setVisible(known)
        self.shapes.setVisible(known and self.unfold.isChecked())
        if not known:
            self.equation.setText(_UNREAD)
            self.equation.setAccessibleName(_UNREAD)
            for name in _ROWS:
                self._set(name, "")
            self.warning.hide()
            return
        if self._renamed or before is None or not before.network.is_known or before.network.kind != network.kind:
            self.equation.setText(equation_table(network.kind))
            self.equation.setAccessibleName(equation_words(network.kind))
        self._renamed = False
        self._set("parameters", parameter_words(config))
        self._set("out", output_words(config))
        self._set("state", named(state_words(config)))
        self._set(_RESOURCES, demand_words(config))
        self._warn(config)
        if self.unfold.isChecked():
            self._list_shapes()

    def refresh_names(self) -> None:
        """Show the names of the user's choice."""
        self._renamed = True
        for name, caption in self._captions.items():
            caption.setText(named(name))
            for widget in (caption, self.values[name]):
                widget.setToolTip(wrapped(named(_ROWS[name])))
        if self._config is not None:
            self.show_config(self._config)

    def apply_theme(self, theme: Theme) -> None:
        self._theme = theme
        for text in self._captions.values():
            palette = QPalette(text.palette())
            palette.setColor(QPalette.ColorRole.WindowText, theme.color("muted"))
            text.setPalette(palette)
        self.warning.show_sentence(self.warning.text, theme.color("doubtful"))

    def _add_row(self, row: int, name: str, why: str) -> None:
        caption = QLabel(named(name), self)
        caption.setProperty("muted", True)
        value = WrappedText(self)
        caption.setToolTip(wrapped(named(why)))
        value.setToolTip(wrapped(named(why)))
        self._captions[name] = caption
        self.values[name] = value
        top = Qt.AlignmentFlag.AlignTop
        self._grid.addWidget(caption, row, 0, Qt.AlignmentFlag.AlignRight | top)
        self._grid.addWidget(value, row, 1)

    def _set(self, name: str, words: str) -> None:
        value = self.values[name]
        # No line break inside a shape.
        value.show_text(_SHAPE.sub(lambda shape: shape[0].replace(" ", "\u00a0"), words))
        value.setAccessibleName(f"{named(name)}: {words}")
        value.setVisible(bool(words))
        self._captions[name].setVisible(bool(words))

    def _warn(self, config: Config) -> None:
        available = available_memory() if self.values[_RESOURCES].text else None
        short = available is not None and demand(config).memory > available
        if short and available is not None:
            self.warning.show_sentence(
                f"Needs more than the {readable(available)} of memory available; the run will be refused.",
                self._theme.color("doubtful"),
            )
        self.warning.setVisible(short)

    def _on_unfold(self, checked: bool) -> None:
        self.unfold.setArrowType(Qt.ArrowType.DownArrow if checked else Qt.ArrowType.RightArrow)
        if checked:
            self._list_shapes()
        self.shapes.setVisible(checked)

    def _list_shapes(self) -> None:
        if self._config is None:
            return
        rows = parameter_rows(self._config)
        table = "".join(f"<tr><td>{name}&nbsp;&nbsp;</td><td>{shape}</td></tr>" for name, shape in rows)
        self.shapes.setText(f'<table cellspacing="0" cellpadding="0">{table}</table>')
        self.shapes.setAccessibleName("; ".join(f"{name} {shape}" for name, shape in rows))

    def _text(self) -> QLabel:
        text = QLabel(self)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        text.setMinimumWidth(1)
        return text
