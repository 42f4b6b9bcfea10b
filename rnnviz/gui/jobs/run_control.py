"""Runs of the current config: on command, or automatically after an edit of a small network."""

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication, QWidget

from rnnviz.core import number_format
from rnnviz.core.bounded_read import ZIP_DAMAGE
from rnnviz.core.config import SECTIONS, Config
from rnnviz.core.engine_spec import BACKWARD, display_name, engine_file, is_own
from rnnviz.core.errors import ConfigError
from rnnviz.engines.registry import engines_of
from rnnviz.execution.events import AuditMode, Failed
from rnnviz.gui.app_state import Session
from rnnviz.gui.jobs.code_trust import CodeTrust, FileWatcher
from rnnviz.gui.jobs.progress import RunProgress
from rnnviz.gui.jobs.runner import Runner
from rnnviz.text.config_diff import change_in_words
from rnnviz.verify.result import RunResult

AUTOMATIC_VALUES = 120_000
"""Largest number of hidden values, parameters and inputs for an automatic run, which usually takes half a second."""
DELAY_MS = 150


def run_size(config: Config) -> float:
    """Upper bound of the values in a run: parameters, inputs, hidden values of every engine."""
    network, sequence = config.network, config.sequence
    steps: float = sequence.timesteps * sequence.batch_size
    if sequence.source == "file" and sequence.files:
        # Of several files, each takes as many steps as the largest.
        largest = max(_values_in(Path(path), sequence.array) for path in sequence.files)
        steps = len(sequence.files) * largest / network.input_size
    hidden = network.num_layers * network.directions * steps * network.output_size
    # A custom cell has parameters only once a run has read its file.
    parameters = network.parameter_count if network.is_known else 0
    return parameters + steps * network.input_size + len(engines_of(config)) * hidden


def _values_in(file: Path, array: str | None) -> float:
    """Upper bound of the values in a file: one per byte, of an archive the named or the largest array unpacked."""
    try:
        if file.suffix.lower() != ".npz":
            return file.stat().st_size
        with zipfile.ZipFile(file) as archive:
            named = [member for member in archive.infolist() if member.filename == f"{array}.npy"]
            return max((member.file_size for member in named or archive.infolist()), default=0)
    except (OSError, *ZIP_DAMAGE):
        # The run reports the unreadable file.
        return 0.0


class ErrorDisplay(Protocol):
    """A widget that shows errors of config keys."""

    def show_error(self, key: str, sentence: str) -> bool:
        """Show an error at the key's field; False without a field."""

    def reveal_field(self, key: str) -> None:
        """Focus the field of a key, and scroll to it."""

    def clear_errors(self) -> None:
        """Clear all errors."""


