"""Summary of the network: equations of the cell, number of parameters, shapes, memory."""

import re
from dataclasses import replace
from html import escape

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QGridLayout, QLabel, QToolButton, QWidget

from rnnviz.cells import CellSpec
from rnnviz.cells.activations import ACTIVATIONS
from rnnviz.cells.interpreters.symbols import equations_of_all_units
from rnnviz.core.config import Config
from rnnviz.core.memory_budget import available_memory, demand, readable
from rnnviz.engines.registry import gradients_given
from rnnviz.gui.naming import named
from rnnviz.gui.settings_panel.widgets import FieldMessage, WrappedText
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.tooltips import wrapped

_PREVIOUS = "[t-1]"
_TOKEN = re.compile(r"[A-Za-z]\w*(?:\[t-1\])?|[^A-Za-z]+")
_FUNCTIONS = {*ACTIVATIONS, "clip"}
_WHERE = ("u = W_i2h x_t + b_i2h", "v = W_h2h h[t-1] + b_h2h")


def equation_rows(cell: CellSpec) -> list[tuple[str, str]]:
    """Left and right side of each equation as rich text, with the definitions of the two parts last."""
    rows = [line.partition(" = ") for line in (*equations_of_all_units(cell), *map(named, _WHERE))]
    states = cell.state_symbols
    return [(_typeset(left, states), _typeset(right, states)) for left, _, right in rows]


def equation_table(cell: CellSpec) -> str:
    rows = "".join(
        f'<tr><td align="right" style="white-space:nowrap">{left}</td><td>&nbsp;=&nbsp;</td><td>{right}</td></tr>'
        for left, right in equation_rows(cell)
    )
    return f'<table cellspacing="0" cellpadding="0">{rows}</table>'


def equation_words(cell: CellSpec) -> str:
    """Equations in one line, for screen readers."""
    return "; ".join((*equations_of_all_units(cell), *map(named, _WHERE)))


def _typeset(side: str, states: tuple[str, ...]) -> str:
    return "".join(_typeset_token(token, states) for token in _TOKEN.findall(side))


def _typeset_token(token: str, states: tuple[str, ...]) -> str:
    if not token[0].isalpha():
        return escape(token).replace("-", "−")
    if token in _FUNCTIONS:
        return token
    name, _, subscript = token.removesuffix(_PREVIOUS).partition("_")
    if token.endswith(_PREVIOUS):
        subscript = "t−1"
    elif name in states and not subscript:
        subscript = "t"
    return f"<i>{name}</i>" + (f"<sub>{subscript}</sub>" if subscript else "")


_NOTABLE = 100_000_000
"""Bytes of memory or disk from which a run's needs are displayed."""

_T, _N, _I = -1, -2, -3
_UNKNOWN = {_T: "T", _N: "N", _I: "I"}
"""Letters for sizes known only from files."""


def output_words(config: Config) -> str:
    timesteps, batch_size = steps_of(config)
    return _shape(config.network.output_shape(timesteps, batch_size))


def state_words(config: Config) -> str:
    """Shape of the final state: one array, or two in a list."""
    names = config.network.kind.state_symbols
    shapes = [_shape(config.network.state_shape(steps_of(config)[1], name)) for name in names]
    if len(names) == 1:
        return shapes[0]
    if len(set(shapes)) == 1:
        return f"[{', '.join(names)}], each {shapes[0]}"
    return ", ".join(f"{name} {shape}" for name, shape in zip(names, shapes, strict=True))


def parameter_words(config: Config) -> str:
    """Number of parameters, as a function of I if I is known only from a file."""
    network = config.network
    if not config.sequence.brings_input_size:
        return f"{network.parameter_count:,}"
    per_feature = network.directions * network.kind.gate_count * network.hidden_size
    return f"{network.parameter_count - per_feature * network.input_size:,} + {per_feature:,}·I"


def demand_words(config: Config) -> str:
    """Memory and disk space of a large run; "" for a small one or an unknown size."""
    if config.sequence.source == "file" or config.sequence.brings_input_size:
        return ""
    needed = demand(config, gradients_given(config))
    parts = [f"{readable(needed.memory)} of memory"] if needed.memory >= _NOTABLE else []
    parts += [f"{readable(needed.disk)} of disk"] if needed.disk >= _NOTABLE else []
    return ", ".join(parts)


def parameter_rows(config: Config) -> list[tuple[str, str]]:
    """Parameter names with their shapes. Layers above the second share one row."""
    network = config.network
    if config.sequence.brings_input_size:
        network = replace(network, input_size=_I)
    rows = [
        (named(name), _shape(shape))
        for name, shape in replace(network, num_layers=min(2, network.num_layers)).parameter_shapes().items()
    ]
    if network.num_layers == 3:
        rows.append(("layer 2", "same as layer 1"))
    elif network.num_layers > 3:
        rows.append((f"layers 2 to {network.num_layers - 1}", "same as layer 1"))
    return rows


def steps_of(config: Config) -> tuple[int, int]:
    """(T, N), or placeholders if they come from a file."""
    if config.sequence.source == "file":
        return _T, _N
    return config.sequence.timesteps, config.sequence.batch_size


def _shape(shape: tuple[int, ...]) -> str:
    inner = ", ".join(_UNKNOWN.get(size, str(size)) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


_SHAPE = re.compile(r"\(.*?\)")

_RESOURCES = "resources"
_ROWS = {
    "parameters": "Number of parameters: weights and biases.",
    "out": "Shape of out: hidden states of the top layer at all time steps, both directions concatenated.",
    "state": "Shape of state: final state of each layer and direction, bottom layer first.",
    _RESOURCES: "Estimated minimum memory and disk space. The arrays of every engine stay on disk while shown.",
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
        self._grid.setVerticalSpacing(4)
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
        self.unfold.setObjectName("disclosure")
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
