"""Draws every state of the window on one page, to be looked at: python packaging/gallery.py

Scenes of the main window, its tool windows and dialogs, and sheets of all controls, menus, drop-downs and tooltips in
each of their states, in two themes and two text sizes. Pictures and page are written to build/gallery. Controls are
found in the windows, and dialogs by their commands, so new ones appear by themselves.
"""

import html
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import control_states
import guide_scenes
import numpy as np
from control_states import Shot
from guide_scenes import finish_pending, wait
from PySide6.QtCore import QPoint, QSettings, Qt, qInstallMessageHandler
from PySide6.QtGui import QColor, QFontMetrics, QImage, QPainter
from PySide6.QtWidgets import QApplication, QDialog, QWidget

from rnnviz.core.config import Config
from rnnviz.core.trace_index import Location
from rnnviz.gui.application import make_application, make_window
from rnnviz.gui.commands import dialogs
from rnnviz.gui.commands.table import COMMANDS
from rnnviz.gui.export.sheet import print_message
from rnnviz.gui.main_layout import SETTINGS, TABS, VALUE
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.recovery.crashes import CrashDialog
from rnnviz.gui.recovery.session_recovery import RestoreBar
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.palettes import THEMES, Theme
from rnnviz.lessons.index import lesson_entries

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "build" / "gallery"
SIZE = 1440, 900
LARGE_SIZE = 1920, 1160
TEXT_SIZES = 100, 200
_SETTLED_MS = 150
_NOT_SHOWN = ("quit", "edit_code")
"""Commands that end the program or start another one."""
_NETWORK = {"cell": "lstm", "input_size": 3, "hidden_size": 4, "num_layers": 2}
_RAISES = "def step(x, state, p):\n    raise ValueError('a mistake of this step')\n"
_SHEET_WIDTH, _SHEET_HEIGHT = 1500, 1300
_AROUND_PICTURES = "#a9aeb7"
_GAP = 10
_HEAD = f"""<!doctype html><meta charset="utf-8"><title>rnnviz: every state</title><style>
body {{ font: 15px sans-serif; margin: 24px; background: {_AROUND_PICTURES}; }}
figure {{ display: inline-block; margin: 0 12px 12px 0; vertical-align: top; }}
img {{ max-width: 46vw; display: block; }}
</style><h1>Every state of the window</h1>"""

_SWEEP = """
engines = ["bug:no-h2h-bias"]
network = { cell = "lstm", input_size = 3, hidden_size = 4 }
compare = { reference = "manual" }
[grid]
network.hidden_size = [4, 8]
sequence.timesteps = [1, 5]
"""

Scene = Callable[[MainWindow, Path], QWidget]


def _run(window: MainWindow, network: dict[str, object], **tables: object) -> None:
    window.document.take(Config.from_mapping({"network": network, **tables}), "gallery")
    window.control.run()
    wait(window.runner.finished)


def _sequence(folder: Path) -> dict[str, object]:
    """Input with NaN, infinities and large numbers."""
    values = np.random.default_rng(1).standard_normal((1, 12, 3))
    values[0, 3, 0], values[0, 6, 1], values[0, 8, 2] = np.nan, np.inf, -np.inf
    np.save(folder / "nan.npy", values)
    return {"source": "file", "path": str(folder / "nan.npy")}


def empty(window: MainWindow, _folder: Path) -> QWidget:
    """Before the first run."""
    return window


def running(window: MainWindow, _folder: Path) -> QWidget:
    """During a run."""
    network = {"cell": "lstm", "input_size": 8, "hidden_size": 300, "num_layers": 3}
    window.document.take(Config.from_mapping({"network": network, "sequence": {"timesteps": 900}}), "long")
    window.control.run()
    wait(window.progress.stage_shown)
    finish_pending(50)
    return window


def stopped(window: MainWindow, _folder: Path) -> QWidget:
    """After a run was stopped."""
    window.runner.stop()
    return window


def agree(window: MainWindow, _folder: Path) -> QWidget:
    """A run that agrees."""
    guide_scenes.whole_window(window, _folder)
    return window


def dark_cell(window: MainWindow, _folder: Path) -> QWidget:
    """The selection on the darkest cell."""
    return _select(window, np.argmax)


