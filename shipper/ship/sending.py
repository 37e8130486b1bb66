"""Batches of one window on their way together: while the destination works on one the next are read and made."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from shipper.errors import ShipperError
from shipper.ship.sink import Answers, Sink
from shipper.ship.window import Load, Settled, Window


def send_ahead(
    window: Window,
    sink: Sink,
    ahead: int,
    read_ahead: Callable[[], bool],
    on_settled: Callable[[Settled], None],
) -> ShipperError | None:
    """Send what is open in a window until all of it has its answers; return the first retriable error, or None.

    After such an error nothing new is begun: what failed is sent again after a pause, by another call.

    Args:
        ahead: how many batches may be under way beside the one whose answers are awaited.
        read_ahead: brings more into the window; returns whether that is worth a batch now.
    """
    under_way: deque[tuple[Load, Answers]] = deque()
    trouble: ShipperError | None = None
    is_more = True
    try:
        while is_more or under_way:
            is_more = (
                is_more and trouble is None and _begin(window, sink, under_way) and ahead > 0 and read_ahead()
            )
            if under_way and not (is_more and len(under_way) <= ahead):
                load, answers = under_way[0]
                settled = window.settle(load, answers())
                under_way.popleft()
                on_settled(settled)
                trouble = trouble or settled.trouble
    finally:
        for load, _ in under_way:
            window.take_back(load)
    return trouble


def _begin(window: Window, sink: Sink, under_way: deque[tuple[Load, Answers]]) -> bool:
    """Begin to send what is to be sent; return whether there was anything."""
    load = window.fresh()
    if not load.items:
        return False
    try:
        under_way.append((load, sink.begin(load.records)))
    except BaseException:
        window.take_back(load)
        raise
    return True
