"""What the commands of `shipper dlq` share: the options that choose letters, and the way to the mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.elastic.client import ElasticClient
    from shipper.index.letters import Selection
    from shipper.index.mirror import LetterMirror

Reason = Annotated[str, typer.Option(help="Only this reason, for example mapping, clock, json.")]
Hop = Annotated[str, typer.Option(help="Only refused by this hop: ship, index, logstash.")]
DatasetName = Annotated[str, typer.Option("--dataset", help="Only records of this dataset.")]
Since = Annotated[str, typer.Option(help="Only refused since: an age (2h, 3d) or a time.")]
Ids = Annotated[list[str], typer.Option("--id", help="Only this one: place, event id or letter id; repeat.")]
Everything = Annotated[bool, typer.Option("--all", help="All letters, where no other option chooses.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Change nothing; count what would be.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


def selection(reason: str, hop: str, dataset: str, since: str, ids: Iterable[str]) -> Selection:
    """Return what the options choose. Raises ConfigurationError: the time is none."""
    from shipper.clock import SystemClock
    from shipper.index.find import moment_us
    from shipper.index.letters import Selection

    since_us = moment_us(since, SystemClock().now_us()) if since else None
    return Selection(reason, hop, dataset, frozenset(ids), since_us)


@contextmanager
def open_mirror(settings: Settings) -> Iterator[tuple[ElasticClient, LetterMirror]]:
    """Yield the way to the mirror; what goes into it is redacted as the settings say."""
    from shipper.clock import SystemClock
    from shipper.elastic.client import connect
    from shipper.index.erasures import ErasureWatch
    from shipper.index.mirror import LetterMirror
    from shipper.redaction import redactor, shown

    hiding = redactor(settings.redact)
    with connect(settings.elasticsearch) as client:
        watch = ErasureWatch(client, SystemClock())
        yield (
            client,
            LetterMirror(client, settings.namespace, lambda payload: shown(payload, hiding), watch.erased),
        )
