"""A configuration of `logging` in which the root has our handler and a server's own loggers hand up to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def handing_up(level: str, *, loggers: Iterable[str], access_logger: str, access: bool) -> dict[str, Any]:
    """Return it for `logging.config.dictConfig`; the server's loggers keep no handler of their own.

    Args:
        level: of the root logger and `loggers`.
        loggers: of the server, for its messages.
        access_logger: of the server, for requests.
        access: whether each request is a record.
    """
    levels = dict.fromkeys(loggers, level) | {access_logger: level if access else "CRITICAL"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"shipper": {"class": "shipper.emit.ShipperHandler"}},
        "root": {"level": level, "handlers": ["shipper"]},
        "loggers": {name: {"level": own, "handlers": [], "propagate": True} for name, own in levels.items()},
    }
