"""Searches of an index whose shards are still starting: it was made a moment ago, or its node comes back just now."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from shipper.elastic.answers import MISSING_SHARDS
from shipper.errors import StoreUnavailable

_Answer = TypeVar("_Answer")

_PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6, 2.0)


def once_started(ask: Callable[[], _Answer]) -> _Answer:
    """Return what `ask` returns, asked anew for about 5 s while the server lacks shards that it knows of.

    Each new index lacks its shards for a moment, so whoever searches all indices of a day would otherwise fail now
    and then for nothing.

    Raises:
        StoreUnavailable: they are still missing, or the server does not answer for another reason.
    """
    for pause_s in _PAUSES_S:
        try:
            return ask()
        except StoreUnavailable as error:
            if MISSING_SHARDS not in error.reason:
                raise
        time.sleep(pause_s)
    return ask()
