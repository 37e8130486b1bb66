"""What the servers and the disk hold: documents, dead letters, records on the topic, frames in spools."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from shipper.elastic.client import connect
from shipper.index.letters import read_dead_letters
from shipper.index.search import read_all
from shipper.kafka.admin import Admin
from shipper.spool.directory import read_meta, scan
from shipper.spool.tombstones import read_tombstones
from tests.chaos.accounting import Found
from tests.chaos.stage import Stage
from tests.service.topics import read_topic

_TOKEN: Final = re.compile(rb'"chaos":"([^"]+)"')
_HEALTH: Final = "ml.health"


def stored(stage: Stage) -> Iterator[Found]:
    """Yield every document of the run."""
    pattern = f"logs-*-{stage.namespace}-*"
    with connect(stage.elasticsearch) as client:
        client.refresh(pattern)
        fields = ["event.id", "event.dataset", "message", "labels.chaos"]
        for hit in read_all(client, pattern, {"match_all": {}}, sort=[{"_doc": "asc"}], _source=fields):
            if not _is_own(hit["_source"]):
                yield _found(f"{hit['_index']}/{hit['_id']}", hit["_source"])


def dead_letters(stage: Stage) -> Iterator[Found]:
    """Yield every dead letter of the run; those of a replay come again."""
    for letter in read_dead_letters(stage.kafka):
        if letter.letter is None:
            yield Found(letter.place, "", "", "not a dead letter of ours")
            continue
        source = json.loads(letter.letter.payload)
        if not _is_own(source):
            yield _found(f"{letter.place} {letter.letter.event_id}", source)


def _is_own(source: dict[str, Any]) -> bool:
    """Whether shipper itself made this record (its health, its drops): no application's call stands behind it."""
    return bool(source.get("event", {}).get("dataset") == _HEALTH)


def _found(place: str, source: dict[str, Any]) -> Found:
    return Found(
        place,
        str(source.get("event", {}).get("id", "")),
        str(source.get("labels", {}).get("chaos", "")),
        str(source.get("message", "")),
    )


def records_on_topic(stage: Stage) -> int:
    """Return how many records the topic holds, doubles included."""
    with Admin(stage.kafka) as admin:
        return sum(admin.end_offsets(stage.kafka.topic).values())


def lag(stage: Stage) -> int:
    """Return how many records the group has before it."""
    with Admin(stage.kafka) as admin:
        return admin.lag(stage.group, stage.kafka.topic)


def evicted_by(root: Path, pid: int) -> int:
    """Return how many records the tombstones of a process's spool folder stand for."""
    return sum(
        stone.last - stone.first + 1
        for folder in scan(root)
        if read_meta(folder).pid == pid
        for stone in read_tombstones(folder)
    )


def last_known_places(stage: Stage, tokens: Iterable[str]) -> dict[str, str]:
    """Return for each token the furthest place where its record was found, short of Elasticsearch."""
    wanted = {token.encode(): "nowhere but in the ledger" for token in tokens}
    for root in (stage.spool, stage.small_spool):
        for path in sorted(root.glob("*/*.segment")):
            _note(wanted, path.read_bytes(), f"spool {path.relative_to(root.parent)}")
    for record in read_topic(stage.kafka):
        event_id = record.headers.get("event.id", b"").decode("utf-8", "replace")
        _note(wanted, record.value or b"", f"topic {record.partition}@{record.offset} as {event_id}")
    return {token.decode(): place for token, place in wanted.items()}


def _note(wanted: dict[bytes, str], content: bytes, place: str) -> None:
    for match in _TOKEN.finditer(content):
        if match[1] in wanted:
            wanted[match[1]] = place
