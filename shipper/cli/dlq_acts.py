"""`shipper dlq replay` and `purge`: acts on dead letters, each with a record of who did it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from shipper.cli.audited import Why, act_of, audited
from shipper.cli.dlq_options import (
    AsJson,
    DatasetName,
    DryRun,
    Everything,
    Hop,
    Ids,
    Reason,
    Since,
    open_mirror,
    selection,
)

if TYPE_CHECKING:
    from shipper.config import Settings
    from shipper.index.letters import Selection
    from shipper.index.mirror import Act

_NONE: list[str] = []


def replay(  # noqa: PLR0913, PLR0917 - each is an option
    reason: Reason = "",
    hop: Hop = "",
    dataset: DatasetName = "",
    since: Since = "",
    ids: Ids = _NONE,
    everything: Everything = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also those that were replayed and not refused since.")
    ] = False,
    why: Why = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Put the original records on the topic again, under their own ids: none is stored twice.

    Passed over: letters that were replayed already, that are not whole, or whose index retention has deleted.
    """
    from shipper.clock import SystemClock
    from shipper.config import load_settings
    from shipper.index.erasures import ErasureList, erased_of
    from shipper.index.letters import read_dead_letters
    from shipper.index.replay import ReplayPlan
    from shipper.index.replay import replay as run
    from shipper.kafka.producer import Producer

    settings = load_settings()
    chosen = _required(selection(reason, hop, dataset, since, ids), everything=everything)
    counts: Counter[str] = Counter()
    producer = Producer(settings.kafka, client_id="shipper-replay")
    with (
        open_mirror(settings) as (client, mirror),
        audited(settings, client, act_of(settings, "dlq-replay", str(chosen), why), counts, is_dry=dry_run),
    ):
        try:
            plan = ReplayPlan(
                settings.kafka.topic,
                chosen,
                _act(settings),
                with_replayed=again,
                is_dry=dry_run,
                erased=erased_of(ErasureList(client, SystemClock()).entries()),
                retention_days=settings.retention.days,
            )
            run(
                read_dead_letters(settings.kafka),
                mirror,
                producer,
                plan,
                counts,
                lambda: _progress(counts, is_on=not as_json),
            )
        finally:
            producer.close(5.0)
            _tell(counts, "would be replayed" if dry_run else "replayed", as_json=as_json)


def purge(  # noqa: PLR0913, PLR0917 - likewise
    reason: Reason = "",
    hop: Hop = "",
    dataset: DatasetName = "",
    since: Since = "",
    ids: Ids = _NONE,
    everything: Everything = False,
    topic: Annotated[
        bool,
        typer.Option(
            "--topic", help="Also delete from the topic all that lies before the first letter kept."
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    why: Why = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Give dead letters up for good: their content out of the mirror and, with --topic, out of Kafka.

    A line without content stays in the mirror, so that `shipper reconcile` can still tell where the record is.
    """
    from shipper.config import load_settings
    from shipper.index.letters import read_dead_letters
    from shipper.index.purge import purge as run
    from shipper.kafka.admin import Admin

    settings = load_settings()
    chosen = _required(selection(reason, hop, dataset, since, ids), everything=everything)
    if not yes and not dry_run:
        where = "the mirror and the topic" if topic else "the mirror"
        typer.confirm(f"Purge dead letters ({chosen}) from {where}, for good?", abort=True, err=True)
    counts: Counter[str] = Counter()
    with (
        open_mirror(settings) as (client, mirror),
        audited(settings, client, act_of(settings, "dlq-purge", str(chosen), why), counts, is_dry=dry_run),
    ):
        try:
            letters = read_dead_letters(settings.kafka)
            act = None if dry_run else _act(settings)
            ends = run(letters, mirror, chosen, act, counts, lambda: _progress(counts, is_on=not as_json))
            if topic and not dry_run:
                with Admin(settings.kafka) as admin:
                    starts = admin.start_offsets(settings.kafka.dead_letter_topic)
                    admin.delete_records(settings.kafka.dead_letter_topic, ends)
                counts["deleted_from_topic"] = sum(end - starts.get(part, 0) for part, end in ends.items())
        finally:
            _tell(counts, "would be purged" if dry_run else "purged", as_json=as_json)


def _required(chosen: Selection, *, everything: bool) -> Selection:
    from shipper.errors import ConfigurationError

    if chosen.is_everything and not everything:
        raise ConfigurationError(
            "Say which dead letters: --reason, --hop, --dataset, --since, --id, or --all for all of them."
        )
    return chosen


def _act(settings: Settings) -> Act:
    from shipper.clock import SystemClock
    from shipper.index.mirror import Act
    from shipper.kafka.admin import Admin

    with Admin(settings.kafka) as admin:
        return Act(SystemClock().now_us(), admin.end_offsets(settings.kafka.dead_letter_topic))


def _progress(counts: Counter[str], *, is_on: bool) -> None:
    if is_on and sys.stderr.isatty():
        typer.echo(f"\r{counts.total()} letters …", err=True, nl=False)


def _tell(counts: Counter[str], verb: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(dict(sorted(counts.items()))))
        return
    head = verb.rpartition(" ")[2]
    passed = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in sorted(counts.items()) if name != head
    )
    typer.echo(f"{counts[head]} dead letters {verb}{f'; {passed}' if passed else ''}.")
