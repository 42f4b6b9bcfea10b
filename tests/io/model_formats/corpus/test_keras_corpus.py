"""Models as users of Keras build and save them: each network computes what Keras does, or says why it is not read."""

import json
import os
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from rnnviz.core.errors import InputError
from rnnviz.io.model_formats.keras import open_model
from rnnviz.io.model_formats.load import entries_of, read_network
from rnnviz.io.model_formats.model_file import EVERY_STEP
from tests.io.model_formats.corpus.cases import computed_on, entry_of
from tests.oracles.computed import assert_near
from tests.profiles import examples, nightly_except

pytest.importorskip("torch")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras: Any = pytest.importorskip("keras")
L: Any = keras.layers
ops: Any = keras.ops

pytestmark = [
    pytest.mark.slow,
    *(
        pytest.mark.filterwarnings(f"ignore:{text}")
        for text in (".*does not support mask", "The object being serialized includes a `lambda`", ".*`quantize`")
    ),
]
WHOLE = ("keras", "h5")
ALL = (*WHOLE, "weights.h5")
BATCH, TIMESTEPS, FEATURES = 2, 5, 3


@dataclass(frozen=True)
class Case:
    """A model, the entries of its file that compute what its layers do, and those that are refused, with a keyword.

    `runs` gives the cell of each entry that a layer of the same name is compared with; an entry of several layers is
    called "first..last". `absent` are entries that there must not be. `start` is the name of an entry, the kind of its
    initial state and a word of its assumption; `masked` a word of the time steps that the entry "a" skips, "" for none.
    """

    build: Callable[[], Any]
    runs: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    endings: tuple[str, ...] = WHOLE
    start: tuple[str, str, str] | None = None
    masked: str | None = None


def case_of(model: str = "", layers: str = "", apart: str = "", endings: Any = WHOLE, **expected: Any) -> Case:
    """A row of `keras.toml`."""
    text = model or f"sequential({layers})"
    if apart:
        expected = {"runs": {"a": apart, "b": apart}, "absent": ("a..b",)}
    return Case(lambda: eval(text, globals()), endings=ALL if endings == "all" else endings, **expected)


def sequential(*layers: Any, shape: tuple[int | None, ...] = (None, FEATURES), dtype: str = "float32") -> Any:
    return keras.Sequential([keras.Input(shape, dtype=dtype), *layers])


def lstm(name: str = "a", units: int = 4, **options: Any) -> Any:
    return L.LSTM(units, return_sequences=options.pop("return_sequences", True), name=name, **options)


def gru(name: str = "a", units: int = 4, **options: Any) -> Any:
    return L.GRU(units, return_sequences=options.pop("return_sequences", True), name=name, **options)


def rnn(name: str = "a", units: int = 4, **options: Any) -> Any:
    return L.SimpleRNN(units, return_sequences=options.pop("return_sequences", True), name=name, **options)


def cells(*made: Any, name: str = "a", **options: Any) -> Any:
    return L.RNN(made[0] if len(made) == 1 else list(made), return_sequences=True, name=name, **options)


def both(layer: Any, name: str = "b", **options: Any) -> Any:
    return L.Bidirectional(layer, name=name, **options)


def functional(make: Callable[..., Any], *shapes: tuple[int | None, ...]) -> Any:
    inputs = [keras.Input(shape, name=f"x{number}") for number, shape in enumerate([(None, FEATURES), *shapes])]
    return keras.Model(inputs, make(*inputs))


def encoder_decoder(x: Any) -> Any:
    out, h, c = lstm("enc", return_state=True)(x)
    return lstm("dec")(out, initial_state=[h, c])


def state_upward(x: Any) -> Any:
    """Both layers start from what a layer computes, the upper one from the lower one's end."""
    start = L.Dense(4, name="start")(x[:, 0])
    out, h = gru("a", return_state=True)(x, initial_state=start)
    return gru("b")(out, initial_state=h)


def shared(x: Any) -> Any:
    layer = lstm("a", units=FEATURES)
    return layer(layer(x))


