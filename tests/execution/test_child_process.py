"""A call in a separate process: results and exceptions return, and its death is a sentence."""

import os
import signal
import sys
import time
from collections.abc import Iterator

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


def parent_of(number: int) -> tuple[int, int]:
    return number, os.getppid()


@pytest.mark.slow
def test_the_result_is_computed_in_a_child() -> None:
    assert call_in_subprocess(parent_of, 3, what="x") == (3, os.getpid())


def hears_interrupts() -> bool:
    return signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Signals cannot be held back here")
def test_a_ctrl_c_is_the_parent_s_alone_from_the_child_s_first_moment() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert not call_in_subprocess(hears_interrupts, what="x")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


def kernels() -> set[str]:
    return {library["architecture"] for library in ThreadpoolController().select(internal_api="openblas").info()}


@pytest.fixture
def fresh_kernels() -> Iterator[None]:
    openblas_kernels.cache_clear()
    yield
    openblas_kernels.cache_clear()


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_kernels")
def test_a_child_multiplies_with_the_kernels_of_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    used = call_in_subprocess(kernels, what="x")
    assert used
    if "X86_V3" in simd_extensions():
        assert not used & OLDEST_KERNELS
    assert "OPENBLAS_CORETYPE" not in os.environ


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
def test_the_level_of_the_processor_in_both_numberings_of_numpy(
    monkeypatch: pytest.MonkeyPatch, baseline: list[str], found: list[str], level: set[str]
) -> None:
    extensions = {"SIMD Extensions": {"baseline": baseline, "found": found, "not found": ["X86_V4"]}}
    monkeypatch.setattr(np, "show_config", lambda mode: extensions)
    assert simd_extensions() & {"X86_V3", "X86_V4"} == level


@pytest.mark.slow
@pytest.mark.usefixtures("fresh_kernels")
def test_kernels_that_the_user_names_are_a_child_s_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    used = call_in_subprocess(kernels, what="x")
    assert used
    assert used <= OLDEST_KERNELS
    assert os.environ["OPENBLAS_CORETYPE"] == "Prescott"


def refuse() -> None:
    raise ConfigError("network.cell", "The cell is wrong.")


@pytest.mark.slow
def test_an_input_error_is_raised_unchanged() -> None:
    with pytest.raises(ConfigError, match="The cell is wrong") as caught:
        call_in_subprocess(refuse, what="x")
    assert caught.value.key == "network.cell"


def fail() -> None:
    raise ZeroDivisionError("no such number")


@pytest.mark.slow
def test_any_other_error_is_the_program_s() -> None:
    with pytest.raises(EngineError, match=r"w\.pt could not be read: ZeroDivisionError: no such number\."):
        call_in_subprocess(fail, what="w.pt could not be read")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_a_death_is_a_sentence() -> None:
    with pytest.raises(InputError, match=r"w\.pt could not be read: the process that did it ended \(killed by SIGKILL"):
        call_in_subprocess(die, what="w.pt could not be read")


def hang() -> None:
    time.sleep(3600)


@pytest.mark.slow
def test_a_hang_ends() -> None:
    with pytest.raises(InputError, match=r"w\.pt could not be read: it took more than 0\.5 seconds"):
        call_in_subprocess(hang, what="w.pt could not be read", seconds=0.5)


def refuse_to_wait(_fraction: float) -> None:
    raise LookupError


def test_a_canceled_call_stops_its_process() -> None:
    before = children()
    with pytest.raises(LookupError):
        call_in_subprocess(hang, what="x", notify=refuse_to_wait)
    assert children() == before


def do_half(whole: int) -> str:
    expect(whole)
    advance(whole // 2)
    return "done"


@pytest.mark.slow
def test_the_caller_is_notified_of_progress() -> None:
    told: list[float] = []
    assert call_in_subprocess(do_half, 10, what="x", notify=told.append) == "done"
    assert sorted(set(told)) == [0.0, 0.5]
    assert told == sorted(told)


def do_for_ever() -> None:
    expect(10)
    while True:
        advance(0)


def test_reporting_progress_does_not_extend_the_time_limit() -> None:
    with pytest.raises(InputError, match=r"more than 0\.3 seconds"):
        call_in_subprocess(do_for_ever, what="x", seconds=0.3)


def ask_for(size: int, allowance: int) -> int:
    with limited_memory(allowance):
        return int(np.ones(size, np.uint8).sum(dtype=np.int64))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux holds a process to a limit")
def test_memory_beyond_the_limit_is_refused_and_the_limit_is_lifted() -> None:
    assert call_in_subprocess(ask_for, 1 << 20, 64 << 20, what="x") == 1 << 20
    with pytest.raises(InputError, match="not enough memory"):
        call_in_subprocess(ask_for, 256 << 20, 64 << 20, what="x")
    import resource

    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_memory(1 << 30):
        assert resource.getrlimit(resource.RLIMIT_DATA) != before
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_child_gets_no_option_that_engines_cannot_run_with() -> None:
    assert kept_flags(["-OO", "-I", "-X", "dev", "-X", "utf8", "-Werror", "-B"]) == ["-I", "-X", "utf8", "-B"]


def options() -> tuple[int, bool, list[str]]:
    return sys.flags.optimize, sys.flags.dev_mode, sys.warnoptions


@pytest.mark.slow
def test_a_child_starts_with_the_usual_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    monkeypatch.setattr(sys, "warnoptions", ["error"])
    assert call_in_subprocess(options, what="x") == (0, False, [])
    assert os.environ["PYTHONOPTIMIZE"] == "2"
