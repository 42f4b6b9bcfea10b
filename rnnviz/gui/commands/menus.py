"""Menu bar, built from the table of commands, and its submenus."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from rnnviz.gui.commands.actions import Actions, Command, Menus
from rnnviz.gui.commands.dialogs import RecentFiles
from rnnviz.gui.export.outputs import MENU_OUTPUTS
from rnnviz.gui.export.picture import SCALES
from rnnviz.gui.naming import use_names
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.scaling import use_motion
from rnnviz.gui.tooltips import wrapped
from rnnviz.lessons.index import Lesson, LessonEntry, lesson_entries

_THEME_WORDS = {"desktop": ("&System", ""), "light": ("&Light", ""), "dark": ("&Dark", "")}
_MOTION_WORDS = {
    "desktop": ("&System", "Reduced if the system settings turn animations off."),
    "reduced": ("&Reduced", "Playback moves at most three times per second."),
    "full": ("&Full", "Playback is smooth."),
}

_NAMES_WORDS = {
    "file": ("&Model file", "Show the names of the framework that wrote the model file, or Gluon's without a file."),
    "gluon": ("&Gluon", "Show l0_i2h_weight, out and state, as Gluon names them."),
    "pytorch": ("&PyTorch", "Show weight_ih_l0, output, h_n and c_n, as PyTorch names them."),
    "onnx": ("&ONNX", "Show W[0], Y and Y_h, as ONNX names them."),
    "keras": ("&Keras", "Show kernel and recurrent_kernel, as Keras names them."),
}


OPEN_RECENT, EXPORT, NAMES, THEME, MOTION, LESSONS = (
    "Open &recent",
    "E&xport",
    "Na&mes",
    "T&heme",
    "Mo&tion",
    "&Lessons",
)
"""Titles of the submenus that have other entries than commands."""


def fill_menu_bar(bar: QMenuBar, menus: Menus, actions: Actions, made: Mapping[str, QMenu]) -> None:
    """Add a menu for each heading. `made` are submenus by title, which are complete."""
    for heading, entries in menus.items():
        menu = _new_menu(bar.addMenu(heading), heading)
        for entry in entries:
            if entry is None:
                menu.addSeparator()
            elif isinstance(entry, Command):
                menu.addAction(actions[entry.id])
            elif isinstance(entry, str) or entry.title in made:
                menu.addMenu(made[entry if isinstance(entry, str) else entry.title])
            else:
                submenu = _new_menu(menu.addMenu(entry.title), entry.title)
                submenu.addActions([actions[command.id] for command in entry.commands])


def _new_menu(menu: QMenu, title: str) -> QMenu:
    menu.setToolTipsVisible(True)
    menu.setObjectName(title.replace("&", "").lower())
    return menu


class ChoiceMenu(QMenu):
    """One of several choices, saved in the setting `name`."""

    chosen = Signal(str)

    def __init__(
        self,
        title: str,
        name: str,
        words: Mapping[str, tuple[str, str]],
        settings: Settings,
        parent: QWidget | None = None,
        checked: str = "",
    ) -> None:
        """`words` has the entry and the tooltip of each choice; `checked` is the current one, if not the saved."""
        super().__init__(title, parent)
        self.setToolTipsVisible(True)
        self._settings, self._name = settings, name
        group = QActionGroup(self)
        for choice, (entry, why) in words.items():
            action = self.addAction(entry)
            action.setObjectName(f"{name}_{choice}")
            if why:
                action.setToolTip(wrapped(why))
            action.setData(choice)
            action.setCheckable(True)
            action.setChecked(choice == (checked or getattr(settings, name)))
            group.addAction(action)
        group.triggered.connect(lambda action: self._choose(action.data()))

    def _choose(self, choice: str) -> None:
        setattr(self._settings, self._name, choice)
        self.chosen.emit(choice)


class Submenus:
    """The submenus that have other entries than commands."""

    def __init__(
        self,
        window: QWidget,
        recent: RecentFiles,
        lessons: Sequence[Lesson],
        exports: Sequence[QAction],
        theme: str,
        settings: Settings,
    ) -> None:
        """`exports` are the commands of the export menu; `theme` is one of THEME_CHOICES."""
        self.recent = RecentMenu(recent, window)
        self.lessons = LessonMenu(lesson_entries(), lessons, window)
        self.exports = ExportMenu(exports, window)
        self.themes = ChoiceMenu(THEME, "theme", _THEME_WORDS, settings, window, theme)
        self.motions = ChoiceMenu(MOTION, "motion", _MOTION_WORDS, settings, window)
        self.motions.chosen.connect(use_motion)
        use_motion(settings.motion)
        self.names = ChoiceMenu(NAMES, "names", _NAMES_WORDS, settings, window)
        self.names.chosen.connect(use_names)

    @property
    def by_title(self) -> dict[str, QMenu]:
        menus = self.recent, self.lessons, self.exports, self.themes, self.motions, self.names
        return {menu.title(): menu for menu in menus}


class RecentMenu(QMenu):
    """Menu of recent files, filled when it opens so that it lists existing files only."""

    chosen = Signal(object)
    """The `Path` of the chosen file."""

    def __init__(self, files: RecentFiles, parent: QWidget | None = None) -> None:
        super().__init__(OPEN_RECENT, parent)
        self.setToolTipsVisible(True)
        self._files = files
        self.aboutToShow.connect(self._fill)

    def _fill(self) -> None:
        self.clear()
        paths = self._files.paths()
        for number, path in enumerate(paths, start=1):
            text = f"&{number % 10}  {path.name.replace('&', '&&')}"
            action = _add(self, "", text, str(path), partial(self.chosen.emit, path))
            action.setData(path)
        if not paths:
            self.addAction("No recent files").setEnabled(False)
            return
        self.addSeparator()
        _add(self, "", "&Clear list", "Remove all entries. No file is deleted.", self._files.clear)


class LessonMenu(QMenu):
    """One entry for each lesson, then a submenu with the config of each."""

    chosen = Signal(object)
    """The `LessonEntry` of a lesson, or a `Lesson`, its config."""

    def __init__(
        self, entries: Sequence[LessonEntry], lessons: Sequence[Lesson], parent: QWidget | None = None
    ) -> None:
        super().__init__(LESSONS, parent)
        self.setToolTipsVisible(True)
        for entry in entries:
            digit = "&" if entry.number < 10 else ""
            name, text = f"guided_{entry.name}", f"{digit}{entry.number}  {entry.title}"
            _add(self, name, text, entry.summary, partial(self.chosen.emit, entry))
        if entries:
            self.addSeparator()
        configs = self.addMenu("&Configs of lessons")
        configs.setToolTipsVisible(True)
        for lesson in lessons:
            _add(configs, f"lesson_{lesson.name}", lesson.title, lesson.summary, partial(self.chosen.emit, lesson))


class ExportMenu(QMenu):
    """Pictures and handouts, report, numbers in each format, pictures of the window at each scale."""

    window_chosen = Signal(int)
    """The scale of a picture of the window."""
    numbers_chosen = Signal(object)
    """An `OutputEntry`."""
    report_chosen = Signal()

    def __init__(self, commands: Sequence[QAction], parent: QWidget | None = None) -> None:
        """`commands` is the table of commands."""
        super().__init__(EXPORT, parent)
        self.setToolTipsVisible(True)
        self.addActions(commands)
        self.addSeparator()
        why = "One HTML file with verdict, figures, checks, arithmetic and a picture."
        self._numbers = [_add(self, "export_report", "&Report…", why, self.report_chosen.emit)]
        for kind in MENU_OUTPUTS:
            chosen = partial(self.numbers_chosen.emit, kind)
            self._numbers.append(_add(self, f"export_{kind.key}", kind.title, kind.why, chosen))
        self.addSeparator()
        menu = self.addMenu("Picture of the &window")
        menu.setToolTipsVisible(True)
        for scale in SCALES:
            why = f"PNG at {scale}× the screen resolution."
            _add(menu, f"export_png_window_{scale}", f"&{scale}×…", why, partial(self.window_chosen.emit, scale))
        self.set_result_present(False)

    def set_result_present(self, present: bool) -> None:
        for action in self._numbers:
            action.setEnabled(present)


def _add(menu: QMenu, name: str, text: str, why: str, chosen: Callable[[], object]) -> QAction:
    action = menu.addAction(text)
    action.setObjectName(name)
    action.setToolTip(wrapped(why))
    action.triggered.connect(lambda _checked=False: chosen())
    return action