def light_cell(window: MainWindow, _folder: Path) -> QWidget:
    """The selection on the palest cell."""
    return _select(window, lambda values: np.argmin(np.abs(values)))


def _select(window: MainWindow, choose: Callable[[np.ndarray], object]) -> QWidget:
    result = window.session.result
    assert result is not None
    values = result.reference.hidden[:, :, :, 0]
    layer, direction, timestep, unit = (int(i) for i in np.unravel_index(int(choose(values)), values.shape))
    window.session.set_location(Location(layer, direction, timestep, 0, unit))
    return window.lanes


def clipped(window: MainWindow, _folder: Path) -> QWidget:
    """Values beyond the color range."""
    for _ in range(4):
        window.lanes.scale_range(0.5)
    return window.lanes


def not_finite(window: MainWindow, folder: Path) -> QWidget:
    """NaN and infinity."""
    _run(window, {"cell": "rnn_relu", "input_size": 3, "hidden_size": 4}, sequence=_sequence(folder))
    return window


def mismatch(window: MainWindow, folder: Path) -> QWidget:
    """A known bug as the likely cause."""
    return guide_scenes.mismatch(window, folder)


def details(window: MainWindow, _folder: Path) -> QWidget:
    """The unfolded banner."""
    window.verdict.toggle_details()
    return window


def stale(window: MainWindow, _folder: Path) -> QWidget:
    """Settings that were changed after the run."""
    window.verdict.fold()
    window.control.cancel()
    config = window.session.config
    window.document.edit(Config.from_mapping({"network": {**_NETWORK, "hidden_size": 6}, "compare": {}}) or config)
    window.control.cancel()
    return window


def failed(window: MainWindow, folder: Path) -> QWidget:
    """An engine that failed."""
    (folder / "mine.py").write_text(_RAISES, encoding="utf-8")
    path = str(folder / "mine.py")
    window.code_trust.trust(path)
    window.document.take(Config.from_mapping({"network": _NETWORK, "compare": {"candidates": [path]}}), "mine")
    window.control.run()
    wait(window.control.error_changed)
    finish_pending(_SETTLED_MS)
    return window


def wrong_setting(window: MainWindow, _folder: Path) -> QWidget:
    """A value that the settings refuse."""
    window.main_layout.docks.open(SETTINGS)
    window.panel.show_error("network.hidden_size", "hidden_size is 0, but has to be at least 1.")
    window.control.set_invalid("network.hidden_size", "hidden_size is 0, but has to be at least 1.")
    return window


def folded(window: MainWindow, _folder: Path) -> QWidget:
    """Folded panes."""
    window.panel.clear_errors()
    window.main_layout.open_only(())
    return window


def _lesson(window: MainWindow, place: int) -> None:
    window.main_layout.open_only((VALUE, TABS))
    window.guide.open(lesson_entries()[place])
    if window.runner.busy:
        wait(window.runner.finished)
    finish_pending(_SETTLED_MS)


def lesson(window: MainWindow, _folder: Path) -> QWidget:
    """A step of a lesson."""
    window.panel.clear_errors()
    _lesson(window, 2)
    return window


def question(window: MainWindow, _folder: Path) -> QWidget:
    """A step that asks, before the answer."""
    for _ in range(12):
        if window.guide.asking:
            break
        window.guide.next()
        finish_pending(300)
    return window


def answered(window: MainWindow, _folder: Path) -> QWidget:
    """After a wrong answer."""
    step = window.guide.step
    correct = None if step is None or step.question is None else getattr(step.question, "answer", None)
    window.guide.answer(1.0 if correct == 0 else 0.0)
    return window


def presentation(window: MainWindow, _folder: Path) -> QWidget:
    """On the full screen, with a lesson."""
    window.presentation.toggle()
    finish_pending(_SETTLED_MS)
    return window


def first_screen(window: MainWindow, _folder: Path) -> QWidget:
    """What an empty start shows."""
    window.presentation.leave()
    window.guide.leave()
    finish_pending(_SETTLED_MS)
    return guide_scenes.first_screen(window, _folder)


