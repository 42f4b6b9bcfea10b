"""Config of a run: eight frozen sections that mirror the tables of the TOML file, validated on creation."""

import os
from collections.abc import Collection, Mapping
from dataclasses import field, fields, replace
from functools import lru_cache
from typing import Any

from rnnviz.cells import CELLS, CellSpec, Sizes
from rnnviz.cells.activations import ACTIVATIONS
from rnnviz.cells.interpreters.graph import Graph, trace
from rnnviz.core.engine_spec import CODE, is_own, is_program
from rnnviz.core.errors import ConfigError
from rnnviz.core.schema import (
    LARGEST_SEED,
    config_field,
    declarations,
    display_key,
    display_value,
    parse_activation,
    section_from_mapping,
    section_to_mapping,
)
from rnnviz.core.sequence import SequenceSource as SequenceSource
from rnnviz.core.sequence import alphabet, check_sequence
from rnnviz.core.words import join_words, plural, suggest
from rnnviz.frozen import dataclass

DEFAULT_TOLERANCES = {"float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
"""(rtol, atol) by dtype: the defaults of torch.testing.assert_close."""

PROJECTIONS = {cell.projection_of: name for name, cell in CELLS.items() if cell.projection_of}
"""The cells that can have a projection, each with the cell that it is where `projection_size` is set."""

CELL_NAMES = tuple(name for name in CELLS if name not in PROJECTIONS.values())
"""The cells that a config can name."""


def lane_name(layer: int, direction: int) -> str:
    """Gluon's name of a lane, which begins the names of its parameters: "l0", and "r1" of direction 1."""
    return f"{'lr'[direction]}{layer}"


def parameter_name(layer: int, direction: int, name: str) -> str:
    """Gluon's name of a lane's parameter, such as "l0_i2h_weight"; `name` is one of `CellSpec.parameter_shapes`."""
    return f"{lane_name(layer, direction)}_{name}"


@dataclass(frozen=True)
class Network:
    """The recurrent network: `num_layers` layers of one cell, in one or both directions."""

    cell: str = config_field(
        "choice", "Type of recurrent layer, or the Python file of a custom cell.", choices=CELL_NAMES, suffix=CODE
    )
    input_size: int = config_field("int", "Number of input features (I).", minimum=1)
    hidden_size: int = config_field("int", "Number of units of each layer and direction (H).", minimum=1)
    num_layers: int = config_field("int", "Number of stacked layers (L).", 1, minimum=1, maximum=1000)
    bidirectional: bool = config_field("bool", "Bidirectional: add a backward direction to every layer.", False)
    reverse: bool = config_field("bool", "Read the sequence from its end, in one direction.", False)
    layout: str = config_field("choice", "Axes of out: batch first or time first.", "NTC", choices=("NTC", "TNC"))
    dtype: str = config_field("choice", "Floating-point type.", "float32", choices=("float32", "float64"))
    projection_size: int | None = config_field(
        "int", "Number of units of h of an LSTM with a projection (P); empty: none.", None, minimum=1
    )
    clip: float | None = config_field(
        "float", "Limit of the pre-activations, as ONNX's clip; empty: none.", None, above=0.0
    )
    activations: tuple[str, ...] | None = config_field(
        "activations", "Activations in ONNX's order f, g, h; empty: those of the cell.", None
    )

    custom: CellSpec | None = field(default=None, compare=False, repr=False)
    """A custom cell, once its file is read."""

    @property
    def kind(self) -> CellSpec:
        """The cell with the network's activations and clip. Raises ConfigError before a custom cell's file is read."""
        if self.custom is not None:
            return _kind(self.custom, self.clip, self.activations)
        if self.cell not in CELLS:
            raise ConfigError("network.cell", f"{self.cell} is a custom cell. Only a run reads its file.")
        cell = CELLS[self.cell if self.projection_size is None else PROJECTIONS.get(self.cell, self.cell)]
        return _kind(cell, self.clip, self.activations)

    @property
    def graph(self) -> Graph:
        return trace(self.kind)

    @property
    def cell_title(self) -> str:
        """The cell in words, with the keys that change it: "LSTM with clip = 3.0"."""
        settings = {"clip": self.clip, "activations": self.activations and list(self.activations)}
        changed = [f"{name} = {display_value(value)}" for name, value in settings.items() if value is not None]
        if self.projection_size is not None:
            changed.append(f"P = {self.projection_size} and H = {self.hidden_size}")
        title = self.kind.title if self.is_known else "a custom cell"
        return title + (f" with {join_words(changed)}" if changed else "")

    @property
    def output_size(self) -> int:
        """Number of units of h: P of an LSTM with a projection, else H."""
        if self.projection_size is None or (self.custom is not None and self.custom.states[0].size == "H"):
            return self.hidden_size
        return self.projection_size

    def differences(self, other: "Network") -> dict[str, tuple[Any, Any]]:
        """The keys by which two networks differ, with both values. The layout only names axes, and the paths of custom
        cells say nothing."""
        keys = [spec.name for spec in fields(self) if spec.compare and spec.name != "layout"]
        pairs = {key: (getattr(self, key), getattr(other, key)) for key in keys}
        if is_own(self.cell) and is_own(other.cell):
            del pairs["cell"]
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    def sizes(self, layer: int) -> Sizes:
        """The sizes of which a layer's shapes are made."""
        return Sizes(self.layer_input_size(layer), self.hidden_size, self.projection_size)

    @property
    def is_known(self) -> bool:
        """Whether the cell has a definition: it is built in, or its file is read."""
        return self.custom is not None or self.cell in CELLS

    @property
    def directions(self) -> int:
        """Number of directions D: 2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    def backward(self, direction: int) -> bool:
        """Whether the lane with this index on the D axis reads the sequence from its end."""
        return self.reverse or direction == 1

    def layer_input_size(self, layer: int) -> int:
        """Number of features that `layer` reads: I for the first layer, D·H or D·P above it."""
        return self.input_size if layer == 0 else self.directions * self.output_size

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the parameters by Gluon name, in the order they are drawn in; see `CellSpec.parameter_shapes`."""
        return {
            parameter_name(layer, direction, name): shape
            for layer in range(self.num_layers)
            for direction in range(self.directions)
            for name, shape in self.kind.parameter_shapes(self.sizes(layer)).items()
        }

    @property
    def parameter_count(self) -> int:
        """Number of weights and biases."""
        first, above = (self.kind.parameter_count(self.sizes(layer)) for layer in (0, 1))
        return self.directions * (first + (self.num_layers - 1) * above)

    def state_shape(self, batch_size: int, symbol: str = "h") -> tuple[int, int, int]:
        """Shape of a state in both layouts, (L·D, N, H) or (L·D, N, P), or of another array with as many units as c."""
        units = self.kind.state_sizes(self.sizes(0)).get(symbol, self.hidden_size)
        return self.num_layers * self.directions, batch_size, units

    def hidden_shape(self, timesteps: int, batch_size: int, symbol: str = "h") -> tuple[int, int, int, int, int]:
        """Shape of an array over time in a trace: (L, D, T, N, H); see `state_shape`."""
        return self.num_layers, self.directions, timesteps, *self.state_shape(batch_size, symbol)[1:]

    def output_shape(self, timesteps: int, batch_size: int) -> tuple[int, int, int]:
        """Shape of `out`: (N, T, D·H) in layout NTC, (T, N, D·H) in layout TNC; D·P with a projection."""
        width = self.directions * self.output_size
        return (batch_size, timesteps, width) if self.layout == "NTC" else (timesteps, batch_size, width)


@dataclass(frozen=True)
class ParameterSource:
    """Source of the weights and biases."""

    initializer: str = config_field(
        "choice",
        "Distribution of the weights, or a file that holds them.",
        "xavier",
        choices=("xavier", "normal", "uniform", "orthogonal", "file"),
    )
    bias: str = config_field("choice", "Distribution of the biases.", "uniform", choices=("zeros", "uniform"))
    scale: float = config_field(
        "float", "Standard deviation of normal weights; half-width of uniform weights and biases.", 0.1, above=0.0
    )
    seed: int = config_field("int", "Seed of the random parameters.", 1, minimum=0, maximum=LARGEST_SEED)
    path: str | None = config_field("path", "Model file, or .npz file with Gluon's names.", None)
    entry: str | None = config_field("text", "Name of the recurrent layer in a model file.", None)


@dataclass(frozen=True)
class InitialStateSource:
    """Source of the initial state: h_0, and c_0 of an LSTM."""

    source: str = config_field(
        "choice",
        "Initial hidden state (and cell state for an LSTM): zeros, random between -0.9 and 0.9 or normal, or a file.",
        "zeros",
        choices=("zeros", "uniform", "normal", "file"),
    )
    seed: int = config_field("int", "Seed of a random initial state.", 2, minimum=0, maximum=LARGEST_SEED)
    path: str | None = config_field("path", ".npz file with h, and c for an LSTM.", None)
    final_of: str | None = config_field(
        "text", "Engine in the saved arrays of a run, whose final state is the initial state.", None
    )


@dataclass(frozen=True)
class Compare:
    """Engines that are run and compared, and the tolerance."""

    reference: str = config_field("text", "Reference engine.", "manual")
    candidates: tuple[str, ...] | None = config_field(
        "names",
        "Candidates: engines compared with the reference; if empty, an installed engine that computes the network.",
        None,
    )
    rtol: float | None = config_field(
        "float", "Relative tolerance (rtol); if empty, the default of the dtype.", None, minimum=0.0
    )
    atol: float | None = config_field(
        "float", "Absolute tolerance (atol); if empty, the default of the dtype.", None, minimum=0.0
    )

    @property
    def engines(self) -> tuple[str, ...]:
        """The reference first, then the candidates that the config names."""
        return (self.reference, *(self.candidates or ()))

    def tolerances(self, rtol: float, atol: float) -> tuple[float, float]:
        """(rtol, atol): the given ones are defaults for those that the config does not have."""
        return rtol if self.rtol is None else self.rtol, atol if self.atol is None else self.atol


@dataclass(frozen=True)
class Backward:
    """The backward pass: whether gradients are computed, and of which loss."""

    enabled: bool = config_field("bool", "Compute gradients by backpropagation through time.", False)
    loss: str = config_field(
        "choice",
        "Gradient of the loss with respect to out: ones (the loss is the sum of out), random or from a file; or one "
        "hidden value is the loss.",
        "sum",
        choices=("sum", "normal", "file", "value"),
    )
    path: str | None = config_field("path", ".npz file with output, state or cell_state: the loss gradients.", None)
    value: tuple[int, ...] | None = config_field(
        "indices", "The hidden value that is the loss: [layer, direction, time step, sample, unit].", None, count=5
    )
    final_state: str = config_field(
        "choice", "Gradient of the loss with respect to the final state.", "zeros", choices=("zeros", "ones", "normal")
    )
    seed: int = config_field("int", "Seed of random loss gradients.", 3, minimum=0, maximum=LARGEST_SEED)
    truncate: int | None = config_field(
        "int",
        "Truncated backpropagation: no gradient passes from one chunk of this many time steps to the one before; "
        "empty: not truncated.",
        None,
        minimum=1,
    )


SOFTMAX = "softmax"


@dataclass(frozen=True)
class HeadSource:
    """The dense layer behind the top layer, whose result is compared, too, where recorded outputs have it."""

    weight: str | None = config_field(
        "text", "Name of the weight (K, D·H) of a dense layer behind the network; empty: none.", None
    )
    bias: str | None = config_field("text", "Name of the bias (K,) of the dense layer; empty: none.", None)
    activation: str = config_field(
        "choice", "Activation of the dense layer.", "linear", choices=(SOFTMAX, *ACTIVATIONS)
    )
    path: str | None = config_field(
        "path", "File that holds the weight and the bias; empty: the model file of the parameters.", None
    )


@dataclass(frozen=True)
class Engines:
    """Limits of the programs that engines run, exec:COMMAND."""

    seconds: float = config_field("float", "Seconds after which a program of the user is stopped.", 60.0, above=0.0)
    memory: int = config_field("int", "Memory that a program and all that it starts may use, in MB.", 4096, minimum=1)
    processes: int = config_field("int", "Number of processes that a program may start.", 64, minimum=1)
    files: int = config_field("int", "Number of files that a program may write.", 256, minimum=1)
    folder: str | None = config_field("text", "Folder in which programs run; empty: that of the config.", None)


@dataclass(frozen=True)
class Config:
    """Settings of one run, one attribute for each table of the TOML file."""

    network: Network
    sequence: SequenceSource = field(default_factory=SequenceSource)
    parameters: ParameterSource = ParameterSource()
    initial_state: InitialStateSource = InitialStateSource()
    compare: Compare = Compare()
    backward: Backward = Backward()
    head: HeadSource = HeadSource()
    engines: Engines = Engines()

    @property
    def tolerances(self) -> tuple[float, float]:
        """(rtol, atol): as given, else the defaults of the network's dtype."""
        return self.compare.tolerances(*DEFAULT_TOLERANCES[self.network.dtype])

    @property
    def code(self) -> tuple[str, ...]:
        """The user's code that a run of the config runs: the paths of custom steps and of a custom cell, and the names
        of engines that are programs."""
        return tuple(name for name in (*self.compare.engines, self.network.cell) if is_own(name) or is_program(name))

    def with_program_folder(self, folder: str) -> "Config":
        """The config with the folder in which its programs run: the one that it names, relative to `folder`, or that
        folder itself."""
        if not any(map(is_program, self.compare.engines)):
            return self
        own = self.engines.folder
        return replace(self, engines=replace(self.engines, folder=os.path.join(folder, own) if own else folder))

    def with_custom_cell(self, cell: CellSpec | None) -> "Config":
        """The config with the definition of its custom cell. Raises ConfigError if keys set what it does not have."""
        if cell is not None:
            _check_custom_keys(self.network, cell)
        return replace(self, network=replace(self.network, custom=cell))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "Config":
        """Validate a mapping as a TOML file gives it. Raises ConfigError on the first key that is not allowed."""
        if not isinstance(values, Mapping):
            raise ConfigError("config", "A config must be a table of tables, such as [network].")
        check_tables(values, "config", SECTIONS)
        others: dict[str, Any] = {
            name: section_from_mapping(kind, name, _with_implied(name, values.get(name, {})))
            for name, kind in SECTIONS.items()
            if name != "network"
        }
        others["sequence"] = others["sequence"].sized_by_text()
        return cls(_network(values.get("network", {}), others["sequence"]), **others).checked()

    def checked(self) -> "Config":
        """Check keys that depend on each other, and return the config. Raises ConfigError if they contradict."""
        for section, key, value, partners in _TOGETHER:
            source = getattr(self, section)
            given = [partner for partner in partners if getattr(source, partner) is not None]
            actual = getattr(source, key)
            if actual == value and not given:
                wanted = declarations(type(source))[partners[0]].allowed
                raise ConfigError.of(
                    f"{section}.{partners[0]}", f'is missing: {section}.{key} = "{value}" needs {wanted}.'
                )
            if given and actual != value:
                shown = display_value(getattr(source, given[0]))
                raise ConfigError.of(
                    f"{section}.{given[0]}",
                    f"= {shown} is not read with {section}.{key} = {display_value(actual)}: "
                    f'it must be "{value}", or {given[0]} left out.',
                )
        check_sequence(self.sequence, self.parameters.path)
        _check_cell_keys(self.network)
        if self.network.reverse and self.network.bidirectional:
            raise ConfigError.of(
                "network.reverse",
                "= true needs network.bidirectional = false: a bidirectional layer has a backward direction already.",
            )
        for section, key, what in (
            ("parameters", "entry", "a layer of a file"),
            ("initial_state", "final_of", "an engine of a run's archive"),
        ):
            source = getattr(self, section)
            if getattr(source, key) is not None and source.path is None:
                named = f'= "{getattr(source, key)}" names {what}'
                raise ConfigError.of(f"{section}.{key}", f"{named}, but {section}.path is missing.")
        if self.head.weight is None and (self.head.bias is not None or self.head.path is not None):
            raise ConfigError.of("head.weight", "is missing: it names the weight of the dense layer.")
        if self.head.weight is not None and self.head.path is None and self.parameters.path is None:
            raise ConfigError.of(
                "head.path", f'is missing: it must be the file that holds head.weight = "{self.head.weight}".'
            )
        if self.backward.loss == "file" and self.backward.final_state != "zeros":
            raise ConfigError.of(
                "backward.final_state",
                f'= "{self.backward.final_state}" is not read with backward.loss = "file": the file has '
                "the gradients of the final state.",
            )
        if self.compare.reference in (self.compare.candidates or ()):
            raise ConfigError.of(
                "compare.candidates",
                f'holds "{self.compare.reference}", which is the reference: a candidate must be another engine.',
            )
        return self

    def to_mapping(self) -> dict[str, dict[str, Any]]:
        """Tables of a TOML file with the same settings, without keys that are None and unset [backward], [head] and
        [engines]."""
        sections = {name: getattr(self, name) for name in SECTIONS}
        return {name: section_to_mapping(own) for name, own in sections.items() if own not in _OMITTED}

    def with_engines(self, engines: tuple[str, ...], reference: str | None = None) -> "Config":
        """The config with other engines.

        Parameters
        ----------
        engines : tuple of str
            Names of all engines.
        reference : str, optional
            The reference; the first of `engines` by default.

        Returns
        -------
        Config
            The changed config.

        Raises
        ------
        ConfigError
            If an engine is named twice.
        """
        chosen = reference if reference is not None else engines[0] if engines else self.compare.reference
        others = tuple(name for name in engines if name != chosen)
        if len(set(engines)) != len(engines):
            raise ConfigError("compare.candidates", f"The engines {', '.join(engines)} name one engine twice.")
        return replace(self, compare=replace(self.compare, reference=chosen, candidates=others)).checked()


SECTIONS: dict[str, type] = {
    "network": Network,
    "sequence": SequenceSource,
    "parameters": ParameterSource,
    "initial_state": InitialStateSource,
    "compare": Compare,
    "backward": Backward,
    "head": HeadSource,
    "engines": Engines,
}
assert list(SECTIONS) == [f.name for f in fields(Config)]

_OMITTED = (Backward(), HeadSource(), Engines())

_KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "training task": (("problem",), "train it with rnnviz train"),
    "sweep": (("base", "grid", "seeds", "engines"), "run it with rnnviz sweep"),
    "config": (("sequence", "initial_state", "compare", "backward", "head"), "run it with rnnviz run"),
}
"""Kinds of TOML files, each with tables and keys that no kind above it has, and its use."""


