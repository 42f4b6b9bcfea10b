"""Commands for the lanes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.player import Player
from rnnviz.quantities.units import OrderName

if TYPE_CHECKING:
    # Imported after the first paint.
    from rnnviz.gui.views.unrolled.view import UnrolledView


def bind_player(player: Player, lanes: "UnrolledView") -> None:
    """Loop the range that is selected in the lanes, hide their future if the player reveals it, and describe stages."""

    def loop_range() -> range | None:
        query = lanes.ranges.query
        return None if query is None else query.times

    player.loop_range = loop_range
    player.numbers_in_view = lambda: lanes.geometry_in_view is not None and lanes.geometry_in_view.numbered
    player.stepper.status_changed.connect(lanes.show_caption)
    player.pace_changed.connect(lambda: lanes.reveal_as_computed(player.order if player.revealing else None))


def next_order(session: Session) -> Callable[[], None]:
    """A function that selects the next unit order."""

    def choose() -> None:
        names: tuple[OrderName, ...] = get_args(OrderName)
        session.set_order(names[(names.index(session.order) + 1) % len(names)])

    return choose
