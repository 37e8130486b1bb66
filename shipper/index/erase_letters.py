"""Take persons' records out of the dead-letter topic, which keeps for ever what it holds.

Kafka deletes records only up to an offset. So the letters that stay are put behind the newest one first, marked as
moved, and then all in front is deleted. A crash in between leaves letters twice, which is harmless: they have the same
id. Two of these at once may put a letter back that the other has just left out; each looks once more at the end, by
the newest list, and the last one finds nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from shipper.config import KafkaSettings
from shipper.errors import ShipperError, TopicMissing
from shipper.index.erasures import Erased
from shipper.index.letters import StoredLetter, names_erased
from shipper.index.mirror import Act, LetterMirror
from shipper.kafka.admin import Admin
from shipper.kafka.consumed import ConsumedRecord
from shipper.kafka.dead_letters import decode, max_letter_bytes
from shipper.kafka.producer import Message, Outcome, Producer
from shipper.kafka.reading import read_range

_ROUNDS_MAX: Final = 10
_LETTERS_AT_ONCE: Final = 500
_BYTES_AT_ONCE: Final = 8 << 20


class Sender(Protocol):
    """What is needed of a producer here."""

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send all; return the outcome of each, in order."""


@dataclass(frozen=True, slots=True)
class _Found:
    """Letters of erased persons on the topic.

    Attributes:
        count: how many.
        ends: per partition, the offset behind the last of them.
    """

    count: int
    ends: Mapping[int, int]


def count_letters(kafka: KafkaSettings, erased: Erased) -> int:
    """Return how many letters on the topic are erased persons'. Raises TransportError."""
    return _find(kafka, erased, lambda _letters: None).count


def erase_letters(
    kafka: KafkaSettings,
    mirror: LetterMirror,
    look_up: Callable[[], Erased],
    now_us: int,
    counts: Counter[str],
) -> None:
    """Take the letters of erased persons out of the topic, and their content out of the mirror.

    Args:
        look_up: returns all erased persons, as of now.
        counts: kept up to date: `letters` that went, `letters_moved` (others that were put behind them).

    Raises:
        TransportError: Kafka does not answer; nothing is lost, and the same call goes on.
        StoreError: Elasticsearch does not.
    """
    for _ in range(_ROUNDS_MAX):
        erased = look_up()
        with Admin(kafka) as admin:
            try:
                ends = admin.end_offsets(kafka.dead_letter_topic)
            except TopicMissing:
                return
        act = Act(now_us, ends)
        found = _find(kafka, erased, lambda letters, act=act: _empty_mirror(mirror, letters, act))  # type: ignore[misc]
        if not found.count:
            return
        counts["letters_moved"] += _move_others(kafka, erased, found.ends)
        with Admin(kafka) as admin:
            admin.delete_records(kafka.dead_letter_topic, found.ends)
        counts["letters"] += found.count


def holds(record: ConsumedRecord, erased: Erased) -> bool:
    """Return whether a record on the dead-letter topic is an erased person's: its original, its reason, or itself."""
    value = record.value or b""
    letter = decode(value)
    if letter is None:
        return erased.covers(value)
    return names_erased(letter, erased)


def _find(
    kafka: KafkaSettings, erased: Erased, on_letters: Callable[[Sequence[StoredLetter]], None]
) -> _Found:
    count = 0
    ends: dict[int, int] = {}
    letters: list[StoredLetter] = []
    for record in _records(kafka, None):
        if not holds(record, erased):
            continue
        count += 1
        ends[record.partition] = max(record.offset + 1, ends.get(record.partition, 0))
        letters.append(StoredLetter(f"{record.partition}@{record.offset}", decode(record.value or b"")))
        if len(letters) >= _LETTERS_AT_ONCE:
            on_letters(letters)
            letters = []
    if letters:
        on_letters(letters)
    return _Found(count, ends)


def _empty_mirror(mirror: LetterMirror, letters: Sequence[StoredLetter], act: Act) -> None:
    """Leave of each letter that there was one. It is mirrored first: else the books would not know of it."""
    mirror.store(letters)
    states = mirror.states([stored for stored in letters if stored.letter is not None])
    named = {stored.letter_id: stored for stored in letters if stored.letter_id in states}
    mirror.purge([(stored, states[name]) for name, stored in named.items()], act)


def _move_others(kafka: KafkaSettings, erased: Erased, ends: Mapping[int, int]) -> int:
    """Put the letters that lie in front of `ends` and stay behind all others; return how many these are."""
    moved = 0
    producer = Producer(kafka, client_id="shipper-erase", max_message_bytes=max_letter_bytes(kafka))
    try:
        for bunch in _bunches(record for record in _records(kafka, ends) if not holds(record, erased)):
            for outcome in producer.send([_moved(record, kafka.dead_letter_topic) for record in bunch]):
                if isinstance(outcome, ShipperError):
                    raise outcome
            moved += len(bunch)
    finally:
        producer.close(5.0)
    return moved


def _records(kafka: KafkaSettings, ends: Mapping[int, int] | None) -> Iterator[ConsumedRecord]:
    topic = kafka.dead_letter_topic
    try:
        with Admin(kafka) as admin:
            starts = admin.start_offsets(topic)
            until = admin.end_offsets(topic) if ends is None else ends
    except TopicMissing:
        return
    yield from read_range(kafka, topic, starts, until)


def _bunches(records: Iterator[ConsumedRecord]) -> Iterator[list[ConsumedRecord]]:
    bunch: list[ConsumedRecord] = []
    size = 0
    for record in records:
        bunch.append(record)
        size += len(record.value or b"")
        if len(bunch) >= _LETTERS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield bunch
            bunch, size = [], 0
    if bunch:
        yield bunch


def _moved(record: ConsumedRecord, topic: str) -> Message:
    letter = decode(record.value or b"")
    value = record.value or b"" if letter is None else replace(letter, is_moved=True).encode()
    return Message(topic, record.key or b"", value, list(record.headers.items()))
