"""A run that the machine cannot hold is refused before anything is allocated, with how much it would take."""

from collections import namedtuple
from contextlib import nullcontext
from dataclasses import replace
from io import StringIO
from typing import Any

import psutil
import pytest

from rnnviz.core import memory_budget as memory
from rnnviz.core.byte_cache import ByteCache
from rnnviz.core.config import Backward, Config
from rnnviz.core.errors import ConfigError
from rnnviz.core.memory_budget import available_memory, check_demand, check_memory, demand, readable
from rnnviz.core.multiscale import values_in_levels
from tests.refusals import refused_key

GIB = 1 << 30
GRADIENTS: dict[str, memory.Gradients] = {"manual": "every", "torch": "every", "gluon": "hidden"}
Usage = namedtuple("Usage", "total used free")


def config(network: dict[str, Any] | None = None, compare: dict[str, Any] | None = None, **sequence: int) -> Config:
    return Config.from_mapping(
        {
            "network": {"cell": "lstm", "input_size": 4, "hidden_size": 8, **(network or {})},
            "sequence": {"batch_size": 2, "timesteps": 10, **sequence},
            "compare": compare or {},
        }
    )


@pytest.fixture
def _small_machine(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 4 * GIB)
    monkeypatch.setattr(memory.shutil, "disk_usage", lambda _: Usage(9 * GIB, 0, 8 * GIB))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_demand_counts_every_array(cell, dtype):
    asked = config(
        {"cell": cell, "num_layers": 3, "bidirectional": True, "dtype": dtype}, {"candidates": ["gluon", "torch"]}
    )
    itemsize = 4 if dtype == "float32" else 8
    rows = (4 if cell == "lstm" else 3) * 8
    parameters = 2 * rows * (4 + 8 + 2) + 2 * 2 * rows * (16 + 8 + 2)
    x, hidden, output = 10 * 2 * 4, 3 * 2 * 10 * 2 * 8, 10 * 2 * 16
    stored = hidden * (2 if cell == "lstm" else 1) + output
    needed = demand(asked)
    assert needed.disk == itemsize * (3 * stored + x + parameters)
    # The float64 draw, a copy of it for each of two engines at work; x; input, gates and output of the widest layer.
    assert needed.memory == parameters * (8 + 2 * itemsize) + itemsize * (x + 3 * (x + output))


def test_demand_counts_coarse_copies():
    long = {"network": {"num_layers": 2, "hidden_size": 64, "input_size": 128}, "timesteps": 1 << 15, "batch_size": 3}
    network, timesteps, samples = long["network"], long["timesteps"], long["batch_size"]
    asked = config(network, {"candidates": ["gluon", "torch", "onnx"]}, timesteps=timesteps, batch_size=samples)
    steps = timesteps * samples
    plain = 4 * (4 * (2 * 2 * steps * 64 + steps * 64) + steps * 128 + 4 * 64 * (128 + 64 + 2 + 64 + 64 + 2))
    blocks = (1 << 15) // 16 * samples
    # Minima and maxima: of each engine, each candidate's differences, and x; error ratios and marks of each candidate.
    states = 2 * (4 * blocks * 2 * 64 * 2 * 4 + 3 * blocks * 2 * 64 * (2 * 4 + 4 + 1))
    coarser = states + blocks * 128 * 2 * 4
    assert demand(asked).disk == plain + coarser
    assert coarser > 0


@pytest.mark.parametrize("timesteps", [10, 1 << 16])
def test_demand_counts_gradients(timesteps):
    engines = "manual", "gluon", "onnx"
    asked = config(compare={"reference": "manual", "candidates": list(engines[1:])}, timesteps=timesteps)
    asked = replace(asked, network=replace(asked.network, hidden_size=64), backward=Backward(enabled=True))
    without = demand(replace(asked, backward=Backward()))
    needed, steps = demand(asked, GRADIENTS), timesteps * 2
    parameters = 4 * 64 * (4 + 64 + 2)
    # h, c, four gates and out; x; the initial states; the parameters.
    manual, gluon = (n * steps * 64 + steps * 4 + 2 * 2 * 64 + parameters for n in (7, 2))
    levels = [values_in_levels(shape) for shape in ((1, 1, timesteps, 2, 64), (1, 1, timesteps, 2, 4))]
    coarser = (7 * levels[0] + levels[1]) * 8 + (2 * levels[0] + levels[1]) * (8 + 13)
    assert needed.disk - without.disk == 4 * (manual + gluon + steps * 64) + coarser
    assert needed.memory - without.memory == steps * 64 * 12
    assert (levels[0] > 0) == (timesteps > 10)


