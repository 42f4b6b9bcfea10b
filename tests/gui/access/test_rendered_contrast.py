"""Contrast of texts, marks and highlighted entries in pictures of the window in each state, in both themes."""

import subprocess
import sys
from collections.abc import Iterable
from itertools import cycle, product
from pathlib import Path

import control_states
import numpy as np
import pytest
from control_states import Shot
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialog,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMenu,
    QPushButton,
    QTabBar,
    QToolButton,
    QWidget,
)

from tests.gui.access.rendered_colors import contrast, ground, ink_contrast
from tests.profiles import nightly_except

TEXT, MARK = 4.5, 3.0
SEEN = {"focus": (MARK, 24), "hover": (MARK, 4), "pressed": (1.3, 4), "disabled": (1.2, 4)}
"""Contrast of a control in a state with the same control without it, and the least number of pixels that have it."""
MAIN_HOVER = 1.15
"""The same of the main button of a dialog under the pointer, whose whole surface changes."""
INSIDE = 4
"""Pixels at the edge of a control that may be its frame."""
THEMES = "light", "dark"
DIALOGS = "export_picture", "open", "problem", "course_map"
"""Commands that open one."""
NEVER_DISABLED = "Legend", "LessonCard"
"""Classes of controls that paint themselves, and are hidden where they have no use."""
TEXTLESS = "disabled", "empty"
WITH_TEXT = QAbstractButton | QComboBox | QLabel | QLineEdit | QTabBar


@pytest.fixture(params=THEMES)
def window(request, qtbot, window):
    window.theme_manager.choose(request.param)
    qtbot.waitUntil(window.updatesEnabled)
    return window


@pytest.mark.slow
def test_the_highlighted_entry_of_every_menu_is_seen(window):
    base, highlighted = window.theme_manager.theme.base, 0
    menus = window.findChildren(QMenu)
    submenus = [menu.menuAction() for menu in menus]
    for menu in menus:
        menu.popup(QPoint())
        for action in control_states.kinds_of_entries(menu, submenus):
            menu.setActiveAction(action)
            picture = menu.grab(menu.actionGeometry(action)).toImage()
            assert contrast(ground(picture), base) >= MARK, (menu.title(), action.text())
            assert ink_contrast(picture) >= TEXT, (menu.title(), action.text())
            highlighted += 1
        menu.close()
    assert highlighted > 20


@pytest.mark.slow
def test_the_highlighted_menu_of_the_menu_bar_is_seen(window):
    bar = window.menuBar()
    for action in bar.actions():
        bar.setActiveAction(None)
        normal = bar.grab(bar.actionGeometry(action)).toImage()
        bar.setActiveAction(action)
        picture = bar.grab(bar.actionGeometry(action)).toImage()
        assert changed_contrast(normal, picture, 24) >= MARK, action.text()
        assert ink_contrast(picture) >= TEXT, action.text()
    bar.setActiveAction(None)


@pytest.mark.slow
def test_the_highlighted_entry_of_every_list_is_seen(window):
    base, shown = window.theme_manager.theme.base, 0
    for box, view in control_states.open_lists(window):
        picture = view.viewport().grab(view.visualRect(view.currentIndex())).toImage()
        assert contrast(ground(picture), base) >= MARK, box.accessibleName()
        assert ink_contrast(picture) >= TEXT, box.accessibleName()
        shown += 1
    assert shown > 2


@pytest.mark.slow
def test_every_control_is_read_and_shows_its_state(window):
    assert faults(window) == []


@pytest.mark.slow
@pytest.mark.parametrize("window", nightly_except(THEMES, "dark"), indirect=True)
def test_every_kind_of_control_of_every_tab_shows_that_it_has_the_keyboard(run_config, window):
    # A mismatch has more to offer than a run that agrees.
    compare = {"reference": "manual", "candidates": ["bug:no-h2h-bias"]}
    run_config({"cell": "lstm", "input_size": 2, "hidden_size": 3}, compare=compare, initial_state={"source": "normal"})
    tabs, kinds, unseen = window.main_layout.tabs, set(), []
    least, count = SEEN["focus"]
    for title in tabs.titles:
        tabs.select(title)
        QTest.qWait(0)
        for control in control_states.controls(window):
            kind = control_states.kind_of(control)
            if kind in kinds or not control.isEnabled() or not control.focusPolicy() & Qt.FocusPolicy.TabFocus:
                continue
            kinds.add(kind)
            drop_focus()
            normal = next(control_states.states(control))
            with control_states.focused(control):
                focused = control_states.picture(control)
            if changed_contrast(normal.picture, focused, count, around=is_main(control)) < least:
                unseen.append(normal.control)
    assert len(kinds) > 20
    assert unseen == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("window", "command"),
    nightly_except(product(THEMES, DIALOGS), *zip(cycle(THEMES), DIALOGS, strict=False)),
    indirect=["window"],
)
def test_every_control_of_a_dialog_is_read_and_shows_its_state(window, qtbot, command):
    window.actions_[command].trigger()
    dialog = qtbot.shown(window, QDialog)
    qtbot.activate(dialog)
    found = faults(dialog)
    dialog.close()
    assert found == []
    qtbot.activate(window)


