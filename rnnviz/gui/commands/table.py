"""The table of commands, from which menus, toolbar and the list of keys are built."""

from itertools import chain
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Command, Menus, Submenu, commands_in
from rnnviz.gui.commands.code_commands import CodeCommands
from rnnviz.gui.commands.comparison import ComparisonCommands
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.commands.menus import EXPORT, LESSONS, MOTION, NAMES, OPEN_RECENT, THEME
from rnnviz.gui.commands.navigation import NavigationHistory, SelectionCommands
from rnnviz.gui.commands.playback import Player
from rnnviz.gui.commands.playback_bar import PlaybackBar
from rnnviz.gui.commands.result_commands import ResultCommands
from rnnviz.gui.document import Document
from rnnviz.gui.export.exporter import ExportCommands
from rnnviz.gui.first_screen.controller import FirstScreenController
from rnnviz.gui.generate.commands import GenerateCommands
from rnnviz.gui.help.commands import HelpCommands
from rnnviz.gui.jobs.lane_quantity import LaneQuantityFollower
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.kit.tasks import TaskQueue
from rnnviz.gui.lessons.controller import LessonController
from rnnviz.gui.main_layout import SETTINGS, VALUE, MainLayout
from rnnviz.gui.presentation import Presentation
from rnnviz.gui.recovery.session_commands import SessionCommands
from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.sweep.commands import SweepCommands
from rnnviz.gui.tab_order import move_to_part
from rnnviz.gui.training.commands import TrainingCommands
from rnnviz.gui.views.verdict_bar import VerdictBar

if TYPE_CHECKING:
    # Imported after the first paint.
    from rnnviz.gui.views.unrolled.view import UnrolledView

_ZOOM = 1.5


class CommandHost(Protocol):
    """The window as the commands see it. Its lanes exist before any command can run."""

    code: CodeCommands
    comparisons: ComparisonCommands
    control: RunControl
    document: Document
    exports: ExportCommands
    files: FileCommands
    generating: GenerateCommands
    guide: LessonController
    help: HelpCommands
    lane_quantity: LaneQuantityFollower
    jobs: TaskQueue
    lanes: "UnrolledView"
    main_layout: MainLayout
    panel: ConfigPanel
    navigation: NavigationHistory
    playback: PlaybackBar
    player: Player
    presentation: Presentation
    results: ResultCommands
    runner: Runner
    selection: SelectionCommands
    session: Session
    sessions: SessionCommands
    sweeps: SweepCommands
    trainings: TrainingCommands
    verdict: VerdictBar
    first_screen: FirstScreenController

    def stop(self) -> None:
        """Stop the run, or else the background tasks."""

    def step_text_size(self, by: int) -> None:
        """Set the next larger (1) or smaller (-1) text size, or that of the system (0)."""

    def show_setting(self, key: str) -> None:
        """Open the settings at the field of a key."""

    def find_command(self) -> None:
        """Open the command palette."""

    def find_place(self) -> None:
        """Open the command palette with the selected value."""

    def close(self) -> bool:
        """Close the window."""


def _zoom_in(window: CommandHost) -> None:
    # Where + needs Shift, Qt reports Ctrl+Shift++ as Ctrl++.
    if QGuiApplication.keyboardModifiers() & Qt.KeyboardModifier.ShiftModifier:
        window.step_text_size(1)
    else:
        window.lanes.zoom_time(_ZOOM)


def _undo(window: CommandHost) -> None:
    if window.panel.errors:
        # Invalid text is the last change, although the config does not have it.
        window.panel.show_config(window.session.config)
        window.control.set_valid()
    else:
        window.document.undo()


def _move_to_pane(window: CommandHost, *, forward: bool) -> None:
    move_to_part(window.main_layout.parts, forward=forward)


