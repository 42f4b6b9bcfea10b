"""Whose arrays a recording holds, and whether they are those of the network that is run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnviz.core.errors import InputError
from rnnviz.core.inputs import Inputs
from rnnviz.engines.recorded_outputs import check_recording, engines_in, open_recording, precision
from tests.engines.recordings import network_inputs, recorded

SOUGHT = "a recording holds hidden, output or state, alone or after an engine's name and a dot."


def save(path: Path, *owners: str, **arrays: Any) -> Path:
    """An archive in which each owner has these arrays; "" has them without a name."""
    np.savez(
        path, **{f"{owner}.{name}" if owner else name: a for owner in owners or ("",) for name, a in arrays.items()}
    )
    return path


def refusal(path: Path, inputs: Inputs, **changes: Any) -> str:
    """Why a recording is refused in which these arrays stand in for the right ones; None leaves one out."""
    arrays = {**recorded(inputs), **changes}
    save(path, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError) as caught:
        check_recording(open_recording(f"recording:{path}"), inputs)
    return str(caught.value)


def said_of(path: Path, engine: str = "") -> str:
    with pytest.raises(InputError) as caught:
        open_recording(f"recording:{path}{engine}")
    return str(caught.value)


def test_the_arrays_are_found_without_a_name_and_after_the_only_engine_s(tmp_path):
    for owner in ("", "manual", "./my.port.py"):
        path = save(tmp_path / "a.npz", owner, hidden=np.ones(2), state=np.ones(2), lengths=np.ones(2))
        recording = open_recording(f"recording:{path}")
        prefix = f"{owner}." if owner else ""
        assert recording.arrays == {"hidden": f"{prefix}hidden", "state": f"{prefix}state"}


def test_of_several_engines_one_must_be_named(tmp_path):
    path = save(tmp_path / "a.npz", "manual", "bug:no-h2h-bias", hidden=np.ones(2))
    assert engines_in(path) == ("manual", "bug:no-h2h-bias")
    assert open_recording(f"recording:{path}#manual").arrays == {"hidden": "manual.hidden"}
    with pytest.raises(InputError) as caught:
        open_recording(f"recording:{path}")
    assert str(caught.value) == (
        f"{path} has outputs of manual and bug:no-h2h-bias: name one of them, "
        f"recording:{path}#manual or recording:{path}#bug:no-h2h-bias."
    )
    with pytest.raises(InputError) as caught:
        open_recording(f"recording:{path}#gluon")
    assert str(caught.value) == (f'{path} has no arrays of the engine "gluon": it holds manual and bug:no-h2h-bias.')


def test_a_file_without_recorded_outputs_is_refused_with_its_arrays(tmp_path):
    path = save(tmp_path / "a.npz", **{f"weight_{k}": np.ones(1) for k in range(8)})
    assert said_of(path) == f"{path} holds weight_0, weight_1, weight_2, weight_3, weight_4 and 3 more: {SOUGHT}"
    assert said_of(path, "#manual") == (
        f'{path} has no arrays of the engine "manual": no array in it has an engine\'s name.'
    )
    assert engines_in(path) == ()


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ([], "no array"),
        (["b"], "b"),
        (["a\n\x1b[31m", "b" * 300], rf"a\n\x1b[31m and {'b' * 57}..."),
        (["c", "a", "b"], "a, b and c"),
        (["f", "e", "d", "c", "b", "a"], "a, b, c, d, e and f"),
        (["g", "f", "e", "d", "c", "b", "a"], "a, b, c, d, e and 2 more"),
        (["manual.cell", ".hidden", "manual.hidden.bias"], ".hidden, manual.cell and manual.hidden.bias"),
    ],
    ids=len,
)
def test_the_arrays_of_a_file_are_listed_in_order_and_cut(tmp_path, names, listed):
    path = save(tmp_path / "a.npz", **{name: np.ones(1) for name in names})
    assert said_of(path) == f"{path} holds {listed}: {SOUGHT}"
    assert engines_in(path) == ()


def test_unnamed_arrays_are_preferred_to_those_of_an_engine(tmp_path):
    path = tmp_path / "a.npz"
    for kind in ("hidden", "output", "state"):
        np.savez(path, **{kind: np.ones(1), "manual.state": np.ones(1), "cell": np.ones(1)})
        assert open_recording(f"recording:{path}").arrays == {kind: kind, "cell": "cell"}
        assert open_recording(f"recording:{path}#manual").arrays == {"state": "manual.state"}
        assert engines_in(path) == ("manual",)


@pytest.mark.parametrize(
    ("network", "name", "axes"),
    [
        ({}, "hidden", "(L, D, T, N, H) = (2, 2, 5, 2, 3)"),
        ({}, "cell", "(L, D, T, N, H) = (2, 2, 5, 2, 3)"),
        ({}, "output", "(N, T, D·H) = (2, 5, 6)"),
        ({}, "state", "(L·D, N, H) = (4, 2, 3)"),
        ({}, "cell_state", "(L·D, N, H) = (4, 2, 3)"),
        ({}, "f", "(L, D, T, N, H) = (2, 2, 5, 2, 3)"),
        ({"layout": "TNC"}, "output", "(T, N, D·H) = (5, 2, 6)"),
        ({"projection_size": 2}, "hidden", "(L, D, T, N, P) = (2, 2, 5, 2, 2)"),
        ({"projection_size": 2}, "cell", "(L, D, T, N, H) = (2, 2, 5, 2, 3)"),
        ({"projection_size": 2}, "state", "(L·D, N, P) = (4, 2, 2)"),
        ({"projection_size": 2}, "cell_state", "(L·D, N, H) = (4, 2, 3)"),
    ],
)
def test_another_shape_is_refused_with_both(tmp_path, network, name, axes):
    path, inputs = tmp_path / "a.npz", network_inputs(**network)
    assert refusal(path, inputs, **{name: np.ones((2, 9), np.float32)}) == (
        f"{name} in {path} has the shape (2, 9), expected {axes}: see File formats in the guide."
    )


@pytest.mark.parametrize("dtype", ["int32", "complex64", "U3"])
def test_non_floats_are_refused_with_the_types_allowed(tmp_path, dtype):
    path, inputs = tmp_path / "a.npz", network_inputs()
    hidden = recorded(inputs)["hidden"].astype(dtype)
    assert refusal(path, inputs, hidden=hidden) == (
        f"hidden in {path} holds values of the type {np.dtype(dtype)}: a recording holds float16, float32 or float64. "
        f"Convert other numbers, such as fixed-point ones."
    )


@pytest.mark.parametrize("types", [("float16", "float64"), (">f4", "float32"), ("float64", ">f8")])
def test_the_precision_is_that_of_the_coarsest_array(tmp_path, types):
    inputs = network_inputs("gru")
    kinds = dict(zip(("output", "state"), types, strict=True))
    arrays = {kind: recorded(inputs)[kind].astype(dtype) for kind, dtype in kinds.items()}
    recording = open_recording(f"recording:{save(tmp_path / 'a.npz', **arrays)}")
    check_recording(recording, inputs)
    assert precision(recording, inputs.network) == np.dtype(types[0]).newbyteorder("=").name


def test_arrays_that_the_network_lacks_are_ignored(tmp_path):
    inputs = network_inputs("gru")
    path = save(tmp_path / "a.npz", **recorded(inputs), cell=np.ones(1), cell_state=np.array("none"))
    recording = open_recording(f"recording:{path}")
    check_recording(recording, inputs)
    assert list(recording.of(inputs.network)) == ["hidden", "output", "state"]


@pytest.mark.parametrize(
    ("cell", "name", "meant"),
    [
        ("lstm", "cells", "cell"),
        ("lstm", "hiden", "hidden"),
        ("gru", "gates", "r, z, n"),
        ("gru", "f", ""),
    ],
)
def test_an_array_with_an_unknown_name_is_refused_with_the_nearest_one(tmp_path, cell, name, meant):
    inputs = network_inputs(cell)
    said = refusal(tmp_path / "a.npz", inputs, **{name: np.ones(inputs.hidden_shape)})
    assert f"{name} in " in said
    assert meant in said


def test_a_gate_and_a_cell_state_are_there_by_their_symbols(tmp_path):
    inputs = network_inputs("lstm")
    arrays = recorded(inputs)
    cell = arrays.pop("cell")
    path = save(tmp_path / "a.npz", **arrays, c=cell, f=cell, input=np.ones(2))
    recording = open_recording(f"recording:{path}")
    check_recording(recording, inputs)
    assert recording.of(inputs.network)["cell"] == "c"
    assert recording.lines_of(inputs.network) == {"f": "f"}