def refuse_other_kind(values: Mapping[str, Any], *wanted: str) -> None:
    """Raise a ConfigError for tables of a kind of file that is not in `wanted`; the error names its first entry."""
    for kind, (keys, use) in _KINDS.items():
        # A config has limits of programs in a table with the name of a sweep's list.
        own = values.keys() - {"engines"} if isinstance(values.get("engines"), Mapping) else values.keys()
        found = next((key for key in keys if key in own), None)
        if found is not None:
            if kind not in wanted:
                raise ConfigError(found, f"The file is a {kind}, not a {wanted[0]}: {use}.")
            return


def check_tables(values: Mapping[str, Any], kind: str, names: Collection[str]) -> None:
    """Raise a ConfigError for a table of another kind of file, or with an unknown name."""
    refuse_other_kind(values, kind)
    for name in values:
        if name not in names:
            sentence = f"{display_key(name)} is not a known table: a {kind} may hold {', '.join(names)}."
            raise ConfigError(name, sentence + suggest(str(name), names))


@lru_cache(maxsize=256)
def _kind(kind: CellSpec, clip: float | None, activations: tuple[str, ...] | None) -> CellSpec:
    if activations is not None:
        roles = (role for role, _ in kind.activations)
        kind = kind.with_activations(**dict(zip(roles, map(parse_activation, activations), strict=True)))
    return kind if clip is None else kind.with_clip(clip)


