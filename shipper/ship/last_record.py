"""The record that is sent in a dead producer's name before its folder goes: what it gave up."""

from __future__ import annotations

import logging
from typing import Final

from shipper.observe.heartbeat import DATASET
from shipper.observe.last_words import SEQUENCE, last_words
from shipper.observe.report import Reporter
from shipper.record import Record
from shipper.spool.directory import SpoolMeta
from shipper.spool.drops import FILE_NAME, FolderDrops
from shipper.spool.policy import DropReason
from shipper.spool.reader import SpoolReader
from shipper.spool.tombstones import read_tombstones

_LONGEST_LIFE_US: Final = 20 * 366 * 86_400 * 1_000_000


def last_record(reader: SpoolReader, reporter: Reporter) -> Record | None:
    """Return the record for a finished folder; None if its producer gave up nothing, as far as the folder tells."""
    drops, meta = reader.drops, reader.meta
    if drops is None:
        drops = _by_tombstones(reader)
        if (reader.directory / FILE_NAME).exists():  # folders of former versions have none
            reporter.report(
                "spool.drops",
                f"how many records {reader.producer_id} refused is not known: its file `drops` is damaged.",
            )
    if not drops.counts:
        return None
    at_us = _plausible(drops.changed_us, meta)
    payload = last_words(
        reader.producer_id,
        service=meta.service,
        host=meta.host,
        pid=meta.pid,
        namespace=meta.namespace,
        dropped=drops.counts,
        at_us=at_us,
    )
    return Record(reader.producer_id, SEQUENCE, at_us, logging.WARNING, DATASET, payload)


def _by_tombstones(reader: SpoolReader) -> FolderDrops:
    """Return at least the evictions that the folder still explains."""
    evicted = sum(
        one.last - one.first + 1
        for one in read_tombstones(reader.directory)
        if one.reason == DropReason.EVICTED
    )
    return FolderDrops({DropReason.EVICTED.value: evicted} if evicted else {}, 0)


def _plausible(at_us: int, meta: SpoolMeta) -> int:
    """Return the time, or that of the producer's start where it cannot be right: the same for all who ask."""
    is_plausible = meta.started_us <= at_us <= meta.started_us + _LONGEST_LIFE_US
    return at_us if is_plausible else meta.started_us
