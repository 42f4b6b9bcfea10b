"""Every text has enough contrast, and no color alone carries a meaning."""

import re
from itertools import combinations

import numpy as np
import pytest
from PySide6.QtGui import QColor, QPalette

from rnnviz.core.resources import resource_path
from rnnviz.gui.theme.palettes import DARK, LIGHT, blend
from rnnviz.gui.views.units_plot import DASHES
from rnnviz.gui.views.unrolled.colormap import on
from tests.gui.access.rendered_colors import contrast, distance, lightness

TEXT, GRAPHIC = 4.5, 3.0
TOLD_APART = 10.0
THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
KINDS = pytest.mark.parametrize("kind", ["none", "protanopia", "deuteranopia", "tritanopia"])
INKS = ("text", "muted", "accent", "right", "wrong", "doubtful")
GROUNDS = ("window", "base", "raised", "accent_surface", "right_surface", "wrong_surface", "doubtful_surface")
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
ROLE = re.compile(r"(?:^|[;\s])(color|background):\s*\$(\w+)")


@THEMES
def test_every_ink_is_read_on_every_ground(theme):
    for ink in INKS:
        for ground in GROUNDS:
            assert contrast(theme.color(ink), theme.color(ground)) >= TEXT, (ink, ground)
        # A row that is chosen in a table, and every other row.
        for ground_color in (blend(theme, "accent", 0.2), blend(theme, "raised", 0.6)):
            assert contrast(theme.color(ink), ground_color) >= TEXT, ink


@THEMES
def test_every_rule_of_the_style_sheet_can_be_read(theme):
    sheet = re.sub(r"/\*.*?\*/", "", resource_path("styles", "window.qss").read_text(encoding="utf-8"), flags=re.DOTALL)
    pairs = 0
    for selector, body in RULE.findall(sheet):
        roles = dict(ROLE.findall(body))
        if "color" in roles or "background" in roles:
            ink, ground = roles.get("color", "text"), roles.get("background", "window")
            # Parts without text are recognized by shape; chunks, handles and indicators carry no text.
            if "color" in roles or not re.search(
                r"::(chunk|handle|separator|indicator|groove|sub-page)|:pressed", selector
            ):
                pairs += 1
                assert contrast(theme.color(ink), theme.color(ground)) >= TEXT, selector.strip()
    assert pairs > 10


@THEMES
def test_every_pair_of_qts_palette_can_be_read(theme):
    palette, roles = theme.palette(), QPalette.ColorRole
    for ink, ground in (
        (roles.WindowText, roles.Window),
        (roles.Text, roles.Base),
        (roles.Text, roles.AlternateBase),
        (roles.ButtonText, roles.Button),
        (roles.HighlightedText, roles.Highlight),
        (roles.ToolTipText, roles.ToolTipBase),
        (roles.PlaceholderText, roles.Base),
        (roles.PlaceholderText, roles.Window),
        (roles.Link, roles.Base),
        (roles.Link, roles.Window),
        (roles.LinkVisited, roles.Base),
        (roles.BrightText, roles.Button),
    ):
        for group in (QPalette.ColorGroup.Active, QPalette.ColorGroup.Inactive):
            assert contrast(palette.color(group, ink), palette.color(group, ground)) >= TEXT, (ink, ground)


@THEMES
def test_the_numbers_in_the_lanes_are_read_on_every_color_of_every_map(theme):
    for stops in (theme.diverging, theme.sequential):
        shares = np.linspace(0.0, 1.0, 256)
        at = np.linspace(0.0, 1.0, len(stops))
        rgb = np.array([[QColor(s).red(), QColor(s).green(), QColor(s).blue()] for s in stops], float)
        for red, green, blue in zip(*(np.interp(shares, at, rgb[:, c]) for c in range(3)), strict=True):
            ground = QColor(round(red), round(green), round(blue))
            assert contrast(on(ground.rgb(), theme), ground) >= TEXT, ground.name()
    for special in ("nan", "infinite"):
        assert contrast(on(theme.color(special).rgb(), theme), theme.color(special)) >= TEXT


@THEMES
def test_lines_marks_and_frames_have_enough_contrast(theme):
    for ground in ("base", "window"):
        for line in (*theme.series, theme.accent, theme.right, theme.wrong, theme.cursor, theme.nan, theme.infinite):
            assert contrast(line, theme.color(ground)) >= GRAPHIC, (line, ground)
    assert contrast(theme.outline, theme.outline_under) >= GRAPHIC
    for stop in theme.diverging:
        # One of the two tones of a mark always has enough contrast.
        assert max(contrast(theme.outline, stop), contrast(theme.outline_under, stop)) >= GRAPHIC, stop


@THEMES
@KINDS
def test_the_ends_and_the_middle_of_the_map_are_distinguishable(theme, kind):
    stops = theme.diverging
    assert distance(stops[0], stops[-1], kind) > 4 * TOLD_APART
    for below, above in zip(stops[:3], reversed(stops[-3:]), strict=True):
        assert distance(below, above, kind) > 4 * TOLD_APART
        assert distance(below, stops[3], kind) > TOLD_APART
        assert distance(above, stops[3], kind) > TOLD_APART


@THEMES
@KINDS
def test_larger_numbers_differ_in_lightness(theme, kind):
    for stops in (theme.sequential, theme.diverging[3:], theme.diverging[3::-1]):
        steps = [abs(lightness(stop, kind) - lightness(stops[0], kind)) for stop in stops]
        assert steps == sorted(steps)


@THEMES
@KINDS
def test_engines_differ_in_color_and_in_their_dashes(theme, kind):
    for one, other in combinations(theme.series, 2):
        assert distance(one, other, kind) >= TOLD_APART, (one, other)
    assert len(set(DASHES)) == len(DASHES)
