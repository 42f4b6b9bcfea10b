"""Names, axes and shapes of recorded arrays, and the array of a trace that each of them fills."""

from collections.abc import Callable, Iterable, Mapping
from itertools import permutations
from math import prod

from rnnviz.core.config import Network
from rnnviz.core.errors import InputError
from rnnviz.core.gradients import OF_INPUT, OF_PARAMETERS, gradient_names, gradient_shapes
from rnnviz.core.head import HEAD
from rnnviz.core.inputs import Inputs
from rnnviz.core.mmap_arrays import FloatArray
from rnnviz.core.naming import file_names
from rnnviz.core.npz import NpyHeader
from rnnviz.core.schema import display_key
from rnnviz.core.trace import LINE
from rnnviz.core.words import join_words
from rnnviz.engines.recording_files import ArrayFile
from rnnviz.frozen import dataclass

TYPES = ("float16", "float32", "float64")

OF_ONNX = ("Y", "Y_h", "Y_c")
"""The outputs of ONNX's nodes of recurrent layers; a node with layout = 1 has samples first in all of them."""

_LISTED = 6


@dataclass(frozen=True)
class Form:
    """A form in which an array of a trace is recorded: its axes as they are written, its shape, and a view of the
    trace's array that has them."""

    array: str
    axes: str
    shape: tuple[int, ...]
    view: Callable[[FloatArray], FloatArray] = lambda array: array

    def fits(self, header: NpyHeader) -> bool:
        """Whether an array has the shape; axes of one entry may be left out, since the order of the values is the
        same."""
        sizes = tuple(size for size in header.shape if size != 1)
        return sizes == tuple(size for size in self.shape if size != 1)


def forms_of(inputs: Inputs, *, samples_first: bool = False, time_first: bool = False) -> dict[str, Form]:
    """The form of each array that a recording of the run may hold, by its name. `samples_first` is ONNX's layout 1;
    in a folder the time comes first in any layout."""
    network, (steps, samples) = inputs.network, inputs.sequence.shape[:2]
    found: dict[str, Form] = {}
    shape: tuple[int, ...]
    for array, name in file_names(network.kind).items():
        symbol = array.removeprefix("state.")
        units = "P" if network.kind.projects and symbol in ("h", "out") else "H"
        if array == "out":
            found |= _outputs(network, steps, samples, units, samples_first=samples_first)
        elif array == symbol:
            found[name] = Form(array, f"(L, D, T, N, {units})", network.hidden_shape(steps, samples, symbol))
        else:
            shape = network.state_shape(samples, symbol)
            found[name] = Form(array, f"(L·D, N, {units})", shape)
            if symbol in ("h", "c"):
                found[f"Y_{symbol}"] = (
                    Form(array, f"(N, D, {units})", (shape[1], shape[0], shape[2]), lambda own: own.swapaxes(0, 1))
                    if samples_first
                    else Form(array, f"(D, N, {units})", shape)
                )
    if inputs.head is not None:
        found[HEAD] = _by_sample(network, HEAD, "K", (steps, samples, inputs.head.size), time_first=time_first)
    lines = (name for name in network.graph.values if name not in network.kind.state_symbols)
    shape = (*inputs.hidden_shape[:4], network.hidden_size)
    found |= {name: Form(f"{LINE}{name}", "(L, D, T, N, H)", shape) for name in lines}
    if inputs.loss is not None:
        for name, shape in gradient_shapes(network, steps, samples, gradient_names(network)).items():
            axes = "(L, D, T, N, U)" if len(shape) == 5 else "(T, N, I)" if name == OF_INPUT else "(L·D, N, U)"
            found[name] = Form(name, "the shape of the parameter" if name.startswith(OF_PARAMETERS) else axes, shape)
    return found


def _outputs(network: Network, steps: int, samples: int, units: str, *, samples_first: bool) -> dict[str, Form]:
    """The forms of the output: in the network's layout; of a folder, time first; and of ONNX with an axis of
    directions."""
    directions, width = network.directions, network.output_size
    shape = steps, samples, directions * width
    output = _by_sample(network, "out", f"D·{units}", shape)
    split = (steps, samples, directions, width)
    order = (1, 0, 2, 3) if samples_first else (0, 2, 1, 3)
    of_onnx = Form(
        "out",
        f"(N, T, D, {units})" if samples_first else f"(T, D, N, {units})",
        tuple(split[axis] for axis in order),
        lambda array: array.reshape(split).transpose(order),
    )
    return {"output": output, "out": _by_sample(network, "out", f"D·{units}", shape, time_first=True), "Y": of_onnx}


