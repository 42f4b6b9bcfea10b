"""Processes that try mutants in a copy of the project, and are started again where a mutant hangs or ends them."""

import json
import os
import subprocess
import sys
import time
from collections import ChainMap, Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeAlias

from tools.mutation.mutants import Mutant
from tools.mutation.runner import BUSY, ORDERS, PATIENCE, SLOWEST

TESTS = (
    "tests/engines",
    "tests/verify",
    "tests/cli/test_compare.py",
    "tests/io/test_untrusted_files.py",
    "tests/steps",
    "tests/cells",
    "tests/core",
)
"""The tests that may kill a mutant: those of the mutated code, the slowest ones first."""
FAR = 5
"""How much quicker a test has to be that is not named after what is mutated."""
SILENT = BUSY * (SLOWEST + PATIENCE)
"""Seconds after which a silent worker is given up."""
SHARE = 100
"""How many mutants a process gets at a time."""


class Worker:
    """One process of pytest in the copy, with a folder of orders."""

    def __init__(self, tree: Path, tests: Sequence[str], orders: list[dict[str, object]] | None) -> None:
        self.folder = Path(mkdtemp(dir=tree.parent))
        self.outcomes = self.folder / "outcomes.jsonl"
        self.orders = orders or []
        if orders is not None:
            (self.folder / "orders.json").write_text(json.dumps(orders), encoding="utf-8")
        self._seen = time.monotonic()
        self._lines = 0
        self.output = (self.folder / "output.txt").open("w")
        self.process = subprocess.Popen(
            # A long traceback of a mutated file, which has every mutant, takes longer to write than most tests take.
            [sys.executable, "-m", "pytest", "-p", "tools.mutation.runner", "-n", "0", "-q", "--tb=native",
             "-o", "timeout=0", "-o", "faulthandler_timeout=0", "-p", "no:cacheprovider", *tests],
            cwd=tree,
            env={
                **os.environ,
                ORDERS: str(self.folder),
                "PYTHONPATH": str(tree),
                "QT_QPA_PLATFORM": "offscreen",
                "MUTANT_UNDER_TEST": "",
            },
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip

    def lines(self) -> list[dict[str, str]]:
        if not self.outcomes.exists():
            return []
        lines = [
            json.loads(line) for line in self.outcomes.read_text(encoding="utf-8").splitlines() if line.endswith("}")
        ]
        if len(lines) != self._lines:
            self._lines, self._seen = len(lines), time.monotonic()
        return lines

    def silent(self) -> bool:
        """Whether it has been silent for so long that it hangs."""
        return time.monotonic() - self._seen > SILENT

    def said(self) -> str:
        """The output of pytest, or its start and end."""
        said = (self.folder / "output.txt").read_text(encoding="utf-8")
        return said if len(said) < 6000 else f"{said[:3000]}\n...\n{said[-3000:]}"

    def end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        self.output.close()


Reached: TypeAlias = dict[str, list[tuple[str, float]]]
"""By function in mutmut's name, the tests that call it with their seconds."""


def reached(tree: Path, tests: Sequence[str] = TESTS, processes: int = 2) -> Reached:
    """The functions that each test calls: quick tests before slow ones, those named after the function's module early.

    Of a test with many cases the later ones come late, so that they do not use up the patience. Raises a RuntimeError
    with the output of pytest if the tests could not be run.
    """
    with ThreadPoolExecutor(processes) as pool:
        found = list(pool.map(partial(_reached_by, tree), tests))
    by_function: Reached = {}
    for test, called in ChainMap(*found).items():
        for function in called["functions"]:
            by_function.setdefault(function, []).append((test, called["seconds"]))
    return {function: _in_turn(function, calling) for function, calling in by_function.items()}


def _in_turn(function: str, calling: list[tuple[str, float]]) -> list[tuple[str, float]]:
    module = function.rpartition(".")[0].rpartition(".")[2]
    cases: Counter[str] = Counter()
    costs = {}
    for test, seconds in sorted(calling, key=lambda test: test[1]):
        case_of = test.partition("[")[0]
        cases[case_of] += 1
        costs[test] = seconds * cases[case_of] * (1 if f"test_{module}.py" in test else FAR)
    return sorted(calling, key=lambda test: costs[test[0]])


def _reached_by(tree: Path, tests: str) -> dict[str, dict[str, Any]]:
    worker = Worker(tree, [tests], None)
    worker.process.wait()
    worker.end()
    written = worker.folder / "reached.json"
    if not written.exists():
        raise RuntimeError(worker.said())
    found: dict[str, dict[str, Any]] = json.loads(written.read_text(encoding="utf-8"))
    return found


def tried(
    tree: Path,
    mutants: Iterable[Mutant],
    reached: Reached,
    tell: Callable[[Mutant, str], None],
    *,
    tests: Sequence[str] = TESTS,
    processes: int = 2,
) -> None:
    """Try each mutant on the tests that reach it, and tell its outcome: killed, survived, hung or unreached.

    One that brings its process down, or leaves something behind that does, is killed if it does so twice. Raises a
    RuntimeError with the output of pytest if a process cannot start at all.
    """
    named = {mutant.name: mutant for mutant in mutants}
    waiting: deque[Mutant] = deque()
    for mutant in named.values():
        if mutant.mangled in reached:
            waiting.append(mutant)
        else:
            tell(mutant, "unreached")
    doubted: set[str] = set()
    running: list[Worker] = []

    def finish(worker: Worker, *, hung: bool) -> None:
        outcomes = {line["mutant"]: line["outcome"] for line in worker.lines()}
        worker.end()
        if not outcomes:
            raise RuntimeError(worker.said())
        for order in reversed(worker.orders):
            name = str(order["mutant"])
            outcome = outcomes.get(name)
            if outcome is None:
                waiting.appendleft(named[name])
            elif outcome == "begun" and hung:
                tell(named[name], "hung")
            elif outcome in ("begun", "spoilt") and name not in doubted:
                doubted.add(name)
                waiting.appendleft(named[name])
            else:
                tell(named[name], "killed" if outcome in ("begun", "spoilt") else outcome)

    while waiting or running:
        while waiting and len(running) < processes:
            share = [waiting.popleft() for _ in range(min(SHARE, len(waiting)))]
            orders = [{"mutant": mutant.name, "tests": reached[mutant.mangled]} for mutant in share]
            running.append(Worker(tree, tests, orders))
        time.sleep(0.2)
        for worker in list(running):
            worker.lines()
            ended = worker.process.poll() is not None
            if ended or worker.silent():
                running.remove(worker)
                finish(worker, hung=not ended)
