"""Light and dark palette. Both are defined here, because the offscreen platform has no color scheme.

Every text color has a contrast of at least 4.5:1 on its backgrounds. The diverging maps go from blue to orange, which
people with common color-vision deficiencies can distinguish; the same holds for any two series colors.
"""

from typing import Literal, TypeAlias

from PySide6.QtGui import QColor, QPalette

from rnnviz.frozen import dataclass

ThemeName: TypeAlias = Literal["light", "dark"]


@dataclass(frozen=True)
class Theme:
    """Colors by role, as #rrggbb.

    `diverging` and `sequential` are equidistant color stops: negative to positive with zero in the middle, and small to
    large. `raised` is under the pointer, `pressed` under a pressed button, `accent_surface` behind a selected row.
    `wrong`, `right` and `doubtful` are for verdicts, each with a surface and a line around it. `outline` frames wrong
    values and `cursor` the selection; of a mark and what is under it, one is always visible.
    """

    name: ThemeName
    window: str
    base: str
    raised: str
    pressed: str
    border: str
    text: str
    muted: str
    accent: str
    on_accent: str
    accent_surface: str
    accent_hovered: str
    accent_pressed: str
    wrong: str
    wrong_surface: str
    wrong_line: str
    right: str
    right_surface: str
    right_line: str
    doubtful: str
    doubtful_surface: str
    outline: str
    outline_under: str
    on_outline: str
    cursor: str
    grid: str
    nan: str
    infinite: str
    series: tuple[str, ...]
    diverging: tuple[str, ...]
    sequential: tuple[str, ...]

    def color(self, role: str) -> QColor:
        return QColor(getattr(self, role))

    def palette(self) -> QPalette:
        palette = QPalette()
        roles = QPalette.ColorRole
        for role, name in (
            (roles.Window, "window"),
            (roles.WindowText, "text"),
            (roles.Base, "base"),
            (roles.AlternateBase, "raised"),
            (roles.Text, "text"),
            (roles.Button, "raised"),
            (roles.ButtonText, "text"),
            (roles.ToolTipBase, "base"),
            (roles.ToolTipText, "text"),
            (roles.PlaceholderText, "muted"),
            (roles.Highlight, "accent_surface"),
            (roles.HighlightedText, "text"),
            (roles.Link, "accent"),
            (roles.LinkVisited, "accent"),
            (roles.Mid, "border"),
            (roles.Midlight, "raised"),
            (roles.Light, "base"),
            (roles.Dark, "border"),
            (roles.Shadow, "border"),
            (roles.BrightText, "wrong"),
            (roles.Accent, "accent"),
        ):
            palette.setColor(role, self.color(name))
        for role in (roles.WindowText, roles.Text, roles.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, self.color("muted"))
        for role, name in ((roles.Highlight, "border"), (roles.HighlightedText, "text")):
            palette.setColor(QPalette.ColorGroup.Disabled, role, self.color(name))
        return palette


LIGHT = Theme(
    name="light",
    window="#f4f5f7",
    base="#ffffff",
    raised="#eceef1",
    pressed="#dde1e7",
    border="#c6cad1",
    text="#1a1d21",
    muted="#58606b",
    accent="#0a5fc2",
    on_accent="#ffffff",
    accent_surface="#e6effa",
    accent_hovered="#084f9f",
    accent_pressed="#063f80",
    wrong="#a8005a",
    wrong_surface="#fde8f2",
    wrong_line="#e79ac0",
    right="#17692f",
    right_surface="#e6f4ea",
    right_line="#9fceac",
    doubtful="#7d5200",
    doubtful_surface="#fdf3dc",
    outline="#c2006b",
    outline_under="#ffffff",
    on_outline="#ffffff",
    cursor="#1a1d21",
    grid="#dfe2e7",
    nan="#7a3fd1",
    infinite="#00735f",
    series=("#0a5fc2", "#c2570a", "#17692f", "#a8005a", "#5e2a97", "#653a00", "#187a85", "#3b3f41"),
    diverging=("#08306b", "#2f7fbf", "#a6cee9", "#f7f7f7", "#fbc98a", "#dd7a14", "#7a3603"),
    sequential=("#f7f7f7", "#d9dbe6", "#b3b6d2", "#8c86bb", "#6a51a3", "#45117e"),
)

DARK = Theme(
    name="dark",
    window="#16181c",
    base="#1d2025",
    raised="#282c33",
    pressed="#353b45",
    border="#434955",
    text="#e8eaed",
    muted="#a3abb8",
    accent="#6db3ff",
    on_accent="#0b1420",
    accent_surface="#1c2c40",
    accent_hovered="#8bc2ff",
    accent_pressed="#a8d2ff",
    wrong="#ff86c0",
    wrong_surface="#40172c",
    wrong_line="#8a3a63",
    right="#74d68d",
    right_surface="#173223",
    right_line="#336647",
    doubtful="#f0c05a",
    doubtful_surface="#3a2d10",
    outline="#ff7abc",
    outline_under="#1d2025",
    on_outline="#2b0a1b",
    cursor="#ffffff",
    grid="#30353e",
    nan="#c9a3ff",
    infinite="#4fd9bd",
    series=("#6db3ff", "#ed9c55", "#73d48b", "#ff86c0", "#a57dd0", "#ffc85e", "#5fd3de", "#84929a"),
    diverging=("#a9d8ff", "#3f97e0", "#1f4f80", "#333943", "#7a4410", "#e08a2c", "#ffd9a3"),
    sequential=("#333943", "#3d3757", "#51447f", "#7460ad", "#9f8ad6", "#d7ccff"),
)

THEMES: dict[str, Theme] = {theme.name: theme for theme in (LIGHT, DARK)}


def blend(theme: Theme, role: str, part: float) -> QColor:
    """Blend a color role of the theme into the background."""
    over, under = theme.color(role), theme.color("base")
    return QColor(
        round(part * over.red() + (1.0 - part) * under.red()),
        round(part * over.green() + (1.0 - part) * under.green()),
        round(part * over.blue() + (1.0 - part) * under.blue()),
    )
