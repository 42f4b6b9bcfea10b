"""One walk: a window, a user who knows nothing, and what is wrong in the end."""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

from rnnviz.core.config import Config
from rnnviz.gui.application import make_application, make_window
from rnnviz.gui.main_window import MainWindow
from rnnviz.gui.settings import Settings
from tests.leaks import children
from tests.unexpected_errors import UnexpectedErrors
from tools.monkey.heartbeat import Heartbeat
from tools.monkey.input_events import RandomInput
from tools.monkey.targets import things
from tools.monkey.verdicts import Verdicts

_ACTION_MS = 10
_PRINT_EVERY = 1000
_PATIENT_EVERY, _PATIENCE_SECONDS = 12, 3.0
"""The number of actions after which a run is waited for, or hardly any would ever finish."""
_LARGEST_RUN = 4_000_000
"""Values of a trace; a run that is larger is stopped, so that the walk goes on."""


@dataclass
class Monkey:
    """Does `actions` actions, each printed if `aloud`.

    At most `checks` configs are repeated by the command line, and no frame may take more than `frozen` seconds.
    """

    actions: int
    seed: int
    checks: int
    frozen: float
    tell: Callable[[str], None] = print
    aloud: bool = False

    def __post_init__(self) -> None:
        self.troubles = UnexpectedErrors(self.tell)
        self.heart = Heartbeat(self.frozen, self.tell)
        self.done: Counter[str] = Counter()
        self.runs = self.checked = self.unlike = self.wrong = self.alarms = 0

    def run(self) -> list[str]:
        """Do it all, close the window, and return a sentence for everything that is wrong."""
        self.troubles.listen()
        application = make_application()
        with tempfile.TemporaryDirectory(dir=Path.home()) as name:
            folder = Path(name)
            for part in ("saved", "things", "checked"):
                (folder / part).mkdir()
            settings = Settings(QSettings(str(folder / "settings.ini"), QSettings.Format.IniFormat))
            window = make_window(settings)
            verdicts = Verdicts(folder / "checked", self.checks)
            random_input = RandomInput(window, things(folder / "things"), folder / "saved", self.seed)
            self._walk(application, window, random_input, verdicts)
            window.deleteLater()
            del window, random_input
            application.processEvents()
            for sentence in verdicts.wrong():
                self.wrong += 1
                self.troubles.note(sentence)
            self.runs, self.checked, self.unlike = verdicts.runs, verdicts.configs, verdicts.changed
        left = [process.pid for process in children()]
        if left:
            self.troubles.note(f"After the window was closed, {len(left)} child processes went on.")
        self.alarms = len(self.troubles.sentences) - self.wrong
        for doing, times, frame in self.heart.worst(20):
            self.troubles.note(
                f"The window stood still for up to {frame.seconds:.2f} s, {frame.processor:.2f} s of it computing and "
                f"{frame.clock:.2f} s by the clock, {times} times: {doing}."
            )
        return self.troubles.sentences

    def figures(self) -> str:
        """A line for each figure of the walk."""
        kinds = Counter[str]()
        for doing, count in self.done.items():
            kinds[doing.partition(" ")[0]] += count
        often = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common())
        found = {
            "actions": f"{self.done.total():,}: {often}",
            "finished runs": f"{self.runs:,}",
            "different configs that the command line repeated": f"{self.checked:,}",
            "different verdicts on the command line": f"{self.wrong:,}",
            "configs whose files had changed before": f"{self.unlike:,}",
            "exceptions, warnings of Qt, and remains": f"{self.alarms:,}",
            f"frames of more than {self.frozen * 1e3:.0f} ms": f"{len(self.heart.frozen):,}",
            "the longest frame": f"{self.heart.longest.seconds * 1e3:.0f} ms",
        }
        return "\n".join(f"{name}: {figure}" for name, figure in found.items())

    def _walk(
        self, application: QApplication, window: MainWindow, random_input: RandomInput, verdicts: Verdicts
    ) -> None:
        closing, since = False, monotonic()

        def act() -> None:
            nonlocal closing, since
            if self.done.total() >= self.actions:
                closing = True
                random_input.close_popups()
                self.heart.stop()
                window.leave()
                return
            # Checked first, each time: a menu runs its own event loop until it is closed.
            QTimer.singleShot(_ACTION_MS, window, act)
            now = monotonic()
            waits = window.runner.busy and self.done.total() % _PATIENT_EVERY == 0
            if waits and now - since < _PATIENCE_SECONDS:
                return
            since = now
            doing = random_input.act()
            self.heart.during(doing)
            self.done[doing] += 1
            if self.aloud:
                self.tell(doing)
            if self.done.total() % _PRINT_EVERY == 0:
                self.tell(f"{self.done.total():,} actions, {verdicts.runs} runs, {len(self.heart.frozen)} long frames")

        def keep_small(config: Config) -> None:
            network, sequence = config.network, config.sequence
            lanes = network.num_layers * (2 if network.bidirectional else 1)
            if float(np.prod([lanes, sequence.timesteps, sequence.batch_size, network.hidden_size])) > _LARGEST_RUN:
                window.runner.stop()

        def on_closed() -> None:
            if not closing:
                self.troubles.note("The window was closed by something other than Quit.")
            application.quit()

        def begin() -> None:
            window.begin(None)
            self.heart.start()
            act()

        window.runner.started.connect(keep_small)
        window.runner.finished.connect(verdicts.add)
        window.completed.connect(begin)
        window.closed.connect(on_closed)
        window.show()
        application.exec()