def residual(x: Any) -> Any:
    one = lstm("a", units=FEATURES)(x)
    return lstm("b", units=FEATURES)(L.Add()([x, one]))


def upper_of_a_part(x: Any) -> Any:
    return lstm("b")(lstm("a")(x)[:, ::2])


def constant(shape: tuple[int, ...] = (1, 4), seed: int = 3) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def with_states(layer: Callable[[], Any], *states: Any) -> Any:
    return functional(lambda x: layer()(x, initial_state=list(states) if len(states) > 1 else states[0]))


def nested(x: Any) -> Any:
    inner = keras.Sequential([keras.Input((None, 4)), lstm("a"), L.Dropout(0.2), lstm("b")], name="inner")
    return inner(lstm("below")(x))


def nested_decoder(x: Any) -> Any:
    inputs = [keras.Input((None, 4), name="y"), keras.Input((4,), name="h")]
    inner = keras.Model(inputs, gru("dec")(inputs[0], initial_state=inputs[1]), name="inner")
    out, h = gru("enc", return_state=True)(x)
    return inner([out, h])


def dropped_always(x: Any) -> Any:
    return lstm("b")(L.Dropout(0.4)(lstm("a")(x), training=True))


@keras.saving.register_keras_serializable("corpus")
class Doubled(L.LSTM):
    """A layer of a class that is not Keras'."""


@keras.saving.register_keras_serializable("corpus", "LSTM")
class OwnLSTM(L.LSTM):
    """Another one, under the name of a class of Keras."""


class Unregistered(L.GRU):
    """A layer of a class that is known to no registry."""


@keras.saving.register_keras_serializable("corpus")
class OwnCell(L.GRUCell):
    """A cell of this class."""


@keras.saving.register_keras_serializable("corpus")
def own_activation(x: Any) -> Any:
    return ops.tanh(x) * 2


UNNAMED = (lambda x: x,)


def quantized() -> Any:
    model = sequential(lstm("a"), L.Dense(4))
    model.quantize("int8")
    return model


def with_lora() -> Any:
    model = sequential(lstm("a"), L.Dense(4, name="dense"))
    model.get_layer("dense").enable_lora(2)
    return model


TABLE = tomllib.loads(Path(__file__).with_name("keras.toml").read_text(encoding="utf-8"))
CASES = {name: case_of(**row) for name, row in TABLE.items()}


def with_random_weights(model: Any) -> Any:
    rng = np.random.default_rng(7)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            value = rng.normal(scale=0.5, size=weight.shape)
            weight.assign(abs(value) if weight.name == "moving_variance" else value)
    return model


def saved(model: Any, path: Path) -> Path:
    model.save_weights(path) if path.name.endswith("weights.h5") else model.save(path)
    return path


def given(model: Any) -> list[NDArray[Any]]:
    rng = np.random.default_rng(9)
    shapes = [(BATCH, *(size or TIMESTEPS for size in x.shape[1:])) for x in model.inputs]
    return [rng.normal(size=shape).astype(str(x.dtype)) for x, shape in zip(model.inputs, shapes, strict=True)]


def values(model: Any, tensors: list[Any]) -> list[NDArray[Any]]:
    found = keras.tree.flatten(keras.Model(model.inputs, tensors)(given(model)))
    return [np.asarray(ops.convert_to_numpy(value)) for value in found]


def merged(out: NDArray[Any], mode: str | None) -> NDArray[Any]:
    """Both directions as a layer of Keras joins them."""
    ahead, behind = np.split(out, 2, axis=-1)
    modes = {"sum": ahead + behind, "ave": (ahead + behind) / 2, "mul": ahead * behind, None: out, "concat": out}
    return np.asarray(modes[mode])


