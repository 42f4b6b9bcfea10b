"""A worker's replacement of pytest's loop: run tests again and again, each time with another mutant.

As a plugin of pytest (`-p tools.mutation.runner`), whose tests are found once. RNNVIZ_MUTATION is the folder of
orders: without `orders.json` in it every test is run once and `reached.json` written; otherwise the mutants named there
are tried, and a line of JSON about each is written to `outcomes.jsonl`. The entry point is `tools.mutation`.
"""

import functools
import gc
import importlib
import json
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings
from mutmut.state import state
from mutmut.utils.format_utils import mangled_name_from_mutant_name

HERE = Path(__file__).parent
ORDERS = "RNNVIZ_MUTATION"
SLOWEST = 3.0
"""CPU seconds that a test may take to be of use."""
PATIENCE = 10.0
"""CPU seconds of tests that a mutant has to survive, the quickest first."""
BUSY = 10.0
"""How many times as long a test may take by the clock: other programs may need the processors, too."""


class TooLong(BaseException):
    """A test took many times as long as it does, so that the mutant is one that never ends."""


def pytest_configure(config: pytest.Config) -> None:
    """Draw the same examples every time, and do not make failing ones smaller: that they fail is enough."""
    settings.register_profile(
        "mutants",
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=15,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool:
    if session.testsfailed:
        raise session.Interrupted("some tests could not be collected")
    settings.load_profile("mutants")
    # The tests freeze what their modules hold, in which `_caches` searches.
    gc.unfreeze()
    for name in ("rnnviz.engines.gluon", "rnnviz.engines.onnx", "torch"):
        # They take longer than most tests may, and the first to import one should not be judged by that.
        with suppress(ImportError), warnings.catch_warnings(action="ignore"):
            importlib.import_module(name)
    for item in session.items:
        # It searches every process of the machine, and would after each test, because fixtures are created again.
        with suppress(ValueError):
            item.fixturenames.remove("nothing_is_left_running")
    folder = Path(os.environ[ORDERS])
    orders = folder / "orders.json"
    if orders.exists():
        _try(session.items, json.loads(orders.read_text(encoding="utf-8")), folder / "outcomes.jsonl")
    else:
        (folder / "reached.json").write_text(json.dumps(_reached(session.items)), encoding="utf-8")
    return True


def _reached(items: list[pytest.Item]) -> dict[str, dict[str, object]]:
    """By test: its seconds, and the functions that it called; only of those that passed, and are quick enough."""
    reached: dict[str, dict[str, object]] = {}
    for item in items:
        state()._stats = set()
        before = _cpu_seconds()
        with _mutant("stats"):
            passed = _passes(item, BUSY * SLOWEST)
        seconds = _cpu_seconds() - before
        if passed and seconds <= SLOWEST:
            reached[item.nodeid] = {"seconds": seconds, "functions": sorted(state()._stats)}
    return reached


def _cpu_seconds() -> float:
    """Of this process and of its ended children."""
    return sum(os.times()[:4])


def _try(items: list[pytest.Item], orders: list[dict[str, object]], told: Path) -> None:
    """Each order has a mutant's name, and the tests that reach it with their seconds, quickest first."""
    by_name = {item.nodeid: item for item in items}
    with told.open("a", encoding="utf-8") as out:

        def tell(**said: object) -> None:
            out.write(json.dumps(said) + "\n")
            out.flush()

        killers: dict[str, list[str]] = {}
        for order in orders:
            name, function = str(order["mutant"]), mangled_name_from_mutant_name(str(order["mutant"]))
            tell(mutant=name, outcome="begun")
            killer, spent = None, 0.0
            # What killed one mutant of a function is likely to kill its next.
            known = killers.setdefault(function, [])
            for test, seconds in sorted(order["tests"], key=lambda test: test[0] not in known):
                if spent > PATIENCE:
                    break
                spent += seconds
                with _mutant(name):
                    passed = _passes(by_name[test], BUSY * seconds + 5)
                if not passed:
                    killer = test
                    known[:] = [test, *(other for other in known if other != test)][:3]
                    break
            if killer is not None and not _passes(by_name[killer], BUSY * spent + 20):
                # What the mutant left behind breaks the test without it as well: another process has to judge.
                tell(mutant=name, outcome="spoilt", by=killer)
                return
            tell(mutant=name, outcome="survived" if killer is None else "killed", by=killer)


def _passes(item: pytest.Item, limit: float) -> bool:
    """Whether one test passes within `limit` seconds, with all fixtures made again, also those of the session."""
    # What a mutant computed is not to be found in the cache of a function by the next.
    for cached in _caches(len(sys.modules)):
        cached.cache_clear()
    item._initrequest()
    try:
        with _alarm(limit):
            reports = runtestprotocol(item, log=False, nextitem=None)
    except (TooLong, Exception):  # noqa: BLE001 - an alarm within pytest's own hooks comes out as anything
        item.session._setupstate.stack.clear()
        return False
    return not any(report.failed for report in reports)


@functools.lru_cache(maxsize=1)
def _caches(_modules: int) -> list[functools._lru_cache_wrapper]:
    """Those of the project, looked for again when more was imported. `isinstance` would wake lazy objects of others."""
    found = [thing for thing in gc.get_objects() if type(thing) is functools._lru_cache_wrapper]
    return [cached for cached in found if _of_the_project(cached)]


def _of_the_project(function: functools._lru_cache_wrapper) -> bool:
    code = getattr(function.__wrapped__, "__code__", None)
    return code is not None and Path(code.co_filename).is_relative_to(HERE.parents[1]) and function is not _caches


@contextmanager
def _mutant(name: str) -> Iterator[None]:
    os.environ["MUTANT_UNDER_TEST"] = name
    try:
        yield
    finally:
        os.environ["MUTANT_UNDER_TEST"] = ""


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
