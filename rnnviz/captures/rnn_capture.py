"""Record the recurrent layers of a model while it runs, and look inside them with rnnviz.

    with capture(model) as captured:
        model(x)

    print(captured)
    captured[0].save("lstm.rnnviz")  # then: rnnviz lstm.rnnviz
    captured[0].run()  # compare every number, where rnnviz is installed

Models of PyTorch (2.0 or newer), Keras 3 and Gluon. This file needs numpy, your framework and Python 3.9 or newer, and
no rnnviz. `rnnviz capture --helper` prints it.

Shapes: T time steps, N samples, I features, H units, L layers, D directions (2 if bidirectional), G gates. Arrays are
time first. An LSTM with a projection has P units in place of H in all but its cell states.

The file has `capture`, calls and the sequences that they are joined to, the file that `save` writes, and then one class
for each framework.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import re
import shutil
import sys
import tempfile
import weakref
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from html import escape
from importlib.util import find_spec
from typing import Any

import numpy as np

__all__ = ["Capture", "CapturedSequence", "capture"]

Arrays = dict[str, Any]

_LISTED = 8
"""How many sequences of a layer a list shows."""
_JOIN = '; join="all" joins calls that do not start from the final state of an earlier one'

_PRODUCTS = 100_000_000
"""How many products the runs of a display may need, which take about a second."""
_STEP = 20_000
"""How many products take as long as a time step of a layer without any."""
_COLORS = {"agree": "#2f9e5f", "drift": "#c98a1b", "disagree": "#dc4c4c"}
_TABLE = "border-collapse: collapse; border: 0; margin: 6px 0; font-size: inherit; color: inherit"
_CELL = (
    "text-align: left; vertical-align: top; padding: 2px 16px 2px 0; border: 0; "
    "border-bottom: 1px solid rgba(128, 128, 128, 0.35); background: none"
)
_FROM_ZEROS = ': if they are chunks of one, the model does not pass its state on; join="all" shows where'


def capture(
    model: Any, *, calls: int | None = None, limit: int = 1 << 30, join: str = "carried", gradients: bool = False
) -> Capture:
    """Record every recurrent layer and cell of a model within a `with` block.

    The results of the model stay the same to the last bit.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, keras.Layer or mxnet.gluon.Block
        The model; its recurrent layers are found at any depth.
    calls : int, optional
        How many calls of each layer to keep; by default all.
    limit : int
        How many bytes to keep: inputs, outputs, and weights that changed. Later calls are counted and not kept.
    join : {"carried", "all", "none"}
        Which calls of a layer are one sequence: those that start from the final state of an earlier one, all, or none.
        So are calls of one time step that all start from the same state, as of a loop that forgets to pass it on, and
        calls of an LSTM that start from the h and c of an earlier one, swapped.
    gradients : bool
        Whether to record what `loss.backward()` gives within the block, in PyTorch: the gradients of the outputs and of
        the parameters of each layer that is called once before it.

    Returns
    -------
    Capture
        A list of sequences, filled when the block ends.

    Raises
    ------
    TypeError
        If the model is of another framework.
    ValueError
        If it has no recurrent layer, or an option is not allowed.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.LSTM(3, 4)
    >>> with capture(model) as captured:
    ...     _ = model(torch.zeros(5, 2, 3))
    >>> captured
    Capture of LSTM: 1 sequence
      [0] LSTM: lstm, I = 3, H = 4; T = 5, N = 2
    """
    return Capture(model, calls, limit, join, gradients)


@dataclass(frozen=True)
class Network:
    """A recurrent layer as a config of rnnviz describes it."""

    cell: str
    input_size: int
    hidden_size: int
    num_layers: int = 1
    bidirectional: bool = False
    reverse: bool = False
    layout: str = "TNC"
    dtype: str = "float32"
    projection_size: int | None = None
    clip: float | None = None
    activations: tuple[str, ...] | None = None

    @property
    def directions(self) -> int:
        """D."""
        return 2 if self.bidirectional else 1


_UNREACHED = "no gradients: loss.backward() did not reach it in the block"


@dataclass(eq=False)
class Gradients:
    """The gradients of one call of a layer, which hooks add up in the backward pass.

    `loss` has those of the output (T, N, D·H) and of the final states "h" and "c" (L·D, N, H), as far as it depends on
    them; `parameters` has Gluon's names. `unknown` says why there are none.
    """

    loss: Arrays = field(default_factory=dict)
    parameters: Arrays = field(default_factory=dict)
    unknown: str = ""

    @property
    def missing(self) -> str:
        """Why they are not known, or ""."""
        return self.unknown or ("" if self.parameters else _UNREACHED)


@dataclass(eq=False)
class Call:
    """One call of a layer, in the arrays of its framework until the block ends, and then in numpy's.

    `parameters` has Gluon's names, such as l0_i2h_weight (G·H, I). `initial` and `final` are h, and c of an LSTM, each
    (L·D, N, H); until the block ends, `initial` is empty if it is 0. `output` is (T, N, D·H). `layers` returns the
    hidden values (L, D, T, N, H) of a stack.
    """

    network: Network
    parameters: Arrays
    x: Any
    initial: Arrays
    output: Any
    final: Arrays
    lengths: tuple[int, ...] = ()
    computed_in: str = ""
    layers: Callable[[Call], Any] | None = None
    gradients: Gradients | None = None

    @property
    def timesteps(self) -> int:
        """T."""
        return int(self.x.shape[0])

    def by_lane(self, final: Any) -> Any:
        """A final state (L·D, N, H) as (L, D, N, H)."""
        return final.reshape(self.network.num_layers, self.network.directions, *final.shape[1:])

    def hidden(self) -> Any:
        """The hidden values (L, D, T, N, H), or None where those of the lower layers are not known."""
        if self.timesteps == 1:
            return self.by_lane(self.final["h"])[:, :, None]
        if self.network.num_layers == 1:
            return np.stack(np.split(self.output, self.network.directions, axis=2))[None]
        return self.layers(self) if self.layers is not None else None

    def cell_states(self) -> Any:
        """The cell states (L, D, T, N, H) of a call of one time step, else None."""
        return self.by_lane(self.final["c"])[:, :, None] if self.timesteps == 1 and "c" in self.final else None


class CapturedSequence:
    """One sequence that a layer read, in one call or in several.

    `name` is the layer's name in the model, such as "decoder.lstm". `state` is how each of the `calls` passes its state
    on to the next one: "carried", "not carried" or "swapped", which is h as c and c as h; "" of one call. `from_zeros`
    is how many sequences of the layer begin at zeros, this one included, that join="all" would join; 0 if no other.
    `ending` is that of the framework's model files, if it is known.
    """

    def __init__(self, name: str, first: Call) -> None:
        self.name = name
        self.calls = [first]
        self.state = ""
        self.ending = ""
        self.from_zeros = 0
        self._compared: tuple[str, list[str]] | None = None

    @property
    def network(self) -> Network:
        """The layer, as a config describes it."""
        return self.calls[0].network

    @property
    def x(self) -> Any:
        """The input (T, N, I)."""
        return np.concatenate([call.x for call in self.calls])

    @property
    def output(self) -> Any:
        """The output (T, N, D·H), 0 in padding."""
        return np.concatenate([call.output for call in self.calls])

    @property
    def hidden(self) -> Any:
        """The hidden values (L, D, T, N, H), or None where those of the lower layers are not known."""
        return self._over_time(Call.hidden)

    @property
    def cell_states(self) -> Any:
        """The cell states (L, D, T, N, H) of an LSTM that was called one step at a time, else None."""
        return self._over_time(Call.cell_states)

    @property
    def parameters(self) -> Arrays:
        """The parameters by Gluon's names, such as l0_i2h_weight (G·H, I)."""
        return self.calls[0].parameters

    @property
    def initial_state(self) -> Arrays:
        """h, and c of an LSTM, each (L·D, N, H)."""
        return self.calls[0].initial

    @property
    def final_state(self) -> Arrays:
        """As `initial_state`."""
        return self.calls[-1].final

    @property
    def gradients(self) -> Gradients | None:
        """The gradients of a sequence that was read in one call, if they were recorded."""
        found = self.calls[0].gradients if len(self.calls) == 1 else None
        return None if found is None or found.missing else found

    @property
    def lengths(self) -> tuple[int, ...]:
        """The number of time steps of each sample; empty without padding."""
        return self.calls[0].lengths if len(self.calls) == 1 else ()

    @property
    def seams(self) -> tuple[int, ...]:
        """The time steps at which a new call begins, but the first."""
        return tuple(int(t) for t in np.cumsum([call.timesteps for call in self.calls])[:-1])

    @property
    def carried(self) -> bool:
        """Whether each call starts from the final state of the call before."""
        return self.state in ("", "carried")

    def append(self, call: Call, state: str) -> None:
        """Add a call that got its state from the last one as `state` says."""
        self.calls.append(call)
        self.state = state if self.state in ("", state) else "not carried"

    def _over_time(self, of: Callable[[Call], Any]) -> Any:
        parts = [of(call) for call in self.calls]
        return None if any(part is None for part in parts) else np.concatenate(parts, axis=2)

    def __repr__(self) -> str:
        return f"{self.name}: {'; '.join(self._in_words())}"

    def _repr_html_(self) -> str:
        """The sequence, and the verdict of `run` on it, which is called if that takes no second."""
        return _html("", [(None, self)], [])

    def _in_words(self) -> tuple[str, str]:
        network, first, lengths = self.network, self.calls[0], self.lengths
        words = [
            f"{network.cell}, I = {network.input_size}, H = {network.hidden_size}",
            f"P = {network.projection_size}" if network.projection_size is not None else "",
            f"{network.num_layers} layers" if network.num_layers > 1 else "",
            "both directions" if network.bidirectional else "from the end" if network.reverse else "",
            first.computed_in,
        ]
        swapped = " (h and c)" if self.state == "swapped" else ""
        read = [
            f"T = {len(self.x)}, N = {first.x.shape[1]}",
            f"lengths {min(lengths)} to {max(lengths)}" if lengths else "",
            f"{len(self.calls)} calls, state {self.state}{swapped}" if len(self.calls) > 1 else "",
        ]
        return ", ".join(filter(None, words)), ", ".join(filter(None, read))

    def _verdict(self, *, small: bool) -> str:
        """The verdict of `run` as HTML; if it was not called, it is called if the sequence is `small`."""
        if self._compared is None and small:
            try:
                self.run()
            except Exception as error:  # noqa: BLE001 - a display shows what it can
                return escape(str(error))
        if self._compared is None:
            return "run() compares it"
        verdict, lines = self._compared
        style = f"border-left: 4px solid {_COLORS[verdict]}; padding-left: 8px"
        return f'<div style="{style}">{"<br>".join(map(escape, lines))}</div>'

    @property
    def _products(self) -> int:
        """About how many products a run computes, with what a time step costs besides."""
        network = self.network
        sizes = sum(int(array.size) for array in self.parameters.values())
        each = sizes * self.calls[0].x.shape[1] + _STEP * network.num_layers * network.directions
        return len(self.x) * int(each)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a session for rnnviz, a .rnnviz file: the layer, its input, and its outputs as the reference."""
        _write_session(self, os.fspath(path))

    def run(self) -> Any:
        """Run rnnviz on the sequence, and return its `RunResult`; a ModuleNotFoundError if it is not installed here."""
        try:
            import rnnviz
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError("rnnviz is not installed here: save the sequence, and open the file.") from error

        folder = tempfile.mkdtemp()
        # A window on the result reads the file again, when it repeats the run.
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        path = os.path.join(folder, f"{safe_name(self.name)}.rnnviz")
        self.save(path)
        run = rnnviz.run(rnnviz.load_config(path))
        self._compared = str(run.overall_verdict), repr(run).splitlines()[1:]
        return run

    def show(self) -> None:
        """Open the window of rnnviz on the sequence; raises as `run` does."""
        run = self.run()
        sys.modules["rnnviz"].show(run)


class Capture(Sequence[CapturedSequence]):
    """The sequences that the recurrent layers of a model read within a `with` block.

    `skipped` says by the name of a layer why it, one of its calls or its gradients were not recorded.
    """

    def __init__(self, model: Any, calls: int | None, limit: int, join: str, gradients: bool) -> None:
        if join not in ("carried", "all", "none"):
            raise ValueError(f'join = {join!r} is not allowed: it must be "carried", "all" or "none".')
        if calls is not None and calls < 1:
            raise ValueError(f"calls = {calls} must be at least 1, or None for all calls.")
        self.skipped: dict[str, str] = {}
        self._adapter = _adapter_of(model)
        if gradients and not self._adapter.gives_gradients:
            raise ValueError("gradients = True needs a model of PyTorch: leave it out for other frameworks.")
        self.gradients = gradients
        self._model = model
        self._layers = self._adapter.find(model)
        self._title = type(model).__name__
        if not self._layers:
            raise ValueError(f"{self._title} has no recurrent layer: {self._adapter.expected}.")
        self._most, self._limit, self._join = calls, limit, join
        self._beyond = f"beyond the limit of {limit:,} bytes"
        self._recorded: list[tuple[str, Call]] = []
        self._bytes = 0
        self._active = False
        self._undo = ExitStack()
        self._sequences: list[CapturedSequence] = []

    def __enter__(self) -> Capture:
        self.skipped.clear()
        self._bytes, self._active = 0, True
        try:
            self._adapter.prepare(self._model, self._undo)
            for name, layer in self._layers.items():
                self._adapter.attach(layer, _Recorder(self, name or self._title), self._undo)
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()
        self._active = False
        called = {name for name, _ in self._recorded}.union(self.skipped)
        calls = []
        for name, call in self._recorded:
            try:
                calls.append((name, _in_numpy(call, self._adapter)))
            except Exception as error:  # noqa: BLE001 - the model's own code goes on after the block
                self.skipped[name] = _reason(error)
        self._recorded.clear()
        for name, call in calls if self.gradients else ():
            missing = _UNREACHED if call.gradients is None else call.gradients.missing
            if missing:
                self.skipped.setdefault(name, missing)
        self._sequences = joined(calls, self._join)
        for sequence in self._sequences:
            sequence.ending = self._adapter.ending
        for name in self._layers:
            if (name or self._title) not in called:
                self.skipped[name or self._title] = self._adapter.uncalled

    def __len__(self) -> int:
        return len(self._sequences)

    def __getitem__(self, index: Any) -> Any:
        return self._sequences[index]

    def __repr__(self) -> str:
        listed = (f"[{index}] {sequence!r}" for index, sequence in self._listed())
        return "\n  ".join((self._heading, *listed, *self._notes()))

    def _repr_html_(self) -> str:
        """The sequences, and the verdicts of `run` on those for which it takes no second."""
        return _html(self._heading, self._listed(), self._notes())

    @property
    def _heading(self) -> str:
        count = len(self._sequences)
        return f"Capture of {self._title}: {count} sequence{'' if count == 1 else 's'}"

    def _listed(self) -> list[tuple[int | None, CapturedSequence]]:
        numbers: Counter[str] = Counter()
        found: list[tuple[int | None, CapturedSequence]] = []
        for index, sequence in enumerate(self._sequences):
            numbers[sequence.name] += 1
            if numbers[sequence.name] <= _LISTED:
                found.append((index, sequence))
        return found

    def _notes(self) -> list[str]:
        """Counts of sequences that are not listed or begin at zeros, and reasons why a layer was not recorded."""
        counts = Counter(sequence.name for sequence in self._sequences)
        zeros = {sequence.name: sequence.from_zeros for sequence in self._sequences if sequence.from_zeros}
        return [
            *(f"and {n - _LISTED:,} more of {name}{_JOIN}" for name, n in counts.items() if n > _LISTED),
            *(f"{count:,} sequences of {name} begin at zeros{_FROM_ZEROS}" for name, count in zeros.items()),
            *(f"not recorded: {name}: {reason}" for name, reason in self.skipped.items()),
        ]

    def save(self, folder: str | os.PathLike[str]) -> list[str]:
        """Write each sequence as a session into a folder, which is made, and return the paths: "000-decoder.rnnviz"."""
        os.makedirs(folder, exist_ok=True)
        names = (f"{index:03}-{safe_name(sequence.name)}.rnnviz" for index, sequence in enumerate(self))
        paths = [os.path.join(os.fspath(folder), name) for name in names]
        for sequence, path in zip(self, paths):
            sequence.save(path)
        return paths


def _html(heading: str, listed: Sequence[tuple[int | None, CapturedSequence]], notes: list[str]) -> str:
    """Captured sequences as a table. Text and background have the colors of the page."""
    installed = find_spec("rnnviz") is not None
    head = ["Layer", "Network", "Sequence", *(["Verdict"] if installed else [])]
    rows, left = [], _PRODUCTS
    for index, sequence in listed:
        cells = [sequence.name, *(text.replace(" = ", "\xa0=\xa0") for text in sequence._in_words())]
        if index is not None:
            cells[0] = f"[{index}]\xa0{cells[0]}"
        row = "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in cells)
        if installed:
            small = sequence._products <= left
            left -= sequence._products if small and sequence._compared is None else 0
            row += f'<td style="{_CELL}">{sequence._verdict(small=small)}</td>'
        rows.append(f'<tr style="background: none">{row}</tr>')
    titles = "".join(f'<th scope="col" style="{_CELL}; font-weight: 600">{title}</th>' for title in head)
    table = f'<table style="{_TABLE}"><thead><tr>{titles}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    lines = "".join(f"<div>{escape(note)}</div>" for note in notes)
    title = f"<div>{escape(heading)}</div>" if heading else ""
    return f'<div style="font-family: sans-serif; line-height: 1.5; color: inherit">{title}{table}{lines}</div>'


@dataclass
class _Recorder:
    """Where an adapter reports the calls of one layer.

    `count` is how many were kept, `left` how many were left out; `last` are the parameters of the last kept one.
    """

    capture: Capture
    name: str
    count: int = 0
    left: int = 0
    last: Arrays | None = None
    distinct: list[Arrays] = field(default_factory=list)
    copied: dict[Any, tuple[list[Any], Arrays]] = field(default_factory=dict)

    def __call__(self, read: Callable[[], Call]) -> None:
        """Record the call that `read` returns; an error in it is a reason, and never reaches the model."""
        capture = self.capture
        if not capture._active:  # a copy of the model has its hooks
            return
        try:
            if capture._most is not None and self.count >= capture._most:
                raise self._left_out(f"after the first {capture._most}")
            if self.left:
                raise self._left_out(capture._beyond)
            self._keep(read())
        except Exception as error:  # noqa: BLE001 - the model must go on as it would without a capture
            capture.skipped[self.name] = _reason(error)

    def _left_out(self, why: str) -> _Skipped:
        self.left += 1
        return _Skipped(f"{self.left:,} call{'' if self.left == 1 else 's'} {why}")

    def _keep(self, call: Call) -> None:
        if 0 in call.x.shape:
            raise _Skipped("it was called with no time step or no sample")
        # The initial state has the size of the final one.
        arrays = [call.x, call.output, *call.final.values(), *call.final.values()]
        if call.gradients is not None:
            arrays += [call.output, *call.final.values(), *call.parameters.values()]
        if self.last is not None and call.parameters is not self.last:
            arrays += call.parameters.values()
        size = sum(map(_bytes, arrays))
        if self.capture._bytes + size > self.capture._limit:
            raise self._left_out(self.capture._beyond)
        self.capture._bytes += size
        self.count += 1
        self.last = call.parameters
        self.capture._recorded.append((self.name, call))

    def once(self, parameters: Arrays) -> Arrays:
        """The parameters, or equal ones that were kept before."""
        same = next((kept for kept in self.distinct[::-1] if same_arrays(kept, parameters)), parameters)
        self.distinct = [*(kept for kept in self.distinct if kept is not same), same][-2:]
        return same

    def parameters(
        self, key: Any, tensors: list[Any], copy: Callable[[Any], Any], arrays: Callable[[list[Any]], Arrays]
    ) -> Arrays:
        """The parameters that `arrays` makes of copies of tensors; made again when the tensors have changed.

        All bytes are compared: `tensor.data.add_()`, `set_data` and views of the memory change no version or identity.
        """
        copies, known = self.copied.get(key, ([], {}))
        if not known or len(tensors) != len(copies) or not all(map(_same_bytes, tensors, copies)):
            copies = [copy(tensor) for tensor in tensors]
            known = self.once(arrays(copies))
            self.copied[key] = copies, known
        return known


class _Skipped(Exception):
    """A call that cannot be recorded; the text says why."""


def _reason(error: Exception) -> str:
    if isinstance(error, _Skipped):
        return str(error)
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"


def joined(calls: Iterable[tuple[str, Call]], join: str = "carried") -> list[CapturedSequence]:
    """Calls by the names of their layers, in their order, as sequences; `join` as `capture` has it."""
    sequences: list[CapturedSequence] = []
    last: dict[str, CapturedSequence] = {}
    # By the name and the final state: a layer may read several sequences in turn.
    open_ones: dict[Any, CapturedSequence] = {}
    for name, call in calls:
        initial = list(call.initial.values())
        carried = open_ones.get(_key(name, initial)) or open_ones.get(_key(name, initial[::-1]))
        sequence = {"all": last.get(name), "carried": carried}.get(join)
        state = "" if sequence is None else _passed(sequence, call)
        if sequence is not None and (join == "all" or sequence.state in ("", state)) and state:
            open_ones.pop(_key(name, sequence.final_state.values()), None)
            sequence.append(call, state)
        else:
            sequence = CapturedSequence(name, call)
            sequences.append(sequence)
        last[name] = open_ones[_key(name, sequence.final_state.values())] = sequence
    return _with_counts(_with_restarts(sequences)) if join == "carried" else sequences


def _key(name: str, state: Iterable[Any]) -> Any:
    return name, *(hash(array.tobytes()) for array in state)


def _with_restarts(sequences: list[CapturedSequence]) -> list[CapturedSequence]:
    """The sequences, with successive calls of one time step that start from the same state as one."""
    found: list[CapturedSequence] = []
    last: dict[str, CapturedSequence] = {}
    for sequence in sequences:
        before, call = last.get(sequence.name), sequence.calls[0]
        if (
            before is not None
            and not sequence.state
            and before.state in ("", "not carried")
            and call.timesteps == before.calls[0].timesteps == 1
            and same_arrays(call.initial, before.initial_state)
            and _passed(before, call)
        ):
            before.append(call, "not carried")
        else:
            last[sequence.name] = sequence
            found.append(sequence)
    return found


def _with_counts(sequences: list[CapturedSequence]) -> list[CapturedSequence]:
    """The sequences, which know how many of their layer begin at zeros and could be chunks of one."""
    kinds: list[Any] = []
    for sequence in sequences:
        call = sequence.calls[0]
        zeros = call.timesteps > 1 and not any(state.any() for state in call.initial.values())
        kinds.append((sequence.name, _joinable(call)) if zeros and _joinable(call) else None)
    counts = Counter(kinds)
    for sequence, kind in zip(sequences, kinds):
        sequence.from_zeros = counts[kind] if kind and counts[kind] > 1 else 0
    return sequences


def _joinable(call: Call) -> Any:
    """The properties that calls of one sequence share; None of a call that cannot be joined."""
    network = call.network
    alone = call.lengths or network.bidirectional or network.reverse
    return None if alone else (network, id(call.parameters), call.x.shape[1:])


def _passed(last: CapturedSequence, call: Call) -> str:
    """How a call got its state from the last call of a sequence, or "" if they cannot be one sequence."""
    before = last.calls[-1]
    if _joinable(call) is None or _joinable(call) != _joinable(before):
        return ""
    if same_arrays(call.initial, before.final):
        return "carried"
    if "c" in call.initial and same_arrays(call.initial, {"h": before.final["c"], "c": before.final["h"]}):
        return "swapped"
    return "not carried"


def _bytes(array: Any) -> int:
    """The bytes of an array or a tensor. MXNet's do not say, but the name of a type ends in its bits."""
    if hasattr(array, "nbytes"):
        return int(array.nbytes)
    return int(np.prod(array.shape)) * int(re.findall(r"\d+", str(array.dtype))[-1]) // 8


