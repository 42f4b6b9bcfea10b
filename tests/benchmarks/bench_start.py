"""What a start of the program costs before anything is shown."""

import subprocess
import sys

from pytest_benchmark.fixture import BenchmarkFixture

from rnnviz.gui.platform import check_platform


def bench_platform_check(benchmark: BenchmarkFixture) -> None:
    benchmark(check_platform)


def bench_import_of_the_python_face(benchmark: BenchmarkFixture) -> None:
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", "import rnnviz"],), {"check": True}, rounds=10)


def bench_bare_interpreter(benchmark: BenchmarkFixture) -> None:
    """The part of the benchmark above that is Python's own."""
    benchmark.pedantic(subprocess.run, ([sys.executable, "-c", ""],), {"check": True}, rounds=10)
