"""The same document on a stream, for those who collect stdout."""

from __future__ import annotations

import logging

from pythonjsonlogger.core import BaseJsonFormatter

from shipper.ecs.event import Event
from shipper.emit.outlet import Outlet
from shipper.emit.renderer import Renderer
from shipper.emit.stdlib import event_from_record
from shipper.errors import ConfigurationError


class EcsFormatter(BaseJsonFormatter):
    """Formats each record as the ECS document that `ShipperHandler` would send. In `dictConfig`::

        "formatters": {"ecs": {"()": "shipper.emit.EcsFormatter", "service": {"name": "checkout"}}}

    Each formatter is a producer of its own: see `shipper.emit.renderer.Renderer`.

    Args:
        groups: settings as for `shipper.configure`; without any, those of the current pipeline.

    Raises:
        ConfigurationError: a format or date format is asked for; the document's form is fixed.
    """

    def __init__(
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: str = "%",
        validate: bool = True,
        **groups: object,
    ) -> None:
        if fmt is not None or datefmt is not None:
            raise ConfigurationError("EcsFormatter takes no format: the form of the document is fixed.")
        super().__init__(style=style, validate=validate)
        self._renderer = Renderer(groups)

    def format(self, record: logging.LogRecord) -> str:
        """Return one line of JSON without the line's end; the record stays as it was."""
        return self._renderer.render(_make_event, record)


def _make_event(outlet: Outlet, record: logging.LogRecord) -> Event:
    return event_from_record(record, use_created=not outlet.has_own_time)