@dataclass(frozen=True)
class Computed:
    """Outputs of layers: for x (N, T, I) and states each (N, H), by Keras, the outputs of the upper one."""

    x: NDArray[Any]
    states: list[NDArray[Any]]
    outputs: list[NDArray[Any]]
    layer: Any

    @property
    def in_both_directions(self) -> bool:
        return isinstance(self.layer, L.Bidirectional)

    @property
    def side(self) -> Any:
        return self.layer.forward_layer if self.in_both_directions else self.layer


def computed_by(model: Any, name: str) -> Computed:
    """The outputs of the layer of this name, or of two layers, the upper one on the lower one."""
    first, _, last = name.partition("..")
    lower, upper = model.get_layer(first), model.get_layer(last or first)
    x, *states = values(model, keras.tree.flatten(lower.input))
    outputs = values(model, keras.tree.flatten(upper.output))
    if not isinstance(upper, L.TimeDistributed):
        return Computed(x, states, outputs, upper)
    outputs = [out.reshape(-1, *out.shape[2:]) for out in outputs]
    return Computed(x.reshape(-1, *x.shape[2:]), states, outputs, upper.layer)


def assert_computes(path: Path, name: str, cell: str, expected: Computed) -> None:
    """The entry of this name computes what Keras does."""
    entry = entry_of(path, name)
    assert entry.supported, entry.reason
    assert entry.cell == cell or cell in entry.cells
    state: dict[str, NDArray[Any]] | None = None
    if entry.initial_state in ("input", "computed"):
        kinds = "hc" if cell == "lstm" else "h"
        state = {kind: np.stack(expected.states[k :: len(kinds)]) for k, kind in enumerate(kinds)}
    exchanged = expected.side.go_backwards and expected.in_both_directions
    x = expected.x[:, ::-1] if exchanged else expected.x
    ran = computed_on(path, x, name, cell, state)
    out, outputs = ran.out.swapaxes(0, 1), expected.outputs
    if entry.reverse:
        # Keras returns the outputs in the order of computation.
        out = out[:, ::-1]
    if not expected.side.return_sequences:
        out = np.concatenate(ran.states[0][-2:] if expected.in_both_directions else ran.states[0][-1:], axis=-1)
    if expected.in_both_directions:
        out = merged(out, expected.layer.merge_mode)
        outputs = [np.concatenate(outputs, axis=-1)] if expected.layer.merge_mode is None else outputs
    assert_near(out, outputs[0], 1e-5, name)


QUICK = (
    *("lstm", "gru", "simple rnn", "gru of both activations"),
    *("softmax", "bidirectional", "own backward layer"),
    *("cell in both directions", "stacked cells with names", "what passes between"),
    "encoder and decoder",
    *("states of both directions", "last output below", "nested", "own class", "mixed float16", "float64"),
    *("numpy state", "state from outside", "masked, through other layers", "masked, its own argument"),
    *("own class of no registry", "bfloat16 without its name"),
)


@pytest.mark.parametrize("name", nightly_except(CASES, *QUICK))
def test_each_network_equals_keras_or_has_the_reason_why_it_is_not_read(name, tmp_path):
    case = CASES[name]
    model = with_random_weights(case.build())
    computed = {running: computed_by(model, running) for running in case.runs}
    for ending in case.endings:
        path = saved(model, tmp_path / f"m.{ending}")
        entries = {entry.name: entry for entry in entries_of(path)}
        assert not set(case.absent) & set(entries)
        if case.start is not None:
            entry, kind, clause = entries[case.start[0]], *case.start[1:]
            assert (entry.initial_state, bool(entry.assumptions)) == (kind, bool(clause))
            assert clause in " ".join(entry.assumptions)
        if case.masked is not None:
            (entry,) = (entry for name, entry in entries.items() if name.rpartition("/")[2] == "a")
            assert case.masked in entry.masking
            assert bool(entry.masking) == bool(entry.assumptions) == bool(case.masked)
        for refused, keyword in case.refused.items():
            assert not entries[refused].supported
            assert keyword in entries[refused].reason
        for running, cell in case.runs.items():
            # A list of weights does not say what feeds what.
            if ".." not in running or ending != "weights.h5":
                assert_computes(path, running, cell, computed[running])


