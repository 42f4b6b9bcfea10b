"""Connection of the lanes to the application state, and commands for them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from rnnviz.gui.app_state import Session
from rnnviz.gui.commands.player import Player
from rnnviz.quantities.units import OrderName

if TYPE_CHECKING:
    # Imported after the first paint.
    from rnnviz.gui.views.unrolled.view import UnrolledView


def bind_lanes(session: Session, lanes: "UnrolledView") -> None:
    """Connect the lanes to the application state in both directions."""

    def show_engines() -> None:
        lanes.show_engine(session.engine)
        lanes.show_swipe(session.swipe)

    def show_color_by() -> None:
        lanes.show_color_by(session.color_by)

    def show_order() -> None:
        lanes.show_order(session.order)

    for show in (show_engines, show_color_by, show_order):
        show()
    session.on_change(show_engines, "engine", "swipe")
    session.on_change(show_color_by, "color_by")
    session.on_change(show_order, "order")
    lanes.order_requested.connect(session.set_order)


def bind_player(player: Player, lanes: "UnrolledView") -> None:
    """Loop the range that is selected in the lanes, and hide their future if the player reveals it."""

    def loop_range() -> range | None:
        query = lanes.ranges.query
        return None if query is None else query.times

    player.loop_range = loop_range
    player.pace_changed.connect(lambda: lanes.reveal_as_computed(player.order if player.revealing else None))


def next_order(session: Session) -> Callable[[], None]:
    """A function that selects the next unit order."""

    def choose() -> None:
        names: tuple[OrderName, ...] = get_args(OrderName)
        session.set_order(names[(names.index(session.order) + 1) % len(names)])

    return choose
