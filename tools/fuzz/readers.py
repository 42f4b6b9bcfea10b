"""How each kind of file is read as the program reads it, and what comes of it: ok, a sentence, or something else."""

import shutil
import tempfile
import warnings
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from unicodedata import category

import numpy as np
from PySide6.QtCore import QSettings, qInstallMessageHandler
from PySide6.QtWidgets import QApplication, QMainWindow, QWidget

from rnnviz.cells import CELLS
from rnnviz.core.bounded_read import limited_memory
from rnnviz.core.config import Config
from rnnviz.core.errors import EngineError, InputError
from rnnviz.core.memory_budget import check_memory, demand
from rnnviz.core.sequence import SequenceSource
from rnnviz.engines.base import run_stack
from rnnviz.engines.custom_code.custom_step import CustomCodeError, CustomStep
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.recorded_outputs import RecordedEngine
from rnnviz.engines.registry import find_engine
from rnnviz.gui.commands.dialogs import RecentFiles
from rnnviz.gui.docks import Docks
from rnnviz.gui.settings import MOTION_CHOICES, THEME_CHOICES, Settings
from rnnviz.gui.value.vector_page import ColumnMenuButton
from rnnviz.io.config_toml import dump_config, load_config, parse_config
from rnnviz.io.inputs import load_inputs, read_state
from rnnviz.io.readers import open_sequence, read_labels, read_vocabulary
from rnnviz.io.session import read_session
from rnnviz.lessons.content import read_lesson
from rnnviz.sweeps.grid import is_sweep, is_sweep_results, load_sweep
from rnnviz.sweeps.results import load_sweep_results, write_sweep_csv, write_sweep_json
from tests.configs import config_of
from tests.io.model_formats.damage import networks_in
from tests.oracles.computed import computed, empty_trace

ALLOWANCE = 256 << 20
_SMALL = 1 << 20
_LONGEST = 2_000
FEATURES, TIMESTEPS = 4, 3
_POINTS = 50


def network_of(cell: str = "lstm") -> Config:
    sizes = {"input_size": FEATURES, "hidden_size": 3, "num_layers": 2, "timesteps": TIMESTEPS}
    return config_of(cell=cell, bidirectional=True, initial_state={"source": "normal"}, **sizes)


def run_config(config: Config) -> None:
    """A config says the same when it was written and read, and a small one is computed."""
    folder = Path("/anywhere")
    again = parse_config(dump_config(config, folder), folder)
    assert parse_config(dump_config(again, folder), folder) == again
    check_memory(config)
    for name in config.compare.engines:
        find_engine(name)
    if demand(config).memory < _SMALL:
        inputs = load_inputs(config)
        trace, _ = computed(ManualEngine(), inputs)
        assert trace.hidden.shape == inputs.hidden_shape


def _read_sequence(path: Path) -> None:
    opened = open_sequence(SequenceSource("file", path=str(path)), features=FEATURES)
    assert opened.read().shape == opened.shape


def _read_state(path: Path) -> None:
    config = network_of()
    state = read_state(path, config.network, 2)
    assert all(array.shape == config.network.state_shape(2) for array in state.values())


