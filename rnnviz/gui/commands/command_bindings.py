"""Functions of the commands."""

from collections.abc import Callable
from typing import Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.code_commands import CodeCommands
from rnnviz.gui.commands.explain_controller import ExplainController
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.commands.help_commands import HelpCommands
from rnnviz.gui.commands.lane_commands import next_order
from rnnviz.gui.commands.player import Player
from rnnviz.gui.commands.result_commands import ResultCommands
from rnnviz.gui.commands.selection import SelectionCommands
from rnnviz.gui.commands.toolbar import ToolBar
from rnnviz.gui.document import Document
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.lessons.controller import LessonController
from rnnviz.gui.main_layout import MainLayout
from rnnviz.gui.presentation import Presentation
from rnnviz.gui.recovery.session_commands import SessionCommands
from rnnviz.gui.sweep.commands import SweepCommands
from rnnviz.gui.tab_order import move_to_part
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.gui.welcome.commands import WelcomeController

_ZOOM = 1.5


class Zoomable(Protocol):
    """A view with a zoomable time axis."""

    def zoom_time(self, factor: float) -> None:
        """Zoom the time axis by a factor."""

    def step_unit(self, by: int) -> None:
        """Select the unit below (1) or above (-1) in the order shown."""

    def offer_color_range(self) -> None:
        """Open the menu of color ranges."""

    def fit(self) -> None:
        """Show the whole sequence."""


class CommandHost(Protocol):
    """The window as the commands see it. Its lanes exist before any command can run."""

    main_layout: MainLayout
    selection: SelectionCommands
    player: Player
    explain_controller: ExplainController
    guide: LessonController
    files: FileCommands
    code: CodeCommands
    sessions: SessionCommands
    sweeps: SweepCommands
    document: Document
    results: ResultCommands
    control: RunControl
    presentation: Presentation
    help: HelpCommands
    toolbar: ToolBar
    welcome: WelcomeController
    session: Session
    verdict: VerdictBar

    @property
    def lanes(self) -> Zoomable:
        """View of the unrolled network."""

    def stop(self) -> None:
        """Stop the run, or else the background tasks."""

    def step_text_size(self, by: int) -> None:
        """Set the next larger (1) or smaller (-1) text size, or that of the system (0)."""

    def close(self) -> bool:
        """Close the window."""


def _zoom_in(window: CommandHost) -> None:
    # Where + needs Shift, Qt reports Ctrl+Shift++ as Ctrl++.
    if QGuiApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier:
        window.step_text_size(1)
    else:
        window.lanes.zoom_time(_ZOOM)


def handlers(window: CommandHost) -> dict[str, Callable[[], object]]:
    """Functions of all commands, by command id."""
    cursor = window.selection
    move = cursor.move
    return {
        "open": window.files.ask_open,
        "open_sweep": window.sweeps.ask_open,
        "open_recurrence": window.files.ask_open_recurrence,
        "new_recurrence": window.files.ask_new_recurrence,
        "new_cell": window.files.ask_new_cell,
        "edit_code": window.code.open,
        "save": window.files.save,
        "save_as": window.files.ask_save_as,
        "save_session": window.sessions.ask_save,
        "save_session_with_files": window.sessions.ask_save_with_files,
        "export_picture": window.results.ask_picture,
        "quit": window.close,
        "undo": window.document.undo,
        "redo": window.document.redo,
        "copy": window.results.copy,
        "run": window.control.run,
        "run_full_audit": window.control.run_with_full_audit,
        "stop": window.stop,
        "timestep_next": lambda: move(timestep=1),
        "timestep_previous": lambda: move(timestep=-1),
        "timestep_first": lambda: cursor.go_to(0),
        "timestep_last": cursor.go_to_end,
        "play": window.player.toggle,
        "play_backward": lambda: window.player.toggle(backward=True),
        "phase_next": lambda: window.player.step(1),
        "phase_previous": lambda: window.player.step(-1),
        "faster": lambda: window.player.change_speed(1),
        "loop": window.player.toggle_loop,
        "reveal": window.player.toggle_reveal,
        "slower": lambda: window.player.change_speed(-1),
        "unit_previous": lambda: window.lanes.step_unit(-1),
        "unit_next": lambda: window.lanes.step_unit(1),
        "lane_above": lambda: cursor.move_lane(1),
        "lane_below": lambda: cursor.move_lane(-1),
        "sample_previous": lambda: move(sample=-1),
        "sample_next": lambda: move(sample=1),
        "go_to": cursor.ask_place,
        "mismatch_next": window.results.next_mismatch,
        "mismatch_previous": window.results.previous_mismatch,
        **window.explain_controller.handlers(),
        **window.guide.handlers(),
        "quantity_next": lambda: window.toolbar.colors.step(1),
        "quantity_previous": lambda: window.toolbar.colors.step(-1),
        "order_next": next_order(window.session),
        "color_range": lambda: window.lanes.offer_color_range(),
        "zoom_in": lambda: _zoom_in(window),
        "zoom_out": lambda: window.lanes.zoom_time(1.0 / _ZOOM),
        "fit": lambda: window.lanes.fit(),
        "part_next": lambda: move_to_part((window.toolbar, *window.main_layout.parts), forward=True),
        "part_previous": lambda: move_to_part((window.toolbar, *window.main_layout.parts), forward=False),
        "enlarge_tabs": window.main_layout.enlarge_tabs,
        "fold_settings": lambda: window.main_layout.toggle("settings"),
        "fold_side": lambda: window.main_layout.toggle("side"),
        "fold_tabs": lambda: window.main_layout.toggle("tabs"),
        "verdict_details": window.verdict.toggle_details,
        "text_larger": lambda: window.step_text_size(1),
        "text_smaller": lambda: window.step_text_size(-1),
        "text_reset": lambda: window.step_text_size(0),
        "present": window.presentation.toggle,
        "guide": window.help.guide.open_for_focus,
        "welcome": window.welcome.show,
        "keys": window.help.show_keys,
        "problem": window.help.report_problem,
        "about": window.help.show_about,
    }
