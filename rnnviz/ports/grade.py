"""How many wrong variants a suite of test cases notices: each is computed on the suite's own inputs, and compared with
the suite's own expected values at its tolerance."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnnviz.core.config import Config
from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.parameters import Parameters
from rnnviz.core.progress import advance, expect
from rnnviz.core.trace import Trace, trace_in_memory
from rnnviz.engines.base import LayerTask, Progress, run_stack
from rnnviz.engines.known_bugs import BugVariant
from rnnviz.engines.known_bugs.engine import faulty_trace
from rnnviz.engines.known_bugs.hypotheses import Hypothesis, start_hypotheses, step_hypotheses
from rnnviz.engines.known_bugs.placed import PlacedBug, reads_of, run_by_length, run_changed
from rnnviz.engines.known_bugs.registry import known_bugs_in
from rnnviz.engines.port.protocol import read_inputs
from rnnviz.frozen import dataclass
from rnnviz.ports.vectors import ENOUGH, seen_in
from rnnviz.verify.causes import Cause, HypothesisKey, Where
from rnnviz.verify.metrics import error_ratio

RTOL, ATOL = 1e-3, 1e-7
"""The tolerance with which ONNX's backend tests compare."""

_MOST_CASES = 1000
_DATA = "test_data_set_*"

Arrays: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class SuiteCase:
    """A case of a suite: its inputs, the outputs that it compares by their names in a trace, and its tolerance."""

    name: str
    inputs: Inputs
    outputs: Arrays
    rtol: float = RTOL
    atol: float = ATOL


@dataclass(frozen=True)
class Grade:
    """The number of cases that could be read, the wrong variants that one of them notices, and those that none does;
    `refused` says why others were not read."""

    cases: int
    detected: tuple[str, ...]
    undetected: tuple[str, ...]
    refused: Mapping[str, str]


def grade(folder: Path) -> Grade:
    """Grade the cases in a folder: our own, or those of ONNX's backend tests. To be called in a subprocess."""
    refused: dict[str, str] = {}
    seen: dict[str, dict[str, bool]] = {}
    places = list(_places(folder))
    count = 0
    expect(len(places))
    for place in places:
        advance(1)
        try:
            found = _noticed(place)
        except InputError as error:
            refused[place.name] = str(error)
            continue
        for cell, names in found:
            count += 1
            known = seen.setdefault(cell, {})
            for name, noticed in names.items():
                known[name] = known.get(name, False) or noticed
    if not count:
        why = next(iter(refused.values()), "it holds none of ONNX's backend tests and none of rnnviz vectors.")
        raise InputError(f"{folder} holds no test case of a recurrent network: {why}")
    several = len(seen) > 1
    named = {f"{cell}:{n}" if several else n: own for cell, names in seen.items() for n, own in names.items()}
    return Grade(
        count,
        tuple(sorted(name for name, noticed in named.items() if noticed)),
        tuple(sorted(name for name, noticed in named.items() if not noticed)),
        refused,
    )


