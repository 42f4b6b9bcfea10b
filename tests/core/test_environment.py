"""Child processes get no variables that change what libraries do."""

import os

import pytest

from rnnviz.core.extras import dropped_variables, without_dropped

KEPT = {
    "PATH": "/bin",
    "PYTHONPATH": "/x",
    "PYTHONHASHSEED": "1",
    "MXNET_LIBRARY_PATH": "/lib/libmxnet.so",
    "OPENBLAS_CORETYPE": "Haswell",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": str(os.cpu_count()),
}


@pytest.mark.parametrize(
    "variable",
    [
        *("PYTHONWARNINGS=error", "PYTHONOPTIMIZE=2", "PYTHONDEVMODE=1", "OMP_NUM_THREADS=abc", "OMP_NUM_THREADS=4,2"),
        *("OMP_NUM_THREADS=-3", "OMP_NUM_THREADS=0", "OMP_NUM_THREADS=\u0664", "OPENBLAS_NUM_THREADS=99999999"),
        *("OMP_SCHEDULE=bad", "GOMP_CPU_AFFINITY=zz", "MXNET_ENGINE_TYPE=Foo", "MXNET_CPU_WORKER_NTHREADS=abc"),
        "KMP_AFFINITY=bad",
    ],
)
def test_a_variable_that_changes_libraries_is_dropped(variable: str) -> None:
    name, _, value = variable.partition("=")
    assert dropped_variables({**KEPT, name: value}) == [name]
    assert without_dropped(KEPT) == KEPT
    assert name not in without_dropped({**KEPT, name: value})
