"""What a dropped archive is good for, told by the names in it alone."""

from pathlib import Path

import numpy as np
import pytest

from rnnviz.files.lessons import lessons
from rnnviz.gui.commands.drops import config_with
from rnnviz.model.errors import InputError


def test_a_run_s_own_archive_gives_its_weights(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    np.savez(path, **{"gluon.hidden": np.zeros(1), "parameters.l0_i2h_weight": np.zeros(1), "config": np.array("x")})
    config = config_with(lessons()[0].config, path)
    assert (config.parameters.initializer, config.parameters.path) == ("file", str(path))


def test_an_archive_without_weights_or_state_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    np.savez(path, **{"gluon.hidden": np.zeros(1)})
    with pytest.raises(InputError, match=r"holds gluon\.hidden"):
        config_with(lessons()[0].config, path)
