"""The files of a small case: a config with its arrays, the folder that a program reads, and a test in C."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from rnnviz.core.config import Compare, InitialStateSource, ParameterSource
from rnnviz.core.engine_spec import RECORDING
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.naming import file_names
from rnnviz.core.resources import resource_path
from rnnviz.core.sequence import SequenceSource
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.engines.manual import ManualEngine
from rnnviz.engines.port.protocol import port_name, write_inputs
from rnnviz.frozen import dataclass
from rnnviz.io.config_toml import dump_config
from rnnviz.io.outputs import write_text
from rnnviz.verify.audited import walk
from rnnviz.verify.forward_pass import ForwardPass


def write_case(inputs: Inputs, trace: Trace, folder: Path) -> None:
    """Write a config that opens the case with what the port computed as a recording, and IN as the program reads it."""
    folder = folder.absolute()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    np.save(folder / "input.npy", inputs.sequence.swapaxes(0, 1))
    np.savez(folder / "weights.npz", **inputs.parameters)
    np.savez(folder / "state.npz", **inputs.initial_state)
    names = file_names(inputs.network.kind)
    recorded = {names[n]: trace[n] for n in names if n in trace and n not in trace.missing}
    if inputs.network.layout == "NTC" and "output" in recorded:
        recorded["output"] = recorded["output"].swapaxes(0, 1)
    np.savez(folder / "port.npz", **recorded)
    source = SequenceSource(
        "file",
        batch_size=inputs.batch_size,
        timesteps=inputs.timesteps,
        path=str(folder / "input.npy"),
        lengths=inputs.lengths or None,
    )
    config = replace(
        inputs.config,
        sequence=source,
        parameters=ParameterSource("file", path=str(folder / "weights.npz")),
        initial_state=InitialStateSource("file", path=str(folder / "state.npz")),
        compare=Compare("manual", (f"{RECORDING}{folder / 'port.npz'}",)),
        backward=type(inputs.config.backward)(),
        engines=type(inputs.config.engines)(),
    )
    write_text(folder / "config.toml", dump_config(config, folder))
    write_inputs(inputs, folder / "in")


@dataclass(frozen=True, eq=False)
class RightSteps:
    """The run of a correct port in the network's type, and for each step of it the value of h and its rounding bound,
    both (L, D, T, N, H) in float64."""

    trace: Trace
    expected: FloatArray
    bound: FloatArray


def right_steps(inputs: Inputs) -> RightSteps:
    """Run the equations of the cell, and bound the rounding of each step."""
    trace = trace_in_memory("manual", inputs.network, inputs.places, inputs.network.kind.state_symbols)
    ManualEngine().run(inputs, trace, lambda _: None)
    expected, bound = np.zeros(trace.hidden.shape), np.zeros(trace.hidden.shape)
    for found in walk(ForwardPass(inputs, trace, full=True), lambda _: None):
        block = found.block
        place = (*block.prefix, *np.ix_(*block.axes))
        expected[place], bound[place] = found.value.value, found.value.bound
    return RightSteps(trace, expected, bound)


def c_test(inputs: Inputs) -> str:
    """A test in C of one step after the other, which is linked with the port's rnnport_step.

    Each step begins at the state before it as a correct float32 or float64 computes it, and must give h within eight
    rounding bounds.
    """
    network, right = inputs.network, right_steps(inputs)
    symbols, kind = network.kind.state_symbols, network.dtype
    arrays = {port_name(network, name): array for name, array in inputs.parameters.items()}
    lines = [_array(name, array, kind) for name, array in arrays.items()]
    lines += [_array("x", inputs.sequence, kind)]
    lines += [_array(f"{s}0", array, kind) for s, array in inputs.initial_state.items()]
    lines += [_array(f"state_{s}", right.trace[s], kind) for s in symbols]
    lines += [_array("expected", right.expected, "float64"), _array("bound", 8.0 * right.bound, "float64")]
    lengths = ", ".join(map(str, inputs.places.every_length))
    entries = ", ".join(
        f'{{"{name}", {name}, {len(array)}, {array.size // len(array)}}}' for name, array in arrays.items()
    )
    projection = network.output_size if network.kind.projects else 0
    return _C_TEST.format(
        real="double" if kind == "float64" else "float",
        arrays="".join(lines),
        lengths=lengths,
        parameters=entries,
        count=len(arrays),
        T=inputs.timesteps,
        N=inputs.batch_size,
        I=network.input_size,
        H=network.hidden_size,
        P=projection,
        U=network.output_size,
        L=network.num_layers,
        D=network.directions,
        G=network.kind.gate_count,
        reverse=int(network.reverse),
        cell=Path(network.cell).stem,
        start_c="memcpy(c, start ? c0 + k * H : state_c + before * H, sizeof c);" if "c" in symbols else "",
    )


def _array(name: str, array: FloatArray, kind: str) -> str:
    return f"static const {'double' if kind == 'float64' else 'float'} {name}[] = {{{_numbers(array, kind)}}};\n"


def _numbers(array: FloatArray, kind: str) -> str:
    """The shortest literals that read back to the same numbers."""
    values = np.ravel(np.asarray(array, kind))
    suffix = "" if kind == "float64" else "f"
    return ", ".join(np.format_float_scientific(v, unique=True, trim="0") + suffix for v in values)


def header() -> str:
    """The text of rnnport.h."""
    return resource_path("port", "rnnport.h").read_text("utf-8")


_C_TEST = """/* The smallest case in which the port is wrong, step by step. Link it with the file of rnnport_step:
 *     cc test_port.c port.c -lm -o test_port && ./test_port */
