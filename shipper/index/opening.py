"""Open what needs a broker although the broker may be away just now."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from random import Random
from typing import Final, TypeVar

from shipper.clock import Clock
from shipper.errors import BrokerUnavailable
from shipper.index.patience import Backoff

_T = TypeVar("_T")

_REPORT_INTERVAL_S: Final = 30.0


@contextmanager
def opened_patiently(
    open_it: Callable[[], AbstractContextManager[_T]],
    stop: threading.Event,
    clock: Clock,
    random: Random,
    report: Callable[[str], None],
) -> Iterator[_T | None]:
    """Yield what `open_it` opens, as soon as a broker answers; None if a stop is asked for before.

    A broker that is away at the start is waited for like one that goes away later: a machine that comes up again starts
    its services in any order.

    Raises:
        TransportError: what waiting would not cure: a missing topic, refused access.
    """
    backoff, told_s = Backoff(), float("-inf")
    with ExitStack() as opened:
        for attempt in itertools.count():
            try:
                thing: _T | None = opened.enter_context(open_it())
                break
            except BrokerUnavailable as error:
                now_s = clock.monotonic_s()
                if now_s - told_s >= _REPORT_INTERVAL_S:
                    told_s = now_s
                    report(f"waiting: {error}")
                if clock.wait(stop, backoff.pause_s(attempt, random)):
                    thing = None
                    break
        yield thing
