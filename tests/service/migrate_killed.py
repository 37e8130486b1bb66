"""A migration in a process of its own that dies by SIGKILL at the n-th request to the server, before or after it."""

from __future__ import annotations

import os
import signal
from typing import Any

from shipper.config import ElasticsearchSettings
from shipper.elastic.client import connect
from shipper.elastic.connection import Connection
from shipper.elastic.raw import connect_raw
from shipper.index import copying
from shipper.index.migrate import carry_out, plan
from shipper.index.templates import Template


def migrate_and_die(url: str, template: Template, at_request: int, *, is_sent: bool) -> None:
    """Migrate the indices of `template`; die at a request (from 0), after its answer where `is_sent`.

    Exits with 0 where all was done before.
    """
    count = 0
    perform = Connection._perform

    def counted(self: Connection, *arguments: Any) -> object:
        nonlocal count
        count += 1
        is_last = count == at_request + 1
        if is_last and not is_sent:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = perform(self, *arguments)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    Connection._perform = counted  # type: ignore[method-assign,assignment]
    copying._PAGE_MAX = 7  # type: ignore[misc]
    settings = ElasticsearchSettings(url=url)
    with connect(settings) as client, connect_raw(settings) as raw:
        for step in plan(client, [template]):
            carry_out(client, raw, [template], step, pause=lambda _: None)
