"""A small product takes one thread, a large one as many as there are."""

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from rnnviz.engines.manual import threads_for


def threads() -> set[int]:
    """Of numpy's BLAS: frameworks that other tests have imported bring their own."""
    blas = [library for library in threadpool_info() if library["user_api"] == "blas"]
    return {library["num_threads"] for library in blas if "numpy" in library["filepath"]}


def test_from_half_a_million_multiplications_on_a_product_is_shared() -> None:
    assert (np.ones((3, 4)) @ np.ones((4, 5))).sum() == 60  # its BLAS is there
    with threadpool_limits(limits=2, user_api="blas"):
        usual = threads()
        with threads_for((1 << 19) - 1, 1 << 20):
            assert threads() == {1}
        with threads_for(1 << 19, 1 << 20):
            assert threads() == usual
        with threads_for(100, 200):
            assert threads() == usual
        assert threads() == usual
