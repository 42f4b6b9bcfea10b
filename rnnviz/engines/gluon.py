"""Gluon engine: fused MXNet layers. Only this module and the trainer import mxnet. A fused layer returns the top
layer's sequence and the final states only, so every layer is a fused single-layer block: the chain. The fused stack, as
a user would build it, runs next to it, and must give the same."""

import builtins
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import prod, sqrt
from pathlib import Path
from time import perf_counter
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from rnnviz.cells import CELLS, CellSpec
from rnnviz.cells.interpreters.arrays import NamedFunctions
from rnnviz.core.config import Network
from rnnviz.core.errors import EngineError, failed, last_line
from rnnviz.core.gradients import OF_OUTPUT, OF_PARAMETERS, gradient, gradient_names
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.trace import Trace
from rnnviz.core.trace_index import clear_padding
from rnnviz.engines import backward, base
from rnnviz.engines.packing import run_packed


@contextmanager
def _keep_crash_handler() -> Iterator[None]:
    """Restore the handler of SIGSEGV after an import of MXNet: its own allocates memory, and deadlocks after a fault in
    malloc."""
    set_handler = ctypes.CDLL(None).signal
    set_handler.argtypes, set_handler.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
    handler = set_handler(signal.SIGSEGV, None)
    try:
        yield
    finally:
        set_handler(signal.SIGSEGV, handler)


@contextmanager
def _faster_import() -> Iterator[None]:
    """Halve the time of an import of MXNet: leave out the download of files and ONNX, and compile symbols when called.
    It compiles 2,000 symbolic operators from source text; layers that are not hybridized call none of them."""
    unused = ("requests", "h5py", "mxnet.contrib.onnx")
    before = {name: sys.modules[name] for name in unused if name in sys.modules}
    execute = builtins.exec

    def execute_symbols_later(code: Any, names: Any = None, local: Any = None, /) -> None:
        caller = sys._getframe(1)
        names = caller.f_globals if names is None else names
        if not (isinstance(code, str) and str(names.get("__name__")).startswith("mxnet.symbol.")):
            execute(code, names, local)
            return
        function = caller.f_locals["func_name"]

        def symbol(*arguments: Any, **named: Any) -> Any:
            made: dict[str, Any] = {}
            execute(code, names, made)
            return made[function](*arguments, **named)

        local[function] = symbol

    sys.modules.update({name: ModuleType(name) for name in unused})
    builtins.exec = execute_symbols_later  # type: ignore[assignment]
    try:
        yield
    finally:
        builtins.exec = execute
        for name in unused:
            del sys.modules[name]
        sys.modules.update(before)


# mxnet 1.9.1 still reads the alias that numpy 1.24 removed; without it the import fails.
if "bool" not in vars(np):
    np.bool = np.bool_  # type: ignore[attr-defined]

# oneDNN, which computes MXNet's RNNs, caches up to 1,024 compiled layers, one for each shape, and MXNet caches their
# inputs: a process that runs many configs would grow by 100 MB. No run needs so many.
os.environ.setdefault("DNNL_PRIMITIVE_CACHE_CAPACITY", "64")
os.environ.setdefault("MXNET_MKLDNN_CACHE_NUM", "64")

with _keep_crash_handler(), _faster_import():
    import mxnet as mx
    from mxnet.gluon import contrib, rnn

_IGNORED_LENGTHS = "MXNet 1.9.1 ignores use_sequence_length on the CPU (apache/mxnet issue 19323)"

_INNER_WEIGHTS = "MXNet 1.9.1 loses gradients of input weights inside of three or more stacked RNN layers in float64"

_ORDER = ("i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias")
"""The parameters of a layer in the order of MXNet's operator."""

_OPEN = 1e30
"""A pre-activation for which the sigmoid is 1, and 0 for its negative, whatever is added to it."""

