"""Turns: what is not due at once comes one after the other, each after the one before is painted."""

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QWidget

from rnnviz.gui.kit.turns import in_turn


class _Painted(QWidget):
    def __init__(self, happened):
        super().__init__()
        self.happened = happened

    def paintEvent(self, _event):
        self.happened.append("painted")


def test_calls_wait_for_the_painting_of_the_one_before(qtbot):
    happened = []
    widget = _Painted(happened)
    qtbot.addWidget(widget)
    widget.show()
    qtbot.waitUntil(lambda: "painted" in happened)
    happened.clear()

    def call(name):
        happened.append(name)
        widget.update()

    in_turn(widget, lambda: call("first"))
    in_turn(widget, lambda: call("second"))
    qtbot.waitUntil(lambda: len(happened) == 4)
    assert happened == ["first", "painted", "second", "painted"]


class _Counted:
    count = 0

    def add(self):
        self.count += 1


def test_a_call_that_waits_already_comes_once(qtbot):
    owner, counted, ended = QObject(), _Counted(), []
    for _ in range(2):
        in_turn(owner, counted.add)
    in_turn(owner, lambda: ended.append(True))
    qtbot.waitUntil(lambda: bool(ended))
    assert counted.count == 1


def test_calls_of_an_object_that_is_gone_are_dropped(qtbot):
    parent, owner, called = QObject(), QObject(), []
    gone = QObject(parent)
    in_turn(gone, lambda: called.append("gone"))
    in_turn(owner, lambda: called.append("there"))
    parent.deleteLater()
    qtbot.waitUntil(lambda: "there" in called)
    assert called == ["there"]