def restore(window: MainWindow, _folder: Path) -> QWidget:
    """The offer to restore a session."""
    window.first_screen.leave()
    bar = RestoreBar()
    window.main_layout.add_bar(bar)
    bar.show_offer("rnnviz ended unexpectedly with unsaved changes to gallery.toml. 3 more unsaved.", restorable=True)
    bar.show()
    finish_pending(_SETTLED_MS)
    bar.hide()
    bar.show()
    return window


def sweep(window: MainWindow, folder: Path) -> QWidget:
    """A sweep's rows and their heat map."""
    return guide_scenes.sweep(window, folder, _SWEEP)


SCENES: tuple[tuple[Scene, bool], ...] = (
    (empty, True),
    (running, False),
    (stopped, False),
    (agree, True),
    (dark_cell, False),
    (light_cell, False),
    (clipped, False),
    (not_finite, True),
    (guide_scenes.padding, False),
    (guide_scenes.gradients, True),
    (mismatch, True),
    (details, False),
    (stale, False),
    (failed, True),
    (wrong_setting, False),
    (folded, False),
    (lesson, False),
    (question, False),
    (answered, False),
    (presentation, False),
    (first_screen, False),
    (restore, False),
)
"""Scenes in their order, and whether each tab is drawn, too. One follows from the other."""
TOOLS: tuple[Scene, ...] = (sweep, guide_scenes.training, guide_scenes.generate, guide_scenes.model)


def questions(window: MainWindow, folder: Path) -> Iterator[tuple[str, QWidget]]:
    """Dialogs that no command of the menus opens."""
    nothing = lambda *_: None  # noqa: E731
    yield "code trust", window.code_trust.ask([str(folder / "mine.py")], nothing, nothing)
    error = "The file network.toml has no table [network]; expected one with the key cell."
    yield "error", dialogs.show_error_dialog(window, "Cannot open the config", error)
    window.document.edit(Config.from_mapping({"network": _NETWORK}))
    for name, ask in (
        ("unsaved changes", lambda: window.files.ask_about_changes(nothing)),
        ("fixed color range", lambda: window.lanes._take_range("fixed")),
    ):
        ask()
        yield name, next(w for w in QApplication.topLevelWidgets() if isinstance(w, QDialog) and w.isVisible())
    crash = CrashDialog(window, "Traceback (most recent call last):\n  ...\nValueError: an example", kept=True)
    crash.open()
    yield "internal error", crash


def visible_windows() -> set[QWidget]:
    """Every window that is open."""
    hidden = Qt.WidgetAttribute.WA_DontShowOnScreen
    return {w for w in QApplication.topLevelWidgets() if w.isVisible() and w.isWindow() and not w.testAttribute(hidden)}


