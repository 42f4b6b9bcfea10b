"""Faults of the worker process of a window: a sentence, and the next run is correct."""

import gc
import re
import sys
from collections import Counter
from collections.abc import Callable
from time import monotonic

import psutil
import pytest
from hypothesis import settings
from PySide6.QtCore import QObject, Signal

from rnnviz.core.config import Config
from rnnviz.execution.events import Failed
from rnnviz.gui.main_window import MainWindow
from rnnviz.io import inputs
from rnnviz.io.inputs import load_inputs
from tests.configs import config_of
from tests.execution.faults import KINDS, WITHOUT_AN_ANSWER, Fault, Numbers, faults, folders_left, injected, load_of
from tests.leaks import children
from tests.shared_worker import WarmWorker
from tools.monkey.heartbeat import Heartbeat

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's alone"),
]

SEED, MANY, SHARE = 8, 200, 27
"""How many runs the profile `deep` disturbs, and how many others do."""
_SENTENCE = re.compile(r"[A-Z][^\n]{10,300}\.")
_SIZE = {"input_size": 5, "hidden_size": 24, "num_layers": 2, "batch_size": 16}
_CONFIGS = [
    config_of("manual", "bug:no-h2h-bias", cell="gru", timesteps=60, **_SIZE),
    config_of(cell="lstm", bidirectional=True, timesteps=40, **_SIZE),
    config_of("manual", "bug:state-not-carried", cell="rnn_tanh", dtype="float64", timesteps=100, **_SIZE),
]


class Stopping(QObject):
    """Lets another thread stop the window's run, as the user would."""

    wanted = Signal()


@pytest.fixture
def disturbed(qtbot, make_window):
    # Other tests keep engines warm from one file to the next.
    others = children()
    own = WarmWorker()
    window = make_window(worker=own)
    made = Disturbed(qtbot, window, own, others)
    yield made
    made.heartbeat.stop()
    own.really_close()


class Disturbed:
    """A window whose runs are disturbed one after the other, and what came of them."""

    def __init__(self, qtbot, window: MainWindow, supervisor: WarmWorker, others: set[psutil.Process]) -> None:
        self._qtbot, self.window, self._supervisor = qtbot, window, supervisor
        self._others, self._folders = others, set(folders_left(()))
        self.heartbeat = Heartbeat(2.0, print)
        self._stopping = Stopping(window)
        self._stopping.wanted.connect(self._stop)
        self._outcome: list[object] | None = None
        self._untouched: dict[Config, tuple[Numbers, float]] = {}
        for config in _CONFIGS:
            # The first run of each imports its engines.
            self._run(config)
            began = monotonic()
            self._run(config)
            self._untouched[config] = Numbers.of(window.session.result), monotonic() - began

    def disturb(self, fault: Fault, config: Config, patch: Callable[..., None]) -> str:
        """Disturb a run of the config, run it again, and say what came of the first."""
        window, (numbers, seconds) = self.window, self._untouched[config]
        if fault.cold:
            before = psutil.Process(self._supervisor.pid)
            before.kill()
            before.wait(10)
            self._supervisor.start()
            seconds += 0.5
        outcome = self._outcome = []
        ended = [
            (window.runner.failed, outcome.append),
            (window.runner.finished, lambda result, _config: outcome.append(Numbers.of(result))),
            (window.runner.stopped, lambda: outcome.append("stopped")),
        ]
        for signal, slot in ended:
            signal.connect(slot)
        at = seconds * fault.moment
        patch(inputs, "load_inputs", load_of(fault, at))
        with injected(fault, self._supervisor.pid, at, self._stopping.wanted.emit):
            self.heartbeat.start()
            window.document.edit(config)
            window.control.run()
            self._qtbot.waitUntil(lambda: bool(outcome))
            self._outcome = None
        for signal, slot in ended:
            signal.disconnect(slot)
        patch(inputs, "load_inputs", load_inputs)
        what = self._judged(outcome, numbers)
        self._run(config)
        numbers.assert_equal(Numbers.of(window.session.result))
        assert window.verdict.state != "error"
        # A killed process may be seen for a moment.
        self._qtbot.waitUntil(lambda: [child.pid for child in children() - self._others] == [self._supervisor.pid])
        # Background threads may hold an older result for a moment.
        self._qtbot.waitUntil(self._nothing_left)
        return what

    def _stop(self) -> None:
        """Stop the disturbed run, but not the next one if the request comes after the end."""
        if self._outcome == []:
            self.window.runner.stop()

    def _nothing_left(self) -> bool:
        gc.collect()
        return set(folders_left((self.window.session.result,))) <= self._folders

    def _judged(self, outcome: list[object], numbers: Numbers) -> str:
        (what,) = outcome
        if isinstance(what, Failed):
            assert _SENTENCE.fullmatch(what.sentence), what.sentence
            assert self.window.verdict.state == "error"
            assert what.sentence in self.window.verdict.text
            return "sentence"
        if isinstance(what, Numbers):
            numbers.assert_equal(what)
            return "right"
        return "stopped"

    def _run(self, config: Config) -> None:
        # The test itself blocks the event loop between runs.
        self.heartbeat.start()
        with self._qtbot.waitSignal(self.window.runner.finished):
            self.window.document.edit(config)
            self.window.control.run()


@pytest.mark.timeout(3600)
def test_runs_that_are_disturbed_at_any_moment_are_a_sentence_and_the_next_is_right(disturbed, monkeypatch):
    count = MANY if settings().max_examples >= MANY else SHARE
    found = {kind: Counter[str]() for kind in KINDS}
    for place, fault in enumerate(faults(count, SEED)):
        config = _CONFIGS[place % len(_CONFIGS) if place % 2 else 0]
        found[fault.kind][disturbed.disturb(fault, config, monkeypatch.setattr)] += 1
    for kind, outcomes in found.items():
        assert outcomes["stopped"] == 0 or kind in WITHOUT_AN_ANSWER
    assert disturbed.heartbeat.frozen == []