def _by_sample(
    network: Network, array: str, units: str, shape: tuple[int, int, int], *, time_first: bool = False
) -> Form:
    """The form of an array of the given shape (T, N, U), samples first if the network's layout says so."""
    if time_first or network.layout == "TNC":
        return Form(array, f"(T, N, {units})", shape)
    return Form(array, f"(N, T, {units})", (shape[1], shape[0], shape[2]), lambda own: own.swapaxes(0, 1))


def fitted(inputs: Inputs, file: ArrayFile, arrays: Mapping[str, str]) -> dict[str, Form]:
    """The form of each of the arrays, by its name in `file`. Raises an InputError about one that does not fit."""
    ours, theirs = (forms_of(inputs, samples_first=first, time_first=file.without_axes) for first in (False, True))
    onnx = [name for name in OF_ONNX if name in arrays and name in ours]
    if not all(ours[name].fits(file.headers[arrays[name]]) for name in onnx) and all(
        theirs[name].fits(file.headers[arrays[name]]) for name in onnx
    ):
        ours = theirs
    found = {name: ours[name] for name in arrays if name in ours}
    filled: dict[str, str] = {}
    for name, form in found.items():
        check_array(file, arrays[name], form, inputs.network)
        if form.array in filled:
            raise InputError(
                f"{file.path} holds {filled[form.array]} and {arrays[name]}, which are the same array in two forms: "
                "leave one of them out."
            )
        filled[form.array] = arrays[name]
    return found


def check_array(file: ArrayFile, name: str, form: Form, network: Network) -> None:
    """Raises an InputError if an array does not have the shape of its form, or is not one of floats."""
    header = file.headers[name]
    fits = prod(header.shape) == prod(form.shape) if file.without_axes else form.fits(header)
    if not fits and file.without_axes:
        count, expected = prod(header.shape), prod(form.shape)
        raise InputError(
            f"{name} in {file.path} has {count:,} numbers, expected {form.axes} = {form.shape}, which are "
            f"{expected:,}{_other_type(count, expected, network.dtype)}."
        )
    if not fits:
        raise InputError(
            f"{name} in {file.path} has the shape {header.shape}, expected {form.axes} = {form.shape}: "
            f"{_remedy(name, header.shape, form, network)}."
        )
    if header.dtype.newbyteorder("=").name not in TYPES:
        raise InputError(
            f"{name} in {file.path} holds values of the type {header.dtype}: a recording holds "
            f"{names_listed(TYPES, 'or')}. Convert other numbers, such as fixed-point ones."
        )


def _other_type(count: int, expected: int, dtype: str) -> str:
    """The hint that a file of numbers without a type was written in the other one."""
    half, double = dtype == "float64" and 2 * count == expected, dtype == "float32" and count == 2 * expected
    other = "float32" if half else "float64" if double else ""
    return f": if they are {other}, set network.dtype to it, or write {dtype}" if other else ""


def _remedy(name: str, shape: tuple[int, ...], form: Form, network: Network) -> str:
    """The transposition that fits, as the end of a sentence, or where the shapes are listed."""
    fitting = [
        order
        for order in (permutations(range(len(shape))) if len(shape) <= len("LDTNH") else ())
        if tuple(shape[axis] for axis in order) == form.shape
    ]
    if not fitting:
        return "see File formats in the guide"
    # Of axes of the same size as few as possible are moved.
    order = min(fitting, key=lambda order: sum(axis != place for place, axis in enumerate(order)))
    key = f', or set network.layout = "{"TNC" if network.layout == "NTC" else "NTC"}"'
    swapped = name.rpartition(".")[2] in ("output", HEAD) and order == (1, 0, 2)
    return f"np.transpose({name.rpartition('.')[2]}, {order}) fits{key if swapped else ''}"


def names_listed(names: Iterable[str], last: str = "and", before: str = "") -> str:
    """The names of arrays or engines as "a, b and c", of many the first."""
    return join_words((before + display_key(name) for name in names), last, _LISTED)
