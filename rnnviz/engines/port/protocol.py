"""The folder IN that a port reads, protocol 1: little-endian numbers in rows, in the network's type, without headers.

sizes.txt            a key and a value a line; a reader skips keys that it does not know
input.bin            (T, N, I)
h0.bin, c0.bin       (L·D, N, P or H), one for each state
lengths.bin          (N,) as int32, only of samples with padding
weights/NAME.bin     such as weight_ih_l0 and bias_hh_l1_reverse, as PyTorch names them
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config, Network
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import IN_PYTORCH, Parameters

PROTOCOL = 1

REFUSED = 77
"""The exit code of a program that does not compute a network of these sizes or features, as in Automake."""

STEP_NOTE = "step.bin"
"""File next to OUT with the layer, direction, time step and sample at which a library is called."""


def write_inputs(inputs: Inputs, folder: Path) -> None:
    """Write what a program reads into a new folder. Raises OSError if the disk is full."""
    network = inputs.network
    (folder / "weights").mkdir(parents=True)
    (folder / "sizes.txt").write_text(sizes_text(inputs), "utf-8")
    kind = np.dtype(network.dtype).newbyteorder("<")

    def write(name: str, array: FloatArray, kind: "np.dtype[np.generic]" = kind) -> None:
        (folder / f"{name}.bin").write_bytes(np.ascontiguousarray(array, kind).tobytes())

    write("input", inputs.sequence)
    for symbol, array in inputs.initial_state.items():
        write(f"{symbol}0", array)
    if inputs.lengths:
        write("lengths", np.array(inputs.lengths), np.dtype("<i4"))
    for name, array in inputs.parameters.items():
        write(f"weights/{port_name(network, name)}", array)


def read_inputs(folder: Path) -> Inputs:
    """The run in a folder IN. Raises an InputError if a file is missing or has another size."""
    try:
        lines = (folder / "sizes.txt").read_text("utf-8").splitlines()
        sizes = dict(line.split(" ", 1) for line in lines if " " in line)
        timesteps, samples = int(sizes["T"]), int(sizes["N"])
        network: dict[str, Any] = {
            "cell": sizes["cell"],
            "dtype": sizes["dtype"],
            "input_size": int(sizes["I"]),
            "hidden_size": int(sizes["H"]),
            "num_layers": int(sizes["L"]),
            "bidirectional": sizes["D"] == "2",
            "reverse": sizes["reverse"] == "1",
        }
        if sizes["P"] != "0":
            network["projection_size"] = int(sizes["P"])
        if "clip" in sizes:
            network["clip"] = float(sizes["clip"])
        if "activations" in sizes:
            network["activations"] = sizes["activations"].split(",")
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{folder / 'sizes.txt'} has not the sizes of a network: {error}.") from error
    config = Config.from_mapping(
        {"network": network, "sequence": {"timesteps": timesteps, "batch_size": samples, "source": "normal"}}
    )
    own = config.network
    kind = np.dtype(own.dtype).newbyteorder("<")

    def read(name: str, shape: tuple[int, ...], kind: "np.dtype[Any]" = kind) -> NDArray[Any]:
        try:
            return np.fromfile(folder / f"{name}.bin", kind).astype(kind.newbyteorder("=")).reshape(shape)
        except (OSError, ValueError) as error:
            raise InputError(f"{folder / f'{name}.bin'} has not the shape {shape}: {error}.") from error

    lengths: tuple[int, ...] = ()
    if (folder / "lengths.bin").exists():
        lengths = tuple(map(int, read("lengths", (samples,), np.dtype("<i4"))))
    shapes = own.parameter_shapes()
    return Inputs(
        config,
        read("input", (timesteps, samples, own.input_size)),
        Parameters(own, {n: read(f"weights/{port_name(own, n)}", shape) for n, shape in shapes.items()}),
        {s: read(f"{s}0", own.state_shape(samples, s)) for s in own.kind.state_symbols},
        lengths=lengths,
    )


def sizes_text(inputs: Inputs) -> str:
    """The lines of sizes.txt. P is 0 without a projection, `reverse` 1 if the one direction reads from the end."""
    network = inputs.network
    sizes: dict[str, object] = {
        "protocol": PROTOCOL,
        "cell": Path(network.cell).stem if network.custom is not None else network.cell,
        "dtype": network.dtype,
        "T": inputs.timesteps,
        "N": inputs.batch_size,
        "I": network.input_size,
        "H": network.hidden_size,
        "P": network.output_size if network.kind.projects else 0,
        "L": network.num_layers,
        "D": network.directions,
        "reverse": int(network.reverse),
    }
    if network.clip is not None:
        sizes["clip"] = network.clip
    if network.activations is not None:
        sizes["activations"] = ",".join(network.activations)
    return "".join(f"{key} {value}\n" for key, value in sizes.items())


def port_name(network: Network, name: str) -> str:
    """The name of a parameter for a port: `r1_h2h_bias` is `bias_hh_l1_reverse`, `l0_c2i_weight` is `weight_ci_l0`, and
    others keep their names before the layer."""
    place, _, kind = name.partition("_")
    peephole = f"weight_c{kind[2]}" if kind in ("c2i_weight", "c2f_weight", "c2o_weight") else kind
    backward = place[0] == "r" or network.reverse
    return f"{IN_PYTORCH.get(kind, peephole)}_l{place[1:]}{'_reverse' if backward else ''}"


_UNWRITTEN = {"float32": (np.uint32, 0x7FC00BAD), "float64": (np.uint64, 0x7FF80175A0000000)}


def first_unwritten(array: FloatArray) -> tuple[int, ...] | None:
    """The index of the first value that a port left as the NaN with which rnnport.h fills what is to be written; None
    if it wrote all."""
    kind, pattern = _UNWRITTEN[array.dtype.name]
    found = np.ascontiguousarray(array).view(kind) == pattern
    return tuple(map(int, np.argwhere(found)[0])) if found.any() else None
