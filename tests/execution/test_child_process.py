"""A call in a separate process: results and exceptions return, and its death is a sentence."""

import os
import signal
import sys
import time

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from rnnviz.core.bounded_read import limited_memory
from rnnviz.core.errors import ConfigError, EngineError, InputError
from rnnviz.core.progress import advance, expect
from rnnviz.execution.child_process import (
    OLDEST_KERNELS,
    call_in_subprocess,
    kept_flags,
    openblas_kernels,
    simd_extensions,
)
from tests.leaks import children


@pytest.fixture
def fresh_kernels():
    openblas_kernels.cache_clear()
    yield
    openblas_kernels.cache_clear()


@pytest.mark.parametrize(
    ("baseline", "found", "level"),
    [
        (["SSE", "SSE2"], ["SSE41", "AVX2", "FMA3"], {"X86_V3"}),
        (["SSE", "SSE2"], ["AVX2", "FMA3", "AVX512_SKX"], {"X86_V3", "X86_V4"}),
        (["X86_V2"], ["X86_V3"], {"X86_V3"}),
        (["X86_V3"], ["X86_V4"], {"X86_V3", "X86_V4"}),
        (["SSE", "SSE2"], ["AVX2"], set()),
        (["NEON", "ASIMD"], ["ASIMDDP"], set()),
    ],
)
def test_the_level_of_the_processor_in_both_numberings_of_numpy(monkeypatch, baseline, found, level):
    extensions = {"SIMD Extensions": {"baseline": baseline, "found": found, "not found": ["X86_V4"]}}
    monkeypatch.setattr(np, "show_config", lambda mode: extensions)
    assert simd_extensions() & {"X86_V3", "X86_V4"} == level


def hang() -> None:
    time.sleep(3600)


def refuse_to_wait(_fraction: float) -> None:
    raise LookupError


def test_a_canceled_call_stops_its_process():
    before = children()
    with pytest.raises(LookupError):
        call_in_subprocess(hang, what="x", notify=refuse_to_wait)
    assert children() == before


def do_half(whole: int) -> str:
    expect(whole)
    advance(whole // 2)
    return "done"


@pytest.mark.slow
def test_the_caller_is_notified_of_progress():
    told: list[float] = []
    assert call_in_subprocess(do_half, 10, what="x", notify=told.append) == "done"
    assert sorted(set(told)) == [0.0, 0.5]
    assert told == sorted(told)


def do_for_ever() -> None:
    expect(10)
    while True:
        advance(0)


def test_reporting_progress_does_not_extend_the_time_limit():
    with pytest.raises(InputError, match=r"more than 0\.3 seconds"):
        call_in_subprocess(do_for_ever, what="x", seconds=0.3)


def ask_for(size: int, allowance: int) -> int:
    with limited_memory(allowance):
        return int(np.ones(size, np.uint8).sum(dtype=np.int64))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux holds a process to a limit")
def test_memory_beyond_the_limit_is_refused_and_the_limit_is_lifted():
    assert call_in_subprocess(ask_for, 1 << 20, 64 << 20, what="x") == 1 << 20
    with pytest.raises(InputError, match="not enough memory"):
        call_in_subprocess(ask_for, 256 << 20, 64 << 20, what="x")
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_memory(1 << 30):
        assert resource.getrlimit(resource.RLIMIT_DATA) != before
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_child_gets_no_option_that_engines_cannot_run_with():
    assert kept_flags(["-OO", "-I", "-X", "dev", "-X", "utf8", "-Werror", "-B"]) == ["-I", "-X", "utf8", "-B"]


def kernels() -> set[str]:
    return {library["architecture"] for library in ThreadpoolController().select(internal_api="openblas").info()}


def seen(number: int) -> tuple[object, ...]:
    """A child's argument, parent, options and kernels, and whether it hears a Ctrl-C."""
    hears = hasattr(signal, "pthread_sigmask") and signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    return number, os.getppid(), sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions, kernels(), hears


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_kernels")
@pytest.mark.parametrize("named", [None, "Prescott"])
def test_a_child_has_the_usual_options_and_signals_and_the_kernels_of_its_processor(named, monkeypatch):
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setattr(sys, "warnoptions", ["error"])
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if named:
        monkeypatch.setenv("OPENBLAS_CORETYPE", named)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, []) if hasattr(signal, "pthread_sigmask") else None
    *found, used, hears = call_in_subprocess(seen, 3, what="x")
    assert found == [3, os.getpid(), 0, False, []]
    assert not hears
    assert used
    if named:
        assert used <= OLDEST_KERNELS
    elif "X86_V3" in simd_extensions():
        assert not used & OLDEST_KERNELS
    assert before is None or signal.pthread_sigmask(signal.SIG_BLOCK, []) == before
    assert (os.environ.get("OPENBLAS_CORETYPE"), os.environ["PYTHONOPTIMIZE"]) == (named, "2")


def refuse() -> None:
    raise ConfigError("network.cell", "The cell is wrong.")


def fail() -> None:
    raise ZeroDivisionError("no such number")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "error", "sentence"),
    [
        (refuse, ConfigError, "The cell is wrong"),
        (fail, EngineError, r"w\.pt could not be read: ZeroDivisionError: no such number\."),
        (die, InputError, r"w\.pt could not be read: the process that did it ended \(killed by SIGKILL"),
        (hang, InputError, r"w\.pt could not be read: it took more than 0\.5 seconds"),
    ],
)
def test_an_error_a_death_and_a_hang_are_sentences(function, error, sentence):
    with pytest.raises(error, match=sentence):
        call_in_subprocess(function, what="w.pt could not be read", seconds=0.5 if function is hang else 60.0)
