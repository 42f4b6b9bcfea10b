"""Which keys are pressed, what is typed, and how large the window is made."""

from PySide6.QtCore import Qt

ENDS = ("quit", "edit_code")
"""Commands that would end the walk, or start another program."""
KEYS = (
    *(Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Home, Qt.Key.Key_End),
    *(Qt.Key.Key_PageUp, Qt.Key.Key_PageDown, Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Return, Qt.Key.Key_Space),
    *(Qt.Key.Key_Escape, Qt.Key.Key_Delete, Qt.Key.Key_Backspace, Qt.Key.Key_F1, Qt.Key.Key_F5, Qt.Key.Key_Menu),
    *range(Qt.Key.Key_A, Qt.Key.Key_Z + 1),
    *range(Qt.Key.Key_0, Qt.Key.Key_9 + 1),
    *(Qt.Key.Key_Plus, Qt.Key.Key_Minus, Qt.Key.Key_Period, Qt.Key.Key_Comma, Qt.Key.Key_Question, Qt.Key.Key_Slash),
)
MODIFIERS = (
    *(Qt.KeyboardModifier.NoModifier,) * 6,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.AltModifier,
    Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier,
)
TEXTS = (
    "",
    "0",
    "1",
    "-1",
    "3",
    "8",
    "12",
    "1e-3",
    "nan",
    "1e400",
    "99999999999",
    "hello",
    "ä€😀",
    "a,b",
    "../x",
    " ",
    '"',
)
SIZES = ((1280, 800), (1600, 1000), (800, 600), (2560, 1440), (640, 480), (1000, 1400))