@pytest.mark.nightly
def test_the_gallery_draws_every_state(tmp_path):
    script = Path(control_states.__file__).with_name("gallery.py")
    code = f"import gallery, pathlib; gallery.draw_part('dark', 100, pathlib.Path({str(tmp_path)!r}))"
    subprocess.run([sys.executable, "-c", code], cwd=script.parent, check=True, timeout=600)
    drawn = {path.name for path in tmp_path.glob("*.png")}
    for words in (
        "menus",
        "drop-downs",
        "tooltips",
        "questions",
        "nan-and-infinity",
        "tabs-step-audit",
        "tool-windows",
    ):
        assert any(words in name for name in drawn), words


def drop_focus() -> None:
    """Take the keyboard from the control that has it, which would look alike with and without it."""
    held = QApplication.focusWidget()
    if held is not None:
        held.clearFocus()


def faults(window: QWidget) -> list[tuple[str, str, float]]:
    """Controls and their states that cannot be read or look as another state does, with the measured contrast."""
    drop_focus()
    controls = control_states.controls(window)
    assert len(controls) > 3
    return [fault for control in controls for fault in faults_of(list(control_states.states(control)))]


def faults_of(shots: list[Shot]) -> Iterable[tuple[str, str, float]]:
    by_state = {shot.state: shot for shot in shots}
    normal = shots[0]
    for shot in shots:
        picture = inside(shot)
        written = isinstance(shot.widget, WITH_TEXT) and has_text(shot.widget) and shot.state not in TEXTLESS
        if written and (measured := ink_contrast(picture)) < TEXT:
            yield shot.control, f"text, {shot.state}", measured
    for state, (least, count) in SEEN.items():
        other = by_state.get(state)
        if other is None or other is normal or not reacts(other.widget, state):
            continue
        main = is_main(other.widget)
        measured = changed_contrast(normal.picture, other.picture, count, around=main and state == "focus")
        if main and state == "hover":
            least = MAIN_HOVER
        if measured < least:
            yield normal.control, state, measured


def is_main(widget: QWidget) -> bool:
    """Whether it is the main button of a dialog. Its frame is next to the accent color, and seen by what is around."""
    return isinstance(widget, QPushButton) and widget.isDefault()


def reacts(widget: QWidget, state: str) -> bool:
    """Whether a control of this kind shows this state by itself."""
    if state in ("hover", "pressed"):
        # A chosen button stays as it is, and Qt marks the way of listing of a file dialog by itself.
        chosen = isinstance(widget, QAbstractButton) and (
            widget.isChecked() or isinstance(widget.window(), QFileDialog)
        )
        return isinstance(widget, QAbstractButton | QComboBox) and widget.isEnabled() and not chosen
    if type(widget).__name__ in NEVER_DISABLED:
        return state == "focus"
    return state == "focus" or isinstance(widget, QAbstractButton | QComboBox | QLineEdit)


def has_text(widget: QWidget) -> bool:
    if isinstance(widget, QComboBox):
        return bool(widget.currentText())
    if isinstance(widget, QToolButton) and not widget.text():
        return False
    return isinstance(widget, QTabBar) or bool(widget.text())


def inside(shot: Shot) -> QImage:
    """The picture without the surroundings and the frame of the control."""
    edge = control_states.AROUND + INSIDE
    whole = shot.picture.rect()
    return shot.picture.copy(whole.adjusted(edge, edge, -edge, -edge) if whole.height() > 2 * edge + 6 else whole)


def changed_contrast(before: QImage, after: QImage, least: int, *, around: bool = False) -> float:
    """The contrast that `least` pixels have with what was there before, or is `around`; 1 if fewer have changed."""
    if before.size() != after.size():
        return 21.0
    old, new = pixels(before), pixels(after)
    changed = old != new
    outside = int(old[0, 0])
    pairs, counts = np.unique(np.stack([old[changed], new[changed]]), axis=1, return_counts=True)
    ratios = sorted(
        (
            (max(contrast(int(a), int(b)), contrast(outside, int(b)) if around else 1.0), int(count))
            for (a, b), count in zip(pairs.T, counts, strict=True)
        ),
        reverse=True,
    )
    seen = 0
    for ratio, count in ratios:
        seen += count
        if seen >= least:
            return ratio
    return 1.0


def pixels(picture: QImage) -> np.ndarray:
    picture = picture.convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(picture.constBits(), np.uint32).reshape(picture.height(), picture.width()).copy()