def _read_session(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        beside = set(path.parent.rglob("*"))
        session = read_session(path, lambda: Path(folder))
        made = set(path.parent.rglob("*")) - beside
        unpacked = session.unpacked
        # What is unpacked is below one new folder, and the config's paths lead nowhere else within the archive.
        assert all(unpacked is not None and made_path.is_relative_to(unpacked) for made_path in made)
        assert not any(made_path.is_symlink() for made_path in made)


def _read_custom_step(path: Path) -> None:
    cell = path.name.partition("-")[0]
    inputs = load_inputs(network_of(cell))
    trace = empty_trace(inputs, cell=True)
    run_stack(inputs, trace, CustomStep(path).run_layer, lambda done: None)
    assert trace.hidden.dtype == np.float32


def _read_recording(path: Path) -> None:
    inputs = load_inputs(network_of())
    trace, report = computed(RecordedEngine(f"recording:{path}"), inputs)
    assert trace.hidden.shape == inputs.hidden_shape
    assert "h" in report.missing or not np.isnan(trace.hidden).all()


def _read_labels(path: Path) -> None:
    assert len(read_labels(path, TIMESTEPS)) == TIMESTEPS


def _read_vocabulary(path: Path) -> None:
    """A text of a few of its tokens has a single one in each row."""
    words = [token for token in read_vocabulary(path).places if token.split() == [token]]
    text = {"text": " ".join(words[:3]) or "a", "tokens": "words", "vocabulary": str(path)}
    inputs = load_inputs(Config.from_mapping({"network": {"cell": "gru", "hidden_size": 1}, "sequence": text}))
    assert np.array_equal(inputs.sequence.sum(axis=-1), np.ones((len(words[:3]), 1)))


def _read_lesson(path: Path) -> None:
    assert read_lesson(path).steps


def _read_sweep(path: Path) -> None:
    """Every row is a config that says the same when it is written and read, or has a sentence."""
    is_sweep(path)
    sweep = load_sweep(path)
    for point in islice(sweep.points(), _POINTS):
        if point.config is None:
            check_sentence(point.refusal)
        else:
            assert Config.from_mapping(point.config.to_mapping()) == point.config


def _read_sweep_results(path: Path) -> None:
    """A config is equal after it is written and read."""
    is_sweep_results(path)
    again, table = path.with_name(f"again{path.suffix}"), load_sweep_results(path)
    (write_sweep_csv if path.suffix == ".csv" else write_sweep_json)(table, again)
    written = again.read_bytes()
    (write_sweep_csv if path.suffix == ".csv" else write_sweep_json)(load_sweep_results(again), again)
    assert again.read_bytes() == written


def _read_settings(path: Path) -> None:
    """Whatever they hold, a window begins with them, and they take what is set."""
    application = QApplication.instance() or QApplication(["fuzz", "-platform", "offscreen"])
    # Qt warns about values that it cannot parse.
    before = qInstallMessageHandler(lambda *_: None)
    try:
        _open_settings(path)
        application.processEvents()
    finally:
        qInstallMessageHandler(before)


def _open_settings(path: Path) -> None:
    settings, window = Settings(QSettings(str(path), QSettings.Format.IniFormat)), QMainWindow()
    window.restoreGeometry(settings.geometry)
    docks = Docks(window)
    docks.add("Value", QWidget(), 300)
    docks.restore(settings.layout("docks"))
    assert all(isinstance(pane, str) for pane in settings.panes)
    assert settings.theme in THEME_CHOICES
    assert settings.motion in MOTION_CHOICES
    assert settings.lesson_step(settings.open_lesson) >= 0
    ColumnMenuButton(settings).show_cell(CELLS["lstm"])
    files = RecentFiles(settings)
    assert files.paths() == []
    files.add(path)
    settings.trusted = (*settings.trusted, str(path))
    assert settings.save()
    again = Settings(QSettings(str(shutil.copy(path, path.with_name("again.ini"))), QSettings.Format.IniFormat))
    assert RecentFiles(again).paths() == [path]
    assert str(path) in again.trusted


READERS: dict[str, Callable[[Path], object]] = {
    "toml": lambda path: run_config(load_config(path)),
    "csv": _read_sequence,
    "npy": _read_sequence,
    "npz": _read_state,
    "wav": _read_sequence,
    "trace.npz": _read_recording,
    "rnnviz": _read_session,
    "py": _read_custom_step,
    "params": networks_in,
    "onnx": networks_in,
    "pt": networks_in,
    "safetensors": networks_in,
    "labels.txt": _read_labels,
    "vocabulary.txt": _read_vocabulary,
    "vocabulary.json": _read_vocabulary,
    "sweep.toml": _read_sweep,
    "sweep.csv": _read_sweep_results,
    "sweep.json": _read_sweep_results,
    "lesson.md": _read_lesson,
    "settings.ini": _read_settings,
}
"""By the kind of the file; a recurrence's name begins with its cell."""


def kind_of(path: Path) -> str:
    """The suffixes of a file's name after its first dot."""
    return path.name.partition(".")[2]


def outcome(path: Path) -> str:
    """ "ok" or "sentence"; whatever else comes of it is raised."""
    return outcome_of(lambda: READERS[kind_of(path)](path))


def outcome_of(read: Callable[[], object]) -> str:
    """ "ok" or "sentence"; whatever else comes of `read` is raised."""
    try:
        # What numpy warns of in a damaged header or a user's arithmetic is not the reader's concern.
        with limited_memory(ALLOWANCE), warnings.catch_warnings(action="ignore"):
            read()
    except (InputError, CustomCodeError) as error:
        # An engine's user reads what is wrong with a recurrence in an EngineError.
        check_sentence(str(EngineError(str(error))))
        return "sentence"
    return "ok"


def check_sentence(text: str) -> None:
    """One line that ends as a sentence does, has no sign that a terminal obeys, and is not longer than a page."""
    # The nearest known name follows an error as a question.
    assert text.endswith((".", "?")), text
    assert not any(category(sign) in ("Cc", "Zl", "Zp") for sign in text), text
    assert len(text) < _LONGEST, text
