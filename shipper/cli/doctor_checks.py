"""Checks of `shipper doctor`, up to Kafka: each looks at one thing and says what to do where it is not well."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from shipper.config import IndexSettings, KafkaSettings, SpoolSettings
from shipper.errors import ShipperError, TopicMissing
from shipper.kafka.admin import Admin

State = Literal["ok", "warn", "fail"]

_MIB = 1 << 20
_UNSENT_WARN_S = 300.0
_NEAR_RETENTION = 0.2


@dataclass(frozen=True, slots=True)
class Check:
    """What was found at one place; `advice` says what to do, empty where all is well."""

    name: str
    state: State
    found: str
    advice: str = ""


def host_checks() -> Iterator[Check]:
    """Python and git."""
    yield Check(
        "python", "ok", f"{platform.python_implementation()} {platform.python_version()}, {sys.prefix}"
    )
    git = shutil.which("git")
    if git is None:
        yield Check(
            "git",
            "warn",
            "not found",
            "install git, or set GIT_COMMIT and GIT_BRANCH, so that records carry the commit",
        )
        return
    answer = subprocess.run([git, "--version"], capture_output=True, text=True, check=False, timeout=10)
    yield Check("git", "ok", answer.stdout.strip())


def spool_checks(settings: SpoolSettings, now_us: int) -> Iterator[Check]:
    """The folder of the local buffer: writable, with room, how much waits in it and how long."""
    from shipper.spool.survey import survey

    root = settings.directory
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        yield Check(
            "spool",
            "fail",
            f"{root} is not writable: {error.strerror}",
            "make it writable for this user, or set spool.directory",
        )
        return
    free = shutil.disk_usage(root).free
    folders = list(survey(root, only_first=True))
    alive = sum(folder.is_alive for folder in folders)
    found = (
        f"{root}: {len(folders)} processes ({alive} alive), "
        f"{sum(folder.size_bytes for folder in folders) / _MIB:.1f} MiB on disk, {free // _MIB} MiB free"
    )
    if free < settings.free_space_floor_bytes:
        yield Check(
            "spool",
            "fail",
            found,
            f"free disk: below {settings.free_space_floor_bytes // _MIB} MiB (spool.free_space_floor_bytes) "
            "nothing is written and records are dropped",
        )
    elif free < settings.free_space_floor_bytes + settings.max_bytes:
        yield Check(
            "spool", "warn", found, "an outage could fill this disk before spool.max_bytes is reached"
        )
    elif len(folders) > alive:
        yield Check(
            "spool",
            "warn",
            found,
            "folders of ended processes wait to be shipped; any shipping process or `shipper agent` does it",
        )
    else:
        yield Check("spool", "ok", found)
    yield _oldest_unsent([one.oldest_us for one in folders if one.oldest_us is not None], now_us)


def _oldest_unsent(oldest_us: Sequence[int], now_us: int) -> Check:
    if not oldest_us:
        return Check("oldest unsent", "ok", "nothing waits in a spool here")
    age_s = max(0.0, (now_us - min(oldest_us)) / 1e6)
    found = f"{len(oldest_us)} processes have records that wait, the oldest {said_age(age_s)} old"
    if age_s < _UNSENT_WARN_S:
        return Check("oldest unsent", "ok", found)
    return Check(
        "oldest unsent",
        "warn",
        found,
        "see whether Kafka takes records, and whether `shipper agent` runs where ship.mode = agent",
    )


def said_age(age_s: float) -> str:
    """Return an age in the largest unit that it has two of: `90 s`, `3 min`, `50 h`, `4 days`."""
    for unit, seconds in (("days", 86_400), ("h", 3600), ("min", 60)):
        if age_s >= 2 * seconds:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s:.0f} s"


def kafka_checks(kafka: KafkaSettings, index: IndexSettings) -> Iterator[Check]:
    """Brokers, topics, the indexer's lag, dead letters."""
    try:
        with Admin(kafka) as admin:
            brokers = ", ".join(f"{broker.host}:{broker.port}" for broker in admin.brokers())
            yield Check("kafka", "ok", f"brokers {brokers}")
            yield from _topic_checks(admin, kafka, index.group)
    except ShipperError as error:
        yield Check(
            "kafka", "fail", str(error), "start Kafka (for example `shipper stack up`) or set the address"
        )


def _topic_checks(admin: Admin, kafka: KafkaSettings, group: str) -> Iterator[Check]:
    for name in (kafka.topic, kafka.dead_letter_topic):
        try:
            topic = admin.describe(name)
        except TopicMissing:
            yield Check(f"topic {name}", "fail", "does not exist", "run `shipper setup`")
            continue
        found = f"{topic.partitions} partitions, {topic.replication_factor} replicas"
        yield Check(f"topic {name}", "ok", found)
        starts, ends = admin.start_offsets(name), admin.end_offsets(name)
        if name == kafka.topic:
            yield _lag(starts, ends, admin.committed(group, name))
        else:
            yield _dead_letters(starts, ends)


def _lag(starts: dict[int, int], ends: dict[int, int], committed: dict[int, int]) -> Check:
    lag = sum(end - max(committed.get(part, 0), starts.get(part, 0)) for part, end in ends.items())
    gone = sum(max(0, starts.get(part, 0) - offset) for part, offset in committed.items())
    if gone:
        return Check(
            "indexer lag",
            "fail",
            f"{gone} records were deleted by the topic's retention before they were indexed",
            "raise retention.ms of the topic, and run more indexers (`shipper index`)",
        )
    if lag and not committed:
        return Check(
            "indexer lag",
            "warn",
            f"{lag} records wait and no indexer of this group has ever committed",
            "run `shipper index` (or Logstash, whose group is its own)",
        )
    found = f"{lag} records wait to be indexed"
    if any(
        starts.get(part, 0) > 0
        and offset < end
        and offset - starts[part] < _NEAR_RETENTION * (end - starts[part])
        for part, end in ends.items()
        if (offset := committed.get(part)) is not None
    ):
        return Check(
            "indexer lag",
            "warn",
            f"{found}, and the topic's retention is close behind the first of them",
            "raise retention.ms of the topic, and run more indexers (`shipper index`)",
        )
    return Check("indexer lag", "ok", found)


def _dead_letters(starts: dict[int, int], ends: dict[int, int]) -> Check:
    count = sum(end - starts.get(part, 0) for part, end in ends.items())
    return Check("dead-letter topic", "ok", f"{count} letters, settled ones included" if count else "empty")