def same_arrays(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether arrays by name are the same; the last comparison takes long."""
    return one.keys() == other.keys() and all(
        a is b or np.array_equal(a, b) or np.array_equal(a, b, equal_nan=True)
        for a, b in ((one[name], other[name]) for name in one)
    )


def _same_bytes(tensor: Any, copy: Any) -> bool:
    """Whether a tensor of a framework has the numbers of an earlier copy."""
    if not hasattr(tensor, "data_ptr"):
        return np.array_equal(np.asarray(tensor), copy)
    if (tensor.dtype, tensor.device, tensor.shape) != (copy.dtype, copy.device, copy.shape):
        return False
    try:
        if tensor.device.type != "cpu" or not tensor.is_contiguous():
            return bool(sys.modules["torch"].equal(tensor, copy))
        places = tensor.data_ptr(), copy.data_ptr()
        return all(places) and _memcmp(*places, copy.numel() * copy.element_size()) == 0
    except RuntimeError:  # without numbers, as within torch.vmap
        return False


_memcmp: Any = ctypes.CDLL("msvcrt" if os.name == "nt" else None).memcmp
"""numpy and PyTorch have no comparison that takes as little time."""
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)


def _in_numpy(call: Call, adapter: Any) -> Call:
    """The call with arrays of numpy; those of the framework are freed."""

    def arrays(values: Arrays) -> Arrays:
        return {name: adapter.to_numpy(value) for name, value in values.items()}

    final = arrays(call.final)
    return replace(
        call,
        x=adapter.to_numpy(call.x),
        output=adapter.to_numpy(call.output),
        initial=arrays(call.initial) or {name: np.zeros_like(state) for name, state in final.items()},
        final=final,
        gradients=call.gradients
        and replace(call.gradients, loss=arrays(call.gradients.loss), parameters=arrays(call.gradients.parameters)),
    )


def _activation(name: Any) -> str:
    known = ("tanh", "relu", "sigmoid", "softsign", "softplus", "elu", "selu", "linear", "swish", "gelu")
    if name not in known:
        raise _Skipped(f"its activation is {name}, and must be one of {', '.join(known)}")
    return str(name)


def _cell_of(kind: str, gates: str, own: str) -> tuple[str, tuple[str, ...] | None]:
    """The name of a cell, and the names of its activations where they are not the cell's own."""
    if kind == "rnn":
        return (f"rnn_{own}", None) if own in ("tanh", "relu") else ("rnn_tanh", (own,))
    if (gates, own) == ("sigmoid", "tanh"):
        return kind, None
    return kind, (gates, own, own) if kind == "lstm" else (gates, own)


def _network_dtype(dtype: str) -> str:
    return "float64" if dtype == "float64" else "float32"


def _lowered(dtype: str) -> str:
    """The type, if it is half precision, else ""."""
    return dtype if dtype in ("float16", "bfloat16") else ""


def safe_name(name: str) -> str:
    """The name as a part of a file's name."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "_", name).strip(".") or "layer"


def _write_session(sequence: CapturedSequence, path: str) -> None:
    """Write a session: its config, and an archive that is the input, the parameters, the states and the recording."""
    copy = f"files/0/{safe_name(sequence.name)}{sequence.ending}.capture.npz"
    network = sequence.network
    tables = {
        "network": {key: value for key, value in vars(network).items() if value is not None},
        "sequence": {"source": "file", "path": copy, "array": "input", "axes": "TNI"},
        "parameters": {"initializer": "file", "path": copy},
        "initial_state": {"source": "file", "path": copy},
        "compare": {"reference": f"recording:{copy}", "candidates": ["manual"]},
    }
    if sequence.seams:
        tables["sequence"]["seams"] = sequence.seams
    archives = {copy: _archive(sequence)}
    if sequence.gradients is not None:
        loss = f"files/1/{safe_name(sequence.name)}.loss.npz"
        tables["backward"] = {"enabled": True, "loss": "file", "path": loss}
        names = {"output": "output", "h": "state", "c": "cell_state"}
        # As `backward.path` has them; an output that the loss does not depend on has gradients of 0.
        found = {names[name]: gradient.astype(network.dtype) for name, gradient in sequence.gradients.loss.items()}
        archives[loss] = {"output": np.zeros(sequence.output.shape, network.dtype), **found}
    manifest = {
        "format": 1,
        "program": "rnn_capture",
        "document": {"title": sequence.name},
        "files": [{"path": path, "copied": True} for path in archives],
    }
    toml: list[str] = []
    for table, values in tables.items():
        # TOML has numbers, texts and lists as JSON has.
        toml += (f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items()))
    # A file that is there stays as it is until the new one is complete.
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
        whole = os.path.join(temporary, "capture")
        with zipfile.ZipFile(whole, "w") as archive:
            archive.writestr("manifest.json", json.dumps(manifest))
            archive.writestr("config.toml", "\n".join(toml))
            for name, arrays in archives.items():
                with archive.open(name, "w", force_zip64=True) as file:
                    np.savez(file, **arrays)
        os.replace(whole, path)


def _archive(sequence: CapturedSequence) -> Arrays:
    """The arrays by the names that an exported run of rnnviz has, those of the recording without an engine's name."""
    output, network, computed_in = sequence.output, sequence.network, sequence.calls[0].computed_in
    steps, samples = output.shape[:2]
    read = {
        "input": sequence.x,
        **{f"initial_state.{name}": state for name, state in sequence.initial_state.items()},
        **{f"parameters.{name}": array for name, array in sequence.parameters.items()},
    }
    recorded = {
        "lengths": np.array(sequence.lengths or (steps,) * samples),
        "output": output.swapaxes(0, 1) if network.layout == "NTC" else output,
        "state": sequence.final_state["h"],
        "cell_state": sequence.final_state.get("c"),
        "hidden": sequence.hidden,
        "cell": sequence.cell_states,
        "computed_in": np.array(computed_in) if computed_in else None,
        "sequences_from_zeros": np.array(sequence.from_zeros) if sequence.from_zeros else None,
    }
    if sequence.gradients is not None:
        of_parameters = sequence.gradients.parameters.items()
        recorded.update({f"grad.parameters.{name}": gradient for name, gradient in of_parameters})
    arrays = {name: array.astype(network.dtype) for name, array in read.items()}
    return {**arrays, **{name: array for name, array in recorded.items() if array is not None}}


class _Framework:
    """The layers of one framework.

    `ending` is that of its model files. `expected` says which layers are recorded, and `uncalled` why one has no call.
    `find` returns the recurrent layers of a model by their names in it, `attach` records each call of one until `undo`
    is closed, and `to_numpy` gives the array of a tensor.
    """

    ending = ""
    expected = ""
    uncalled = "it was not called"
    gives_gradients = False

    def prepare(self, model: Any, undo: ExitStack) -> None:
        """Let a model call its layers one by one."""


_TORCH_KINDS = {
    "i2h_weight": "weight_ih",
    "h2h_weight": "weight_hh",
    "i2h_bias": "bias_ih",
    "h2h_bias": "bias_hh",
    "h2r_weight": "weight_hr",
}
"""PyTorch's names of parameters by Gluon's."""
_NO_TORCH_NUMBERS = "it was called without numbers, as within torch.export or torch.vmap, or on the device meta"

_NO_FULL_GRAPH = "a capture records between compiled functions: compile the model without fullgraph=True"


class _Torch(_Framework):
    """PyTorch: forward hooks of nn.RNN, LSTM and GRU, and of their cells."""

    ending = ".pt"
    expected = "torch.nn.RNN, LSTM and GRU and their cells are recorded, before torch.jit or quantization replaces them"
    gives_gradients = True

    def __init__(self) -> None:
        self._torch, self.to_numpy = sys.modules["torch"], _from_torch

    def find(self, model: Any) -> dict[str, Any]:
        kinds = (self._torch.nn.RNNBase, self._torch.nn.RNNCellBase)
        return {name: module for name, module in model.named_modules() if isinstance(module, kinds)}

    def attach(self, layer: Any, recorder: _Recorder, undo: ExitStack) -> None:
        read = _TorchLayer(layer, recorder)
        # A layer, unlike a cell, keeps the weights that it computed.
        parametrized = isinstance(layer, self._torch.nn.RNNCellBase) and hasattr(layer, "parametrizations")
        with suppress(_Skipped):
            if not parametrized:
                read.parameters("")  # now, so that no call takes longer

        reports: dict[bool, Callable[[Callable[[], Call]], None]] = {False: recorder}

        def hook(called: Any, args: Any, kwargs: Any, result: Any) -> None:
            # A copy of the module has its hooks, too; those of DataParallel compute its calls.
            if called is not layer and not getattr(called, "_is_replica", False):
                return
            compiles = "torch._dynamo" in sys.modules
            if compiles and compiles not in reports:
                reports[True] = sys.modules["torch._dynamo"].disable(recorder.__call__)
            reports[compiles](lambda: read(result, *args, **kwargs))

        # The first of all hooks sees what the layer itself returned.
        undo.callback(layer.register_forward_hook(_uncompiled(hook), with_kwargs=True, prepend=True).remove)
        undo.callback(read.end_gradients)
        if parametrized:
            self._keep_weights(layer, undo)

    def _keep_weights(self, layer: Any, undo: ExitStack) -> None:
        """Let the hook of a cell read the weights that the call computed: spectral_norm would change them once more."""
        running = ExitStack()

        def begin(*_: Any) -> None:
            running.close()  # the last call has raised an exception
            running.enter_context(self._torch.nn.utils.parametrize.cached())

        def end(*_: Any) -> None:
            running.close()

        undo.callback(layer.register_forward_pre_hook(_uncompiled(begin)).remove)
        undo.callback(layer.register_forward_hook(_uncompiled(end)).remove)
        undo.callback(end)


def _uncompiled(hook: Any) -> Any:
    """The hook, which torch.compile calls as it is, between two compiled functions."""
    vars(hook).update(_torchdynamo_disable=True, _torchdynamo_disable_msg=_NO_FULL_GRAPH)
    return hook


def _from_torch(tensor: Any) -> Any:
    """The tensor as an array; numpy has no bfloat16, and float32 holds its numbers exactly."""
    try:
        tensor = tensor.detach().cpu()
        return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()
    except RuntimeError as error:
        raise _Skipped(_NO_TORCH_NUMBERS) from error


class _TorchLayer:
    """Reads the calls of one module. It is called within the model's forward pass, and so does as little as it can."""

    def __init__(self, module: Any, recorder: _Recorder) -> None:
        self._module, self._recorder = module, recorder
        self._torch = sys.modules["torch"]
        self._cell = isinstance(module, self._torch.nn.RNNCellBase)
        kinds = [getattr(self._torch.nn, kind) for kind in ("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")]
        self._own_class = all(type(module).forward is not kind.forward for kind in kinds)
        self._networks: dict[str, Network] = {}
        self._gradients: Gradients | None = None
        self._hooks: list[Any] = []

    def __call__(self, result: Any, *args: Any, **kwargs: Any) -> Call:
        if self._own_class:
            own = type(self._module).__name__
            raise _Skipped(f"it is of a class of your own, {own}, whose forward() may compute something else")
        return self._read(result, *args, **kwargs)

    def _read(self, result: Any, input: Any, hx: Any = None) -> Call:
        module, rnn = self._module, self._torch.nn.utils.rnn
        if not self._cell and module.training and module.dropout and module.num_layers > 1:
            raise _Skipped("dropout between its layers is active: call model.eval() first")
        output, final = (result[0] if isinstance(result, tuple) else result, result) if self._cell else result
        lengths: tuple[int, ...] = ()
        if isinstance(input, rnn.PackedSequence):
            (x, counts), (output, _) = rnn.pad_packed_sequence(input), rnn.pad_packed_sequence(output)
            lengths = tuple(counts.tolist())
        else:
            x, output = self._over_time(input), self._over_time(output)
        if output.is_meta:
            raise _Skipped(_NO_TORCH_NUMBERS)
        dtype = output.dtype
        kind = str(dtype)[len("torch.") :]
        lowered = _lowered(kind) or self._autocast(output)
        if lowered:
            x = x.to(getattr(self._torch, lowered))
        network = self._networks.get(kind)
        if network is None:
            network = self._networks[kind] = self._network(kind)

        def states(values: Any) -> Arrays:
            # Without a batch axis a layer has states (L·D, H), and a cell has no axis of layers.
            rows = network.num_layers * network.directions
            named = zip("hc", values if isinstance(values, tuple) else (values,))
            return {name: copied(state.reshape(rows, -1, state.shape[-1])) for name, state in named}

        def copied(tensor: Any) -> Any:
            """A copy, since the model may overwrite its tensors; under autocast as the layer read it."""
            tensor = tensor.detach() if tensor.requires_grad else tensor
            return tensor.clone() if tensor.dtype == dtype else tensor.to(dtype)

        last, first = states(final), {} if hx is None else states(hx)
        output = last["h"] if self._cell else copied(output)
        lengths = lengths if len(set(lengths)) > 1 else ()
        gradients = self._follow(result) if self._recorder.capture.gradients else None
        parameters = self.parameters(lowered)
        return Call(network, parameters, copied(x), first, output, last, lengths, lowered, _torch_layers, gradients)

    def _over_time(self, tensor: Any) -> Any:
        """A tensor that the layer read or returned, time first."""
        if self._cell:
            return tensor.reshape(1, -1, tensor.shape[-1])
        if tensor.dim() == 2:
            return tensor.unsqueeze(1)
        return tensor.transpose(0, 1) if self._module.batch_first else tensor

    def _follow(self, result: Any) -> Gradients | None:
        """Gradients that the backward pass of a call will give; None of a call that has none."""
        output, final = (result, result) if self._cell else result
        packed = isinstance(output, self._torch.nn.utils.rnn.PackedSequence)
        returned = output.data if packed else output[0] if isinstance(output, tuple) else output
        if not returned.requires_grad:
            return None
        if isinstance(self._module, self._torch.nn.LSTMCell):
            return Gradients(unknown="no gradients: PyTorch adds those of an LSTMCell's h to those of its c")
        last, found = self._gradients, Gradients()
        if last is not None and not last.parameters:
            # No backward pass has reached it yet, so that the next one gives the sum of both.
            last.unknown = found.unknown = "no gradients: it was called again before loss.backward()"
        self.end_gradients()
        self._gradients = found
        rows = 1 if self._cell else self._module.num_layers * (2 if self._module.bidirectional else 1)

        def follow(tensor: Any, to: Arrays, name: str, arranged: Callable[[Any], Any]) -> None:
            def add(gradient: Any) -> None:
                # A second backward pass of the same call adds its own.
                own = arranged(gradient.detach()).clone()
                to[name] = to[name] + own if name in to else own

            if tensor.requires_grad:
                self._hooks.append(tensor.register_hook(add))

        def padded(gradient: Any) -> Any:
            return self._torch.nn.utils.rnn.pad_packed_sequence(output._replace(data=gradient))[0]

        follow(returned, found.loss, "output", padded if packed else self._over_time)
        for name, state in zip("hc", final if isinstance(final, tuple) else (final,)):
            if state is not returned:
                follow(state, found.loss, name, lambda gradient: gradient.reshape(rows, -1, gradient.shape[-1]))
        for name, tensor in zip(self._names(), self._tensors()):
            follow(tensor, found.parameters, name, lambda gradient: gradient)
        return found

    def end_gradients(self) -> None:
        while self._hooks:
            self._hooks.pop().remove()

    def _autocast(self, output: Any) -> str:
        """The half precision of the products under autocast, where a layer returns float32, as a GRU may; or ""."""
        torch, device = self._torch, output.device.type
        try:
            on, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        except (TypeError, AttributeError):  # before PyTorch 2.4
            cpu = device == "cpu"
            on = torch.is_autocast_cpu_enabled() if cpu else torch.is_autocast_enabled()
            dtype = torch.get_autocast_cpu_dtype() if cpu else torch.get_autocast_gpu_dtype()
        return _lowered(str(dtype)[len("torch.") :]) if on and output.dtype == torch.float32 else ""

    def _network(self, kind: str) -> Network:
        module, dtype = self._module, _network_dtype(kind)
        if self._cell:
            nn = self._torch.nn
            kind = "LSTM" if isinstance(module, nn.LSTMCell) else "GRU" if isinstance(module, nn.GRUCell) else "RNN"
            cell = f"rnn_{module.nonlinearity}" if kind == "RNN" else kind.lower()
            return Network(cell, module.input_size, module.hidden_size, dtype=dtype)
        sizes = module.input_size, module.hidden_size, module.num_layers, bool(module.bidirectional)
        layout, projection = "NTC" if module.batch_first else "TNC", module.proj_size or None
        return Network(module.mode.lower(), *sizes, layout=layout, dtype=dtype, projection_size=projection)

    def parameters(self, lowered: str) -> Arrays:
        """The parameters by Gluon's names, in half precision where the layer read them so."""

        def arrays(copies: list[Any]) -> Arrays:
            read = [copy.to(getattr(self._torch, lowered)) if lowered else copy for copy in copies]
            return _with_biases(dict(zip(self._names(), map(_from_torch, read))))

        return self._recorder.parameters(lowered, self._tensors(), lambda tensor: tensor.detach().clone(), arrays)

    def _tensors(self) -> list[Any]:
        """The tensors that the layer passes to its kernel, also where something replaces its parameters."""
        module = self._module
        if not self._cell:
            return list(module._flat_weights)
        given = (module.weight_ih, module.weight_hh, module.bias_ih, module.bias_hh)
        return [tensor for tensor in given if tensor is not None]

    def _names(self) -> list[str]:
        """Gluon's names of the tensors, in their order."""
        if self._cell:
            return [f"l0_{kind}" for kind in _TORCH_KINDS]
        ours = {theirs: kind for kind, theirs in _TORCH_KINDS.items()}
        found = [re.fullmatch(r"(\w+)_l(\d+)(_reverse)?", name) for name in self._module._flat_weights_names]
        return [f"{'r' if match[3] else 'l'}{match[2]}_{ours[match[1]]}" for match in found if match]


def _torch_layers(call: Call) -> Any:
    """The hidden values of all layers, from PyTorch layer by layer."""
    torch, network = sys.modules["torch"], call.network
    lowered = getattr(torch, call.computed_in or network.dtype)
    # Under autocast the products alone may be in half precision.
    output = torch.tensor(call.output)
    mixed = bool(call.computed_in) and not torch.equal(output, output.to(lowered).to(output.dtype))
    dtype = torch.float32 if mixed else lowered
    kind, options = _layer_of(network, "nonlinearity")
    if network.projection_size is not None:
        options["proj_size"] = network.projection_size

    def run(x: Any, initial: list[Any], parameters: Arrays) -> Any:
        module = getattr(torch.nn, kind)(x.shape[-1], network.hidden_size, dtype=dtype, **options)
        x, *state = (torch.tensor(array, dtype=dtype) for array in (x, *initial))
        given = tuple(state) if len(state) == 2 else state[0]
        with torch.no_grad(), torch.autocast("cpu", dtype=lowered if mixed else torch.bfloat16, enabled=mixed):
            for name, array in parameters.items():
                theirs, side = _TORCH_KINDS[name[len("l0_") :]], "_reverse" if name[0] == "r" else ""
                getattr(module, f"{theirs}_l0{side}").copy_(torch.tensor(array))
            if not call.lengths:
                return _from_torch(module(x, given)[0])
            rnn = torch.nn.utils.rnn
            packed = rnn.pack_padded_sequence(x, torch.tensor(call.lengths), enforce_sorted=False)
            return _from_torch(rnn.pad_packed_sequence(module(packed, given)[0], total_length=call.timesteps)[0])

    return _layer_by_layer(call, run)


def _layer_of(network: Network, activation: str) -> tuple[str, dict[str, Any]]:
    """The class of a layer in PyTorch and Gluon, and its options; `activation` is the name of one of them."""
    kind, _, own = network.cell.partition("_")
    return kind.upper(), {"bidirectional": network.bidirectional, **({activation: own} if own else {})}


def _layer_by_layer(call: Call, run: Callable[[Any, list[Any], Arrays], Any]) -> Any:
    """The hidden values of all layers (L, D, T, N, H).

    None if the layers do not give the recorded output within rounding, as on another device. `run` computes one layer:
    the output (T, N, D·H) from the input, the initial states (D, N, H), and the parameters by their names in layer 0.
    """
    network, x, hidden = call.network, call.x, []
    for layer in range(network.num_layers):
        rows = slice(layer * network.directions, (layer + 1) * network.directions)
        own = re.compile(rf"([lr]){layer}(_.+)")
        found = [(own.fullmatch(name), array) for name, array in call.parameters.items()]
        parameters = {f"{name[1]}0{name[2]}": array for name, array in found if name}
        x = run(x, [state[rows] for state in call.initial.values()], parameters)
        hidden.append(np.stack(np.split(x, network.directions, axis=2)))
    close = 1e-9 if network.dtype == "float64" else 1e-2 if call.computed_in else 1e-4
    return np.stack(hidden) if np.allclose(x, call.output, close, close, equal_nan=True) else None


def _with_biases(arrays: Arrays) -> Arrays:
    """The parameters of a layer or a cell, with biases of 0 where it has none."""
    for name in [name for name in arrays if name.endswith("h_weight")]:
        bias = name.replace("_weight", "_bias")
        arrays.setdefault(bias, np.zeros(arrays[name].shape[0], arrays[name].dtype))
    return arrays


class _Gluon(_Framework):
    """Gluon: the kernels of gluon.rnn.RNN, LSTM and GRU, and forward hooks of their cells."""

    ending = ".params"
    expected = "gluon.rnn.RNN, LSTM and GRU and their cells are recorded"

    def __init__(self) -> None:
        self._mxnet = sys.modules["mxnet"]
        self._rnn = self._mxnet.gluon.rnn

    def find(self, model: Any) -> dict[str, Any]:
        rnn = self._rnn
        kinds = (rnn.rnn_layer._RNNLayer, rnn.RNNCell, rnn.LSTMCell, rnn.GRUCell)
        return {name: block for name, block in self._blocks(model) if isinstance(block, kinds)}

    def _blocks(self, block: Any, name: str = "") -> Iterator[tuple[str, Any]]:
        yield name, block
        for own, child in block._children.items():
            yield from self._blocks(child, f"{name}.{own}" if name else own)

    def prepare(self, model: Any, undo: ExitStack) -> None:
        for _, block in self._blocks(model):
            if getattr(block, "_active", False):
                block._active = False
                undo.callback(setattr, block, "_active", True)

    def attach(self, layer: Any, recorder: _Recorder, undo: ExitStack) -> None:
        if not isinstance(layer, self._rnn.rnn_layer._RNNLayer):
            handle = layer.register_forward_hook(
                lambda layer, args, result: recorder(lambda: self._cell_call(layer, recorder, result, *args))
            )
            undo.callback(handle.detach)
            return
        kernel = layer._forward_kernel

        def recorded(F: Any, inputs: Any, states: Any, sequence_length: Any = None, **parameters: Any) -> Any:
            result = kernel(F, inputs, states, sequence_length, **parameters)
            if F is self._mxnet.ndarray:  # else shapes are inferred, with symbols
                recorder(lambda: self._layer_call(layer, recorder, result, inputs, states, sequence_length))
            return result

        _override(layer, "_forward_kernel", recorded, undo)

    def to_numpy(self, tensor: Any) -> Any:
        return tensor.asnumpy()

    def _layer_call(
        self, block: Any, recorder: _Recorder, result: Any, inputs: Any, states: Any, sequence_length: Any
    ) -> Call:
        if block._dropout and block._num_layers > 1 and self._mxnet.autograd.is_training():
            raise _Skipped("dropout between its layers is active: call the model outside of autograd.record()")
        if sequence_length is not None:
            raise _Skipped("MXNet ignores sequence_length on the CPU: leave it out")
        output, final = result
        if block._layout == "NTC":
            inputs, output = inputs.swapaxes(0, 1), output.swapaxes(0, 1)
        sizes = inputs.shape[2], block._hidden_size, block._num_layers, block._dir == 2
        network = Network(block._mode, *sizes, layout=block._layout, projection_size=block._projection_size)
        parameters = {name: getattr(block, name) for name in block._reg_params if "_" in name}
        return self._call(recorder, network, parameters, inputs, states, output, final)

    def _cell_call(self, cell: Any, recorder: _Recorder, result: Any, inputs: Any, states: Any) -> Call:
        output, final = result
        rnn = isinstance(cell, self._rnn.RNNCell)
        kind = "rnn" if rnn else "lstm" if isinstance(cell, self._rnn.LSTMCell) else "gru"
        # A GRUCell of MXNet has no choice.
        gates = "" if rnn else _activation(getattr(cell, "_recurrent_activation", "sigmoid"))
        kind, activations = _cell_of(kind, gates, _activation(getattr(cell, "_activation", "tanh")))
        network = Network(kind, inputs.shape[1], cell._hidden_size, activations=activations)
        parameters = {f"l0_{name}": getattr(cell, name) for name in cell._reg_params}
        initial, final = ([state.expand_dims(0) for state in some] for some in (states, final))
        return self._call(recorder, network, parameters, inputs.expand_dims(0), initial, output.expand_dims(0), final)

    def _call(
        self, recorder: _Recorder, network: Network, parameters: Arrays, x: Any, initial: Any, output: Any, final: Any
    ) -> Call:
        kind = np.dtype(output.dtype).name
        arrays = recorder.once({name: parameter.data().asnumpy() for name, parameter in parameters.items()})
        first, last = ({name: state.copy() for name, state in zip("hc", states)} for states in (initial, final))
        network = replace(network, dtype=_network_dtype(kind))
        return Call(network, arrays, x.copy(), first, output.copy(), last, (), _lowered(kind), self._layers)

    def _layers(self, call: Call) -> Any:
        """The hidden values of all layers, from Gluon layer by layer."""
        network = call.network
        kind, options = _layer_of(network, "activation")

        def array(values: Any) -> Any:
            return self._mxnet.nd.array(values, dtype=network.dtype)

        def run(x: Any, initial: list[Any], parameters: Arrays) -> Any:
            block = getattr(self._rnn, kind)(network.hidden_size, input_size=x.shape[2], dtype=network.dtype, **options)
            block.initialize()
            for name, values in parameters.items():
                getattr(block, name).set_data(array(values))
            return block(array(x), [array(state) for state in initial])[0].asnumpy()

        return _layer_by_layer(call, run)


_KERAS_CELLS = {"SimpleRNNCell": ("rnn", (0,)), "LSTMCell": ("lstm", (0, 1, 2, 3)), "GRUCell": ("gru", (1, 0, 2))}
"""For each cell of Keras its kind, and the places of its gates in Gluon's order."""
_KERAS_ACTIVATIONS = {
    **{name: name for name in ("tanh", "relu", "sigmoid", "linear", "elu", "selu", "softsign", "softplus", "gelu")},
    **{name: name for name in ("exponential", "hard_tanh")},
    "silu": "swish",
    "celu": "elu",
    "leaky_relu": "leaky_relu(0.2)",
    "hard_sigmoid": f"hard_sigmoid({1 / 6!r}, 0.5)",
}
"""The activations of Keras in a config of rnnviz, with Keras' constants."""
_EAGERLY = "call model(x), or compile the model with run_eagerly=True"
_NO_NUMBERS = f"it was called without numbers, as in a compiled predict() or fit(): {_EAGERLY}"


class _Keras(_Framework):
    """Keras 3: the inner loop of SimpleRNN, LSTM, GRU and RNN, and the calls of their cells."""

    ending = ".keras"
    expected = "SimpleRNN, LSTM, GRU, RNN and Bidirectional of keras.layers and their cells are recorded"
    uncalled = f"it was not called: a predict() or fit() that was compiled before calls no layers; {_EAGERLY}"

    def __init__(self) -> None:
        self._keras = sys.modules["keras"]
        self._found: set[int] = set()
        # For each running call of a layer the outputs of its cells, one a time step, by the id of the cell.
        self._running: list[dict[int, list[Any]]] = []
        self._networks: dict[int, Network] = {}
        self._merged: dict[str, tuple[Arrays, Arrays, Arrays]] = {}

    def find(self, model: Any) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, layer in self._walk(model, ""):
            unique = next(one for one in (name, *(f"{name}_{k}" for k in range(1, len(found) + 1))) if one not in found)
            found[unique] = layer
        return found

    def _walk(self, layer: Any, name: str) -> Iterator[tuple[str, Any]]:
        layers = self._keras.layers
        cells = tuple(getattr(layers, kind) for kind in _KERAS_CELLS)
        both = isinstance(layer, layers.Bidirectional) and isinstance(layer.forward_layer, layers.RNN)
        if id(layer) in self._found:
            return
        self._found.add(id(layer))
        if both or isinstance(layer, (layers.RNN, *cells)):
            yield name, layer
        else:
            for child in layer._flatten_layers(include_self=False, recursive=False):
                yield from self._walk(child, f"{name}/{child.name}" if name else child.name)

    def to_numpy(self, tensor: Any) -> Any:
        # Calls of layers have arrays already.
        return tensor if isinstance(tensor, np.ndarray) else self._array(tensor, self._type(tensor))

    def attach(self, layer: Any, recorder: _Recorder, undo: ExitStack) -> None:
        if isinstance(layer, self._keras.layers.Bidirectional):
            self._attach_both(layer, recorder, undo)
        elif isinstance(layer, self._keras.layers.RNN):
            self._attach_layer(layer, recorder, recorder, undo)
        else:
            self._prepare([layer], recorder)
            self._attach_cell(layer, recorder, undo)

    def _attach_layer(
        self, layer: Any, recorder: _Recorder, record: Callable[[Callable[[], Call]], None], undo: ExitStack
    ) -> None:
        inner_loop, call = layer.inner_loop, layer.call
        self._prepare(self._cells(layer), recorder)

        def looped(sequences: Any, initial_state: Any, mask: Any = None, training: Any = False) -> Any:
            if self._symbolic(sequences):
                if not self._building():
                    record(self._no_numbers)
                return inner_loop(sequences, initial_state, mask, training=training)
            # The last output is the same, and so is all that the layer returns.
            returned, vars(layer)["return_sequences"] = layer.return_sequences, True
            try:
                result = inner_loop(sequences, initial_state, mask, training=training)
            finally:
                vars(layer)["return_sequences"] = returned
            record(lambda: self._layer_call(layer, recorder, result, sequences, initial_state, mask, training))
            return result

        def called(*args: Any, **kwargs: Any) -> Any:
            self._running.append({})
            try:
                return call(*args, **kwargs)
            finally:
                self._running.pop()

        _override(layer, "inner_loop", looped, undo)
        _override(layer, "call", called, undo)
        for cell in self._cells(layer):
            if id(cell) not in self._found and _keras_kind(cell):
                self._attach_cell(cell, _Recorder(recorder.capture, f"{recorder.name}/{cell.name}"), undo)

    def _attach_both(self, layer: Any, recorder: _Recorder, undo: ExitStack) -> None:
        parts: list[Any] = []
        call = layer.call

        def record(read: Callable[[], Call]) -> None:
            try:
                parts.append(read())
            except Exception as error:  # noqa: BLE001 - it is a reason, when both directions have been called
                parts.append(error)

        def called(*args: Any, **kwargs: Any) -> Any:
            parts.clear()
            result = call(*args, **kwargs)
            if not self._building():
                recorder(lambda: self._both(recorder, sides, parts))
            return result

        sides = []
        for side in (layer.forward_layer, layer.backward_layer):
            sides.append(_Recorder(recorder.capture, f"{recorder.name}/{side.name}"))
            self._attach_layer(side, sides[-1], record, undo)
        _override(layer, "call", called, undo)

    def _attach_cell(self, cell: Any, recorder: _Recorder, undo: ExitStack) -> None:
        call = cell.call
        signature = inspect.signature(call)

        def called(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            outputs = self._running[-1].setdefault(id(cell), []) if self._running else None
            if self._symbolic(result[0]):
                if outputs is None and not self._building():
                    recorder(self._no_numbers)
            elif outputs is not None:
                outputs.append(result[0])
            else:
                given = signature.bind(*args, **kwargs).arguments.values() if kwargs else args
                recorder(lambda: self._cell_call(cell, recorder, result, *given))
            return result

        _override(cell, "call", called, undo)

    def _building(self) -> bool:
        """Whether Keras calls layers in order to know the shapes of their outputs."""
        scope = sys.modules.get("keras.src.backend.common.symbolic_scope")
        return scope is not None and bool(scope.in_symbolic_scope())

    def _symbolic(self, tensor: Any) -> bool:
        backend = self._keras.backend.backend()
        return (
            self._building()
            or (backend == "tensorflow" and not sys.modules["tensorflow"].executing_eagerly())
            or (backend == "jax" and isinstance(tensor, sys.modules["jax"].core.Tracer))
            or (backend == "torch" and sys.modules["torch"].compiler.is_compiling())
        )

    def _prepare(self, cells: list[Any], recorder: _Recorder) -> None:
        """Copy the parameters now, so that no call takes longer."""
        if all(_keras_kind(cell) and cell.built for cell in cells):
            self._parameters(cells, recorder, str(cells[0].compute_dtype))

    def _no_numbers(self) -> Call:
        raise _Skipped(_NO_NUMBERS)

    def _cells(self, layer: Any) -> list[Any]:
        """The cells of a layer, from the bottom."""
        stacked = isinstance(layer.cell, self._keras.layers.StackedRNNCells)
        return list(layer.cell.cells) if stacked else [layer.cell]

    def _layer_call(
        self, layer: Any, recorder: _Recorder, result: Any, sequences: Any, initial_state: Any, mask: Any, training: Any
    ) -> Call:
        kinds = [getattr(self._keras.layers, kind).inner_loop for kind in ("RNN", "LSTM", "GRU")]
        if type(layer).inner_loop not in kinds:
            raise _Skipped(f"it is of a class of your own, {type(layer).__name__}, which computes its time steps")
        cells = self._cells(layer)
        networks = [self._network(cell, training) for cell in cells]
        if len(set(networks)) > 1 or len({cell.compute_dtype for cell in (layer.cell, *cells)}) > 1:
            raise _Skipped("its cells differ: all layers of a network must have one cell of one size and type")
        dtype = self._dtype(result, stepwise=bool(self._running[-1]))
        x = self._array(sequences, dtype).swapaxes(0, 1)
        lengths = _lengths_of_mask(None if mask is None else self._array(next(_leaves(mask)), "bool"))

        def rows(tensor: Any) -> Any:
            """Values (N, T, H) of Keras, which come in the order of computation, as (T, N, H), 0 in padding."""
            array = self._array(tensor, dtype).swapaxes(0, 1)[:: -1 if layer.go_backwards else 1]
            for sample, length in enumerate(lengths):
                array[length:, sample] = 0
            return array

        hidden = None
        if 1 < len(cells) == len(set(map(id, cells))):
            # Keras calls the cells before the first time step, too.
            steps = [self._running[-1].get(id(cell), [])[-len(x) :] for cell in cells]
            if all(len(outputs) == len(x) for outputs in steps):
                hidden = np.stack([rows(self._keras.ops.stack(outputs, 1)) for outputs in steps])[:, None]
        network = replace(networks[0], num_layers=len(cells), reverse=bool(layer.go_backwards), layout="NTC")
        values = x, initial_state, rows(result[1]), result[2]
        call = self._call(cells, recorder, network, dtype, values, self._array)
        return replace(call, lengths=lengths, layers=None if hidden is None else lambda call: hidden)

    def _cell_call(
        self, cell: Any, recorder: _Recorder, result: Any, x: Any, states: Any, training: Any = False
    ) -> Call:
        dtype = self._dtype(result, stepwise=True)
        values = x[None], states, result[0][None], result[1]
        return self._call([cell], recorder, self._network(cell, training), dtype, values, self._copy)

    def _call(
        self, cells: list[Any], recorder: _Recorder, network: Network, dtype: str, values: Any, copied: Any
    ) -> Call:
        """A call of the cells of a stack: its input, initial states, output and final states, and what copies them."""
        x, initial, output, final = values

        def states(values: Any) -> Arrays:
            arrays = [copied(state[None], dtype) for state in _leaves(values)]
            count = len(arrays) // len(cells)
            if len(cells) == 1:
                return dict(zip("hc", arrays))
            return {name: np.concatenate(arrays[place::count]) for name, place in zip("hc", range(count))}

        network = replace(network, input_size=x.shape[2], dtype=_network_dtype(dtype))
        parameters, x, output = self._parameters(cells, recorder, dtype), copied(x, dtype), copied(output, dtype)
        return Call(network, parameters, x, states(initial), output, states(final), (), _lowered(dtype))

    def _both(self, recorder: _Recorder, sides: list[_Recorder], parts: list[Any]) -> Call:
        for part in parts:
            if isinstance(part, Exception):
                raise part
        if len(parts) != 2:
            raise _Skipped("Keras computed both directions at once: give its layers use_cudnn=False")
        ahead: Call = parts[0]
        behind: Call = parts[1]
        single = not ahead.network.reverse and ahead.network.num_layers == 1
        same = (replace(ahead.network, reverse=True), ahead.computed_in) == (behind.network, behind.computed_in)
        if not (single and same):
            sides[0](lambda: ahead)
            sides[1](lambda: behind)
            raise _Skipped("its directions, which are recorded, are not one forward and one backward layer of one cell")

        known = self._merged.get(recorder.name)
        if known is None or known[0] is not ahead.parameters or known[1] is not behind.parameters:
            backward = {f"r{name[1:]}": array for name, array in behind.parameters.items()}
            merged = recorder.once({**ahead.parameters, **backward})
            known = self._merged[recorder.name] = ahead.parameters, behind.parameters, merged
        return replace(
            ahead,
            network=replace(ahead.network, bidirectional=True),
            parameters=known[2],
            initial={name: np.concatenate([ahead.initial[name], behind.initial[name]]) for name in ahead.initial},
            output=np.concatenate([ahead.output, behind.output], axis=2),
            final={name: np.concatenate([ahead.final[name], behind.final[name]]) for name in ahead.final},
        )

    def _network(self, cell: Any, training: Any) -> Network:
        """The network of one cell, without its input size and type."""
        kind = _keras_kind(cell)
        if not kind:
            raise _Skipped(f"its cell is {type(cell).__name__}: {', '.join(_KERAS_CELLS)} are recorded")
        if training and (cell.dropout or cell.recurrent_dropout):
            raise _Skipped("dropout of its inputs or states is active: call the model with training=False")
        if id(cell) not in self._networks:
            name = _KERAS_CELLS[kind][0]
            gates = "" if name == "rnn" else self._activation(cell.recurrent_activation)
            if name == "gru" and not cell.reset_after:
                name = "gru_reset_before"
            name, activations = _cell_of(name, gates, self._activation(cell.activation))
            self._networks[id(cell)] = Network(name, 0, cell.units, activations=activations)
        return self._networks[id(cell)]

    def _activation(self, function: Any) -> str:
        layers, own = self._keras.layers, self._keras.activations
        if isinstance(function, layers.LeakyReLU):
            return f"leaky_relu({float(function.negative_slope)})"
        if isinstance(function, layers.ELU):
            return f"elu({float(function.alpha)})"
        name = str(getattr(function, "__name__", type(function).__name__))
        if name not in _KERAS_ACTIVATIONS or getattr(own, name, None) is not function:
            raise _Skipped(f"its activation is {name}, and must be one of Keras' {', '.join(_KERAS_ACTIVATIONS)}")
        return _KERAS_ACTIVATIONS[name]

    def _dtype(self, result: Any, stepwise: bool) -> str:
        """The type in which a layer computed, or a cell each time step. Its products of float64 are float32."""
        dtype = self._type(result[0])
        return str(self._keras.backend.result_type(dtype, dtype)) if stepwise else dtype

    def _type(self, tensor: Any) -> str:
        return str(self._keras.backend.standardize_dtype(tensor.dtype))

    def _copy(self, tensor: Any, dtype: str) -> Any:
        """A copy of the tensor, which takes less time than one in numpy."""
        backend = self._keras.backend.backend()
        if backend == "numpy" or self._type(tensor) != dtype:
            return self._array(tensor, dtype)
        if backend == "torch":
            tensor.data_ptr()  # fails within torch.vmap
            return tensor.detach().clone()
        return tensor

    def _array(self, tensor: Any, dtype: str) -> Any:
        """A copy of the tensor in numpy; numpy has no bfloat16, and float32 holds its numbers exactly."""
        if dtype == "bfloat16":
            tensor, dtype = self._keras.ops.cast(tensor, dtype), "float32"
        return np.array(self._keras.ops.convert_to_numpy(tensor), dtype)

    def _parameters(self, cells: list[Any], recorder: _Recorder, dtype: str) -> Arrays:
        variables = [(cell.kernel, cell.recurrent_kernel, cell.bias) for cell in cells]

        def read(_: list[Any]) -> Arrays:
            arrays = {}
            for layer, (cell, (kernel, recurrent_kernel, bias)) in enumerate(zip(cells, variables)):
                order = _KERAS_CELLS[_keras_kind(cell)][1]

                def reordered(variable: Any, order: tuple[int, ...] = order) -> Any:
                    gates = np.split(self._array(variable, dtype), len(order), axis=-1)
                    return np.ascontiguousarray(np.concatenate([gates[place] for place in order], axis=-1).T)

                arrays[f"l{layer}_i2h_weight"] = reordered(kernel)
                arrays[f"l{layer}_h2h_weight"] = reordered(recurrent_kernel)
                if bias is not None:
                    biases = reordered(bias)
                    arrays[f"l{layer}_i2h_bias"] = biases if biases.ndim == 1 else biases[:, 0]
                    if biases.ndim == 2:
                        arrays[f"l{layer}_h2h_bias"] = biases[:, 1]
            return _with_biases(arrays)

        tensors = [variable.value for of_cell in variables for variable in of_cell if variable is not None]
        return recorder.parameters(dtype, tensors, self._unshared, read)

    def _unshared(self, tensor: Any) -> Any:
        """A copy for comparisons. Tensors of JAX and TensorFlow may share their memory with an array of the user's."""
        if hasattr(tensor, "detach"):
            return tensor.detach().clone()
        return np.array(self._keras.ops.convert_to_numpy(tensor))


def _override(layer: Any, name: str, method: Callable[..., Any], undo: ExitStack) -> None:
    """Hide a method of the layer's class by an attribute of the layer."""
    own = vars(layer)
    if name in own:
        undo.callback(own.__setitem__, name, own[name])
    else:
        undo.callback(own.__delitem__, name)
    own[name] = method


def _keras_kind(cell: Any) -> str:
    """Which of Keras' cells it is; "" if it computes something else."""
    kinds: list[Any] = [kind for kind in type(cell).__mro__ if kind.__name__ in _KERAS_CELLS]
    own = kinds and kinds[0].__module__.startswith("keras.") and type(cell).call is kinds[0].call
    return str(kinds[0].__name__) if own else ""


def _leaves(values: Any) -> Iterator[Any]:
    if isinstance(values, (list, tuple)):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def _lengths_of_mask(mask: Any) -> tuple[int, ...]:
    """The lengths of the samples by a mask (N, T), empty if no time step is masked."""
    if mask is None or mask.all():
        return ()
    mask = mask.reshape(mask.shape[:2])
    lengths = mask.sum(axis=1)
    if not lengths.all() or (mask != (np.arange(mask.shape[1]) < lengths[:, None])).any():
        raise _Skipped("its mask has other than padding at the end: a sample must have its time steps first, and one")
    return tuple(int(length) for length in lengths)


# On PyTorch a layer of Keras is a module of PyTorch, too.
_ADAPTERS = (
    ("keras.src.layers.layer", "Layer", _Keras),
    ("torch.nn.modules.module", "Module", _Torch),
    ("mxnet.gluon.block", "Block", _Gluon),
)


def _adapter_of(model: Any) -> Any:
    for module, name, adapter in _ADAPTERS:
        if module in sys.modules and isinstance(model, getattr(sys.modules[module], name)):
            return adapter()
    needed = "it must be a torch.nn.Module, a Keras model or layer, or a Gluon Block"
    raise TypeError(f"{type(model).__name__} cannot be recorded: {needed}.")
