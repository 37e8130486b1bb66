"""What commands that act share: who acts, why, and the record of it in the audit trail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.elastic.client import ElasticClient
    from shipper.index.audit import AuditedAct, AuditTrail

Why = Annotated[str, typer.Option("--why", metavar="TEXT", help="Why; goes into the audit trail.")]


def who(settings: Settings) -> str:
    """Return who acts: what `audit.by` says, else user@host."""
    import socket

    from shipper.emit.level_watch import user_name

    return settings.audit.by or f"{user_name()}@{socket.gethostname()}"


def act_of(settings: Settings, action: str, chosen: str, why: str = "") -> AuditedAct:
    """Return a new act; what a person wrote is redacted as records are."""
    from shipper.index.audit import AuditedAct
    from shipper.redaction import default_redactor, redactor

    hiding = redactor(settings.redact) or default_redactor()
    return AuditedAct.begin(action, who(settings), hiding.scan(chosen), hiding.scan(why))


def trail_of(settings: Settings, client: ElasticClient) -> AuditTrail:
    """Return the trail of the settings' namespace."""
    from shipper.clock import SystemClock
    from shipper.index.audit import AuditTrail

    return AuditTrail(client, settings.namespace, SystemClock())


@contextmanager
def audited(
    settings: Settings,
    client: ElasticClient,
    act: AuditedAct,
    counts: Mapping[str, int],
    *,
    is_dry: bool = False,
) -> Iterator[None]:
    """Leave a record of the beginning of an act and one of its end; none of a dry run."""
    if is_dry:
        yield
        return
    with trail_of(settings, client).telling(act, counts):
        yield
