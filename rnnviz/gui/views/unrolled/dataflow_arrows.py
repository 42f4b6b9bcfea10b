"""Arrows of a step's data flow: from its inputs to its outputs, and to the steps that read these."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF

from rnnviz.quantities.traversal import Region

_SHORTEST = 9.0
"""Length in pixels below which an arrow is only its head."""
_GAP, _MARGIN = 2.0, 9.0
_LEADS = {("read", "computed"), ("carried", "next")}


def flow_of(framed: Sequence[tuple[Region, QRectF]]) -> list[tuple[QPointF, QPointF]]:
    """Start and end of each arrow: horizontal within a lane, vertical between lanes; none if it does not fit."""
    found = []
    for start, source in framed:
        for end, target in framed:
            if (start.part, end.part) in _LEADS:
                found += _between(source, target, same_lane=start.lane == end.lane)
    return found


def _between(source: QRectF, target: QRectF, *, same_lane: bool) -> list[tuple[QPointF, QPointF]]:
    if same_lane:
        y = source.center().y()
        if source.center().x() < target.center().x():
            start, end = QPointF(source.right() + _GAP, y), QPointF(target.left() - _GAP, y)
            room = end.x() - start.x()
        else:
            start, end = QPointF(source.left() - _GAP, y), QPointF(target.right() + _GAP, y)
            room = start.x() - end.x()
    else:
        # Numbers are in the middle of a column.
        x = target.left() + min(_MARGIN, target.width() / 2.0)
        start, end = QPointF(x, source.top() - _GAP), QPointF(x, target.bottom() + _GAP)
        room = start.y() - end.y()
    return [(start, end)] if room >= _SHORTEST else []