def _check_cell_keys(network: Network) -> None:
    if network.cell not in CELLS:
        return
    if network.projection_size is not None and network.cell not in PROJECTIONS:
        raise ConfigError.of(
            "network.projection_size",
            f"= {network.projection_size} needs the cell {join_words(PROJECTIONS, 'or')}, "
            f"but network.cell is {network.cell}: leave the key out or change the cell.",
        )
    _check_activations(network, [role for role, _ in CELLS[network.cell].activations])


def _check_custom_keys(network: Network, cell: CellSpec) -> None:
    """Check the keys that a custom cell must be written for."""
    roles = [role for role, _ in cell.activations]
    projected = [state.symbol for state in cell.states if state.size == "P"]
    arguments = "activations as arguments of its step, such as *, gate=sigmoid, but it has none"
    needs = {
        "projection_size": (projected, "a state of the size P, but its states have the size H"),
        "clip": (roles, arguments),
        "activations": (roles, arguments),
    }
    for key, (there, missing) in needs.items():
        value = getattr(network, key)
        if value is not None and not there:
            given = display_value(list(value) if isinstance(value, tuple) else value)
            raise ConfigError.of(
                f"network.{key}", f"= {given} needs {missing}: leave the key out or change {network.cell}."
            )
    _check_activations(network, roles)