def in_the_form_of_keras_2(node: Any) -> Any:
    """One call: a list of its inputs, of which the first one has the other arguments."""
    arguments = list(tables([node["args"], node["kwargs"]]))
    inputs = [value["keras_history"] for value in arguments if "keras_history" in value]
    numbers = [["_CONSTANT_VALUE", -1, value["value"], {}] for value in arguments if "value" in value]
    named = {"initial_state": numbers} if numbers else {}
    return [[*history, {} if number else named] for number, history in enumerate(inputs)]


def tables(value: Any) -> Iterator[Any]:
    """The configs of the tensors among arguments."""
    if isinstance(value, dict) and "class_name" in value:
        yield value["config"]
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tables(part)


def with_config(path: Path, change: Callable[[Any], None]) -> Path:
    """The `.h5` file of a whole model with another config."""
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        change(config)
        file.attrs["model_config"] = json.dumps(config)
    return path


@pytest.mark.parametrize(
    "name",
    nightly_except(
        ["encoder and decoder", "a state goes up", "numpy state", "states of an lstm", "residual", "two heads"],
        "encoder and decoder",
        "states of an lstm",
    ),
)
def test_the_config_of_keras_2_is_read_as_that_of_keras_3(name, tmp_path):
    model = with_random_weights(CASES[name].build())
    path = saved(model, tmp_path / "m.h5")
    before = entries_of(path)

    def change(config):
        for layer in config["config"]["layers"]:
            layer["inbound_nodes"] = [in_the_form_of_keras_2(node) for node in layer["inbound_nodes"]]

    with_config(path, change)
    assert entries_of(path) == before
    for running, cell in CASES[name].runs.items():
        assert_computes(path, running, cell, computed_by(model, running))


def of_keras_1(config: Any) -> None:
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "LSTM":
            kept = {key: layer["config"][key] for key in ("name", "return_sequences", "go_backwards", "stateful")}
            layer["config"] = {**kept, "output_dim": 4, "inner_activation": "hard_sigmoid", "activation": "tanh"}


def of_cudnn(config: Any) -> None:
    for layer in config["config"]["layers"]:
        layer["class_name"] = layer["class_name"].replace("LSTM", "CuDNNLSTM")


@pytest.mark.parametrize(("change", "keyword"), [(of_keras_1, "Keras 1"), (of_cudnn, "CuDNNLSTM")])
def test_layers_of_older_versions_are_refused(change, keyword, tmp_path):
    entry = entry_of(with_config(saved(sequential(lstm()), tmp_path / "m.h5"), change))
    assert not entry.supported
    assert keyword in entry.reason


def test_lengths_compute_masked_samples_as_keras_does(tmp_path):
    layer = lstm(return_state=True)
    model = with_random_weights(functional(lambda x: layer(L.Masking()(x))))
    x = np.random.default_rng(4).normal(size=(BATCH, TIMESTEPS, FEATURES)).astype(np.float32)
    x[1, 2:] = 0.0
    out, h, _ = map(np.asarray, model.predict(x, verbose=0))
    ran = computed_on(saved(model, tmp_path / "m.keras"), x, lengths=(TIMESTEPS, 2))
    assert_near(ran.out.swapaxes(0, 1)[0], out[0], 1e-5)
    assert_near(ran.out.swapaxes(0, 1)[1, :2], out[1, :2], 1e-5)
    assert_near(ran.states[0][0], h, 1e-5)
    np.testing.assert_array_equal(out[1, 2:], np.broadcast_to(out[1, 1], (TIMESTEPS - 2, 4)))
    assert not ran.out.swapaxes(0, 1)[1, 2:].any()
    assert EVERY_STEP not in ran.inputs.assumptions


