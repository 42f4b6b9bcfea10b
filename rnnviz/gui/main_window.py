"""The main window: its components and the connections between them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QEvent, QObject, QSize, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu, QWidget

from rnnviz.gui.access import Announcer
from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.actions import Actions
from rnnviz.gui.commands.code_commands import CodeCommands
from rnnviz.gui.commands.comparison import ComparisonCommands
from rnnviz.gui.commands.dialogs import RecentFiles
from rnnviz.gui.commands.file_commands import FileCommands
from rnnviz.gui.commands.menus import ExportMenu, Submenus, fill_menu_bar
from rnnviz.gui.commands.navigation import NavigationHistory, SelectionCommands
from rnnviz.gui.commands.palette import CommandPalette
from rnnviz.gui.commands.playback import Player
from rnnviz.gui.commands.playback_bar import PlaybackBar
from rnnviz.gui.commands.result_commands import ResultCommands
from rnnviz.gui.commands.table import COMMANDS, MENUS
from rnnviz.gui.commands.top_line import TopLine
from rnnviz.gui.document import Document
from rnnviz.gui.export.exporter import ExportCommands
from rnnviz.gui.first_screen.controller import FirstScreenController
from rnnviz.gui.generate.commands import GenerateCommands
from rnnviz.gui.help.commands import HelpCommands
from rnnviz.gui.jobs.code_trust import CodeTrust
from rnnviz.gui.jobs.lane_quantity import LaneQuantityFollower
from rnnviz.gui.jobs.progress import RunProgress, TasksProgress
from rnnviz.gui.jobs.run_control import RunControl
from rnnviz.gui.jobs.runner import Runner
from rnnviz.gui.kit.panel import Panel
from rnnviz.gui.kit.tasks import TaskQueue
from rnnviz.gui.lessons.controller import LessonController
from rnnviz.gui.main_layout import SETTINGS, VALUE, MainLayout
from rnnviz.gui.naming import use_file, use_names
from rnnviz.gui.presentation import Presentation
from rnnviz.gui.recovery.session_commands import SessionCommands
from rnnviz.gui.settings import Settings
from rnnviz.gui.settings_panel.config_panel import ConfigPanel
from rnnviz.gui.sweep.commands import SweepCommands
from rnnviz.gui.tab_order import move_focus
from rnnviz.gui.tabs import KNOWN_BUGS, BottomTabs
from rnnviz.gui.theme.icons import Icons
from rnnviz.gui.theme.palettes import Theme
from rnnviz.gui.theme.scaling import TEXT_SIZES
from rnnviz.gui.theme.theme_manager import ThemeManager
from rnnviz.gui.tooltips import wrapped
from rnnviz.gui.training.commands import TrainingCommands
from rnnviz.gui.value.card import ValueCard
from rnnviz.gui.view_sync import LazyViews, ViewSynchronizer, bind_player
from rnnviz.gui.views.base import ResultView
from rnnviz.gui.views.verdict_bar import VerdictBar
from rnnviz.io import ENDING
from rnnviz.lessons.index import Lesson, LessonEntry, lessons
from rnnviz.verify.result import RunResult
from rnnviz.verify.verdict import Verdict


def when_painted(widget: QWidget, callback: Callable[[], None]) -> None:
    """Call `callback` once, after the first paint of `widget` and its children."""
    _PaintWatcher(widget, callback)


class _PaintWatcher(QObject):
    def __init__(self, widget: QWidget, callback: Callable[[], None]) -> None:
        super().__init__(widget)
        self._callback = callback
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self._callback)
            self.deleteLater()
        return False


_MESSAGE_MS = 10_000
_PANEL_WIDTH = 540
_SIZE = QSize(1280, 800)
_FRAME = QSize(16, 48)
"""Space for the frame and the title bar of a window, whose size Qt learns only after it is shown."""


class MainWindow(QMainWindow):
    """One config, its runs, and every view of the result. Nothing is computed before the first paint.

    Half of its methods answer Qt's events and the signals of other parts.
    """

    first_painted = Signal()
    usable = Signal()
    """The lanes are painted; the window accepts input."""
    completed = Signal()
    """All views exist, including those in tabs."""
    closed = Signal()
    view_decided = Signal()
    """A view changed what a session stores of it."""

    def __init__(self, settings: Settings, theme_manager: ThemeManager, runner: Runner | None = None) -> None:
        super().__init__()
        self.setAcceptDrops(True)
        theme_manager.set_text_size(settings.text_size)
        theme_manager.apply_stylesheet(self)
        use_names(settings.names)
        self.settings = settings
        self.theme_manager = theme_manager
        self._leaving = self._problems_opened = False
        first = lessons()[0]
        self.session = Session(first.config, self)
        self.document = Document(self.session, first.title, self)
        self.runner = Runner(parent=self) if runner is None else runner
        self.jobs = TaskQueue(self)
        self.selection = SelectionCommands(self.session)
        self.lane_quantity = LaneQuantityFollower(self.session, self)
        self.player = Player(self.session, self)
        self.playback = PlaybackBar(self.session, self.player)
        self.navigation = NavigationHistory(self.session, self)
        self.recent = recent = RecentFiles(settings, self)
        self.sessions = SessionCommands(self, self, recent)
        self.files = FileCommands(self, self.session, self.document, recent, self.sessions)
        self.comparisons = ComparisonCommands(self, self.session, self.document, self.files, self.sessions, self.jobs)

        self._make_views()
        self.progress = RunProgress()
        self.code_trust = CodeTrust(self, settings)
        self.control = RunControl(self.session, self.runner, self.progress, self.panel, self.code_trust, self)
        self.code = CodeCommands(self.session, self.control, self)
        self.sweeps = SweepCommands(self, self)
        self.generating = GenerateCommands(self, self)
        self.trainings = TrainingCommands(self, self)
        self.lazy_views = LazyViews(self)
        self.lazy_views.made.connect(self._add_view)
        self.main_layout.tabs.make_view = self.lazy_views.make
        self.lazy_views.completed.connect(self.completed)
        self.results = ResultCommands(self, self.session, self.document, self.control)
        self.exports = ExportCommands(
            self,
            self.session,
            self.document,
            self._following,
            self.jobs,
            settings,
            lambda: self.control.outdated,
        )
        self.guide = LessonController(self, self, settings, theme_manager)
        self.presentation = Presentation(self, self, self.guide, self._following, settings)
        self.help = HelpCommands(self, self.control, theme_manager)
        self.first_screen = FirstScreenController(self, self, settings, recent)
        self.actions_ = Actions(self, self, COMMANDS)
        self.guide.bind()
        self._make_menus(recent)
        self.playback.bind(self.actions_)
        self.top_line = TopLine(self.session, self.selection, self.actions_, self._document_menu, self._export_menu)
        self.main_layout.add_bar(self.top_line)
        self.exporting = TasksProgress(self.jobs)
        self.statusBar().addPermanentWidget(self.exporting)
        self.statusBar().addPermanentWidget(self.progress)
        self.statusBar().setSizeGripEnabled(False)
        self.statusBar().messageChanged.connect(self._on_message)
        self.announcer = Announcer(self, self.session, self.player)
        self._connect()
        self._apply_theme(theme_manager.theme)
        self._on_document()
        self.resize(_SIZE.boundedTo(self.screen().availableSize() - _FRAME))
        self.restoreGeometry(settings.geometry)
        self.main_layout.restore(settings)
        when_painted(self, self._on_painted)

    def begin(self, path: Path | None) -> None:
        """Start the worker process and open `path`, or run the first lesson unless the first screen is shown."""
        self.warm_up()
        if path is not None:
            self.files.open(path)
        if not self.first_screen.shown:
            self.control.schedule()
        if path is None:
            self.guide.resume()

    def warm_up(self) -> None:
        self.runner.warm_up()

    def show_result(self, result: RunResult) -> None:
        self.document.take(result.config, "shown result")
        self.control.cancel()
        self.control.show_result(result)

    def stop(self) -> None:
        """Stop the run, or else the background tasks, or leave the presentation."""
        if self.runner.busy or self.jobs.busy:
            (self.runner if self.runner.busy else self.jobs).stop()
        elif self.lane_quantity.busy:
            self.session.set_following(None)
        elif self.playback.isVisible():
            self.playback.dismiss()
        else:
            self.presentation.leave()

    def shut_down(self) -> None:
        """Stop all threads and processes. A second call has no effect."""
        self.player.pause()
        self.lazy_views.stop()
        for part in (
            self.runner,
            self.sweeps,
            self.trainings,
            self.generating,
            self.jobs,
            self.lane_quantity,
            self.files,
            self.first_screen,
            self.guide,
        ):
            part.close()

    def _make_views(self) -> None:
        self.panel = ConfigPanel(self.session.config)
        self.verdict = VerdictBar()
        self.value = ValueCard(self.settings)
        self.views: list[ResultView] = [self.verdict, self.value]
        self._following = ViewSynchronizer(self.session, self)
        for view in self.views:
            self._connect_view(view)
        self.main_layout = MainLayout(self, self.verdict, self.verdict.brief, BottomTabs(self.session))
        self.main_layout.docks.add(VALUE, self.value, 362, head=self.value.head)
        self.main_layout.docks.add(SETTINGS, self.panel, 362)
        self.main_layout.docks.changed.connect(self._on_dock)
        self.value.bind(self)

    def _make_lanes(self) -> None:
        """Create the lanes after the first paint, as their imports take time."""
        from rnnviz.engines.registry import ENGINES
        from rnnviz.gui.views.unrolled.view import UnrolledView

        self.lanes = UnrolledView(self.session)
        self.lanes.range_chosen.connect(self.document.keep_range)
        self.document.opened.connect(self.lanes.begin_document)
        bind_player(self.player, self.lanes)
        self.playback.place_in(self.lanes, self.lanes.canvas)
        self.lanes.lead_to(self.main_layout.docks[VALUE])
        self._add_view(self.lanes)
        self.main_layout.set_lanes(self.lanes)
        self.main_layout.kept_in_view = lambda: self.lanes.selection_area
        self.session.on_change(self.main_layout.place_value, "location")
        self.lanes.canvas.moved.connect(self.main_layout.place_value)
        self.panel.set_engines({entry.name: entry.unavailable for entry in ENGINES.values()})
        if self.main_layout.covered:
            QTimer.singleShot(0, self._on_lanes_painted)
        else:
            # Instead of the first control of the settings.
            self.lanes.setFocus()
            when_painted(self.lanes, self._on_lanes_painted)

    def _add_view(self, view: ResultView) -> None:
        view.apply_theme(self.theme_manager.theme)
        self.views.append(view)
        self._connect_view(view)
        view.bind(self)
        if view.group:
            self.main_layout.tabs.add_view(view)

    def _connect_view(self, view: ResultView) -> None:
        view.setAccessibleName(view.accessibleName() or view.title)
        view.explanation_requested.connect(self.navigation.begin)
        view.state_changed.connect(self.view_decided)
        self._following.add(view)

    def _make_menus(self, recent: RecentFiles) -> None:
        exports = [self.actions_[name] for name in ("export_picture", "export_animation", "export_handout")]
        menus = Submenus(self, recent, lessons(), exports, self.theme_manager.choice, self.settings)
        menus.recent.chosen.connect(self.files.open)
        menus.lessons.chosen.connect(self._open_lesson)
        menus.exports.window_chosen.connect(self.exports.export_window)
        menus.exports.numbers_chosen.connect(self.exports.export_numbers)
        menus.exports.report_chosen.connect(self.exports.export_report)
        menus.names.chosen.connect(self._on_names)
        menus.themes.chosen.connect(self.theme_manager.choose)
        self._export_menu: ExportMenu = menus.exports
        self._document_menu: QMenu = menus.recent
        fill_menu_bar(self.menuBar(), MENUS, self.actions_, menus.by_title)
        self.palette_ = CommandPalette(self, self, self.settings)
        self.menuBar().setCornerWidget(self.palette_.corner)

    def _connect(self) -> None:
        session, control, panel, verdict = self.session, self.control, self.panel, self.verdict
        panel.config_edited.connect(self.document.edit)
        panel.config_edited.connect(control.set_valid)
        panel.config_invalid.connect(control.set_invalid)
        panel.run_requested.connect(control.run)
        panel.selected_value = lambda: session.location.index
        self.top_line.settings.field_requested.connect(self.show_setting)
        session.on_change(lambda: panel.show_config(session.config), "config")
        session.on_change(lambda: self._export_menu.set_result_present(session.result is not None), "result")
        session.on_change(lambda: panel.show_result(session.result), "result")
        verdict.next_requested.connect(self.results.next_mismatch)
        verdict.previous_requested.connect(self.results.previous_mismatch)
        verdict.full_audit_requested.connect(lambda: control.run(audit="full"))
        verdict.remedy_requested.connect(self.document.remedy)
        verdict.remedy_requested.connect(control.run)
        verdict.explanation_wanted.connect(self.navigation.explain_selection)
        verdict.undetectable_requested.connect(lambda: self.main_layout.select_tab(KNOWN_BUGS))
        for asked in (
            verdict.location_requested,
            verdict.next_requested,
            verdict.previous_requested,
            verdict.undetectable_requested,
            verdict.clicked,
        ):
            asked.connect(self._focus_lanes)
        self.guide.step_changed.connect(verdict.fold)
        control.error_changed.connect(verdict.show_error)
        control.error_changed.connect(self.announcer.show_error)
        control.engine_failed.connect(verdict.show_failed_engine)
        control.sizes_found.connect(verdict.offer_sizes)
        control.stale_changed.connect(verdict.show_stale)
        control.stale_changed.connect(self.top_line.mark_stale)
        self.progress.stage_shown.connect(verdict.show_running)
        for changed in (
            self.runner.busy_changed,
            self.jobs.busy_changed,
            self.lane_quantity.busy_changed,
            self.presentation.changed,
            self.playback.shown,
            self.document.changed,
            self.navigation.changed,
            self.guide.step_changed,
        ):
            changed.connect(self.actions_.refresh)
        session.on_change(self.actions_.refresh, "result")
        session.on_change(self._open_problems, "result")
        self.document.opened.connect(lambda: setattr(self, "_problems_opened", False))
        # A session opens with the tab that it was saved with.
        self.sessions.restored.connect(lambda: setattr(self, "_problems_opened", True))
        self.document.changed.connect(self._on_document)
        self.first_screen.changed.connect(self._on_document)
        self.document.opened.connect(control.begin_document)
        self.view_decided.connect(self.document.check_view)
        for source in (
            control,
            self.files,
            self.comparisons,
            self.code,
            self.sweeps,
            self.trainings,
            self.generating,
            self.results,
            self.exports,
            self.help,
            self.lane_quantity,
        ):
            source.message.connect(self.show_message)
        self.files.written.connect(self.code_trust.trust)
        self.files.sweep_requested.connect(self.sweeps.open)
        self.files.task_requested.connect(self.trainings.open_task)
        self.trainings.panel_wanted.connect(self._show_panel)
        self.trainings.view_made.connect(self._add_view)
        self.generating.panel_wanted.connect(self._show_panel)
        # The guide leaves the first screen as it is: nobody has opened the network below it.
        self.help.panel_wanted.connect(partial(self._show_panel, next_to_page=True))
        self.player.playing_changed.connect(self.actions_.show_playing)
        self.theme_manager.add(self._apply_theme)

    def _show_panel(self, panel: Panel, *, next_to_page: bool = False) -> None:
        """Show a panel in a dock, which stops it when the user closes it."""
        docks, title = self.main_layout.docks, panel.accessibleName()
        if title not in docks:
            docks.add(title, panel, _PANEL_WIDTH).closed.connect(panel.leave)
        if not next_to_page:
            self.first_screen.leave()
        docks.open(title, next_to_page=next_to_page)
        panel.setFocus()

    def show_message(self, text: str) -> None:
        """Show a text in the status bar for a few seconds."""
        self.statusBar().showMessage(text, _MESSAGE_MS)

    def _on_message(self, text: str) -> None:
        bar = self.statusBar()
        bar.setToolTip(wrapped(text))
        self.progress.leave_room(text, bar.width())

    def _open_lesson(self, lesson: LessonEntry) -> None:
        if isinstance(lesson, Lesson):
            self.files.open_lesson(lesson)
        else:
            self.files.after_changes(partial(self.guide.open, lesson))

    def _open_problems(self) -> None:
        """Open the tab with the wrong steps at the first run of a document in which an engine is wrong.

        A session opens with the tab that it was saved with.
        """
        if self.document.path is not None and self.document.path.suffix == ENDING:
            return
        result = self.session.result
        wrong = result is not None and result.judgment is not None and result.overall_verdict is Verdict.DISAGREE
        if wrong and not self._problems_opened and self.guide.step is None:
            self._problems_opened = True
            self.main_layout.select_tab("Step audit")

    def _focus_lanes(self) -> None:
        """Give the lanes the keyboard after a click in the banner. A banner that is used by keys keeps it."""
        focused = QApplication.focusWidget()
        if focused is None or not self.verdict.isAncestorOf(focused):
            self.lanes.setFocus()

    def _on_painted(self) -> None:
        self.first_painted.emit()
        if self.isVisible():
            self._make_lanes()

    def _on_lanes_painted(self) -> None:
        if self.isVisible():
            self.usable.emit()
            self.lazy_views.begin()

    def _on_document(self) -> None:
        document = self.document
        if use_file(self.session.config.parameters.path):
            self._on_names()
        # The document that the window begins with was not opened by the user.
        opened = not self.first_screen.shown or not document.untouched
        self.setWindowTitle(f"{document.origin.title if opened else 'rnnviz'}[*]")
        self.setWindowModified(document.modified)
        self.top_line.show_document(document.origin.title, modified=document.modified)

    def _apply_theme(self, theme: Theme) -> None:
        icons = Icons(theme)
        self.actions_.apply_icons(icons)
        self.palette_.apply_theme(theme)
        self.top_line.apply_icons(icons)
        self.panel.apply_theme(theme)
        self.presentation.apply_theme(theme)
        self._following.apply_theme(theme)
        self.main_layout.tabs.apply_theme(theme)
        self.sweeps.apply_theme(theme)
        self.trainings.apply_theme(theme)
        self.generating.apply_theme(theme)

    def step_text_size(self, by: int) -> None:
        """Set the next larger (1) or smaller (-1) text size, or that of the system (0), and save it."""
        place = TEXT_SIZES.index(self.settings.text_size if by else 100) + by
        percent = TEXT_SIZES[min(max(place, 0), len(TEXT_SIZES) - 1)]
        self.settings.text_size = percent
        self.apply_text_size(percent)
        self.show_message(f"Text size {percent}%")

    def apply_text_size(self, percent: int) -> None:
        """Show all texts in a size, in percent of the system font."""
        self.theme_manager.set_text_size(percent, self.top_line.rescale, self.main_layout.fit_text_size)

    def show_setting(self, key: str) -> None:
        """Open the settings at the field of a key; without a key, open or close them."""
        docks = self.main_layout.docks
        if not key:
            docks.toggle(SETTINGS)
            return
        docks.open(SETTINGS)
        self.panel.reveal_field(key)
        self.top_line.settings.mark(key)

    def _on_dock(self, title: str) -> None:
        if title == SETTINGS and not self.main_layout.docks.is_open(SETTINGS):
            self.top_line.settings.mark("")

    def find_command(self) -> None:
        self.palette_.open()

    def find_place(self) -> None:
        self.palette_.open(str(self.session.location))

    def _on_names(self) -> None:
        self.panel.refresh_names()
        self._apply_theme(self.theme_manager.theme)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self.files.drop([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])

    def focusNextPrevChild(self, forward: bool) -> bool:
        return move_focus(self.presentation.page or self, forward=forward)

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self._leaving and (
            self.exports.ask_about_writing(self.close)
            or self.files.ask_about_changes(self._leave_training)
            or self.trainings.ask_about_weights(self.leave)
        ):
            event.ignore()
            return
        self.presentation.leave()
        self.settings.geometry = self.saveGeometry()
        self.main_layout.save(self.settings)
        self.settings.save()
        self.shut_down()
        super().closeEvent(event)
        self.closed.emit()

    def _leave_training(self) -> None:
        if not self.trainings.ask_about_weights(self.leave):
            self.leave()

    def leave(self) -> None:
        self._leaving = True
        self.close()
