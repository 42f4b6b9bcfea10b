"""The scenes of the guide's pictures: each prepares the window before its picture is taken."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import QEventLoop, QPoint, QRect, QSettings, Qt, QTimer, SignalInstance
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QDialog, QStatusBar, QToolBar, QWidget
from safetensors.numpy import save_file
from sample_model import lstm_weights

from rnnviz.core.resources import resource_path
from rnnviz.core.trace_index import Location
from rnnviz.gui.application import make_window
from rnnviz.gui.generate.panel import GeneratePanel
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from rnnviz.io.config_toml import parse_config
from rnnviz.lessons.index import lesson_entries
from rnnviz.reading.units import Query
from rnnviz.training.character_model import load_character_model, shipped_model
from rnnviz.training.task import load_task

SIZE = 1360, 800
_GIVE_UP_MS = 60_000
_SETTLED_MS = 1_500
_COLORS = 256

WINDOW = """
network = { cell = "lstm", input_size = 3, hidden_size = 4, num_layers = 2, bidirectional = true }
sequence = { source = "sine", batch_size = 4, timesteps = 7 }
initial_state = { source = "normal" }
"""
_MISMATCH = """
network = { cell = "gru", input_size = 3, hidden_size = 5 }
sequence = { batch_size = 2, timesteps = 9 }
initial_state = { source = "normal" }
compare = { reference = "gluon", candidates = ["bug:no-h2h-bias"] }
"""

_GRADIENTS = """
[network]
cell = "lstm"
input_size = 3
hidden_size = 5

[sequence]
timesteps = 12
batch_size = 2

[compare]
reference = "manual"
candidates = ["bug:cell-gradient-dropped"]

[backward]
enabled = true
"""

_PADDING = """
network = { cell = "gru", input_size = 2, hidden_size = 4, bidirectional = true }
sequence = { batch_size = 2, timesteps = 8, lengths = [5, 8] }
initial_state = { source = "normal" }
"""
_SWEEP = """
engines = ["manual", "bug:no-h2h-bias"]
seeds = [0, 1]
network = { cell = "lstm", input_size = 3, hidden_size = 4 }
compare = { reference = "gluon" }
[grid]
network.hidden_size = [4, 8, 16]
sequence.timesteps = [1, 5, 25]
"""

BRACKETS = (
    "Press the button (F5). Open a file (a model or a config), and select a value (the first one). Export it (as CSV)."
)


def wait(signal: SignalInstance) -> None:
    """Let the program go on until the signal comes.

    Raises
    ------
    TimeoutError
        If it does not come: the picture would be of something else.
    """
    loop = QEventLoop()
    signal.connect(loop.quit)
    QTimer.singleShot(_GIVE_UP_MS, loop, lambda: loop.exit(1))
    if loop.exec():
        raise TimeoutError(f"The scene did not finish within {_GIVE_UP_MS // 1000} s.")


def finish_pending(milliseconds: int = _SETTLED_MS) -> None:
    """Let the program go on for so long: views that were drawn once may still make room for longer labels."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop, loop.quit)
    loop.exec()


def first_screen(window: MainWindow, _folder: Path) -> QWidget:
    """What an empty start shows."""
    window.first_screen.show()
    screen = window.first_screen.screen
    assert screen is not None
    if screen.picture.run is None:
        wait(screen.picture.computed)
    screen.picture.rest()
    return window


def whole_window(window: MainWindow, _folder: Path) -> QWidget:
    """A run that agrees."""
    window.document.take(parse_config(WINDOW, Path.cwd(), "window"), "window")
    wait(window.runner.finished)
    window.session.set_location(Location(1, 0, 4, 0, 2))
    return window


def parts(window: MainWindow, folder: Path) -> QWidget:
    """The same run, with a number on each part of the window; the page of the window explains the numbers."""
    whole_window(window, folder)
    sides = {type(view).__name__: view for view in window.views}
    numbered = (
        window.top_line,
        window.top_line.settings,
        window.verdict,
        window.lanes,
        sides["ValueCard"],
        window.main_layout.tabs,
        window.statusBar(),
    )
    _Numbers(window, numbered)
    return window


