"""Whether things may move by themselves: as the desktop wishes, or as the user does."""

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
    """Take one of the settings' MOTION_CHOICES."""
    application = QApplication.instance()
    assert isinstance(application, QApplication)
    application.setProperty(_CHOICE, choice)
    if choice == "reduced":
        for effect in _EFFECTS:
            QApplication.setEffectEnabled(effect, False)


def motion_reduced() -> bool:
    """Whether nothing is to move that need not."""
    application = QApplication.instance()
    if not isinstance(application, QApplication):
        return False
    choice = application.property(_CHOICE)
    if choice in ("reduced", "full"):
        return bool(choice == "reduced")
    # The desktop's wish for less motion reaches programs as animations that take no time.
    return application.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration) == 0
