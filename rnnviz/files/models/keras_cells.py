"""The cells of recurrent layers among the arrays of a Keras file.

Keras 3 writes `…/lstm/cell/vars/0` (kernel), `1` (recurrent kernel) and `2` (bias), with both directions below
`forward_layer` and `backward_layer`. Keras 2 and its HDF5 files write `…/lstm/lstm_cell/kernel`, `recurrent_kernel`
and `bias`, with `forward_…` and `backward_…` on the way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rnnviz.files.models.keras_h5 import StoredArray, Tree

_LEGACY_ROOT = "model_weights"
_CONTAINERS = {"_layer_checkpoint_dependencies": "layers"}


@dataclass(frozen=True)
class StoredCell:
    """The arrays of one layer in one direction: (I, G·H), (H, G·H), and (G·H,) or (2, G·H)."""

    kernel: StoredArray
    recurrent_kernel: StoredArray
    bias: StoredArray | None

    @property
    def arrays(self) -> tuple[StoredArray, ...]:
        """Those that there are."""
        there = (self.kernel, self.recurrent_kernel, self.bias)
        return tuple(array for array in there if array is not None)


@dataclass(frozen=True)
class StoredSides:
    """A layer's cells, forward first. `place` are the groups that lead to it; `name` is its own, where it is told."""

    place: tuple[str, ...]
    name: str | None
    sides: tuple[StoredCell, ...]
    named_groups: bool


def stored_layers(tree: Tree) -> list[StoredSides]:
    """Every recurrent layer of the file, in the order of its paths."""
    return _by_numbers(tree) + _by_names(tree.arrays)


def _by_numbers(tree: Tree) -> list[StoredSides]:
    cells: dict[tuple[str, ...], StoredCell] = {}
    for path in tree.arrays:
        parts, group = path.split("/"), path.removesuffix("/0")
        if parts[-3:] != ["cell", "vars", "0"] or f"{group}/3" in tree.arrays:
            continue
        arrays = [tree.arrays.get(f"{group}/{k}") for k in range(3)]
        if arrays[0] is not None and arrays[1] is not None:
            cells[tuple(parts[:-3])] = StoredCell(arrays[0], arrays[1], arrays[2])
    found = []
    for place, sides in _paired(cells, "forward_layer", "backward_layer").items():
        name = tree.names.get("/".join((*place, "vars")))
        found.append(StoredSides(tuple(_CONTAINERS.get(part, part) for part in place), name, sides, False))
    return found


def _by_names(arrays: Mapping[str, StoredArray]) -> list[StoredSides]:
    cells: dict[tuple[str, ...], StoredCell] = {}
    for path in arrays:
        *group, name = path.split("/")
        # Variables of TensorFlow end in the number of an output.
        if name not in ("recurrent_kernel", "recurrent_kernel:0") or not group:
            continue
        kernel, bias = (arrays.get("/".join((*group, name.replace("recurrent_kernel", k)))) for k in ("kernel", "bias"))
        place = group[1:] if group[0] == _LEGACY_ROOT else group
        if kernel is not None and place and group[0] != "optimizer_weights":
            # The cell has a group of its own since TensorFlow 2.
            own = place[:-1] if re.search(r"_cell(_\d+)?$", place[-1]) and len(place) > 1 else place
            cells[tuple(own)] = StoredCell(kernel, arrays[path], bias)
    pairs = _paired(cells, "forward_", "backward_")
    return [StoredSides(place, place[-1], sides, True) for place, sides in pairs.items()]


def _paired(
    cells: Mapping[tuple[str, ...], StoredCell], forward: str, backward: str
) -> dict[tuple[str, ...], tuple[StoredCell, ...]]:
    """Cells by the place of their layer: two where they are its directions."""
    found: dict[tuple[str, ...], tuple[StoredCell, ...]] = {}
    for place, cell in sorted(cells.items()):
        if place and place[-1].startswith((forward, backward)):
            siblings = {other[-1]: c for other, c in cells.items() if other[:-1] == place[:-1]}
            ahead = [c for name, c in siblings.items() if name.startswith(forward)]
            behind = [c for name, c in siblings.items() if name.startswith(backward)]
            if len(ahead) == len(behind) == 1 and len(place) > 1:
                found[place[:-1]] = (ahead[0], behind[0])
                continue
        found[place] = (cell,)
    return found
