"""The places of hidden states in `out`, in `state` and in the initial state, as code indexes them."""

from rnnviz.core.config import Network
from rnnviz.core.trace_index import Location, carried_to, read_after, state_row


def out_columns(network: Network, direction: int) -> slice:
    """The features of `out` that are a direction of the top layer."""
    size = network.output_size
    return slice(direction * size, (direction + 1) * size)


def in_out(network: Network, where: Location) -> bool:
    """Whether a place is part of `out`: only the top layer is."""
    return where.layer == network.num_layers - 1


def out_index(network: Network, where: Location) -> str:
    """`out` at a sample and timestep, with every feature, as the network's layout has it: "out[0][7]"."""
    rows = (where.sample, where.timestep) if network.layout == "NTC" else (where.timestep, where.sample)
    return f"out[{rows[0]}][{rows[1]}]"


def out_text(network: Network, where: Location) -> str:
    """The part of `out` that is a top layer's vector: "out[0][7]", or of one of two directions "out[0][7][10:20]"."""
    if not network.bidirectional:
        return out_index(network, where)
    size = network.output_size
    features = f"{size}:{2 * size}" if where.direction else f":{size}"
    return f"{out_index(network, where)}[{features}]"


def state_text(network: Network, where: Location, *, cell: int = 0) -> str:
    """The part of `state` of a lane and sample: "state[0][3][0]"; `cell` is 1 for c, 2 for the next state."""
    return f"state[{int(cell)}][{state_row(network, where)}][{where.sample}]"


def input_text(network: Network, where: Location) -> str:
    """The input of a step of the first layer, indexed in the layout of `out`: "dat[0][7]"."""
    return out_index(network, where).replace("out", "dat")


def initial_text(network: Network, where: Location, *, cell: bool = False) -> str:
    """The part of the initial state that a lane of one sample begins with: "initial_state[0][3][0]"."""
    return f"initial_{state_text(network, where, cell=cell)}"


def passage_text(network: Network, where: Location, timesteps: int, *, brief: bool = False) -> str:
    """The steps before and after: "previous: t = 8 · next: t = 6"; `brief` for a narrow place."""
    before, after = read_after(network, where, timesteps), carried_to(network, where, timesteps)
    start = "h0" if brief else "the initial state"
    read = f"previous: {start if before is None else f't = {before}'}"
    if after is not None:
        return f"{read} · next: t = {after}"
    return f"{read} · returned as {'' if brief else 'the final state '}state[0][{state_row(network, where)}]"