_RECORDED, _LARGEST_RECORDED = 1 << 24, 1 << 20
"""How many parameters all recorded calls of the operator, and one of them, may hold."""

_LARGEST_LOADED = 10
"""How many layers `load_parameters` of MXNet 1.9.1 can count: it looks for one digit."""


def _where(condition: Any, x: Any, y: Any) -> Any:
    """x where the condition is true, else y; MXNet gives the gradients of y to the other places if x is a number."""
    return mx.np.where(condition, x if hasattr(x, "shape") else mx.np.full_like(y, x), y)


def _cut(x: Any, low: float, high: float) -> Any:
    """x cut to [low, high], of slope 0 at the limits."""
    return _where((x > low) * (x < high), x, mx.np.minimum(mx.np.maximum(x, low), high).detach())


LIBRARY = NamedFunctions(
    # A transposed matrix would be copied in each step.
    lambda x, weight: mx.npx.fully_connected(x, weight, num_hidden=len(weight), no_bias=True, flatten=False),
    mx.npx.sigmoid,
    mx.npx.erf,
    SimpleNamespace(
        **{name: getattr(mx.np, name) for name in ("abs", "exp", "expm1", "maximum", "minimum", "tanh")},
        # MXNet's own clip rounds its limits to float32.
        clip=lambda x, low, high: mx.np.minimum(mx.np.maximum(x, low), high),
        logaddexp=lambda x, y: mx.np.maximum(x, y) + mx.np.log1p(mx.np.exp(-mx.np.abs(x - y))),
        sqrt=sqrt,
        where=_where,
    ),
    {
        "relu": lambda x, _: mx.npx.relu(x),
        "hard_tanh": lambda x, _: _cut(x, -1.0, 1.0),
        "hard_sigmoid": lambda x, f: _cut(f.alpha * x + f.beta, 0.0, 1.0),
    },
)
"""MXNet's arrays, for cells that Gluon does not have."""


def _autograd(constant: Callable[[FloatArray], Any]) -> backward.Autograd:
    """mxnet.autograd on arrays that `constant` converts."""

    def leaf(array: FloatArray) -> Any:
        converted = constant(array)
        converted.attach_grad()
        return converted

    def gradients(outputs: Sequence[Any], of_outputs: Sequence[FloatArray], leaves: Sequence[Any]) -> list[Any]:
        # A step may hand on all states. The gradients of leaves begin as zeros.
        if outputs:
            mx.autograd.backward(list(outputs), [constant(array) for array in of_outputs])
        return [to_numpy(leaf.grad) for leaf in leaves]

    return backward.Autograd(
        LIBRARY, constant, leaf, to_numpy, lambda array: array.detach(), mx.autograd.record, gradients
    )