@pytest.mark.parametrize("ending", ["keras", "weights.h5"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_widened(dtype, ending, tmp_path):
    model = with_random_weights(sequential(lstm(dtype=dtype, recurrent_initializer="glorot_uniform")))
    path = saved(model, tmp_path / f"m.{ending}")
    expected = [values.astype(np.float32).T for values in map(as_float32, model.get_weights()[:2])]
    entry = entry_of(path)
    assert (entry.dtype, entry.supported) == (dtype, True)
    read = read_network(path, None, entry.network("lstm")).parameters
    for name, array in zip(("l0_i2h_weight", "l0_h2h_weight"), expected, strict=True):
        np.testing.assert_array_equal(read[name], array)
    assert any(dtype in clause for clause in entry.assumptions) == (ending == "keras")


def as_float32(array: NDArray[Any]) -> NDArray[np.float32]:
    return np.asarray(ops.convert_to_numpy(ops.cast(array, "float32")))


def twins() -> Any:
    """Models with layers of the same names in one."""
    inner = [
        keras.Sequential([keras.Input((None, width)), lstm("a"), lstm("b")], name=name)
        for name, width in (("one", FEATURES), ("two", 4))
    ]
    inner[0].get_layer("a").trainable = False
    return sequential(*inner, gru("c"))


@pytest.mark.parametrize("ending", WHOLE)
def test_layers_of_the_same_names_in_several_models_have_distinct_names(ending, tmp_path):
    model = with_random_weights(twins())
    path = saved(model, tmp_path / f"m.{ending}")
    (x,) = given(model)
    expected = np.asarray(ops.convert_to_numpy(model(x)))
    for name in ("one/a..one/b", "two/a..two/b", "c"):
        x = computed_on(path, x, name).out.swapaxes(0, 1)
    assert_near(x, expected, 1e-5)


class Custom(keras.Model):
    """A model of a custom class, which calls layers that its config does not list."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = L.LSTM(4, return_sequences=True)
        self.step = L.GRUCell(4)
        self.tower = L.RNN([L.LSTMCell(4), L.LSTMCell(4)], return_sequences=True)
        self.listed = [L.GRU(4, return_sequences=True), L.GRU(4, return_sequences=True)]

    def call(self, x: Any) -> Any:
        self.step(x[:, 0], [ops.zeros((BATCH, 4))])
        for layer in (self.enc, self.tower, *self.listed):
            x = layer(x)
        return x


@pytest.mark.parametrize("ending", nightly_except(["keras", "weights.h5"], "weights.h5"))
def test_layers_of_a_model_of_an_own_class_are_found_by_their_weights(ending, tmp_path):
    model = Custom()
    (x,) = (np.random.default_rng(2).normal(size=(BATCH, TIMESTEPS, FEATURES)).astype(np.float32),)
    model(x)
    with_random_weights(model)
    expected = np.asarray(ops.convert_to_numpy(model(x)))
    path = saved(model, tmp_path / f"m.{ending}")
    entries = {entry.name: entry for entry in entries_of(path)}
    assert len(entries) == 5
    assert all(entry.supported and entry.cell is None and entry.assumptions for entry in entries.values())
    assert entries[model.tower.name].num_layers == 2
    for layer in (model.enc, model.tower, *model.listed):
        x = computed_on(path, x, layer.name, entries[layer.name].cells[0], None).out.swapaxes(0, 1)
    assert_near(x, expected, 1e-5)


def test_an_unpacked_archive_is_read_with_its_config(tmp_path):
    model = with_random_weights(CASES["stack of both directions"].build())
    path = saved(model, tmp_path / "m.keras")
    folder = tmp_path / "m"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    assert entries_of(folder) == entries_of(path)
    assert_computes(folder, "a..b", "gru", computed_by(model, "a..b"))


def test_a_shard_is_not_a_whole_network(tmp_path):
    """A shard may end before the bias of a layer."""
    model = with_random_weights(sequential(lstm("a", units=64), lstm("c", units=64)))
    model.save_weights(tmp_path / "m.weights.json", max_shard_size=0.00014)
    shards = sorted(tmp_path.glob("m_*.weights.h5"))
    assert len(shards) > 1
    for shard in shards:
        for entry in entries_of(shard):
            assert not entry.supported
            assert "m.weights.json" in entry.reason
    with pytest.raises(InputError, match="not read"):
        entries_of(tmp_path / "m.weights.json")


@keras.saving.register_keras_serializable("corpus")
class Holder(L.Layer):
    """A layer of a custom class that saves the settings of those that it calls."""

    def __init__(self, inner: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.inner = keras.saving.deserialize_keras_object(inner) if isinstance(inner, dict) else inner

    def build(self, shape: Any) -> None:
        self.inner.build(shape)

    def call(self, x: Any) -> Any:
        return self.inner(x)

    def get_config(self) -> Any:
        return {**super().get_config(), "inner": keras.saving.serialize_keras_object(self.inner)}


@pytest.mark.nightly
@pytest.mark.parametrize("ending", WHOLE)
def test_settings_of_a_nested_layer_are_read(ending, tmp_path):
    made = {"r": rnn("r", activation="relu"), "e": rnn("e", activation="mish"), "b": both(gru("g"), name="b")}
    model = with_random_weights(sequential(*(Holder(layer, name=f"own_{name}") for name, layer in made.items())))
    entries = {entry.name: entry for entry in entries_of(saved(model, tmp_path / f"m.{ending}"))}
    assert {name: entry.cell for name, entry in entries.items()} == {"r": "rnn_relu", "e": None, "b": "gru"}
    assert "mish" in entries["e"].reason
    assert all(entry.assumptions and entry.initial_state == "unknown" for entry in entries.values())


BARE = {
    "lstm": {"a": (("lstm",), 1)},
    "bidirectional": {"b": (("lstm",), 1)},
    "stacked cells": {"a": (("lstm",), 12)},
    "stacked cells with names": {"a": ((), 3)},
    "stacked cells of other units": {"a": ((), 2)},
    "stacked cells in both directions": {"b": ((), 2)},
    "reset before": {"a": (("gru_reset_before",), 1)},
    "relu": {"a": (("rnn_tanh", "rnn_relu"), 1)},
}


@pytest.mark.parametrize("name", nightly_except(BARE, "bidirectional", "stacked cells with names"))
def test_weights_as_keras_2_saved_them_ask_for_the_cell(name, tmp_path):
    from keras.src.legacy.saving import legacy_h5_format

    path = tmp_path / "w.h5"
    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, with_random_weights(CASES[name].build()))
    entries = entries_of(path)
    assert {entry.name: (entry.cells, entry.num_layers) for entry in entries} == BARE[name]
    for entry in entries:
        assert entry.supported == bool(entry.cells)
        assert entry.cell is None or not entry.supported
        assert entry.reason


UNEXPECTED: list[Any] = [None, -1, 1e400, 10**400, True, "", "LSTM", [], {}, [[1], [2, 3]], [["a", 0, 0]], [None], [{}]]
UNEXPECTED += [{"class_name": "RNN", "config": {"cell": {"class_name": "StackedRNNCells", "config": {"cells": []}}}}]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every list and table in a config with each of its keys."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


@pytest.mark.parametrize(
    "name",
    nightly_except(
        ["states of both directions", "stack of both directions", "stacked cells with names"],
        "states of both directions",
    ),
)
def test_a_random_config_is_refused_or_read(name, tmp_path):
    path, random = saved(CASES[name].build(), tmp_path / "m.keras"), Random(name)
    with zipfile.ZipFile(path) as archive:
        config, weights = archive.read("config.json"), archive.read("model.weights.h5")
    read = 0
    for _ in range(examples(320)):
        changed = json.loads(config)
        for _ in range(random.choice((1, 1, 4))):
            holder, key = random.choice(list(places(changed)))
            holder[key] = json.loads(json.dumps(random.choice(UNEXPECTED)))
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(changed))
            archive.writestr("model.weights.h5", weights)
        try:
            read += any(entry.supported for entry in open_model(path).entries)
        except InputError as error:
            assert str(path) in str(error)  # noqa: PT017 - either is good
    assert read