class Gallery:
    """Writes pictures of a window in a theme and text size, and remembers them by section and caption."""

    def __init__(self, theme: Theme, percent: int, folder: Path, target: Path) -> None:
        """`folder` takes temporary files, `target` the pictures."""
        self._theme, self._percent, self._folder, self._target = theme, percent, folder, target
        self.missing: list[str] = []
        self.sections: dict[str, dict[str, str]] = defaultdict(dict)
        self._drawn: set[tuple[object, ...]] = set()
        self._sheets: dict[str, list[Shot]] = defaultdict(list)

    def draw(self) -> None:
        """Draw everything."""
        path = self._folder / f"{self._theme.name}-{self._percent}.ini"
        settings = Settings(QSettings(str(path), QSettings.Format.IniFormat))
        settings.theme, settings.text_size = self._theme.name, self._percent
        window = make_window(settings)
        window.resize(*(SIZE if self._percent == 100 else LARGE_SIZE))
        window.show()
        wait(window.completed)
        window.activateWindow()
        window.warm_up()
        for scene, tabs in SCENES:
            self._try(window, scene, partial(self._scene, window, tabs=tabs))
        self._commands(window)
        for scene in TOOLS:
            self._try(window, scene, self._tool)
        for name, shown in questions(window, self._folder):
            finish_pending(20)
            self._window("Questions", name, shown)
            shown.close()
        window.control.cancel()
        window.leave()
        QApplication.processEvents()
        window.shut_down()
        window.deleteLater()
        for name, shots in self._sheets.items():
            for number, picture in enumerate(sheets(shots)):
                self._keep("Controls in their states", f"{name}, {number + 1}", picture)

    def _try(self, window: MainWindow, scene: Scene, draw: Callable[[QWidget, str], None]) -> None:
        """Draw a scene. One that does not come about in time is missing on the page, and fails the program."""
        words = (scene.__doc__ or "").rstrip(".")
        try:
            shown = scene(window, self._folder)
        except TimeoutError as error:
            self.missing.append(words)
            print(f"{self._theme.name}, {self._percent}%: {words}: {error}", file=sys.stderr)
            return
        # The arithmetic comes from a thread.
        window.value.finish_pending()
        finish_pending(_SETTLED_MS)
        draw(shown, words)

    def _tool(self, shown: QWidget, words: str) -> None:
        self._window("Tool windows", words, shown)
        shown.close()

    def _scene(self, window: MainWindow, shown: QWidget, words: str, *, tabs: bool) -> None:
        self._keep("Main window", words, shown.grab().toImage())
        layout = window.main_layout
        if tabs:
            before = layout.tabs.title_in_front
            for title in layout.tabs.titles:
                layout.select_tab(title)
                finish_pending(_SETTLED_MS)
                self._keep("Tabs", f"{title}: {words.lower()}", layout.tabs.grab().toImage())
                self._controls("Main window", window)
            layout.select_tab(before)
        self._controls("Main window", window)

    def _window(self, section: str, words: str, shown: QWidget) -> None:
        shown.activateWindow()
        self._keep(section, words, shown.grab().toImage())
        self._controls(section, shown)

    def _commands(self, window: MainWindow) -> None:
        """Every window that a command opens."""
        guide_scenes.whole_window(window, self._folder)
        before = visible_windows()
        for command in COMMANDS:
            if command.id in _NOT_SHOWN or not window.actions_[command.id].isEnabled():
                continue
            if command.text.rstrip("…") == command.text and command.id not in ("guide", "keys", "about"):
                continue
            window.actions_[command.id].trigger()
            finish_pending(_SETTLED_MS)
            for shown in visible_windows() - before:
                words = command.text.replace("&", "").rstrip("…")
                self._window("Windows of commands", words, shown)
                shown.close()
            if window.runner.busy:
                wait(window.runner.finished)
        finish_pending(_SETTLED_MS)

    def _controls(self, section: str, window: QWidget) -> None:
        """Keep the states of the controls of kinds that were not drawn yet."""
        # After a menu or a tooltip another window may have the keyboard, and the first control of a dialog has it.
        window.activateWindow()
        finish_pending(20)
        held = window.focusWidget()
        if held is not None:
            held.clearFocus()
        for widget in control_states.controls(window):
            if (kind := control_states.kind_of(widget)) not in self._drawn:
                self._drawn.add(kind)
                self._sheets[section].extend(control_states.states(widget))
        for name, shots in (
            ("Menus", control_states.menus),
            ("Menus", control_states.menu_bars),
            ("Menus", control_states.context_menus),
            ("Drop-downs", control_states.drop_downs),
            ("Tooltips", control_states.tooltips),
        ):
            has_result = isinstance(window, MainWindow) and window.session.result is not None
            key = name, shots.__name__, type(window), window.windowTitle() if section != "Main window" else ""
            if key not in self._drawn and (section != "Main window" or has_result):
                self._drawn.add(key)
                self._sheets[name].extend(shots(window))

    def _keep(self, section: str, caption: str, picture: QImage) -> None:
        words = "".join(letter if letter.isalnum() else "-" for letter in f"{section}-{caption}".lower())
        name = f"{words}-{self._theme.name}-{self._percent}.png"
        picture.save(str(self._target / name), "PNG", 90)
        self.sections[section][caption] = name


