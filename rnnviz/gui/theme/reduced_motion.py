"""Reduced motion, by the user's setting or the system's."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QStyle

_CHOICE = "rnnviz-motion"
_EFFECTS = (
    Qt.UIEffect.UI_AnimateMenu,
    Qt.UIEffect.UI_FadeMenu,
    Qt.UIEffect.UI_AnimateCombo,
    Qt.UIEffect.UI_AnimateTooltip,
    Qt.UIEffect.UI_FadeTooltip,
)


def use_motion(choice: str) -> None:
    """Apply one of the MOTION_CHOICES of the settings."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.setProperty(_CHOICE, choice)
    if choice == "reduced":
        for effect in _EFFECTS:
            QApplication.setEffectEnabled(effect, False)


def motion_reduced() -> bool:
    """Whether motion is reduced."""
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        return False
    choice = application.property(_CHOICE)
    if choice in ("reduced", "full"):
        return bool(choice == "reduced")
    # Qt reports the system's reduced motion as an animation duration of 0.
    return application.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) == 0
