"""The order of computation, and the highlights and texts of each stage, compared with the recurrence."""

import pytest

from rnnviz.cells import CellSpec, Gate, StateSpec, Step
from rnnviz.core.config import Network
from rnnviz.core.trace_index import INPUT, Lane, Location
from rnnviz.quantities.steps import STAGES, Region, Traversal, map_rows, stage_regions, stage_text


@pytest.mark.parametrize("order", ["lane", "layers"])
@pytest.mark.parametrize("timesteps", [1, 4])
def test_every_step_is_after_its_inputs(order, timesteps: int) -> None:
    walk = Traversal(3, 2, timesteps, order)
    here = Location(1, 1, 0, 2, 5)
    steps = [walk.at(index, here) for index in range(walk.count())]
    assert [walk.index_of(where) for where in steps] == list(range(walk.count()))
    assert {(where.sample, where.unit) for where in steps} == {(2, 5)}
    if order == "lane":
        assert [where.timestep for where in steps] == list(reversed(range(timesteps)))
        return
    assert len(set(steps)) == 3 * 2 * timesteps
    for index, where in enumerate(steps):
        before = where.moved(timestep=where.timestep + (1 if where.direction else -1))
        below = [where.moved(layer=where.layer - 1, direction=direction) for direction in (0, 1)]
        for read in [before, *below]:
            if 0 <= read.timestep < timesteps and read.layer >= 0:
                assert steps.index(read) < index


def test_steps_beyond_the_ends_are_clamped() -> None:
    walk = Traversal(1, 2, 3, "lane")
    assert walk.at(-5, Location(0, 1)).timestep == 2
    assert walk.at(99, Location(0, 1)).timestep == 0


def test_a_step_reads_below_and_before_and_leaves_its_state() -> None:
    network = Network("lstm", 5, 10, num_layers=2, bidirectional=True)
    where = Location(1, 1, 3)
    units, here, after = range(10), range(3, 4), range(4, 5)
    own = Lane(1, 1)
    reads = {
        Region(Lane(0, 0), here, units, "read"),
        Region(Lane(0, 1), here, units, "read"),
        Region(own, after, units, "read"),
        Region(own, after, units, "read", "c"),
    }
    assert set(stage_regions(network, where, 8, "read")) == reads
    computed = {Region(own, here, units, "computed"), Region(own, here, units, "computed", "c")}
    assert set(stage_regions(network, where, 8, "compute")) == reads | computed
    carried = {Region(own, here, units, "carried"), Region(own, here, units, "carried", "c")}
    assert set(stage_regions(network, where, 8, "carry")) == carried | {Region(own, range(2, 3), units, "next")}


def test_the_first_step_reads_the_initial_state_and_the_last_one_passes_on_out() -> None:
    network = Network("gru", 5, 10, bidirectional=True)
    first = stage_regions(network, Location(0, 1, 7), 8, "read")
    assert first == (
        Region(INPUT, range(7, 8), range(5), "read"),
        Region(Lane(0, 1), range(8, 9), range(10), "read"),
    )
    assert stage_regions(network, Location(0, 0, 0), 8, "read")[1].times == range(-1, 0)
    assert [region.part for region in stage_regions(network, Location(0, 0, 7), 8, "carry")] == ["carried"]


def test_the_text_of_a_stage_describes_its_regions() -> None:
    lstm = Network("lstm", 5, 10, num_layers=2, bidirectional=True)
    told = [stage_text(lstm, Location(0, 0, 3), 8, stage) for stage in ("read", "compute", "carry")]
    assert told == [
        "reads x[t=3] and h[t=2], c[t=2] of layer 0 →",
        "computes the gates i f g o, and from them c[t=3] and h[t=3] of layer 0 →",
        "h[t=3] and c[t=3] of layer 0 → are passed on to t = 4",
    ]
    assert (
        stage_text(lstm, Location(1, 1, 7), 8, "read") == "reads h[t=7] of layer 0 → and 0 ← and h0 and c0 of layer 1 ←"
    )
    assert stage_text(lstm, Location(1, 1, 0), 8, "carry").endswith("returned as state[0][3] and state[1][3]")
    relu = Network("rnn_relu", 5, 10)
    assert stage_text(relu, Location(0, 0, 0), 1, "read") == "reads x[t=0] and h0 of layer 0"
    assert stage_text(relu, Location(0, 0, 0), 1, "compute") == "computes h[t=0] of layer 0: h = relu(u + v)"
    assert stage_text(relu, Location(0, 0, 0), 1, "carry") == "h[t=0] of layer 0 is returned as state[0][0]"