def sheets(shots: list[Shot]) -> Iterator[QImage]:
    """Pictures of many controls in columns, the states of one next to each other, each below its words."""
    metrics = QFontMetrics(QApplication.font())
    row: list[tuple[Shot, str, QPoint]] = []
    x = y = tall = 0
    before = None
    for shot in shots:
        first, before = before != (shot.control, shot.widget), (shot.control, shot.widget)
        words = f"{shot.control}: {shot.state}" if first else shot.state
        words = metrics.elidedText(words, Qt.TextElideMode.ElideRight, max(shot.picture.width(), 170))
        wide = max(shot.picture.width(), metrics.horizontalAdvance(words)) + _GAP
        if x + wide > _SHEET_WIDTH and x:
            x, y, tall = 0, y + tall, 0
        if y + shot.picture.height() > _SHEET_HEIGHT and y:
            yield _painted(row)
            row, x, y, tall = [], 0, 0, 0
        row.append((shot, words, QPoint(x, y)))
        x, tall = x + wide, max(tall, shot.picture.height() + metrics.height() + _GAP)
    if row:
        yield _painted(row)


def _painted(row: list[tuple[Shot, str, QPoint]]) -> QImage:
    text = QFontMetrics(QApplication.font()).height()
    height = max(place.y() + shot.picture.height() + text for shot, _, place in row)
    sheet = QImage(_SHEET_WIDTH, height, QImage.Format.Format_RGB32)
    sheet.fill(QColor(_AROUND_PICTURES))
    painter = QPainter(sheet)
    painter.setFont(QApplication.font())
    painter.setPen(QColor("black"))
    for shot, words, place in row:
        painter.drawText(place + QPoint(0, text - 4), words)
        painter.drawImage(place + QPoint(0, text), shot.picture)
    painter.end()
    return sheet


def page(parts: dict[str, dict[str, dict[str, str]]]) -> str:
    """The page with all pictures: below each caption one of each theme and text size."""
    sections: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
    for part, of_part in parts.items():
        for section, pictures in of_part.items():
            for caption, name in pictures.items():
                sections[section][caption][part] = name
    lines = [_HEAD, *(f'<a href="#{html.escape(section)}">{html.escape(section)}</a>' for section in sections)]
    for section, captions in sections.items():
        lines.append(f'<h2 id="{html.escape(section)}">{html.escape(section)}</h2>')
        for caption, pictures in captions.items():
            lines.append(f"<h3>{html.escape(caption)}</h3>")
            for part, name in pictures.items():
                image = f'<a href="{name}"><img src="{name}" loading="lazy"></a>'
                lines.append(f"<figure>{image}<figcaption>{html.escape(part)}</figcaption></figure>")
    return "\n".join(lines)


def draw_part(theme: str, percent: int, target: Path = TARGET) -> bool:
    """Draw everything in a theme and text size, and write what was drawn. Returns whether nothing is missing."""
    qInstallMessageHandler(print_message)
    application = QApplication.instance() or make_application()
    with tempfile.TemporaryDirectory() as folder:
        gallery = Gallery(THEMES[theme], percent, Path(folder), target)
        gallery.draw()
        application.processEvents()
    (target / f"{theme}-{percent}.json").write_text(json.dumps(gallery.sections), encoding="utf-8")
    return not gallery.missing


def main() -> int:
    """Draw both themes at the same time, each in its process, and write the page. Returns the exit code."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for path in TARGET.iterdir():
        path.unlink()
    # Menus and dialogs are limited by the screen, which is small on this platform unless told otherwise.
    screen = {"name": "screen", "x": 0, "y": 0, "width": 1920, "height": 1200, "dpr": 1}
    screen |= {"logicalDpi": 96, "logicalBaseDpi": 96}
    (TARGET / "screen.json").write_text(json.dumps({"screens": [screen]}), encoding="utf-8")
    environ = {"QT_QPA_PLATFORM": f"offscreen:configfile={TARGET / 'screen.json'}", **os.environ}
    processes = [subprocess.Popen([sys.executable, __file__, theme], env=environ) for theme in THEMES]
    codes = [process.wait() for process in processes]
    names = {f"{theme}, {percent}%": f"{theme}-{percent}.json" for theme in THEMES for percent in TEXT_SIZES}
    drawn = {part: TARGET / name for part, name in names.items()}
    (TARGET / "index.html").write_text(
        page({part: json.loads(path.read_text(encoding="utf-8")) for part, path in drawn.items() if path.exists()}),
        encoding="utf-8",
    )
    print(TARGET / "index.html")
    return max(map(abs, codes))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        whole = [draw_part(sys.argv[1], percent) for percent in TEXT_SIZES]
        sys.exit(0 if all(whole) else 1)
    else:
        sys.exit(main())
