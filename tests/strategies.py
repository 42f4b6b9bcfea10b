"""Hypothesis strategies for configs: every kind of network that is small enough to be computed many times."""

from typing import Any

from hypothesis import strategies as st

from rnnviz.cells import CELLS
from rnnviz.cells.activations import ACTIVATIONS
from rnnviz.core.config import CELL_NAMES, Config

FUSED_CELLS = ("rnn_relu", "rnn_tanh", "lstm", "gru")
"""The cells that every engine computes."""

SEEDS = st.integers(0, 2**63 - 1)
SIZES = st.integers(1, 7)


def network_tables(**fixed: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A [network] table with every key; `fixed` holds some of them to a value."""
    keys: dict[str, st.SearchStrategy[Any]] = {
        "cell": st.sampled_from(sorted(FUSED_CELLS)),
        "input_size": SIZES,
        "hidden_size": SIZES,
        "num_layers": st.integers(1, 3),
        "bidirectional": st.booleans(),
        "layout": st.sampled_from(("NTC", "TNC")),
        "dtype": st.sampled_from(("float32", "float64")),
    }
    return st.fixed_dictionaries({**keys, **{key: st.just(value) for key, value in fixed.items()}})


def config_mappings(**fixed: Any) -> st.SearchStrategy[dict[str, Any]]:
    """The tables of a config whose weights, biases and initial state are random and nowhere zero.

    Large enough weights and states that a swapped gate or a dropped bias moves every number, small enough ones
    that no gate is saturated and no relu network overflows.
    """
    return st.fixed_dictionaries(
        {
            "network": network_tables(**fixed),
            "sequence": st.fixed_dictionaries(
                {
                    "source": st.sampled_from(("normal", "uniform")),
                    "batch_size": st.integers(1, 4),
                    "timesteps": st.integers(1, 6),
                    "seed": SEEDS,
                }
            ),
            "parameters": st.fixed_dictionaries(
                {
                    "initializer": st.sampled_from(("normal", "uniform")),
                    "bias": st.just("uniform"),
                    "scale": st.floats(0.2, 0.8),
                    "seed": SEEDS,
                }
            ),
            "initial_state": st.fixed_dictionaries({"source": st.just("normal"), "seed": SEEDS}),
        }
    )


def configs(**fixed: Any) -> st.SearchStrategy[Config]:
    """Validated configs as `config_mappings` draws them."""
    return config_mappings(**fixed).map(Config.from_mapping)


@st.composite
def every_cell_configs(draw: st.DrawFn, **fixed: Any) -> Config:
    """Configs as `configs` draws them, of every cell, with projections, other activations and clips."""
    mapping = draw(config_mappings(cell="lstm", **fixed))
    network = mapping["network"]
    network["cell"] = draw(st.sampled_from(CELL_NAMES))
    roles = len(CELLS[network["cell"]].activations)
    if network["cell"] == "lstm" and draw(st.booleans()):
        network["projection_size"] = draw(SIZES)
    if draw(st.booleans()):
        network["activations"] = draw(st.lists(st.sampled_from(_BOUNDED), min_size=roles, max_size=roles))
    if draw(st.booleans()):
        network["clip"] = draw(st.floats(0.2, 3.0))
    return Config.from_mapping(mapping)


_BOUNDED = sorted(name for name, activation in ACTIVATIONS.items() if activation.bounded)
"""Activations with a least and a largest value, with which no network overflows."""


def any_config_mappings() -> st.SearchStrategy[dict[str, Any]]:
    """The tables of a config with any keys present or left out, files and texts included."""
    paths = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).map(lambda s: f"{s}.npz")
    texts = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)
    sizes = st.integers(1, 10**9)
    drawn = st.fixed_dictionaries(
        {},
        optional={
            "source": st.sampled_from(("normal", "uniform", "impulse", "sine")),
            "batch_size": sizes,
            "timesteps": sizes,
            "seed": SEEDS,
        },
    )
    tolerances = st.floats(0, 1e300, allow_nan=False)
    return st.fixed_dictionaries(
        {
            "network": st.fixed_dictionaries(
                {"cell": st.sampled_from(CELL_NAMES), "input_size": sizes, "hidden_size": sizes},
                optional={
                    "clip": st.floats(0, 1e300, exclude_min=True),
                    "num_layers": st.integers(1, 1000),
                    "bidirectional": st.booleans(),
                    "layout": st.sampled_from(("NTC", "TNC")),
                    "dtype": st.sampled_from(("float32", "float64")),
                },
            )
        },
        optional={
            "sequence": st.one_of(
                drawn,
                st.fixed_dictionaries({"text": texts}),
                st.fixed_dictionaries({"text": texts, "vocabulary": paths}, optional={"unknown": texts}),
                st.fixed_dictionaries(
                    {"source": st.just("file"), "path": paths},
                    optional={
                        "array": texts,
                        "axes": st.sampled_from(("NTI", "TNI")),
                        "seams": st.sets(sizes, min_size=1, max_size=9).map(sorted),
                    },
                ),
            ),
            "parameters": st.one_of(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "initializer": st.sampled_from(("xavier", "normal", "uniform", "orthogonal")),
                        "bias": st.sampled_from(("zeros", "uniform")),
                        "scale": st.floats(0, 1e300, exclude_min=True),
                        "seed": SEEDS,
                    },
                ),
                st.fixed_dictionaries({"path": paths}, optional={"entry": texts}),
            ),
            "initial_state": st.one_of(
                st.fixed_dictionaries({}, optional={"source": st.sampled_from(("zeros", "normal")), "seed": SEEDS}),
                st.fixed_dictionaries({"path": paths}),
            ),
            "compare": st.fixed_dictionaries(
                {}, optional={"reference": st.just("gluon"), "rtol": tolerances, "atol": tolerances}
            ),
        },
    )