def _check_activations(network: Network, roles: list[str]) -> None:
    if network.activations is not None and len(network.activations) != len(roles):
        raise ConfigError.of(
            "network.activations",
            f"= {display_value(list(network.activations))} has "
            f"{plural(len(network.activations), 'activation')}, "
            f"but {network.cell} needs {len(roles)}: {', '.join(roles)}.",
        )


def _network(values: Any, sequence: SequenceSource) -> Network:
    """The network. A text determines I; I is 1 until files that determine it are read."""
    if sequence.brings_input_size and isinstance(values, Mapping):
        values = {"input_size": 1, **values}
    elif sequence.symbols:
        return section_from_mapping(Network, "network", values, input_size=len(alphabet(sequence.symbols)))
    return section_from_mapping(Network, "network", values)


_TOGETHER = (
    ("sequence", "source", "file", ("path", "paths")),
    ("sequence", "source", "text", ("text", "texts")),
    ("sequence", "lengths", "file", ("lengths_path",)),
    ("parameters", "initializer", "file", ("path",)),
    ("initial_state", "source", "file", ("path",)),
    ("backward", "loss", "file", ("path",)),
    ("backward", "loss", "value", ("value",)),
)
"""A section, a key, a value of it, and the keys of which one is read with this value alone, and implies it."""


def _with_implied(section: str, values: Any) -> Any:
    if isinstance(values, Mapping):
        for name, key, value, partners in _TOGETHER:
            if name == section and key not in values and not values.keys().isdisjoint(partners):
                values = {**values, key: value}
    return values
