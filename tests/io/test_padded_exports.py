"""Exports of samples with padding: the rows of each sample alone, zeros in archives, and the lengths."""

import csv
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnviz.io.export import data as table
from rnnviz.io.export.data import json_text, write_csv, write_npz
from rnnviz.io.resources import resource_path
from rnnviz.verify.result import RunResult
from tests.padded import padded_results, result_alone


def rows_of(result: RunResult, *, gates: bool) -> list[dict[str, str]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out.csv"
        count = write_csv(result, path, gates=gates)
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    assert len(rows) == count == result.reference.computed_count(result.reference.hidden)
    return rows


@given(result=padded_results(), gates=st.booleans(), block=st.sampled_from((5, 1 << 17)))
def test_a_table_has_the_rows_of_each_sample_alone(result: RunResult, gates: bool, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_BLOCK_ROWS", block)
        rows = rows_of(result, gates=gates)
    for sample in range(result.inputs.batch_size):
        own = [row for row in rows if row["sample"] == str(sample)]
        expected = rows_of(result_alone(result, sample), gates=gates)
        for row, other in zip(own, expected, strict=True):
            assert row.keys() == other.keys()
            for column in row.keys() - {"sample"}:
                if "." in column:
                    # Gates are products of other shapes.
                    assert float(row[column]) == pytest.approx(float(other[column]), rel=1e-5, abs=1e-6)
                else:
                    assert row[column] == other[column], column


@given(result=padded_results(), gates=st.booleans())
def test_an_archive_has_the_lengths_and_zeros_in_padding(result: RunResult, gates: bool) -> None:
    with TemporaryDirectory() as folder:
        write_npz(result, Path(folder) / "out.npz", gates=gates)
        with np.load(Path(folder) / "out.npz") as file:
            arrays = dict(file)
    lengths = tuple(map(result.inputs.length, range(result.inputs.batch_size)))
    assert arrays["lengths"].dtype == np.int64
    assert tuple(arrays["lengths"]) == lengths
    over_time = {name: array for name, array in arrays.items() if array.ndim == 5}
    assert {"manual.hidden", "other.hidden"} <= over_time.keys()
    assert any(".recomputed." in name for name in over_time) == gates
    for sample, length in enumerate(lengths):
        for name, array in over_time.items():
            assert not array[:, :, length:, sample].any(), name
            assert np.isfinite(array[:, :, :length, sample]).all(), name


@given(result=padded_results())
def test_a_summary_has_the_lengths_and_counts_no_padding(result: RunResult) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    figures = json.loads(json_text(result))
    schema = json.loads(resource_path("schemas", "summary.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(figures)
    lengths = result.inputs.lengths
    assert figures.get("lengths", []) == list(lengths)
    layers, directions, _, _, units = result.shape
    steps = sum(map(result.inputs.length, range(result.inputs.batch_size)))
    assert (figures["elements"], figures["mismatched"]) == (layers * directions * units * steps, 1)
    assert figures["coverage"] == 1.0