class FusedGraph(backward.StepGraph):
    """The operator of Gluon's fused layers, called for one time step at a time."""

    def __init__(self, task: backward.BackwardTask) -> None:
        self._task, self._operator = task, _operator_options(task.cell, task.state["h"].shape[1])
        # The operator's gradients of a state are not valid in float64 unless those of the parameters are asked for.
        self._joined = FUSED_AUTOGRAD.leaf(_joined(vars(task.parameters)))

    def step(self, b: int, state: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._next(_nd_array(self._task.x[b]), self._joined, state)

    def _next(self, x: Any, joined: Any, state: Mapping[str, Any]) -> dict[str, Any]:
        """The states after a step, from x (S, I) and those before it."""
        before = [array.expand_dims(0) for array in state.values()]
        _, *after = mx.nd.RNN(x.expand_dims(0), joined, *before, **self._operator)
        return {s: array.squeeze(0) for s, array in zip(state, after, strict=True)}

    def gradients(
        self, before: backward.Arrays, of_states: backward.Arrays
    ) -> tuple[backward.Arrays, FloatArray, backward.Arrays]:
        library, task = FUSED_AUTOGRAD, self._task
        x = library.leaf(np.ascontiguousarray(task.x).reshape(-1, task.x.shape[2]))
        joined, state = library.leaf(_joined(vars(task.parameters))), {s: library.leaf(a) for s, a in before.items()}
        with library.recording():
            after = self._next(x, joined, state)
        outputs = [after[s] for s in of_states]
        of_x, of_joined = library.gradients(outputs, list(of_states.values()), [x, joined])
        parameters, start = {}, 0
        for name in _ORDER:
            shape = getattr(task.parameters, name).shape
            parameters[name] = of_joined[start : start + prod(shape)].reshape(shape)
            start += prod(shape)
        # The gradient of c does not have the part that passes through h, of which the operator gives no gradient.
        return {"h": of_states["h"]}, of_x, parameters


class LargeFusedGraph(backward.CellGraph):
    """The cell's lines where one step follows another, and the fused operator for all steps at once: each recorded call
    of it keeps copies of the parameters, which large ones fill the memory with."""

    def gradients(
        self, before: backward.Arrays, of_states: backward.Arrays
    ) -> tuple[backward.Arrays, FloatArray, backward.Arrays]:
        return FusedGraph(self._task).gradients(before, of_states)


class FusedLayer(backward.AutogradLayer):
    """Gluon's fused layers as a way to compute some time steps of a lane; `weights` is the largest number in a lane."""

    def __init__(self, weights: int) -> None:
        self._large = weights > _LARGEST_RECORDED
        self.longest = backward.LONGEST if self._large else min(backward.LONGEST, _RECORDED // weights)
        super().__init__(AUTOGRAD if self._large else FUSED_AUTOGRAD)

    def graph(self, task: backward.BackwardTask) -> backward.StepGraph:
        return LargeFusedGraph(self._autograd, task) if self._large else FusedGraph(task)


class GluonEngine(base.LibraryEngine):
    """Gluon's fused kernels on the CPU, layer by layer and as one stack; other cells are unrolled step by step.
    Gradients come from the fused kernels called step by step, and from the fused stack, whose seconds are reported."""

    version = f"mxnet {mx.__version__}"

    def run(self, inputs: Inputs, trace: Trace, progress: base.Progress) -> base.EngineReport:
        try:
            if not _is_fused(inputs.network):
                _run_unrolled(inputs, trace, progress)
                return base.EngineReport()
            if inputs.lengths:
                lanes = _fused_lanes(inputs.network)
                base.run_stack(inputs, trace, lanes, progress, run_lengths=partial(run_packed, _cost_of_call))
                return _padding_report(inputs, trace)
            _run_chain(inputs, trace, progress)
            # The stack is timed without its construction, as the chain's blocks are built once, too.
            seconds, output, states = _run_stack(inputs)
        except mx.base.MXNetError as error:
            raise EngineError(failed("Gluon", error)) from error
        progress(1.0)
        chain = {"out": trace.output} | {f"final {s}": trace[f"state.{s}"] for s in inputs.network.kind.state_symbols}
        return base.EngineReport(
            {"gluon.fused": seconds},
            tuple(
                base.Equality(f"the fused stack's {name} is the chain's", fused, chain[name])
                for name, fused in zip(chain, (output, *states), strict=True)
            ),
        )

    def gradients(self, network: Network) -> tuple[str, ...]:
        # A fused layer gives no gradient of what is inside of a step.
        return (gradient("h"), OF_OUTPUT) if _is_fused(network) else gradient_names(network)

    def run_backward(self, inputs: Inputs, trace: Trace, progress: base.Progress) -> base.EngineReport:
        try:
            if not _is_fused(inputs.network):
                backward.run_stack_backward(inputs, trace, backward.AutogradLayer(AUTOGRAD), progress, backward.LONGEST)
                return base.EngineReport()
            network = inputs.network
            layer = FusedLayer(max(network.kind.parameter_count(network.sizes(k)) for k in range(network.num_layers)))
            backward.run_stack_backward(inputs, trace, layer, progress, layer.longest)
            return _stack_gradients(inputs, trace)
        except mx.base.MXNetError as error:
            raise EngineError(failed("Gluon", error)) from error


def read_parameters(path: Path, network: Network) -> Parameters:
    """The parameters that Gluon's layer reads from a `.params` file; an EngineError says why it refuses the file."""
    block = gluon_block(network, network.input_size, network.num_layers, network.layout)
    try:
        if network.num_layers <= _LARGEST_LOADED:
            block.load_parameters(str(path))
        else:
            block.collect_params().load(str(path), restore_prefix=block.prefix)
        arrays = {name: getattr(block, name).data().asnumpy() for name in network.parameter_shapes()}
    except (mx.base.MXNetError, AssertionError, ValueError) as error:
        raise EngineError(f"Gluon refused the file: {last_line(error)}") from error
    return Parameters(network, arrays)


def read_file(path: Path) -> base.Engine:
    return base.FileWeightsEngine(GluonEngine(), read_parameters, path)


def _run_chain(inputs: Inputs, trace: Trace, progress: base.Progress) -> None:
    """Fill the trace layer by layer."""
    network = inputs.network
    # Gluon has no layer that reads from the end only: the input and every output are reversed in time.
    order = -1 if network.reverse else 1
    x = _nd_array(inputs.sequence[::order])
    for layer in range(network.num_layers):
        block = gluon_block(network, network.layer_input_size(layer), 1, "TNC")
        for name, array in base.parameters_of(inputs, layer):
            getattr(block, name).set_data(_nd_array(array))
        states = [_nd_array(array) for array in base.initial_states(inputs.initial_state, layer, network.directions)]
        x, states = block(x, states)
        # Errors of allocation surface only here.
        out = x.asnumpy()[::order]
        base.fill_layer(trace, layer, out, [state.asnumpy() for state in states])
        progress((layer + 1) / (network.num_layers + 1))


def _fused_lanes(network: Network) -> base.RunLayer:
    """The operator of Gluon's fused layers as a way to run rows of packed samples in one lane. MXNet 1.9.1 ignores
    lengths on the CPU (apache/mxnet issue 19323), and a layer would join its parameters in each call. The cell state is
    returned after the last time step only: one more feature, 1 in padding, keeps it from the last computed one, as its
    weights open the forget gate and close the input gate."""
    joined: dict[tuple[int, int], Any] = {}
    cell = CELLS[network.cell]

    def run_layer(task: base.LayerTask, progress: base.Progress) -> Mapping[str, FloatArray]:
        x, size, keeps = task.x, task.state["h"].shape[1], "c" in task.state
        if keeps:
            computed = np.full(x.shape[1], len(x)) if task.computed is None else task.computed
            padding = np.arange(len(x))[:, np.newaxis] >= computed
            x = np.concatenate([x, padding[..., np.newaxis]], axis=2, dtype=x.dtype)
        if task.lane not in joined:
            joined.clear()
            arrays = vars(task.parameters)
            if keeps:
                weights = np.repeat([-_OPEN, _OPEN, 0.0, 0.0], size)
                arrays = arrays | {"i2h_weight": np.column_stack([arrays["i2h_weight"], weights])}
            joined[task.lane] = _nd_array(_joined(arrays).astype(x.dtype))
        given = [_nd_array(array[np.newaxis]) for array in task.state.values()]
        out, *states = mx.nd.RNN(_nd_array(x), joined[task.lane], *given, **_operator_options(cell, size))
        task.series["h"][:] = out.asnumpy()
        if keeps and task.computed is not None and np.isnan(task.series["h"]).any():
            # Of NaN, padding would keep no cell state.
            return base.run_in_parts(tuple(task.computed), run_layer, replace(task, computed=None), progress)
        progress(1.0)
        return {name: state.asnumpy()[0] for name, state in zip(task.state, states, strict=True)}

    return run_layer


def _joined(parameters: Mapping[str, FloatArray]) -> FloatArray:
    """The parameters of a lane as the operator reads them, one after the other."""
    return np.concatenate([parameters[name].reshape(-1) for name in _ORDER])


def _operator_options(cell: CellSpec, size: int) -> dict[str, Any]:
    mode = f"rnn_{dict(cell.activations)['activation'].text}" if cell.gluon == "RNN" else cell.gluon.lower()
    return {"mode": mode, "state_size": size, "num_layers": 1, "p": 0.0, "state_outputs": True}


def _cost_of_call(weights: int) -> int:
    """The number of multiplications that cost as much as a call of the operator with a new shape."""
    return (1 << 25) + 64 * weights


def _padding_report(inputs: Inputs, trace: Trace) -> base.EngineReport:
    """Compare the fused stack with `use_sequence_length`, which Gluon has for the LSTM alone, with the trace."""
    if inputs.network.kind.gluon != "LSTM" or inputs.network.reverse:
        return base.EngineReport()
    try:
        seconds, output, states = _run_stack(inputs)
    except mx.base.MXNetError:
        # Without oneDNN, as in float64, the option is refused on the CPU.
        return base.EngineReport()
    clear_padding(inputs.lengths, output)
    name = "the fused stack with use_sequence_length gives the same"
    pairs = {"out": (output, trace.output), "final h": (states[0], trace.state_h)}
    equalities = [base.Equality(f"{name} {what}", *pair, _IGNORED_LENGTHS) for what, pair in pairs.items()]
    return base.EngineReport({"gluon.fused": seconds}, tuple(equalities))


def _run_stack(inputs: Inputs) -> tuple[float, FloatArray, list[FloatArray]]:
    """The fused stack's seconds, its out with time first, and its states."""
    lengths = [mx.nd.array(inputs.lengths, dtype="int32")] if inputs.lengths else []
    stack = _stack(inputs, **({"use_sequence_length": True} if lengths else {}))
    x = _nd_array(_arranged(inputs.network, inputs.sequence))
    given = [_nd_array(array) for array in inputs.initial_state.values()]
    mx.nd.waitall()
    start = perf_counter()
    out, states = stack(x, given, *lengths)
    found = [array.asnumpy() for array in (out, *states)]
    seconds = perf_counter() - start
    return seconds, _time_first(inputs.network, found[0]), found[1:]


def _stack(inputs: Inputs, **options: Any) -> Any:
    """The fused stack with the parameters of the network."""
    network = inputs.network
    stack = gluon_block(network, network.input_size, network.num_layers, network.layout, **options)
    for name, array in inputs.parameters.items():
        getattr(stack, name).set_data(_nd_array(array))
    return stack


def _arranged(network: Network, array: FloatArray) -> FloatArray:
    """An array (T, N, U) in the stack's layout, reversed in time if the network reads it from its end."""
    ordered = array[:: -1 if network.reverse else 1]
    return ordered.swapaxes(0, 1) if network.layout == "NTC" else ordered


def _time_first(network: Network, array: FloatArray) -> FloatArray:
    """The opposite of `_arranged`."""
    return (array.swapaxes(0, 1) if network.layout == "NTC" else array)[:: -1 if network.reverse else 1]


def _stack_gradients(inputs: Inputs, trace: Trace) -> base.EngineReport:
    """Compare the gradients of the fused stack and of the steps; with lengths its backward pass fails in MXNet
    1.9.1 (apache/mxnet issue 15268)."""
    network, loss, of_out = inputs.network, inputs.loss, backward.stack_gradient(inputs)
    if loss is None or of_out is None or inputs.lengths:
        return base.EngineReport()
    stack, library = _stack(inputs), FUSED_AUTOGRAD
    # In float64 MXNet's gradients of lower layers are 0 unless the gradients of the input are asked for.
    x, states = library.leaf(_arranged(network, inputs.sequence)), [*map(library.leaf, inputs.initial_state.values())]
    given = [_nd_array(_arranged(network, of_out)), *map(_nd_array, loss.state.values())]
    with library.recording():
        out, finals = stack(x, states)
    mx.nd.waitall()
    start = perf_counter()
    mx.autograd.backward([out, *finals], given)
    mx.nd.waitall()
    seconds = perf_counter() - start
    parameters = [getattr(stack, name).grad() for name in network.parameter_shapes()]
    found = [array.asnumpy() for array in (*(state.grad for state in states), *parameters)]
    known_issues = {}
    if network.kind.gluon == "RNN" and network.dtype == "float64":
        inner = [f"{side}{layer}_i2h_weight" for layer in range(1, network.num_layers - 1) for side in "lr"]
        known_issues = dict.fromkeys((f"{OF_PARAMETERS}{name}" for name in inner), _INNER_WEIGHTS)
    of_x = _time_first(network, x.grad.asnumpy())
    return base.EngineReport(
        {"gluon.fused.backward": seconds}, backward.stack_equalities(inputs, trace, of_x, found, known_issues)
    )


def _is_fused(network: Network) -> bool:
    """Whether one of Gluon's fused layers computes the cell."""
    return network.kind.is_fused and network.kind == CELLS[network.cell]


def _run_unrolled(inputs: Inputs, trace: Trace, progress: base.Progress) -> None:
    """Fill the trace step by step: by Gluon's LSTMPCell, or by the cell's own lines on MXNet's arrays."""
    own = inputs.network.kind.gluon == "LSTMPCell" and inputs.network.kind in CELLS.values()
    step, convert = (_projection_step, _nd_array) if own else (base.cell_step(LIBRARY), to_library)
    base.run_stack(inputs, trace, base.unrolled(step, convert, to_numpy), progress)


def _projection_step(task: base.LayerTask, p: Mapping[str, Any]) -> base.Step:
    """One step of Gluon's LSTM cell with a projection."""
    hidden, projected = len(task.parameters.i2h_bias) // task.cell.gate_count, len(task.parameters.h2r_weight)
    cell = contrib.rnn.LSTMPCell(hidden, projected, input_size=task.x.shape[2])
    cell.cast(str(task.x.dtype))
    cell.initialize(mx.init.Zero())
    for name, array in p.items():
        getattr(cell, name).set_data(array)

    def step(x: Any, state: Mapping[str, Any]) -> dict[str, Any]:
        h, (_, c) = cell(x, [state["h"], state["c"]])
        return {"h": h, "c": c}

    return step


def _nd_array(array: FloatArray) -> Any:
    return mx.nd.array(array, dtype=array.dtype)


def gluon_block(network: Network, input_size: int, num_layers: int, layout: str, **options: Any) -> Any:
    """A Gluon layer with parameters of the right shapes, not hybridized: that would freeze its return form."""
    cell = CELLS[network.cell]
    if network.projection_size is not None:
        options["projection_size"] = network.projection_size
    if cell.gluon == "RNN":
        options["activation"] = dict(cell.activations)["activation"].text
    block = getattr(rnn, cell.gluon)(
        network.hidden_size,
        num_layers,
        layout=layout,
        bidirectional=network.bidirectional,
        input_size=input_size,
        dtype=network.dtype,
        **options,
    )
    block.initialize(mx.init.Zero())
    return block


def to_library(array: FloatArray) -> Any:
    return mx.np.array(array, dtype=array.dtype)


def to_numpy(array: Any) -> FloatArray:
    """MXNet's array as one of NumPy."""
    converted: FloatArray = array.asnumpy()
    return converted


AUTOGRAD, FUSED_AUTOGRAD = _autograd(to_library), _autograd(_nd_array)
"""For the cells' lines, and for the operator of Gluon's fused layers, which reads other arrays."""
