"""A run that the machine cannot hold is refused before anything is allocated, with how much it would take."""

from collections import namedtuple
from pathlib import Path
from typing import Any

import psutil
import pytest

from rnnviz.model import memory
from rnnviz.model.config import Config
from rnnviz.model.errors import ConfigError
from rnnviz.model.memory import available_memory, check_demand, demand, readable

GIB = 1 << 30
Usage = namedtuple("Usage", "total used free")


def config(network: dict[str, Any] | None = None, **sequence: int) -> Config:
    return Config.from_mapping(
        {
            "network": {"cell": "lstm", "input_size": 4, "hidden_size": 8, **(network or {})},
            "sequence": {"batch_size": 2, "timesteps": 10, **sequence},
        }
    )


@pytest.fixture
def _small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: 4 * GIB)
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: Usage(9 * GIB, 0, 8 * GIB))


def test_disk_is_counted_for_every_array_of_every_engine() -> None:
    needed = demand(config())
    hidden = 10 * 2 * 8 * 4
    parameters = 4 * 8 * (4 + 8 + 2) * 4
    # hidden, cell and output of two engines; the input; the parameters.
    assert needed.disk == 2 * 3 * hidden + 10 * 2 * 4 * 4 + parameters
    assert demand(config({"dtype": "float64"})).disk == 2 * needed.disk


def test_memory_holds_at_least_the_parameters_and_the_input() -> None:
    needed = demand(config())
    assert needed.memory >= 4 * 8 * (4 + 8 + 2) * 8 + 10 * 2 * 4 * 4
    assert demand(config(timesteps=1_000)).memory > needed.memory
    assert demand(config({"num_layers": 4})).memory > needed.memory


@pytest.mark.usefixtures("_small_machine")
def test_what_fits_is_not_refused(tmp_path: Path) -> None:
    check_demand(config(), tmp_path)


@pytest.mark.usefixtures("_small_machine")
@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (config({"hidden_size": 10**9}), "network.hidden_size"),
        (config({"input_size": 10**9}), "network.input_size"),
        (config(timesteps=10**9), "sequence.timesteps"),
        (config(batch_size=10**9), "sequence.batch_size"),
        (config({"hidden_size": 10**9, "input_size": 10**9}, timesteps=10**9, batch_size=10**9), "network.input_size"),
    ],
    ids=["hidden", "input", "timesteps", "batch", "all of them"],
)
def test_an_absurd_size_is_refused_with_what_it_would_take(asked: Config, key: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check_demand(asked, tmp_path)
    assert caught.value.key == key
    assert f"{key} = 1,000,000,000" in caught.value.sentence
    assert readable(demand(asked).memory) + " of memory" in caught.value.sentence
    assert "4.3 GB" in caught.value.sentence


@pytest.mark.usefixtures("_small_machine")
def test_a_run_that_only_the_disk_cannot_hold_is_refused_with_its_folder(tmp_path: Path) -> None:
    asked = config({"num_layers": 100, "hidden_size": 100}, timesteps=20_000, batch_size=10)
    assert demand(asked).memory < 4 * GIB
    with pytest.raises(ConfigError) as caught:
        check_demand(asked, tmp_path)
    assert caught.value.key == "sequence.timesteps"
    assert f"of disk in {tmp_path}" in caught.value.sentence
    assert readable(demand(asked).disk) in caught.value.sentence
    assert "8.6 GB" in caught.value.sentence


def test_this_machine_tells_how_much_memory_it_has() -> None:
    available = available_memory()
    assert available is not None
    assert 0 < available <= psutil.virtual_memory().total


def test_where_the_system_does_not_tell_nothing_is_refused_for_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda: None)
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: Usage(0, 0, 10**30))
    check_demand(config({"hidden_size": 10**9}), tmp_path)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1_000, "1.0 kB"),
        (3_200_000_000, "3.2 GB"),
        (10**15, "1.0 PB"),
        (10**18, "1000.0 PB"),
    ],
)
def test_bytes_are_told_as_a_person_reads_them(count: int, words: str) -> None:
    assert readable(count) == words
