"""Put dead letters on the topic again.

A replay sends the original bytes under the original `event.id`: if the record was stored meanwhile, the server
answers 409 and nothing is doubled. A letter is marked as replayed once Kafka has acknowledged it; a crash in between
sends it again, which is harmless for the same reason. A record that is refused again opens its letter again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from shipper.datasets import expiry_us
from shipper.errors import ShipperError
from shipper.index.erasures import NOBODY, Erased
from shipper.index.letters import Selection, StoredLetter, names_erased
from shipper.index.mirror import Act, LetterMirror, Mirrored
from shipper.kafka.dead_letters import DeadLetter
from shipper.kafka.headers import DATASET, EVENT_ID, INDEX, SCHEMA, SCHEMA_VERSION
from shipper.kafka.producer import Message, Outcome

_LETTERS_AT_ONCE: Final = 1000
_BYTES_AT_ONCE: Final = 8 << 20


class Sender(Protocol):
    """What is needed of a producer here."""

    def send(self, messages: Sequence[Message]) -> list[Outcome]:
        """Send all; return the outcome of each, in order."""


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """What is to be done.

    Attributes:
        topic: where the records go.
        with_replayed: also letters that were replayed before and not refused since.
        is_dry: change nothing and send nothing; only count.
        act: when.
        erased: whose records are not put back.
        retention_days: by dataset, where it differs from the schema.
    """

    topic: str
    selection: Selection
    act: Act
    with_replayed: bool = False
    is_dry: bool = False
    erased: Erased = NOBODY
    retention_days: Mapping[str, int] = field(default_factory=dict)


def replay(
    letters: Iterable[StoredLetter],
    mirror: LetterMirror,
    sender: Sender,
    plan: ReplayPlan,
    counts: Counter[str],
    on_progress: Callable[[], None] = lambda: None,
) -> None:
    """Replay what the plan selects.

    Args:
        counts: kept up to date, so that they are known when it ends early: `replayed`; what was passed over as
            `already_replayed`, `purged`, `cut` (the original is not whole), `expired` (retention has deleted the
            index it belongs into), `erased` (of an erased person), `unreadable`; and `refused` (Kafka does not take it: the letter stays open).

    Raises:
        StoreError: Elasticsearch does not answer; nothing of this bunch was sent, or it was sent and not marked.
        TransportError: Kafka does not answer; what was not acknowledged stays open.
    """
    for bunch in _bunches(letters, plan.selection):
        _replay_bunch(bunch, mirror, sender, plan, counts)
        on_progress()


def _bunches(letters: Iterable[StoredLetter], selection: Selection) -> Iterator[list[StoredLetter]]:
    """Yield each selected record's letter once, in bunches that memory can hold."""
    seen: set[str] = set()
    bunch: list[StoredLetter] = []
    size = 0
    for stored in letters:
        if stored.letter_id in seen or not selection.takes(stored):
            continue
        seen.add(stored.letter_id)
        bunch.append(stored)
        size += 0 if stored.letter is None else len(stored.letter.payload)
        if len(bunch) >= _LETTERS_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield bunch
            bunch, size = [], 0
    if bunch:
        yield bunch


def _replay_bunch(
    bunch: list[StoredLetter],
    mirror: LetterMirror,
    sender: Sender,
    plan: ReplayPlan,
    counts: Counter[str],
) -> None:
    if not plan.is_dry:
        mirror.store(bunch)
    states = mirror.states(bunch)
    chosen: list[tuple[StoredLetter, DeadLetter]] = []
    for stored in bunch:
        obstacle = _obstacle(stored, states.get(stored.letter_id), plan)
        if obstacle or stored.letter is None:
            counts[obstacle] += 1
        else:
            chosen.append((stored, stored.letter))
    if plan.is_dry:
        counts["replayed"] += len(chosen)
        return
    outcomes = sender.send([message_of(letter, plan.topic) for _, letter in chosen])
    acknowledged: list[tuple[StoredLetter, Mirrored]] = []
    trouble: ShipperError | None = None
    for (stored, _), outcome in zip(chosen, outcomes, strict=True):
        if not isinstance(outcome, ShipperError):
            counts["replayed"] += 1
            if stored.letter_id in states:
                acknowledged.append((stored, states[stored.letter_id]))
        elif outcome.retriable:
            trouble = trouble or outcome
        else:
            counts["refused"] += 1
    mirror.mark_replayed(acknowledged, plan.act)
    if trouble is not None:
        raise trouble


def _obstacle(stored: StoredLetter, mirrored: Mirrored | None, plan: ReplayPlan) -> str:
    """Return why a letter is passed over, or ""."""
    letter = stored.letter
    if letter is None:
        return "unreadable"
    if names_erased(letter, plan.erased):
        return "erased"
    if mirrored is not None and mirrored.state == "purged":
        return "purged"
    if mirrored is not None and mirrored.state == "replayed" and not plan.with_replayed:
        return "already_replayed"
    if letter.is_cut:
        return "cut"
    end_us = expiry_us(letter.index, plan.retention_days)
    # An index that retention has deleted would be made anew, and an old record be found as if it had been kept.
    return "expired" if end_us is not None and end_us <= plan.act.now_us else ""


def message_of(letter: DeadLetter, topic: str) -> Message:
    """Return the record as it was: its bytes, and the headers as far as they are known."""
    headers = [
        (name, value.encode("utf-8", "replace"))
        for name, value in ((EVENT_ID, letter.event_id), (DATASET, letter.dataset), (INDEX, letter.index))
        if value
    ]
    producer_id = letter.event_id.rpartition("-")[0]
    return Message(topic, producer_id.encode(), letter.payload, [*headers, (SCHEMA, SCHEMA_VERSION)])
