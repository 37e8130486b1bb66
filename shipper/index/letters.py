"""Read the dead-letter topic from its beginning to its present end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from shipper.config import KafkaSettings
from shipper.errors import TopicMissing
from shipper.index.erasures import Erased
from shipper.index.moment import rfc3339
from shipper.kafka.admin import Admin
from shipper.kafka.consumed import ConsumedRecord
from shipper.kafka.dead_letters import DeadLetter, decode
from shipper.kafka.reading import read_range


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter where it lies.

    Attributes:
        place: `<partition>@<offset>` on the dead-letter topic.
        letter: None where the stored value is not a dead letter of ours.
    """

    place: str
    letter: DeadLetter | None

    @property
    def partition(self) -> int:
        """Its partition."""
        return int(self.place.partition("@")[0])

    @property
    def offset(self) -> int:
        """Its offset in the partition."""
        return int(self.place.partition("@")[2])

    @property
    def letter_id(self) -> str:
        """See `DeadLetter.letter_id`; what is no letter is known by its place."""
        return self.place if self.letter is None else self.letter.letter_id


def names_erased(letter: DeadLetter, erased: Erased) -> bool:
    """Return whether a letter is an erased person's: by its original or its reason."""
    # A record may claim any time, and be refused for that: what was refused before the erasure is as old as that.
    texts = (letter.payload, letter.detail.encode("utf-8", "replace"))
    return erased.covers(letter.payload) or any(erased.names(text, letter.at_us) for text in texts)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant; empty parts do not restrict.

    Attributes:
        ids: places, event ids or letter ids.
        since_us: refused at this time or later, microseconds since the epoch.
    """

    reason: str = ""
    hop: str = ""
    dataset: str = ""
    ids: frozenset[str] = frozenset()
    since_us: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing restricts it."""
        return self == Selection()

    def __str__(self) -> str:
        parts = [f"{name}={value}" for name in ("reason", "hop", "dataset") if (value := getattr(self, name))]
        parts += [f"id={one}" for one in sorted(self.ids)]
        parts += [] if self.since_us is None else [f"since={rfc3339(self.since_us)}"]
        return " ".join(parts) or "all"

    def takes(self, stored: StoredLetter) -> bool:
        """Return whether this letter is meant."""
        letter = stored.letter
        if letter is None:
            has_reason = self.reason in ("", "unreadable") and self.hop in ("", "unknown")
            is_named = not self.ids or stored.place in self.ids
            return has_reason and is_named and not self.dataset and self.since_us is None
        return (
            self.reason in ("", letter.reason)
            and self.hop in ("", letter.hop)
            and self.dataset in ("", letter.dataset)
            and (not self.ids or not self.ids.isdisjoint((stored.place, letter.event_id, letter.letter_id)))
            and (self.since_us is None or letter.at_us >= self.since_us)
        )


def read_dead_letters(settings: KafkaSettings) -> Iterator[StoredLetter]:
    """Yield what lies on the dead-letter topic now, per partition oldest first. Nothing is committed.

    Raises:
        TransportError: the topic does not exist, or Kafka stopped answering in the middle.
    """
    for record in _read_topic(settings, settings.dead_letter_topic):
        value = record.value or b""
        yield StoredLetter(f"{record.partition}@{record.offset}", decode(value))


def _read_topic(settings: KafkaSettings, topic: str) -> Iterator[ConsumedRecord]:
    with Admin(settings) as admin:
        starts, ends = admin.start_offsets(topic), admin.end_offsets(topic)
    yield from read_range(settings, topic, starts, ends)


def read_if_topic_exists(settings: KafkaSettings) -> Iterator[StoredLetter]:
    """Like `read_dead_letters`, but a topic that does not exist holds nothing."""
    try:
        yield from read_dead_letters(settings)
    except TopicMissing:
        return
