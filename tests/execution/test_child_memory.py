"""Memory that the worker process keeps between runs."""

import gc
import sys
import weakref

import psutil
import pytest

from rnnviz.execution import worker
from rnnviz.execution.supervisor import Supervisor
from tests.execution.event_helpers import config, events_of, finished
from tests.leaks import children


@pytest.mark.nightly
def test_a_child_does_not_grow_with_the_shapes_that_gluon_has_computed() -> None:
    supervisor = Supervisor(warm=("gluon",))
    memory = []
    for timesteps in range(1, 221):
        sizes = {"hidden_size": 1 + timesteps % 16, "bidirectional": True, "num_layers": 2}
        asked = config(engines=("gluon", "manual"), network=sizes, sequence={"timesteps": timesteps})
        finished(events_of(supervisor, asked))
        (process,) = children()
        memory.append(process.memory_full_info().uss)
    supervisor.close()
    # Compiled layers of every shape would take another 20 MB and more.
    assert min(memory[-20:]) - min(memory[80:100]) < 12e6


def test_reference_cycles_as_in_gluon_layers_are_collected_when_a_child_is_idle() -> None:
    class Layer:
        def __init__(self) -> None:
            self.itself = self

    gc.disable()
    try:
        layer = weakref.ref(Layer())
        assert layer() is not None
        worker._rest()
    finally:
        gc.enable()
    assert layer() is None


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's way of keeping what is freed")
@pytest.mark.nightly
def test_an_idle_child_returns_the_memory_of_a_run() -> None:
    supervisor = Supervisor(warm=("manual",))
    sizes = {"network": {"hidden_size": 256}, "sequence": {"timesteps": 2000, "batch_size": 4}}
    finished(events_of(supervisor, config(**sizes)))
    (process,) = children()
    busy = process.memory_full_info().uss
    for _ in range(50):
        _, alive = psutil.wait_procs([process], timeout=0.1)
        assert alive, "the child has ended"
        if busy - process.memory_full_info().uss > 5e6:
            break
    else:
        pytest.fail("the child keeps what was freed")
    supervisor.close()
