"""`.npz` by Gluon's names."""

from pathlib import Path
from zipfile import ZipFile

import numpy as np

from rnnviz.core.config import Network
from rnnviz.core.parameters import Parameters


def write_weights(_network: Network, parameters: Parameters, path: Path) -> None:
    """Write the arrays as `numpy.load` reads them; raises an OSError if the disk is full."""
    # Not numpy.savez, which leaves its archive open where the disk is full.
    with ZipFile(path, "w") as archive:
        for name, array in parameters.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)  # type: ignore[no-untyped-call]
