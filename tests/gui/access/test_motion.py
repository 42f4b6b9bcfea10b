"""Less motion for those who ask for it: nothing fades, and what plays moves at most three times a second."""

import pytest
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QProxyStyle, QStyle

from rnnviz.gui.theme.scaling import motion_reduced, use_motion


@pytest.fixture(autouse=True)
def desktop_motion(qapp):
    yield
    use_motion("desktop")


class StillStyle(QProxyStyle):
    """The style of a desktop whose user has turned animations off."""

    def styleHint(self, hint, option=None, widget=None, data=None):
        still = hint == QStyle.StyleHint.SH_Widget_Animation_Duration
        return 0 if still else super().styleHint(hint, option, widget, data)


@pytest.mark.slow
def test_reduced_motion_is_chosen_in_the_menu_and_remembered(run_config, window, qtbot):
    network = {"cell": "gru", "input_size": 2, "hidden_size": 3}
    run_config(network, sequence={"timesteps": 600, "batch_size": 1})
    window.player.toggle()
    quick = window.player.timer.interval()
    window.player.pause()
    assert quick < 100
    window.findChild(QAction, "motion_reduced").trigger()
    assert window.settings.motion == "reduced"
    assert motion_reduced()
    window.session.set_location(window.session.location.moved(timestep=0))
    window.player.toggle()
    assert window.player.timer.interval() >= 333
    # The pace is held: fewer and larger steps.
    qtbot.waitUntil(lambda: window.session.location.timestep >= 10)
    window.player.pause()
    window.findChild(QAction, "motion_full").trigger()
    assert not motion_reduced()


def test_the_desktops_wish_counts_where_the_user_has_none(qapp, monkeypatch):
    style = StillStyle("fusion")
    monkeypatch.setattr(QApplication, "style", staticmethod(lambda: style))
    use_motion("desktop")
    assert motion_reduced()
    use_motion("full")
    assert not motion_reduced()
