"""Run tests with every matrix kernel of NumPy's OpenBLAS that this processor can execute and other tests do not use.

`python -m tests.kernels tests/verify -x` runs two at a time and hands its arguments to pytest; `--farthest` before them
takes one kernel alone: the oldest, or the newest where other tests use the oldest. Kernels add in other orders and so
round differently: a test that passes with one of them only fails on another machine.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from rnnviz.execution.child_process import OLDEST_KERNELS

KERNELS = ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen", "SkylakeX")
# Whole numbers are multiplied without rounding, and integers without OpenBLAS.
_TRY = """
import numpy, threadpoolctl
for size in (1, 2, 3, 8, 33, 200):
    whole = numpy.arange(size * size).reshape(size, size) % 7
    for dtype in ("float32", "float64"):
        assert (whole.astype(dtype) @ whole.T.astype(dtype) == whole @ whole.T).all()
print(*{found["architecture"] for found in threadpoolctl.threadpool_info() if found["internal_api"] == "openblas"})
"""


def _python(kernel: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "OPENBLAS_CORETYPE"}
    if kernel is not None:
        environ |= {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], env=environ, capture_output=True, text=True, check=False)


def executable() -> list[str]:
    """The kernels that this processor can execute: a process that tries another one is killed, or computes nonsense."""
    names = {kernel: OLDEST_KERNELS if kernel in OLDEST_KERNELS else {kernel} for kernel in KERNELS}
    return [kernel for kernel in KERNELS if _python(kernel, "-c", _TRY).stdout.strip() in names[kernel]]


def used() -> str:
    """The kernel of every other run of tests here."""
    return os.environ.get("OPENBLAS_CORETYPE") or _python(None, "-c", _TRY).stdout.strip()


def main(arguments: list[str]) -> int:
    known = used()
    kernels = [kernel for kernel in executable() if kernel != known]
    if arguments[:1] == ["--farthest"]:
        kernels = kernels[-1:] if known in OLDEST_KERNELS else kernels[:1]
        arguments = ["--numprocesses=2", "--dist=loadfile", *arguments[1:]]
    print(f"Tests run with the kernels {', '.join(kernels) or '(none)'}; other runs use {known}.", flush=True)
    failed = []
    with ThreadPoolExecutor(2) as pool:
        command = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
        for kernel, done in zip(kernels, pool.map(lambda kernel: _python(kernel, *command), kernels), strict=True):
            print(f"== {kernel}\n{done.stdout}{done.stderr}", flush=True)
            if done.returncode:
                failed.append(kernel)
    print(f"Tests failed with {', '.join(failed)}." if failed else "Tests passed with these kernels.")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