class RunControl(QObject):
    """Runs the current config on command, or shortly after an edit of a small network.

    The result is stored in the application state. The last one stays until a new one arrives.
    """

    changed = Signal()
    """A run may be due, or no longer, and the result out of date or current."""

    error_changed = Signal(object)
    """Sentence with the reason for the missing result, or None."""
    engine_failed = Signal(str, object)
    """The name of the engine that failed in a run, after its sentence, and the config without it.

    The config is None if too few engines are left.
    """
    sizes_found = Signal(object, str)
    """The config with the sizes of the file that did not fit, after the sentence of the failure, and the change."""
    stale_changed = Signal(bool)
    """Whether the result is out of date and no run is scheduled."""
    message = Signal(str)
    """A text for the status bar."""

    def __init__(
        self,
        session: Session,
        runner: Runner,
        progress: RunProgress,
        errors: ErrorDisplay,
        code_trust: CodeTrust,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._runner = runner
        self._progress = progress
        self._errors = errors
        self._code_trust = code_trust
        self._invalid: str | None = None
        self._shown: Config | None = None
        """The config of the shown result."""
        self._stale = False
        self._asked = False
        """Whether the user asked for the run with a key or button, and has not edited the config since."""
        self._asked_from: QWidget | None = None
        self._failed: Config | None = None
        """The config of the last run that failed since the last result."""
        self._running = session.config
        """The config of the last run that was started."""
        self._edits = self._edits_in_run = self._edits_shown = 0
        """Numbers of edits of watched files: until now, at the start of the last run, and of the shown result's."""
        self._declined: set[str] = set()
        """Files that the user declined to run, about which only a run that the user asks for asks again."""
        self.last_failure: Failed | None = None
        """The last failure, for a bug report."""
        self._delay = QTimer(self, singleShot=True, interval=DELAY_MS)
        self._delay.timeout.connect(self.run_due)
        session.on_change(self._on_config, "config")
        code_trust.edited.connect(self._on_code_edited)
        self._files = FileWatcher(self)
        self._files.edited.connect(self._on_files_edited)
        runner.started.connect(self._on_started)
        runner.progressed.connect(progress.set_progress)
        runner.computed.connect(self._on_result)
        runner.finished.connect(self._on_finished)
        runner.failed.connect(self._on_failed)
        runner.stopped.connect(self._on_stopped)
        runner.busy_changed.connect(self._update_stale)

    @property
    def due(self) -> bool:
        """Whether a run follows by itself."""
        return self._delay.isActive()

    @property
    def edited(self) -> bool:
        """Whether the config is not that of the shown result."""
        return self._shown is not None and self._shown != self._session.config

    @property
    def outdated(self) -> bool:
        """Whether the result is not of the current settings and files: they changed, are invalid, or failed to run."""
        edited = self._invalid is not None or self._edits != self._edits_shown
        changed = self.edited or self._failed == self._session.config
        return self._session.result is not None and (edited or changed)

    def run(self, *, audit: AuditMode = "auto") -> None:
        """Run the current config, unless a field is invalid; a "full" audit is of every step of every engine.

        Python files that the config names run only with the user's permission.
        """
        self._asked, self._asked_from = True, QApplication.focusWidget()
        self._declined.clear()
        self._run(audit)

    def schedule(self) -> None:
        """Let a run follow if the config differs from that of the shown result and is small."""
        config = self._session.config
        if config != self._shown and run_size(config) <= AUTOMATIC_VALUES:
            self._delay.start()
        else:
            self._delay.stop()
        self._tell_change()

    def cancel(self) -> None:
        """Let no run follow by itself."""
        self._delay.stop()
        self._tell_change()

    def run_due(self) -> None:
        """Run the current config after an edit. Its errors leave the focus where the user types."""
        self._asked = False
        self._run("auto")

    def _run(self, audit: AuditMode) -> None:
        if self._invalid is not None:
            self.error_changed.emit(self._invalid)
            return
        config = self._session.config
        self._code_trust.watch(config)
        self._files.watch(_watched(config))
        untrusted = self._code_trust.untrusted(config)
        if self._declined.issuperset(untrusted) and untrusted:
            self._refuse_code(untrusted)
        elif untrusted:
            self.cancel()
            self._code_trust.ask(untrusted, lambda: self._run(audit), lambda: self._refuse_code(untrusted))
        else:
            self._edits_in_run = self._edits
            self._runner.run(config, audit, self._code_trust.allowed(config))

    def _refuse_code(self, paths: list[str]) -> None:
        self._declined.update(paths)
        self._update_stale()
        self.error_changed.emit(f"Not run: you declined to run code from {', '.join(paths)}.")

    def set_invalid(self, _key: str, sentence: str) -> None:
        """Block runs while a field is invalid, for the reason in `sentence`."""
        self._invalid = sentence
        self._asked = False
        self.cancel()

    def set_valid(self) -> None:
        """Allow runs again."""
        if self._invalid is not None:
            self._invalid = None
            self.error_changed.emit(None)
            self.schedule()
            self._update_stale()

    def show_result(self, result: RunResult) -> None:
        """Show a result computed outside the window."""
        self._edits_in_run = self._edits
        self._on_result(result, result.config)
        self._summarize(result)

    def _on_code_edited(self) -> None:
        self._edits += 1
        self.run_due()

    def begin_document(self) -> None:
        """Show no result of another document for long: only until a small run of the opened one replaces it."""
        self.schedule()
        if self.edited and not self.due:
            self._session.set_result(None)
            self._shown = None
            self._tell_change()
            # A command that opens a document may run it at once, which replaces the other run.
            QTimer.singleShot(0, self, self._stop_other_run)

    def _stop_other_run(self) -> None:
        if self._runner.busy and self._running != self._session.config:
            self._runner.stop()

    def _on_files_edited(self, paths: set[str]) -> None:
        """Run again after a file changed, if the run is small."""
        self._edits += 1
        if run_size(self._session.config) <= AUTOMATIC_VALUES:
            self.run_due()
        else:
            self.message.emit(
                f"{', '.join(Path(path).name for path in paths)} changed on disk. Press F5 to read it again."
            )
            self._update_stale()

    def _on_config(self) -> None:
        self.schedule()
        self._asked = False
        self.set_valid()
        self.error_changed.emit(None)

    def _on_started(self, config: Config) -> None:
        self._running = config
        self.cancel()
        self._errors.clear_errors()
        self.error_changed.emit(None)
        self._progress.begin()

    def _on_result(self, result: RunResult, config: Config) -> None:
        self._failed, self._edits_shown = None, self._edits_in_run
        self._session.set_result(result, config)
        self._shown = config
        self._tell_change()

    def _on_finished(self, result: RunResult, config: Config) -> None:
        self._progress.end()
        self._on_result(result, config)
        self._summarize(result)

    def _on_failed(self, event: Failed) -> None:
        self.last_failure = event
        self._failed = self._running
        self._progress.end()
        if event.key is not None:
            shown = self._errors.show_error(event.key, event.sentence)
            # The user may type by now, and the rest of the text would go elsewhere.
            if shown and self._asked and QApplication.focusWidget() is self._asked_from:
                self._errors.reveal_field(event.key)
        self.error_changed.emit(event.sentence)
        if event.engine is not None:
            others = tuple(name for name in engines_of(self._session.config) if name != event.engine)
            self.engine_failed.emit(event.engine, self._session.config.with_engines(others) if others else None)
        if (config := _with_settings(self._session.config, event.settings)) is not None:
            self.sizes_found.emit(config, change_in_words(self._session.config, config))
        self._update_stale()

    def _on_stopped(self) -> None:
        self._progress.end()
        self.message.emit("Stopped. The last result is still shown." if self._session.result else "Stopped.")

    def _summarize(self, result: RunResult) -> None:
        times = [
            f"{display_name(name)} "
            f"{number_format.duration(result.seconds[name] + result.seconds.get(name + BACKWARD, 0.0))}"
            for name in result.traces
            if name in result.seconds
        ]
        self._progress.summarize(" · ".join((*times, *dict.fromkeys(result.versions.values()))))

    def _tell_change(self) -> None:
        self._update_stale()
        self.changed.emit()

    def _update_stale(self) -> None:
        stale = self.outdated and not self.due and not self._runner.busy
        if stale != self._stale:
            self._stale = stale
            self.stale_changed.emit(stale)


def _with_settings(config: Config, settings: Mapping[str, Any]) -> Config | None:
    """The config with the values of dotted keys; None if there are none, or the config does not allow them."""
    sequence = config.sequence
    brought = sequence.brings_input_size or sequence.source in ("file", "text")
    if not settings or ("network.input_size" in settings and brought):
        return None
    tables = {section: getattr(config, section) for section in SECTIONS}
    for dotted, value in settings.items():
        section, _, key = dotted.partition(".")
        tables[section] = replace(tables[section], **{key: value})
    try:
        return Config(**tables).checked()
    except ConfigError:
        return None


def _watched(config: Config) -> Iterator[str]:
    """Files that other programs may write: labels of the time steps, recorded outputs, and other weights."""
    if config.sequence.labels is not None:
        yield config.sequence.labels
    yield from config.sequence.sample_labels or ()
    yield from (file for name in config.compare.engines if not is_own(name) and (file := engine_file(name)))
