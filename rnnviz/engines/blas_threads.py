"""How many threads a matrix product takes.

numpy's BLAS shares every product out over all processors. In a small layer, waking the other threads and waiting for
them costs more than they save, and many times more where a processor has other work.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import cache

from threadpoolctl import ThreadpoolController

_WORTH_SHARING = 1 << 19
"""Multiplications in the product of one step from which on a second thread saves time."""

_NEVER_SHARED = 1 << 13
"""Multiplications up to which OpenBLAS uses one thread: setting a limit takes longer than the product."""


@cache
def _blas() -> ThreadpoolController:
    # Looking through the process's libraries takes milliseconds, and numpy's is there from the start.
    return ThreadpoolController().select(user_api="blas")


def threads_for(step: int, largest: int) -> AbstractContextManager[object]:
    """Within it, a layer whose steps take few multiplications has one thread, else as many as usual.

    `step` is the number of multiplications in the recurrent product of a step, `largest` that in any of its products.
    """
    if step >= _WORTH_SHARING or largest <= _NEVER_SHARED:
        return nullcontext()
    limit: AbstractContextManager[object] = _blas().limit(limits=1)
    return limit