# fmt: off
MENUS: Menus = {
    "&File": (
        Command("open", "&Open…", ("Ctrl+O",), "Open a config, a session or a model.",
            lambda w: w.files.ask_open()),
        OPEN_RECENT,
        Command("check_port", "Check a &port…", (), "Compare a model with the output that your code recorded.",
            lambda w: w.comparisons.ask_port()),
        Command("compare_files", "&Compare two files…", (),
            "Compare two files of one network, such as checkpoints, on the same input.",
            lambda w: w.comparisons.ask_two()),
        None,
        Command("new_network", "&New network", (), "Start with a small LSTM, and change its settings.",
            lambda w: w.files.new_network()),
        Submenu("Custom co&de", (
            Command("open_recurrence", "Open custom &step…", ("Ctrl+Shift+O",),
                "Compare a Python file that defines `step`, and rerun it on every save.",
                lambda w: w.files.ask_open_recurrence()),
            Command("new_recurrence", "&New custom step…", ("Ctrl+N",),
                "Create an editable Python file that implements this cell, and compare it.",
                lambda w: w.files.ask_new_recurrence()),
            Command("new_cell", "New custom &cell…", ("Ctrl+Shift+N",),
                "Create an editable Python file that declares a cell, and make it the network's cell.",
                lambda w: w.files.ask_new_cell()),
            Command("edit_code", "Open in &editor", ("Ctrl+E",),
                "Open the custom step or cell at the line of its error, or at the first line that differs.",
                lambda w: w.code.open()),
        )),
        Command("open_sweep", "Open s&weep…", ("Ctrl+Shift+W",), "Open a sweep (TOML) or its results (CSV, JSON).",
            lambda w: w.sweeps.ask_open()),
        None,
        Command("save", "&Save", ("Ctrl+S",), "Write the config to its file.", lambda w: w.files.save()),
        Command("save_as", "Save &as…", ("Ctrl+Shift+S",), "Write the config to another file.",
            lambda w: w.files.ask_save_as()),
        Command("save_session", "Save sess&ion…", ("Ctrl+Alt+S",),
            "Save config, selection and view. Input files are referenced, not copied.",
            lambda w: w.sessions.ask_save()),
        Command("save_session_with_files", "Save session with &files…", ("Ctrl+Alt+Shift+S",),
            "Save config, selection and view with copies of the input files, to open on any machine.",
            lambda w: w.sessions.ask_save_with_files()),
        None,
        Submenu(EXPORT, (
            Command("export_picture", "&Picture…", ("Ctrl+Shift+P",),
                "Export a view as PDF, SVG or PNG, with a chosen size, title and caption.",
                lambda w: w.exports.ask_picture(), enabled=lambda w: w.session.result is not None),
            Command("export_animation", "&Animation…", ("Ctrl+Shift+M",),
                "Export playback as GIF, in stages or in time steps.",
                lambda w: w.exports.ask_animation(w.lanes, w.player),
                enabled=lambda w: w.session.result is not None),
            Command("export_handout", "&Handout…", (),
                "Export the open lesson as a page to print, with the answers on the last page.",
                lambda w: w.guide.export_handout(), enabled=lambda w: w.guide.lesson is not None),
        )),
        None,
        Command("quit", "&Quit", ("Ctrl+Q",), "Close the window. A run in progress is stopped.", lambda w: w.close()),
    ),
    "&Edit": (
        Command("undo", "&Undo", ("Ctrl+Z",), "Revert the last change of the config.",
            lambda w: _undo(w), target=lambda w: w.document.history.undone),
        Command("redo", "&Redo", ("Ctrl+Y", "Ctrl+Shift+Z"), "Apply the reverted change again.",
            lambda w: w.document.redo(), target=lambda w: w.document.history.redone),
        None,
        Command("copy", "&Copy", ("Ctrl+C",),
            "Copy the focused view with full precision; without one, the selected values.",
            lambda w: w.results.copy()),
    ),
    "&Run": (
        Command("run", "&Run", ("F5", "Ctrl+R"), "Compute the network with every engine and compare.",
            lambda w: w.control.run(), icon="run"),
        Command("run_full_audit", "Run with full &audit", ("Shift+F5",),
            "Run, and audit every step of every engine, not only a subset of a large run.",
            lambda w: w.control.run(audit="full")),
        None,
        Command("compute_gradients", "Compute &gradients", ("Shift+G",),
            "Run with a backward pass, and color the lanes by the gradients of the hidden states.",
            lambda w: w.results.compute_gradients()),
        Command("gradient_of_value", "Gradient of selected &value", ("Ctrl+Shift+G",),
            "Run with the selected hidden value as the loss: how strongly every earlier value influences it.",
            lambda w: w.results.compute_gradient_of_selected(), enabled=lambda w: w.session.result is not None),
        None,
        Command("train", "Tra&in…", ("Ctrl+T",),
            "Train a network on a small task, and see its hidden states, gates and gradients change.",
            lambda w: w.trainings.open()),
        Command("generate", "Generate &text…", ("Ctrl+Shift+T",),
            "Generate text with a character model, and show each step in the lanes.",
            lambda w: w.generating.show()),
        None,
        Command("stop", "&Stop", ("Esc",), "Stop the run (the last result is kept), or the export in progress.",
            lambda w: w.stop(), icon="stop",
            enabled=lambda w: w.runner.busy or w.jobs.busy or w.lane_quantity.busy or w.playback.isVisible()
                or w.presentation.active),
    ),
    "&Go": (
        Command("timestep_next", "Next &time step", ("Right",), "Select the next time step.",
            lambda w: w.selection.move(timestep=1)),
        Command("timestep_previous", "Pre&vious time step", ("Left",), "Select the previous time step.",
            lambda w: w.selection.move(timestep=-1)),
        Command("timestep_first", "&First time step", ("Home",), "Select t = 0.",
            lambda w: w.selection.go_to(0)),
        Command("timestep_last", "&Last time step", ("End",), "Select t = T - 1.",
            lambda w: w.selection.go_to_end()),
        Submenu("Playbac&k", (
            Command("play", "&Play", ("Space",), "Play or pause.", lambda w: w.player.toggle(), icon="play"),
            Command("play_backward", "Pla&y backward", ("Shift+Space",), "Play toward t = 0, or pause.",
                lambda w: w.player.toggle(backward=True), icon="play-back"),
            Command("phase_next", "Ne&xt stage", (".",),
                "Show the next stage of the step: input part, recurrent part, gates, state, output.",
                lambda w: w.player.step(1)),
            Command("phase_previous", "Prev&ious stage", (",",), "Show the previous stage.",
                lambda w: w.player.step(-1)),
            Command("faster", "Faster", (">",), "Double the playback speed.", lambda w: w.player.change_speed(1)),
            Command("slower", "Slower", ("<",), "Halve the playback speed.", lambda w: w.player.change_speed(-1)),
            Command("loop", "Loop playbac&k", ("L",), "Repeat the selected range, or the whole sequence.",
                lambda w: w.player.toggle_loop(), icon="loop"),
            Command("reveal", "&Hide future", ("H",), "Hide values that are computed after the selected step.",
                lambda w: w.player.toggle_reveal(), icon="eye"),
        )),
        None,
        Command("unit_previous", "Unit &above", ("Up",), "Select the unit above.", lambda w: w.lanes.step_unit(-1)),
        Command("unit_next", "&Unit below", ("Down",), "Select the unit below.", lambda w: w.lanes.step_unit(1)),
        Command("lane_above", "Lane ab&ove", ("PgUp",), "Select the next layer or direction up.",
            lambda w: w.selection.move_lane(1)),
        Command("lane_below", "Lane belo&w", ("PgDown",), "Select the next layer or direction down.",
            lambda w: w.selection.move_lane(-1)),
        Command("sample_previous", "Previous &sample", ("[",), "Select the previous sample.",
            lambda w: w.selection.move(sample=-1)),
        Command("sample_next", "Next sa&mple", ("]",), "Select the next sample.", lambda w: w.selection.move(sample=1)),
        Command("go_to", "&Go to…", ("Ctrl+G",), "Select a value by layer, direction, time step, sample and unit.",
            lambda w: w.find_place(), enabled=lambda w: w.session.result is not None),
        None,
        Command("mismatch_next", "&Next difference", ("N",), "Select the next value outside the tolerance.",
            lambda w: w.results.next_mismatch()),
        Command("mismatch_previous", "Previous differen&ce", ("P", "Shift+N"),
            "Select the previous value that exceeds the tolerance.",
            lambda w: w.results.previous_mismatch()),
        None,
        Command("explain", "&Explain value", ("E",), "Show how the selected value is computed.",
            lambda w: w.navigation.explain_selection()),
        Command("explain_gradient", "Explain gra&dient", ("D",), "Show the terms of the selected value's gradient.",
            lambda w: w.navigation.explain_gradient(), enabled=lambda w: w.session.result is not None),
        Command("trail_back", "&Back", ("Alt+Left",), "Go back to the previous value.",
            lambda w: w.navigation.back(), enabled=lambda w: w.navigation.can_go_back),
        Command("trail_forward", "Fo&rward", ("Alt+Right",), "Go forward to the next value.",
            lambda w: w.navigation.forward(), enabled=lambda w: w.navigation.can_go_forward),
        None,
        Command("lesson_next", "Next lesson step", ("Ctrl+PgDown",),
            "Continue the lesson; after its last step, open the next lesson.",
            lambda w: w.guide.next(), enabled=lambda w: w.guide.lesson is not None),
        Command("lesson_back", "Previous lesson step", ("Ctrl+PgUp",), "Go back one step of the lesson.",
            lambda w: w.guide.back(), enabled=lambda w: w.guide.can_go_back),
        Command("lesson_again", "Reset lesson step", ("Ctrl+Home",),
            "Restore the config, selection and view of this step of the lesson.",
            lambda w: w.guide.again(), enabled=lambda w: w.guide.lesson is not None),
        Command("lesson_answer", "Show answer", ("Ctrl+End",),
            "Show the answer to the question of the lesson's step.",
            lambda w: w.guide.answer(None), enabled=lambda w: w.guide.asking),
        Command("lesson_close", "Close lesson", (), "Close the lesson. It reopens at this step.",
            lambda w: w.guide.leave(), enabled=lambda w: w.guide.lesson is not None),
    ),
    "&View": (
        Submenu("&Colors", (
            Command("quantity_next", "Next &quantity", ("Q",),
                "Color the lanes by the next quantity: values, error ratio, gates, …",
                lambda w: w.lanes.head.colors.step(1)),
            Command("quantity_previous", "Pre&vious quantity", ("Shift+Q",),
                "Color the lanes by the previous quantity.",
                lambda w: w.lanes.head.colors.step(-1)),
            Command("color_range", "Color ran&ge…", ("C",),
                "Choose which values the colors cover: the visible ones, a lane, all, or a limit.",
                lambda w: w.lanes.offer_color_range()),
            Command("color_scale", "Logarithmic &color scale", ("Shift+C",),
                "Switch between linear colors and colors that are logarithmic on both sides of 0.",
                lambda w: w.lanes.toggle_logarithmic()),
            Command("range_wider", "&Widen color range", ("W",),
                "Move both ends of the color range away from 0.",
                lambda w: w.lanes.widen_range()),
            Command("range_narrower", "N&arrow color range", ("Shift+W",),
                "Move both ends of the color range toward 0.",
                lambda w: w.lanes.narrow_range()),
        )),
        Command("order_next", "C&ycle unit order", ("O",),
            "Sort units by index, first principal component, activity, or difference.",
            lambda w: w.session.cycle_order()),
        Command("influence", "Show infl&uence", ("I",),
            "Show how strongly each hidden state and input influences the selected value.",
            lambda w: w.lane_quantity.toggle("influence"), enabled=lambda w: w.session.result is not None),
        Command("contributions", "Show contri&butions in lanes", ("Shift+I",),
            "Show how much each time step contributes to the gradient of the selected parameter, for every unit.",
            lambda w: w.lane_quantity.toggle("contributions"), enabled=lambda w: w.session.result is not None),
        None,
        Command("zoom_in", "Zoom &in", ("Ctrl++", "Ctrl+="), "Show fewer time steps, larger.",
            lambda w: _zoom_in(w)),
        Command("zoom_out", "Zoom &out", ("Ctrl+-",), "Show more time steps.",
            lambda w: w.lanes.zoom_time(1.0 / _ZOOM)),
        Command("fit", "&Fit", ("Ctrl+0", "F"), "Show the whole sequence.", lambda w: w.lanes.fit()),
        None,
        Command("enlarge_tabs", "&Enlarge tabs", ("Shift+E",),
            "Switch between taller and normal tabs under the lanes.",
            lambda w: w.main_layout.enlarge_tabs()),
        Command("present", "&Present lanes", ("F11",),
            "Show the step of the lesson and the lanes in large type on the full screen. Esc leaves.",
            lambda w: w.presentation.toggle()),
        Command("fold_settings", "&Settings", ("F9",), "Hide or show the settings.",
            lambda w: w.main_layout.docks.toggle(SETTINGS)),
        Command("fold_side", "Value car&d", ("Shift+F9",), "Hide or show the value card.",
            lambda w: w.main_layout.docks.toggle(VALUE)),
        Command("fold_tabs", "Fo&ld tabs", ("Ctrl+F9",), "Hide or show the views under the lanes. The tab bar stays.",
            lambda w: w.main_layout.fold_tabs(folded=not w.main_layout.folded)),
        Command("verdict_details", "Ve&rdict details", ("V",),
            "Unfold or fold the banner: first mismatch, affected time steps, likely cause.",
            lambda w: w.verdict.toggle_details()),
        None,
        Command("part_next", "Next pane", ("F6",), "Move keyboard focus to the next pane.",
            lambda w: _move_to_pane(w, forward=True)),
        Command("part_previous", "Previous pane", ("Shift+F6",), "Move keyboard focus to the previous pane.",
            lambda w: _move_to_pane(w, forward=False)),
        None,
        Command("text_larger", "Larger te&xt", ("Ctrl+Shift++",), "Enlarge all texts, up to 250%.",
            lambda w: w.step_text_size(1)),
        Command("text_smaller", "Smaller text", ("Ctrl+Shift+-",), "Shrink all texts, down to 80%.",
            lambda w: w.step_text_size(-1)),
        Command("text_reset", "Reset text si&ze", ("Ctrl+Shift+0",), "Give texts the size of the system font.",
            lambda w: w.step_text_size(0)),
        None,
        NAMES,
        THEME,
        MOTION,
    ),
    "&Help": (
        Command("guide", "&Guide", ("F1",), "Open the guide at the page for the focused pane.",
            lambda w: w.help.open_for_focus()),
        Command("first_screen", "&First screen", (), "Show ways to begin, recent files and the lessons.",
            lambda w: w.first_screen.show()),
        LESSONS,
        Command("course_map", "Course &map…", ("Ctrl+Shift+L",),
            "Show all lessons, the lessons that each needs, and your progress.", lambda w: w.guide.show_map()),
        Command("find_command", "Find &anything…", ("Ctrl+K",),
            "Search commands, values, tabs, lessons, engines and settings.", lambda w: w.find_command()),
        Command("keys", "&Keys", ("?",), "List every keyboard shortcut.",
            lambda w: w.help.open("keys")),
        None,
        Command("problem", "&Report a problem…", (), "Show the text for a bug report: versions, engines, log.",
            lambda w: w.help.report_problem()),
        Command("about", "A&bout rnnviz", (), "Show the version.", lambda w: w.help.show_about()),
    ),
}
# fmt: on
"""Commands and submenus by menu; None is a separator, a text the title of a menu that the window makes."""

COMMANDS = tuple(chain.from_iterable(map(commands_in, MENUS.values())))