@pytest.mark.parametrize("order", ["lane", "layers"])
def test_a_step_has_its_number_in_the_order_and_the_ends_hold(order) -> None:
    walk = Traversal(3, 2, 4, order)
    here = Location(1, 1, 2, 2, 5)
    if order == "lane":
        assert (walk.count(), walk.index_of(here)) == (4, 1)
        expected = [(1, 1, t) for t in (3, 3, 2, 1, 0, 0)]
        assert [walk.at(index, here).index[:3] for index in (-1, 0, 1, 2, 3, 4)] == expected
        return
    assert (walk.count(), walk.index_of(here)) == (24, 13)
    assert walk.index_of(here.moved(direction=0)) == 10
    ends = [(0, 0, 0), (0, 0, 0), (0, 1, 3), (1, 0, 0), (1, 1, 2), (2, 1, 0), (2, 1, 0)]
    assert [walk.at(index, here).index[:3] for index in (-1, 0, 4, 8, 13, 23, 24)] == ends


@pytest.mark.parametrize(
    ("cell", "where", "told"),
    [
        (
            "gru",
            Location(1, 0, 0),
            [
                "reads h[t=0] of layer 0 and h0 of layer 1",
                "computes the gates r z n, and from them h[t=0] of layer 1",
                "h[t=0] of layer 1 is passed on to t = 1",
            ],
        ),
        (
            "gru",
            Location(0, 0, 7),
            [
                "reads x[t=7] and h[t=6] of layer 0",
                "computes the gates r z n, and from them h[t=7] of layer 0",
                "h[t=7] of layer 0 is returned as state[0][0]",
            ],
        ),
        (
            "lstm",
            Location(1, 0, 7),
            [
                "reads h[t=7] of layer 0 and h[t=6], c[t=6] of layer 1",
                "computes the gates i f g o, and from them c[t=7] and h[t=7] of layer 1",
                "h[t=7] and c[t=7] of layer 1 are returned as state[0][1] and state[1][1]",
            ],
        ),
    ],
)
def test_a_network_of_one_direction_names_its_layers_without_arrows(
    cell: str, where: Location, told: list[str]
) -> None:
    network = Network(cell, 5, 10, num_layers=2)
    assert [stage_text(network, where, 8, stage) for stage in STAGES] == told


def test_every_state_of_a_custom_cell_is_read_and_returned() -> None:
    cell = CellSpec("mine", "Mine", lambda *_: Step(), (Gate("g", "g"),), (), (StateSpec("h"), StateSpec("m")))
    network = Network("./mine.py", 2, 3, custom=cell)
    last = Location(timestep=3)
    assert [stage_text(network, Location(), 4, "read"), *(stage_text(network, last, 4, s) for s in STAGES)] == [
        "reads x[t=0] and h0 and m0 of layer 0",
        "reads x[t=3] and h[t=2], m[t=2] of layer 0",
        "computes the gates g, and from them m[t=3] and h[t=3] of layer 0",
        "h[t=3] and m[t=3] of layer 0 are returned as state[0][0] and state[1][0]",
    ]
    out, h, m = map_rows(network, Location(), 4)
    assert [part.text for row in (out, h, m) for part in row.parts] == ["out[0][0]", "state[0][0][0]", "state[1][0][0]"]
    assert [part.array for part in m.parts] == ["m"]