class _Numbers(QWidget):
    """Draws 1, 2, 3, ... in discs near the upper right corner of widgets, where they cover no text."""

    _RADIUS = 13

    def __init__(self, window: QWidget, widgets: Sequence[QWidget]) -> None:
        super().__init__(window)
        self._widgets = tuple(widgets)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setGeometry(window.rect())
        self.show()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """See Qt."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        font = self.font()
        font.setBold(True)
        font.setPixelSize(self._RADIUS + 3)
        painter.setFont(font)
        radius = self._RADIUS
        for number, widget in enumerate(self._widgets, 1):
            corner = widget.mapTo(self.window(), QPoint(widget.width(), 0))
            if isinstance(widget, QStatusBar):
                corner.setX(2 * radius + 12)
            down = 2 if isinstance(widget, QToolBar) else min(radius + 4, widget.height() // 2)
            disc = QRect(corner.x() - 2 * radius - 6, corner.y() + down - radius, 2 * radius, 2 * radius)
            painter.setPen(QPen(QColor("white"), 2.0))
            painter.setBrush(QColor("#b3261e"))
            painter.drawEllipse(disc)
            painter.drawText(disc, Qt.AlignmentFlag.AlignCenter, str(number))


def padding(window: MainWindow, _folder: Path) -> QWidget:
    """The lanes of a sample that ends before another."""
    window.document.take(parse_config(_PADDING, Path.cwd(), "padding"), "padding")
    wait(window.runner.finished)
    window.session.set_location(Location(0, 1, 4))
    return window.lanes


def capture(window: MainWindow, folder: Path) -> QWidget:
    """A captured decoding loop that does not pass its state on."""
    path = resource_path("lessons", "captured.toml")
    text = path.read_text(encoding="utf-8").replace("recording:captured-decoder", "recording:captured-forgetful")
    window.document.take(parse_config(text, path.parent, "decoder"), "decoder")
    wait(window.runner.finished)
    window.session.set_location(Location(0, 0, 1))
    return window


def first_steps(window: MainWindow, _folder: Path) -> QWidget:
    """The guide's first page after its last step."""
    window.files.open(resource_path("models", "sample-lstm.safetensors"))
    wait(window.runner.finished)
    config = window.session.config
    window.document.edit(replace(config, sequence=replace(config.sequence, timesteps=12)))
    wait(window.runner.finished)
    window.session.set_location(Location(0, 0, 3, 0, 0))
    return window


def lesson(window: MainWindow, _folder: Path) -> QWidget:
    """A step of a lesson that lights up the lanes."""
    window.guide.open(lesson_entries()[2])
    wait(window.runner.finished)
    return window


def mismatch(window: MainWindow, _folder: Path) -> QWidget:
    """A known bug as the likely cause."""
    window.document.take(parse_config(_MISMATCH, Path.cwd(), "mismatch"), "mismatch")
    wait(window.runner.finished)
    window.results.next_mismatch()
    window.main_layout.select_tab("Different values")
    return window


def gradients(window: MainWindow, _folder: Path) -> QWidget:
    """Gradients of the cell state, which a known bug of the backward pass drops."""
    window.document.take(parse_config(_GRADIENTS, Path.cwd(), "gradients"), "gradients")
    wait(window.runner.finished)
    window.session.set_color_by("grad.c")
    window.session.set_location(Location(0, 0, 4, 0, 2))
    window.main_layout.select_tab("Gradient flow")
    return window


def gradient_terms(window: MainWindow, folder: Path) -> QWidget:
    """The terms of one of these gradients."""
    gradients(window, folder)
    window.session.set_color_by("grad.h")
    window.main_layout.select_tab("Arithmetic")
    window.resize(SIZE[0], 1200)
    window.navigation.explain_gradient()
    window.value.finish_pending()
    return window.value


def model(window: MainWindow, folder: Path) -> QWidget:
    """The list of a file's networks."""
    path = folder / "translator.safetensors"
    save_file({**lstm_weights("encoder.lstm.", 8, 6, 2), **lstm_weights("decoder.lstm.", 6, 12, 1)}, str(path))
    window.files.open(path)
    for _ in range(100):
        finish_pending(100)
        dialogs = [dialog for dialog in window.findChildren(QDialog) if dialog.windowTitle().startswith("Open transl")]
        if dialogs:
            return dialogs[0]
    raise TimeoutError("The list of a file's networks did not open.")


