"""`structlog.get_logger()` without its detour.

What structlog hands out is a proxy that looks its logger up for each call, by way of `__getattr__` and `bind`:
about a third of what its logging call costs. Once such a proxy has made one of our loggers, and keeps it
(`cache_logger_on_first_use`), it can as well have the logger's methods itself.

This reads a local variable of structlog's `bind`. Where that is not as expected, the proxy stays as it was.
"""

from __future__ import annotations

import sys
from typing import Any, Final

import structlog
from structlog._config import BoundLoggerLazyProxy

_BIND: Final = BoundLoggerLazyProxy.bind.__code__


def proxy_that_keeps() -> Any:
    """Return the proxy that makes and keeps a logger just now, for the logger's `__init__`; None if none does."""
    frame = sys._getframe(2)  # noqa: SLF001 - see above
    if frame.f_code is not _BIND:
        return None
    proxy: Any = frame.f_locals.get("self")
    if type(proxy) is not BoundLoggerLazyProxy:
        return None
    keeps = proxy._cache_logger_on_first_use  # noqa: SLF001 - see above
    if keeps is None:
        keeps = structlog.get_config()["cache_logger_on_first_use"]
    return proxy if keeps else None


class QuickProxy(BoundLoggerLazyProxy):
    """A proxy with the methods of its logger; `shipper.emit.logger` gives it those."""

    _context: Any = None  # no property: a call less for each event

    def use(self, logger: Any, processors: Any) -> None:
        """Log through what its logger logs through."""
        self._logger, self._processors, self._context = logger, processors, self._initial_values

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as the proxy that it was."""
        given = (None, self._wrapper_class, None, self._context_class, self._cache_logger_on_first_use)
        return BoundLoggerLazyProxy, (*given, self._initial_values, self._logger_factory_args)