def _places(folder: Path) -> Iterator[Path]:
    """The folders of cases, at most `_MOST_CASES`: the folder itself, or those below it."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: name one with test cases.")
    names = sorted(path for path in (folder, *folder.iterdir()) if path.is_dir())
    cases = [p for p in names if (p / "in" / "sizes.txt").is_file() or (p / "model.onnx").is_file()]
    yield from cases[:_MOST_CASES]


def _noticed(place: Path) -> Iterator[tuple[str, dict[str, bool]]]:
    """The cell of each case in a folder, and which wrong variants it notices."""
    if (place / "in" / "sizes.txt").is_file():
        inputs = read_inputs(place / "in")
        equivalent = set[str]()
        yield inputs.network.cell, {n: ratio >= ENOUGH for n, ratio in seen_in(inputs, equivalent).items()}
        return
    for case in onnx_cases(place):
        yield case.inputs.network.cell, noticed_by(case)


def onnx_cases(place: Path) -> Iterator[SuiteCase]:
    """The cases of a backend test of ONNX with one recurrent node; none of another test."""
    import onnx
    from onnx import numpy_helper

    from rnnviz.io.model_formats.load import config_of, entries_of, read_network

    try:
        model = onnx.load(place / "model.onnx")
    except Exception as error:
        raise InputError(f"{place / 'model.onnx'} cannot be read: {error}.") from error
    nodes = [node for node in model.graph.node if node.op_type in ("RNN", "LSTM", "GRU")]
    if len(nodes) != 1 or len(model.graph.node) != 1:
        return
    (node,) = nodes

    def arrays(kind: str, data: Path, described: Any) -> dict[str, NDArray[Any]]:
        read = (onnx.load_tensor(data / f"{kind}_{k}.pb") for k in range(len(described)))
        return {own.name: numpy_helper.to_array(tensor) for own, tensor in zip(described, read, strict=True)}

    for data in sorted(place.glob(_DATA)):
        given, made = arrays("input", data, model.graph.input), arrays("output", data, model.graph.output)
        x, lengths, *states = (given.get(name) for name in (node.input[0], *_named(node.input, 4, 5, 6)))
        with TemporaryDirectory(prefix="rnnviz-") as folder:
            path = Path(folder) / "model.onnx"
            onnx.save(_with_constants(model, {n: given[n] for n in _named(node.input, 1, 2, 3, 7) if n in given}), path)
            (entry,) = entries_of(path)
            config = config_of(path, entry, None, "zeros")
            stored = read_network(path, entry.name, config.network)
        yield _case(place, node, config, stored.parameters, x, lengths, states, made)


def _named(names: Any, *places: int) -> list[str]:
    return [names[k] if k < len(names) else "" for k in places]


def _with_constants(model: Any, arrays: Arrays) -> Any:
    """The model with these inputs as constants."""
    from onnx import ModelProto, numpy_helper

    made = ModelProto()
    made.CopyFrom(model)
    kept = [own for own in model.graph.input if own.name not in arrays]
    del made.graph.input[:]
    made.graph.input.extend(kept)
    made.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in arrays.items())
    return made


def _case(
    place: Path,
    node: Any,
    config: Config,
    parameters: Parameters,
    x: NDArray[Any] | None,
    lengths: NDArray[Any] | None,
    states: list[NDArray[Any] | None],
    made: Arrays,
) -> SuiteCase:
    """A case of a node, with its arrays as those of a trace."""
    if x is None:
        raise InputError(f"{place} has no input X.")
    samples_first = any(own.name == "layout" and own.i == 1 for own in node.attribute)
    network = config.network
    x, found = (
        (x.swapaxes(0, 1) if samples_first else x),
        [None if array is None else (array.swapaxes(0, 1) if samples_first else array) for array in states],
    )
    sizes = len(x), x.shape[1]
    state = {
        symbol: np.zeros(network.state_shape(sizes[1], symbol), network.dtype)
        if array is None
        else np.ascontiguousarray(array, network.dtype)
        for symbol, array in zip(network.kind.state_symbols, found, strict=False)
    }
    given = () if lengths is None or (lengths == sizes[0]).all() else tuple(map(int, lengths))
    sequence = replace(config.sequence, timesteps=sizes[0], batch_size=sizes[1])
    inputs = Inputs(
        replace(config, sequence=sequence), np.ascontiguousarray(x, network.dtype), parameters, state, lengths=given
    )
    outputs: dict[str, NDArray[Any]] = {}
    for name, array in zip(("h", "state.h", "state.c"), map(made.get, node.output), strict=False):
        if array is not None and name == "h":
            # (T, D, N, H), or (N, T, D, H), as (L, D, T, N, H).
            outputs[name] = (array.transpose(2, 1, 0, 3) if samples_first else array.swapaxes(0, 1))[None]
        elif array is not None:
            outputs[name] = array.swapaxes(0, 1) if samples_first else array
    return SuiteCase(place.name, inputs, outputs)


def noticed_by(case: SuiteCase) -> dict[str, bool]:
    """Which wrong variants a case notices, of those that change any number of its cell. Raises an InputError if the
    right equations do not give the case's expected values."""
    right = faulty_trace(BugVariant(), case.inputs)
    if _differs(case, right):
        raise InputError(f"{case.name}: the equations of {case.inputs.network.cell} do not give its expected values.")
    equivalent = set[str]()
    names = seen_in(case.inputs, equivalent)
    found: dict[str, bool] = {}
    for bug in known_bugs_in(case.inputs):
        if bug.name not in equivalent:
            found[bug.name] = any(
                _differs(case, faulty_trace(fault, case.inputs)) for fault in bug.faults(case.inputs.network)[:1]
            )
    lanes: dict[Any, tuple[Any, dict[HypothesisKey, Hypothesis]]] = {}
    _changed_trace(case.inputs, None, lanes)
    keys = {key: None for _, own in lanes.values() for key in own}
    for key in keys:
        name = Cause(key[0], Where((), (), *key[1:])).label
        single = name in names or name in found
        if name not in equivalent and (single or any(n.startswith(f"{key[0]}@") for n in names)):
            found[name] = found.get(name, False) or _differs(case, _changed_trace(case.inputs, key, lanes))
    return found


def _changed_trace(inputs: Inputs, key: HypothesisKey | None, lanes: dict[Any, Any]) -> Trace:
    """A run in which every lane has a change; `lanes` keeps what each lane reads, and its changes."""
    trace = trace_in_memory("changed", inputs.network, inputs.places, inputs.network.kind.state_symbols)

    def run_layer(task: LayerTask, _: Progress) -> Mapping[str, FloatArray]:
        samples = task.samples if isinstance(task.samples, slice) else tuple(task.samples)
        at = task.lane, str(samples)
        if at not in lanes:
            reads = reads_of(inputs, task)
            lanes[at] = reads, {h.key: h for make in (step_hypotheses, start_hypotheses) for h in make(reads)}
        reads, changes = lanes[at]
        change = changes[key].change if key in changes else lambda same: same
        return run_changed(task, reads, change, PlacedBug("", {}))

    with np.errstate(all="ignore"):
        run_stack(inputs, trace, run_layer, lambda _: None, run_lengths=run_by_length)
    return trace


def _differs(case: SuiteCase, trace: Trace) -> bool:
    """Whether an output of the case is outside its tolerance."""
    for name, expected in case.outputs.items():
        with np.errstate(all="ignore"):
            ratio = error_ratio(expected, np.asarray(trace[name]), case.rtol, case.atol)
        if not ratio.max(initial=0.0) <= 1.0:
            return True
    return False