def sweep(window: MainWindow, folder: Path, grid: str = _SWEEP) -> QWidget:
    """A sweep's rows and their heat map; `grid` is its file."""
    path = folder / "grid.toml"
    path.write_text(grid, encoding="utf-8")
    window.sweeps.open(path)
    assert window.sweeps.runner is not None
    wait(window.sweeps.runner.opened)
    window.sweeps.run()
    wait(window.sweeps.runner.ended)
    assert window.sweeps.window is not None
    window.sweeps.window.resize(1000, 560)
    return window.sweeps.window


def training(window: MainWindow, _folder: Path) -> QWidget:
    """A checkpoint in the lanes, and the curves of its training."""
    path = resource_path("training", "parity.toml")
    task = load_task(path)
    short = replace(task, training=replace(task.training, steps=240, checkpoint_every=20))
    window.trainings.open()
    shown, runner = window.trainings.panel, window.trainings.runner
    shown.show_task(short, "parity", path)
    shown.train_action.trigger()
    wait(runner.ended)
    # The lanes follow the last checkpoint.
    finish_pending(2 * _SETTLED_MS)
    return window


def generate(window: MainWindow, _folder: Path) -> QWidget:
    """The text of a prefix with that of the prefix before."""
    window.generating.show()
    shown = window.generating.panel
    assert shown is not None
    shown.generate(160)
    wait_until_written(shown)
    shown.prefix.setText("A GRU ")
    shown.prefix.editingFinished.emit()
    wait_until_written(shown)
    return shown


def wait_until_written(shown: GeneratePanel) -> None:
    """Let the program go on until no character is missing."""
    while shown.busy:
        finish_pending(50)


def unit(window: MainWindow, _folder: Path) -> QWidget:
    """The units that are on at an opening bracket, and the other brackets."""
    model = load_character_model(shipped_model())
    window.document.take(model.config(BRACKETS), "brackets")
    window.control.run()
    wait(window.runner.finished)
    window.session.set_range(Query("gluon", 0, 0, 0, range(17, 18), 0.5))
    window.session.set_location(Location(0, 0, 17, 0, 15))
    return window.lanes


SCENES: dict[str, Callable[[MainWindow, Path], QWidget]] = {
    "first-screen": first_screen,
    "parts": parts,
    "first-steps": first_steps,
    "lesson": lesson,
    "padding": padding,
    "capture": capture,
    "gradients": gradients,
    "gradient-terms": gradient_terms,
    "mismatch": mismatch,
    "model": model,
    "sweep": sweep,
    "training": training,
    "generate": generate,
    "bracket-units": unit,
}


def take_scene(name: str, theme: str, folder: Path, path: Path) -> bool:
    """Open a window, do what the scene is about, and write what is seen; False if it could not be written."""
    settings = Settings(QSettings(str(folder / f"{name}-{theme}.ini"), QSettings.Format.IniFormat))
    settings.theme = theme
    window = make_window(settings)
    window.resize(*SIZE)
    window.show()
    wait(window.completed)
    window.warm_up()
    shown = SCENES[name](window, folder)
    finish_pending()
    done = with_few_colors(shown.grab().toImage()).save(str(path))
    for dialog in window.findChildren(QDialog):
        dialog.close()
    window.leave()
    QApplication.processEvents()
    window.shut_down()
    return done


def with_few_colors(image: QImage) -> QImage:
    """The image in few colors: as a PNG it takes a third of the room.

    Half of them are those that it has most of, the others those that are farthest from all that are chosen: a gradient
    is small and has many.
    """
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint32)
    colors, counts = np.unique(pixels, return_counts=True)
    channels = colors[:, None].view(np.uint8)[:, :3].astype(np.float32)
    chosen = list(np.argsort(counts)[::-1][: _COLORS // 2])
    away = np.full(len(colors), np.inf, np.float32)
    for place in chosen:
        away = np.minimum(away, np.square(channels - channels[place]).sum(axis=1))
    while len(chosen) < min(_COLORS, len(colors)):
        chosen.append(int(np.argmax(away)))
        away = np.minimum(away, np.square(channels - channels[chosen[-1]]).sum(axis=1))
    table = [int(colors[place]) for place in chosen]
    return image.convertToFormat(QImage.Format.Format_Indexed8, table, Qt.ImageConversionFlag.AvoidDither)