#define RNNPORT_REAL {real}
#include "rnnport.h"
{arrays}static const int lengths[] = {{{lengths}}};
enum {{ T = {T}, N = {N}, I = {I}, H = {H}, P = {P}, U = {U}, L = {L}, D = {D}, G = {G}, REVERSE = {reverse} }};
int main(void) {{
    const rnnport_param param[] = {{{parameters}}};
    const rnnport_net net = {{sizeof net, RNNPORT_ABI, sizeof(rnnport_real), T, N, I, H, P, L, D, REVERSE, {count},
                             "{cell}", param}};
    static rnnport_real in[I > D * U ? I : D * U], h[U], c[H], gates[G * H];
    for (int l = 0; l < L; l++) for (int d = 0; d < D; d++) for (int n = 0; n < N; n++)
        for (int s = 0; s < lengths[n]; s++) {{
            const int backward = d || REVERSE, t = backward ? lengths[n] - 1 - s : s, start = s == 0;
            const int lane = l * D + d, k = lane * N + n, at = (lane * T + t) * N + n;
            const int before = (lane * T + (start ? t : backward ? t + 1 : t - 1)) * N + n;
            if (l == 0) memcpy(in, x + (t * N + n) * I, sizeof *in * I);
            else for (int e = 0; e < D; e++)
                memcpy(in + e * U, state_h + ((((l - 1) * D + e) * T + t) * N + n) * U, sizeof *in * U);
            memcpy(h, start ? h0 + k * U : state_h + before * U, sizeof h);
            {start_c}
            const int code = rnnport_step(&net, l, d, in, h, c, gates);
            if (code != 0) return printf("rnnport_step returned %d\\n", code), code;
            for (int u = 0; u < U; u++) {{
                const double apart = (double)h[u] - expected[at * U + u];
                if (!(apart <= bound[at * U + u] && -apart <= bound[at * U + u]))
                    return printf("layer %d, %s, t = %d, sample %d, unit %d: %.9g, expected %.9g\\n", l,
                                  backward ? "backward" : "forward", t, n, u, (double)h[u], expected[at * U + u]), 1;
            }}
        }}
    return puts("every step is correct"), 0;
}}
"""