@pytest.mark.usefixtures("_small_machine")
@pytest.mark.parametrize(("timesteps", "kind"), [(300_000, "disk"), (500_000, "memory")])
def test_run_that_fits_without_gradients_is_refused_with_that_demand(tmp_path, timesteps, kind):
    asked = config({"hidden_size": 200}, {"reference": "manual", "candidates": ["torch"]}, timesteps=timesteps)
    asked = replace(asked, backward=Backward(enabled=True))
    forward = replace(asked, backward=Backward())
    check_demand(forward, tmp_path)
    sentence = refused_key(check_demand, asked, tmp_path, GRADIENTS).sentence
    assert f"backward.enabled = false, which takes {readable(getattr(demand(forward), kind))}." in sentence


@pytest.mark.usefixtures("_small_machine")
@pytest.mark.parametrize(
    ("asked", "key"),
    [
        (config({"hidden_size": 10**9}), "network.hidden_size"),
        (config({"num_layers": 1000, "hidden_size": 500}), "network.num_layers"),
        (config(timesteps=10**9), "sequence.timesteps"),
        (config({"hidden_size": 10**9, "input_size": 10**9}, timesteps=10**9, batch_size=10**9), "network.input_size"),
    ],
    ids=["hidden", "layers", "timesteps", "all of them"],
)
def test_huge_run_is_refused_with_its_demand(asked, key, tmp_path):
    error = refused_key(check_demand, asked, tmp_path)
    largest = "1,000" if key == "network.num_layers" else "1,000,000,000"
    assert error.key == key
    taken = f"{readable(demand(asked).memory)} of memory, but {readable(4 * GIB)} are available"
    assert taken in error.sentence
    assert f"reduce {key} = {largest}," in error.sentence


@pytest.mark.usefixtures("_small_machine")
def test_full_disk_is_refused_with_its_folder(tmp_path):
    asked = config({"num_layers": 100, "hidden_size": 100}, timesteps=20_000, batch_size=10)
    assert demand(asked).memory < 4 * GIB
    error = refused_key(check_demand, asked, tmp_path)
    assert error.key == "sequence.timesteps"
    assert f"{readable(demand(asked).disk)} of disk in {tmp_path}" in error.sentence
    assert "reduce sequence.timesteps = 20,000," in error.sentence


def test_caches_give_way_to_a_run(monkeypatch):
    asked, cache = config(), ByteCache("chunks")
    cache.put("a", "A", 100)
    monkeypatch.setattr(memory, "available_memory", lambda: demand(asked).memory - 100 * len(cache))
    check_memory(asked)
    assert len(cache) == 0


@pytest.mark.parametrize("beside", [0, -1])
def test_limit_is_the_last_available_byte(monkeypatch, tmp_path, beside):
    asked = config()
    needed = demand(asked)
    asked_of = []
    monkeypatch.setattr(memory, "available_memory", lambda: needed.memory)
    monkeypatch.setattr(
        memory.shutil, "disk_usage", lambda at: asked_of.append(at) or Usage(0, 0, needed.disk + beside)
    )
    refused = pytest.raises(ConfigError) if beside else nullcontext()
    with refused:
        check_demand(asked, tmp_path)
    assert asked_of == [tmp_path]
    monkeypatch.setattr(memory, "available_memory", lambda: needed.memory + beside)
    with refused:
        check_memory(asked)


def test_meminfo_is_in_kilobytes(monkeypatch):
    assert 0 < (available_memory() or 0) <= psutil.virtual_memory().total
    told = "MemTotal:       16000 kB\nMemFree:        1000 kB\nMemAvailable:    7000 kB\nBuffers:  5 kB\n"
    files = {"/proc/meminfo": told}
    monkeypatch.setattr(memory, "open", lambda path, **_: StringIO(files[path]), raising=False)
    assert available_memory() == 7000 * 1024


def test_fallback_without_meminfo(monkeypatch):
    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(memory, "open", missing, raising=False)
    monkeypatch.setattr(memory.os, "sysconf", {"SC_PHYS_PAGES": 300, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert available_memory() == 300 * 4096
    for unknown in (AttributeError, ValueError, OSError):

        def refuse(_, error=unknown):
            raise error

        monkeypatch.setattr(memory.os, "sysconf", refuse)
        assert available_memory() is None
    check_memory(config({"hidden_size": 10**9}))


def test_readable_bytes():
    words = {
        0: "0 bytes", 999: "999 bytes", 1_000: "1.0 kB", 999_940: "999.9 kB", 1_000_000: "1.0 MB",
        3_200_000_000: "3.2 GB", 10**12: "1.0 TB", 10**15: "1.0 PB", 10**18: "1000.0 PB",
    }  # fmt: skip
    assert {count: readable(count) for count in words} == words
