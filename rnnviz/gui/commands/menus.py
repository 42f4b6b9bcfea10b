"""Menu bar, built from the table of commands."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QMenuBar, QWidget

from rnnviz.core.words import wrapped
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.lesson_menu import LessonMenu
from rnnviz.gui.commands.recent_files import RecentFiles, RecentMenu
from rnnviz.gui.commands.table import COMMANDS, MENUS
from rnnviz.gui.export.export_menu import ExportMenu
from rnnviz.gui.naming import use_names
from rnnviz.gui.settings import Settings
from rnnviz.gui.theme.reduced_motion import use_motion
from rnnviz.lessons.index import Lesson, lesson_entries

_THEME_WORDS = {"desktop": ("&System", ""), "light": ("&Light", ""), "dark": ("&Dark", "")}
_MOTION_WORDS = {
    "desktop": ("&System", "Reduced if the system settings turn animations off."),
    "reduced": ("&Reduced", "No fading. Playback moves at most three times per second."),
    "full": ("&Full", "Highlights fade in. Playback is smooth."),
}

_NAMES_WORDS = {
    "gluon": ("&Gluon", "Show l0_i2h_weight, out and state, as Gluon names them."),
    "pytorch": ("&PyTorch", "Show weight_ih_l0, output, h_n and c_n, as PyTorch names them."),
}


def fill_menu_bar(bar: QMenuBar, actions: Actions, insertions: Mapping[tuple[str, int], tuple[QMenu, ...]]) -> None:
    """Add one menu for each heading. `insertions` are submenus by (heading, group)."""
    for heading in MENUS:
        menu = bar.addMenu(heading)
        menu.setToolTipsVisible(True)
        menu.setObjectName(heading.replace("&", "").lower())
        commands = [command for command in COMMANDS if command.menu == heading]
        groups = {command.group for command in commands}
        groups |= {group for place, group in insertions if place == heading}
        for number, group in enumerate(sorted(groups)):
            if number:
                menu.addSeparator()
            for command in commands:
                if command.group == group:
                    menu.addAction(actions[command.id])
            for submenu in insertions.get((heading, group), ()):
                menu.addMenu(submenu)


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
    """Submenus, whose entries are not in the table of commands."""

    def __init__(
        self,
        window: QWidget,
        recent: RecentFiles,
        lessons: Sequence[Lesson],
        picture: QAction,
        theme: str,
        settings: Settings,
    ) -> None:
        """`picture` is the command that exports a picture; `theme` is one of THEME_CHOICES."""
        self.recent = RecentMenu(recent, window)
        self.lessons = LessonMenu(lesson_entries(), lessons, window)
        self.exports = ExportMenu(picture, window)
        self.themes = ChoiceMenu("&Theme", "theme", _THEME_WORDS, settings, window, theme)
        self.motions = ChoiceMenu("&Motion", "motion", _MOTION_WORDS, settings, window)
        self.motions.chosen.connect(use_motion)
        use_motion(settings.motion)
        self.names = ChoiceMenu("&Names", "names", _NAMES_WORDS, settings, window)
        self.names.chosen.connect(use_names)

    @property
    def places(self) -> dict[tuple[str, int], tuple[QMenu, ...]]:
        """Submenus by (heading, group), for `fill_menu_bar`."""
        return {
            ("&File", 0): (self.recent, self.lessons),
            ("&File", 2): (self.exports,),
            ("&View", 3): (self.names, self.themes, self.motions),
        }
